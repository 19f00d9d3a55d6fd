// A live page asks the engine, behind a small local server, for every number. One request at a time.

class Live {
  constructor(app, token) {
    this.app = app;
    this.token = token;
    this.queue = Promise.resolve();
    this.times = [];
  }

  /** Sends the numbers as they would be after `change`, and shows what the engine makes of them. */
  ask(change = () => {}, rounds = 0) {
    this.queue = this.queue.then(() => this.send(change, rounds)).catch((error) => this.app.complain(String(error.message || error)));
    return this.queue;
  }

  async send(change, rounds) {
    const { app } = this, entry = app.entry();
    const state = structuredClone(entry.state);
    const request = { row: app.row, output: app.view.output, view: app.view.key, round: entry.snapshot.round, rounds };
    change(state, request);
    const started = performance.now();
    const headers = { "Content-Type": "application/json", "X-Retrograd-Token": this.token };
    const response = await fetch("api/trace", { method: "POST", headers, body: JSON.stringify({ ...request, state }) });
    const found = await response.json();
    if (!response.ok) throw new Error(found.error);
    app.complain("");
    app.take(found, { ...state, arrays: found.arrays || state.arrays }, request);
    this.times.push({ server: found.milliseconds, shown: performance.now() - started });
  }

  /** A reader's number: one weight, input, target, or the learning rate. */
  change(place, input) {
    const number = Number(input.value.trim().replace("−", "-").replace(",", "."));
    if (!input.value.trim() || !Number.isFinite(number)) {
      input.setAttribute("aria-invalid", "true");
      this.app.complain(`“${input.value}” is no number: write one such as 0.15.`);
      return;
    }
    input.removeAttribute("aria-invalid");
    this.ask((state) => {
      if (place.which === "arrays") state.arrays[place.array][place.at] = number;
      else if (place.which === "learning_rate") state.learning_rate = number;
      else state[place.which][this.app.row][place.at] = number;
    });
  }

  activation(layer, name) {
    return this.ask((state) => (state.activations[layer] = name));
  }

  /** One update, or many. */
  train(rounds) {
    return this.ask(() => {}, rounds);
  }
}
