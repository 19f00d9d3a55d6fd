// The error over the rounds, both on logarithmic scales.

class Curve {
  constructor(app, root, readout) {
    this.app = app;
    this.root = root;
    this.readout = readout;
    this.size = { width: 640, height: 160, left: 58, right: 26, top: 12, bottom: 30 };
    root.setAttribute("viewBox", `0 0 ${this.size.width} ${this.size.height}`);
    root.addEventListener("pointermove", (event) => this.read(event));
    root.addEventListener("pointerleave", () => (readout.textContent = ""));
    root.addEventListener("click", (event) => this.app.goTo(this.near(event)[0]));
  }

  /** Round and error of the recorded point below the pointer. */
  near(event) {
    const box = this.root.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.size.width;
    return this.points.reduce((best, p) => (Math.abs(this.x(p[0]) - x) < Math.abs(this.x(best[0]) - x) ? p : best));
  }

  read(event) {
    if (!this.points || !this.points.length) return;
    const [round, error] = this.near(event);
    this.readout.textContent = `after ${round.toLocaleString("en")} rounds E = ${decimal(error, this.app.digits)}`;
  }

  x(round) {
    const { width, left, right } = this.size;
    return left + ((width - left - right) * Math.log10(round + 1)) / Math.max(Math.log10(this.last + 1), 0.3);
  }

  y(error) {
    const { height, top, bottom } = this.size;
    const part = (Math.log10(Math.max(error, 1e-300)) - this.low) / (this.high - this.low);
    return height - bottom - (height - top - bottom) * part;
  }

  update() {
    this.points = this.app.curve().filter(([, e]) => typeof e === "number");
    const positive = this.points.map(([, e]) => e).filter((e) => e > 0);
    this.last = Math.max(1, ...this.points.map(([n]) => n));
    this.low = positive.length ? Math.floor(Math.log10(Math.min(...positive))) : -1;
    this.high = positive.length ? Math.max(Math.ceil(Math.log10(Math.max(...positive))), this.low + 1) : 0;
    const done = this.points.filter(([n]) => n <= this.app.round());
    const path = (points) => points.map(([n, e], i) => `${i ? "L" : "M"}${this.x(n).toFixed(1)},${this.y(e).toFixed(1)}`).join("");
    this.root.replaceChildren(...this.axes(), svg("path", { d: path(this.points), class: "whole" }), svg("path", { d: path(done), class: "done" }));
    const here = done[done.length - 1];
    if (here) this.root.append(svg("circle", { cx: this.x(here[0]), cy: this.y(here[1]), r: 5.5, class: "here" }));
  }

  axes() {
    const { width, height, left, right, bottom, top } = this.size, nodes = [];
    const every = Math.max(1, Math.ceil((this.high - this.low) / 5));
    for (let k = this.low; k <= this.high; k += every) {
      const y = this.y(10 ** k);
      nodes.push(svg("line", { x1: left, x2: width - right, y1: y, y2: y, class: "grid" }));
      nodes.push(svg("text", { x: left - 7, y: y + 4, class: "tick y" }, k >= -3 && k <= 3 ? String(Number((10 ** k).toFixed(3))) : `1e${k}`));
    }
    for (const n of [0, 1, 10, 100, 1000, 10000, 100000, 1000000].filter((n) => n <= this.last)) {
      const x = this.x(n);
      nodes.push(svg("line", { x1: x, x2: x, y1: top, y2: height - bottom, class: "grid" }));
      nodes.push(svg("text", { x, y: height - bottom + 17, class: "tick" }, n.toLocaleString("en")));
    }
    return nodes;
  }
}
