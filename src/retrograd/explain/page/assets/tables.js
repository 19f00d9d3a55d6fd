// Every figure of this moment in tables; in a live page the weights, inputs and targets are fields.

class Tables {
  constructor(app, root) {
    this.app = app;
    this.root = root;
    this.cells = [];
    this.fields = new Map();
    this.build();
  }

  build() {
    const { view } = this.app;
    this.cells = [];
    this.fields.clear();
    const parts = [];
    if (this.app.live) parts.push(this.data());
    parts.push(this.neurons(), this.weights(view));
    this.root.replaceChildren(...parts);
  }

  table(title, heads, rows) {
    const head = el("tr", {}, ...heads.map((h) => el("th", { scope: "col" }, ...(Array.isArray(h) ? h : [h]))));
    const table = el("table", {}, el("caption", {}, title), el("thead", {}, head), el("tbody", {}, ...rows));
    return el("div", { class: "table" }, table);
  }

  row(name, cells) {
    return el("tr", {}, el("th", { scope: "row" }, ...name), ...cells);
  }

  cell(figure) {
    if (figure === undefined) return el("td", {}, "");
    const made = el("td", { "data-figure": figure });
    this.cells.push([made, figure]);
    return made;
  }

  /** A field that changes one number; `place` says which. */
  field(name, label, figure, place) {
    const input = el("input", { inputmode: "decimal", autocomplete: "off", spellcheck: "false", "aria-label": label, "data-field": name });
    input.addEventListener("change", () => this.app.live.change(place, input));
    this.fields.set(name, [input, figure]);
    return el("td", {}, input);
  }

  data() {
    const { view, data } = this.app, label = (f) => view.figures[f][0];
    const targets = data.classes ? [] : view.targets.map((x) => [x, "targets"]);
    const rows = [...view.inputs.map((x) => [x, "inputs"]), ...targets].map(([x, which]) =>
      this.row(pretty(label(x.figure)), [this.field(label(x.figure), label(x.figure), x.figure, { which, at: x.at })]),
    );
    if (data.classes) rows.push(this.row(["right answer"], [this.answer()]));
    return this.table("Inputs and targets", ["", "value"], rows);
  }

  /** The class that should come out. */
  answer() {
    const select = el("select", { "aria-label": "right answer", "data-field": "class" }, ...this.app.data.outputs.map((name, k) => el("option", { value: k }, name)));
    select.addEventListener("change", () => this.app.live.ask((state) => {
      state.targets[this.app.row] = this.app.data.outputs.map((_, k) => Number(k === Number(select.value)));
    }));
    this.right = select;
    return el("td", {}, select);
  }

  neurons() {
    const nodes = this.app.view.picture.nodes.filter((n) => n.kind === "neuron");
    const fraction = (over, below) => pretty(`d${over}/d${below}`);
    const heads = ["neuron", ["net"], ["out"], fraction("E", "out"), fraction("out", "net"), "δ"];
    const rows = nodes.map((n) => this.row(symbol(n.label), [n.net, n.out, n.d_out, n.slope, n.delta].map((f) => this.cell(f))));
    return this.table("Neurons", heads, rows);
  }

  weights(view) {
    const several = view.weights.some((w) => w.whole !== undefined), moves = view.weights.some((w) => w.new !== undefined);
    const gradient = pretty("dE/dw");
    const heads = ["weight", "value", gradient];
    if (several) heads.push([...pretty("dE/dw"), " of all rows"]);
    if (moves) heads.push("new");
    const rows = view.weights.map((w) => {
      const value = this.app.live ? this.field(w.name, w.name, w.value, { which: "arrays", array: w.array, at: w.at }) : this.cell(w.value);
      const cells = [value, this.cell(w.gradient)];
      if (several) cells.push(this.cell(w.whole));
      if (moves) cells.push(w.train ? this.cell(w.new) : el("td", { class: "words" }, "not trained"));
      return this.row(symbol(w.name), cells);
    });
    return this.table("Weights and biases", heads, rows);
  }

  update() {
    for (const [cell, figure] of this.cells) {
      cell.textContent = this.app.shown(figure);
      cell.title = this.app.exact(figure);
    }
    for (const [input, figure] of this.fields.values()) {
      if (document.activeElement !== input) this.fill(input, figure);
    }
    if (this.right) this.right.value = String(this.app.examples().targets[this.app.row].indexOf(1));
  }

  fill(input, figure) {
    input.value = String(this.app.value(figure));
    input.removeAttribute("aria-invalid");
  }

  /** Puts the cursor into the field of a weight or an input. */
  focus(name) {
    const found = this.fields.get(name);
    if (!found) return;
    found[0].focus();
    found[0].select();
  }
}

/** All rows beside each other: what goes in, what should come out, what does. */
class Rows {
  constructor(app, root) {
    this.app = app;
    this.root = root;
  }

  update() {
    const { app } = this, { view, data } = app;
    this.root.hidden = !view.answers.length;
    if (!view.answers.length) return;
    const { inputs, targets } = app.examples(), narrow = data.input_names.length <= 4;
    const head = (names) => names.map((n) => el("th", { scope: "col" }, ...pretty(n)));
    const wanted = data.outputs.length > 1 ? data.outputs.map((n) => `target_${n}`) : ["target"];
    const heads = ["row", ...(narrow ? data.input_names : []), ...wanted, ...data.outputs.map((n) => `out_${n}`)];
    const rows = view.answers.map((figures, r) => {
      const given = [...(narrow ? inputs[r] : []), ...targets[r]].map((x) => el("td", {}, brief(x)));
      const out = figures.map((f) => el("td", { "data-figure": f, title: app.exact(f) }, brief(app.value(f))));
      const pick = el("button", { type: "button", class: "chip", "aria-pressed": String(r === app.row), disabled: !data.row_choice.includes(r) }, String(r));
      pick.addEventListener("click", () => app.toRow(r));
      return el("tr", { class: r === app.row ? "current" : null }, el("th", { scope: "row" }, pick), ...given, ...out);
    });
    this.root.replaceChildren(el("table", {}, el("caption", {}, "All rows; choose one to work through"), el("thead", {}, el("tr", {}, ...head(heads))), el("tbody", {}, ...rows)));
  }
}
