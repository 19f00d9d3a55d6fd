// The drawing: arrows as wide as their weights, activations in the nodes, deltas below them.

class Drawing {
  constructor(app, root, tip) {
    this.app = app;
    this.root = root;
    this.tip = tip;
    this.nodes = new Map();
    this.edges = new Map();
    this.build();
  }

  build() {
    const { picture } = this.app.view;
    this.root.setAttribute("viewBox", `0 0 ${picture.width} ${picture.height}`);
    this.root.classList.toggle("dense", picture.radius < 30);
    this.root.replaceChildren(this.arrowheads());
    this.places = new Map(picture.nodes.map((n) => [n.id, n]));
    for (const edge of picture.edges) this.edge(edge);
    for (const node of picture.nodes) this.node(node);
  }

  arrowheads() {
    const head = (id) => svg("marker", { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 13, markerHeight: 13, markerUnits: "userSpaceOnUse", orient: "auto-start-reverse" }, svg("path", { d: "M0,0.5 L8,4 L0,7.5 z", class: id }));
    return svg("defs", {}, head("head-positive"), head("head-negative"), head("head-plain"), head("head-back"));
  }

  reach(node) {
    const r = this.app.view.picture.radius;
    return { input: r * 0.9, bias: r * 0.45, neuron: r, error: r * 0.9, total: r * 0.9, more: 0 }[node.kind];
  }

  edge(edge) {
    const from = this.places.get(edge.from), to = this.places.get(edge.to);
    if (!from || !to) return;
    const dx = to.x - from.x, dy = to.y - from.y, length = Math.hypot(dx, dy);
    const start = this.reach(from) + 2, end = length - this.reach(to) - 3;
    const point = (d) => [from.x + (dx * d) / length, from.y + (dy * d) / length];
    const [x1, y1] = point(start), [x2, y2] = point(end);
    const d = `M${x1.toFixed(1)},${y1.toFixed(1)} L${x2.toFixed(1)},${y2.toFixed(1)}`;
    const path = svg("path", { d, class: "line" });
    const group = svg("g", { class: edge.weight === undefined ? "edge link" : "edge" }, path);
    const parts = { group, path, edge };
    if (edge.weight !== undefined) {
      group.append(svg("path", { d, class: "reach" }));
      this.attach(group, () => this.figuresOf(edge), () => this.app.edit(edge));
      if (edge.labelled) {
        const [x, y] = point(start + Math.min(58, (end - start) * 0.4));
        const turn = `translate(${x.toFixed(1)},${y.toFixed(1)}) rotate(${((Math.atan2(dy, dx) * 180) / Math.PI).toFixed(1)})`;
        parts.label = svg("text", { class: "weight", y: -8 });
        parts.second = svg("text", { class: "gradient", y: 21 });
        group.append(svg("g", { transform: turn }, parts.label, parts.second));
      }
    }
    this.edges.set(`${edge.from}>${edge.to}`, parts);
    this.root.append(group);
  }

  node(node) {
    const r = this.reach(node), small = this.app.view.picture.radius < 30;
    const group = svg("g", { class: `node ${node.kind}${small ? " small" : ""}`, transform: `translate(${node.x},${node.y})` });
    const parts = { group, node };
    if (node.kind === "more") {
      group.append(svg("text", { class: "more" }, node.label));
    } else {
      if (node.kind === "input") group.append(svg("rect", { x: -r, y: -r * 0.72, width: 2 * r, height: r * 1.44, rx: 9, class: "body" }));
      else group.append(svg("circle", { r, class: "body" }));
      this.write(group, parts, node, r, small);
      if (node.figures.length) {
        group.setAttribute("tabindex", "0");
        group.setAttribute("role", "img");
        this.attach(group, () => node.figures, () => this.app.edit(node));
      }
    }
    this.nodes.set(node.id, parts);
    this.root.append(group);
  }

  write(group, parts, node, r, small) {
    if (node.kind === "bias") {
      group.append(svg("text", { class: "value", y: 5 }, "1"));
      return;
    }
    parts.label = svg("text", { class: "label", y: small ? -r - 4 : -8 }, ...this.name(node.label));
    parts.value = svg("text", { class: "value", y: small ? 5 : 14 });
    group.append(parts.label, parts.value);
    if (node.delta !== undefined) {
      parts.delta = svg("text", small ? { class: "delta", x: r + 5, y: 4 } : { class: "delta", y: r + 20 });
      group.append(parts.delta);
    }
    if (node.target !== undefined) {
      parts.target = svg("text", { class: "target", y: r + 19 });
      group.append(parts.target);
    }
  }

  /** E_o1 with its neuron as an index. */
  name(label) {
    if (!label.startsWith("E_")) return [label];
    return ["E", svg("tspan", { dy: 4, "font-size": "80%" }, label.slice(2))];
  }

  figuresOf(edge) {
    const w = this.app.view.weights[edge.weight];
    return [w.value, w.gradient, w.whole, w.new].filter((f) => f !== undefined);
  }

  /** Shows figures while the pointer, or the focus, is on something. */
  attach(group, figures, pressed) {
    const show = (event) => this.tip.show(figures(), event, group);
    group.addEventListener("pointerenter", show);
    group.addEventListener("pointermove", show);
    group.addEventListener("pointerleave", () => this.tip.hide());
    group.addEventListener("focus", show);
    group.addEventListener("blur", () => this.tip.hide());
    group.addEventListener("click", pressed);
  }

  /** Numbers, widths and colours of this moment. */
  update() {
    const { app } = this;
    const step = app.running ? null : app.currentStep();
    const values = app.view.weights.map((w) => Math.abs(Number(app.value(w.value)) || 0));
    const widest = Math.max(1e-12, ...values);
    const on = { nodes: new Set(step ? step.nodes : []), edges: new Set(step ? step.edges : []) };
    for (const [id, parts] of this.edges) this.drawEdge(parts, on.edges.has(id), step, widest);
    for (const [id, parts] of this.nodes) this.drawNode(parts, on.nodes.has(id), step);
    this.root.classList.toggle("stepping", Boolean(step));
  }

  drawEdge({ group, path, edge, label, second }, on, step, widest) {
    const { app } = this, back = Boolean(on && step.back);
    group.classList.toggle("on", on);
    group.classList.toggle("back", back);
    let sign = "plain";
    if (edge.weight !== undefined) {
      const w = app.view.weights[edge.weight], value = Number(app.value(w.value)) || 0;
      sign = value < 0 ? "negative" : "positive";
      path.style.strokeWidth = (1 + 6 * Math.sqrt(Math.abs(value) / widest)).toFixed(2);
      group.classList.toggle("negative", value < 0);
      if (label) {
        label.textContent = `${w.name} = ${brief(app.value(w.value))}`;
        const changed = w.new !== undefined && app.known.has(w.new);
        const told = !on ? "" : changed ? `→ ${brief(app.value(w.new))}` : app.known.has(w.gradient) ? `∂ ${brief(app.value(w.gradient))}` : "";
        second.textContent = told;
        second.classList.toggle("changed", changed);
      }
    }
    path.setAttribute("marker-end", on && !back ? `url(#head-${sign})` : "none");
    path.setAttribute("marker-start", back ? "url(#head-back)" : "none");
  }

  drawNode({ group, node, value, delta, target }, on, step) {
    const { app } = this;
    group.classList.toggle("on", on);
    group.classList.toggle("back", Boolean(on && step.back));
    if (node.value === undefined || !value) return;
    const known = app.known.has(node.value), half = app.known.has(node.net) && !known;
    const digits = this.app.view.picture.radius < 30 ? 3 : 4;
    value.textContent = known ? brief(app.value(node.value), digits) : half ? `${digits > 3 ? "net " : ""}${brief(app.value(node.net), digits)}` : "";
    value.classList.toggle("half", half);
    group.classList.toggle("known", known);
    group.style.setProperty("--fill", known ? Math.min(1, Math.abs(Number(app.value(node.value)) || 0)).toFixed(3) : 0);
    if (delta) delta.textContent = app.known.has(node.delta) ? `δ ${brief(app.value(node.delta), digits)}` : "";
    if (target) target.textContent = `target ${brief(app.value(node.target))}`;
    const told = node.figures.filter((f) => app.known.has(f)).map((f) => `${spoken(app.view.figures[f][0])} ${brief(app.value(f))}`);
    group.setAttribute("aria-label", `${node.label}: ${told.join(", ") || "not computed yet"}`);
  }

  /** Marks the nodes and arrows that a figure belongs to. */
  point(figure) {
    const touches = (list) => figure !== null && list.includes(figure);
    for (const { group, node } of this.nodes.values()) group.classList.toggle("pointed", touches(node.figures));
    for (const { group, edge } of this.edges.values()) {
      group.classList.toggle("pointed", edge.weight !== undefined && touches(this.figuresOf(edge)));
    }
  }
}

/** The box with numbers beside the pointer. */
class Tip {
  constructor(app, box) {
    this.app = app;
    this.box = box;
  }

  show(figures, event, group) {
    const rows = figures.filter((f) => this.app.known.has(f)).flatMap((f) => [
      el("dt", {}, ...pretty(this.app.view.figures[f][0])),
      el("dd", {}, this.app.exact(f)),
    ]);
    if (!rows.length) rows.push(el("dt", {}, "not computed yet"), el("dd", {}));
    this.box.replaceChildren(el("dl", {}, ...rows));
    this.box.hidden = false;
    const place = event.type === "focus" ? group.getBoundingClientRect() : { right: event.clientX, bottom: event.clientY };
    const x = Math.min(place.right + 14, window.innerWidth - this.box.offsetWidth - 8);
    const y = Math.min(place.bottom + 14, window.innerHeight - this.box.offsetHeight - 8);
    this.box.style.left = `${Math.max(4, x)}px`;
    this.box.style.top = `${Math.max(4, y)}px`;
  }

  hide() {
    this.box.hidden = true;
  }
}
