// The parts of the page, and the controls.

const byId = (id) => document.getElementById(id);

/** The panel beside the drawing: what happens in this step, in words and in formulas. */
class Panel {
  constructor(app) {
    this.app = app;
  }

  update() {
    const { app } = this, step = app.currentStep(), { steps, phases } = app.view;
    const chips = phases.map((name, i) => {
      const current = step && step.phase === i;
      const made = el("button", { type: "button", class: current ? "chip current" : "chip", "aria-current": current ? "step" : null }, name);
      made.addEventListener("click", () => app.toPhase(i));
      return made;
    });
    byId("phases").replaceChildren(...chips);
    byId("title").replaceChildren(step ? step.title : app.everything ? "Everything at once" : "Before the first step");
    byId("say").textContent = step ? step.say : this.opening();
    byId("equations").replaceChildren(...(step ? step.equations.map((e) => equation(app, e, step.equations.length > 3)) : []));
    byId("place").textContent = step ? `step ${app.step + 1} of ${steps.length}` : "";
    byId("spoken").textContent = step ? this.aloud(step) : "";
  }

  opening() {
    if (this.app.everything) return "All figures of this round are shown. Point at a neuron, an arrow or a number.";
    return "Inputs and weights are given. Step forward and see every other number come about, one operation at a time: first what the network says, then how wrong it is, then, backwards, what each weight has to do with that.";
  }

  aloud(step) {
    const { app } = this, numbers = step.equations.map((e) => `${spoken(app.view.figures[e.figure][0])} = ${app.shown(e.figure)}`);
    return `${app.view.phases[step.phase]}. ${step.say} ${numbers.join("; ")}.`;
  }
}

/** Buttons, fields and keys. */
class Controls {
  constructor(app, drawing, tables) {
    this.app = app;
    this.drawing = drawing;
    this.tables = tables;
    this.timer = null;
    this.press("back", () => app.back());
    this.press("forward", () => app.forward());
    this.press("phase", () => app.nextPhase());
    this.press("play", () => this.toggle("play"));
    this.press("update", () => app.update());
    this.press("run", () => this.toggle("run"));
    this.press("reset", () => { this.stop(); app.reset(); });
    byId("slider").addEventListener("input", (e) => app.toIndex(Number(e.target.value)));
    byId("everything").addEventListener("change", (e) => { app.everything = e.target.checked; app.refresh(); });
    byId("digits").addEventListener("change", (e) => { app.digits = Number(e.target.value); app.refresh(); });
    byId("row").addEventListener("change", (e) => app.toRow(Number(e.target.value)));
    byId("output").addEventListener("change", (e) => app.toOutput(Number(e.target.value)));
    document.addEventListener("keydown", (e) => this.key(e));
    document.addEventListener("pointerover", (e) => this.pointed(e));
    if (app.live) this.build();
  }

  press(id, act) {
    byId(id).addEventListener("click", () => {
      if (id !== "play" && id !== "run") this.stop();
      act();
    });
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const keys = { ArrowRight: event.shiftKey ? "phase" : "forward", ArrowLeft: "back", ArrowUp: "update", PageDown: "phase", Home: "reset", " ": "play", r: "run" };
    const id = keys[event.key];
    if (!id || (event.key === " " && event.target.tagName === "BUTTON")) return;
    event.preventDefault();
    byId(id).click();
  }

  pointed(event) {
    const found = event.target.closest && event.target.closest("[data-figure]");
    const figure = found ? Number(found.dataset.figure) : null;
    if (figure === this.figure) return;
    this.figure = figure;
    this.drawing.point(figure);
  }

  // Playing -----------------------------------------------------------------------------------------------------

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.running = null;
    if (this.app.running) {
      this.app.running = false;
      this.drawing.update();
    }
    this.update();
  }

  toggle(what) {
    const again = this.running === what;
    this.stop();
    if (again) return;
    this.running = what;
    this.app.running = what === "run";
    if (what === "run" && !this.app.live && this.app.index === this.app.count() - 1) this.app.index = 0;
    this.tick();
  }

  async tick() {
    const { app } = this, what = this.running;
    let moved = true;
    if (what === "play") {
      const before = [app.step, app.index].join();
      await app.forward();
      moved = [app.step, app.index].join() !== before;
    } else moved = await app.update(app.live ? Number(byId("rounds").value) : 1);
    if (this.running !== what) return;
    if (!moved) this.stop();
    else this.timer = setTimeout(() => this.tick(), what === "play" ? 1400 : app.live ? 30 : 70);
    this.update();
  }

  // Showing -----------------------------------------------------------------------------------------------------

  update() {
    const { app } = this, last = app.index === app.count() - 1;
    const ahead = app.live ? null : app.view.snapshots[app.index + 1];
    const jump = ahead && ahead.round !== app.round() + 1;
    byId("update").textContent = jump ? `To round ${ahead.round.toLocaleString("en")}` : "One update";
    byId("update").disabled = !app.live && last;
    byId("run").disabled = !app.canTrain();
    byId("back").disabled = app.step < 0 && app.index === 0;
    byId("forward").disabled = !app.live && last && app.step === app.view.steps.length - 1;
    byId("run").textContent = this.running === "run" ? "Pause" : "Run";
    byId("play").textContent = this.running === "play" ? "Pause" : "Play";
    byId("slider").max = app.count() - 1;
    byId("slider").value = app.index;
    byId("slider").setAttribute("aria-valuetext", `round ${app.round()}`);
    byId("round").textContent = app.round().toLocaleString("en");
    byId("error").textContent = app.shown(app.view.error);
    byId("error").title = app.exact(app.view.error);
    byId("everything").checked = app.everything;
    byId("row").value = app.row;
    byId("output").value = app.view.output;
    byId("left-out").textContent = app.view.left_out;
    byId("learning").hidden = !app.live && app.count() === 1;
    for (const id of ["update", "run"]) byId(id).hidden = !app.live && app.count() === 1;
    this.published();
    if (app.live) this.fill();
  }

  published() {
    const { app } = this, here = app.data.published.filter((p) => p.rounds === app.round());
    byId("published").textContent = here.map((p) => `${p.figure} printed elsewhere: ${p.value}${p.note ? ` (${p.note})` : ""}`).join("; ");
  }

  // A live page -------------------------------------------------------------------------------------------------

  build() {
    const { app } = this, rate = byId("rate");
    rate.addEventListener("change", () => app.live.change({ which: "learning_rate" }, rate));
    const kinds = ["logistic", "tanh", "relu", "softplus", "linear"];
    this.choices = app.view.layers.map((layer, i) => {
      const fixed = layer.custom || layer.activation === "softmax";
      const options = (fixed ? [layer.activation] : kinds).map((k) => el("option", { value: k }, k));
      const select = el("select", { disabled: fixed, "data-layer": i }, ...options);
      select.addEventListener("change", () => app.live.activation(i, select.value));
      byId("activations").append(el("label", {}, `${layer.name} `, select));
      return select;
    });
  }

  fill() {
    const { state } = this.app.entry();
    if (document.activeElement !== byId("rate")) byId("rate").value = state.learning_rate === null ? "" : String(state.learning_rate);
    this.choices.forEach((select, i) => (select.value = state.activations[i]));
  }

  complain(text) {
    byId("complaint").textContent = text;
    if (text) this.stop();
  }

  edit(name) {
    this.tables.focus(name);
  }
}

/** Drawing and tables are built anew when the view changes. */
class Built {
  constructor(app, drawing, tables) {
    Object.assign(this, { app, drawing, tables, view: app.view });
  }

  update() {
    if (this.app.view !== this.view) {
      this.view = this.app.view;
      this.drawing.build();
      this.tables.build();
    }
    this.drawing.update();
    this.tables.update();
  }
}

function start() {
  const data = JSON.parse(byId("trace").textContent);
  const token = document.body.dataset.token;
  const app = new App(data, token);
  const tip = new Tip(app, byId("tip"));
  app.known = new Set();
  const drawing = new Drawing(app, byId("drawing"), tip);
  const tables = new Tables(app, byId("tables"));
  const controls = new Controls(app, drawing, tables);
  app.listeners = [new Built(app, drawing, tables), new Panel(app), new Curve(app, byId("curve"), byId("readout")), new Rows(app, byId("rows")), controls];
  if (data.start !== undefined) app.step = data.start;
  app.refresh();
  window.retrograd = app;
}

start();
