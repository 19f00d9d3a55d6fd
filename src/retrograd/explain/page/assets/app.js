// What the reader is looking at: a view, a round, a row, a step. Everything that is shown comes from here.

class App {
  constructor(data, token) {
    this.data = data;
    this.digits = data.digits;
    this.views = data.views;
    this.row = data.row;
    this.points = data.curve;
    this.everything = false;
    this.running = false;
    this.listeners = [];
    this.live = token ? new Live(this, token) : null;
    this.history = this.live ? [{ view: this.views[0], snapshot: this.views[0].snapshots[0], state: data.state }] : null;
    this.index = 0;
    this.step = -1;
    this.use(this.views[0]);
  }

  // Figures -----------------------------------------------------------------------------------------------------

  use(view) {
    this.view = view;
    let shared = 0, own = 0;
    this.slots = view.figures.map(([, common]) => (common ? shared++ : own++));
    this.made = new Map();
    view.steps.forEach((step, i) => step.equations.forEach((e) => this.made.has(e.figure) || this.made.set(e.figure, i)));
  }

  entry() {
    return this.history[this.index];
  }

  snapshot() {
    return this.live ? this.entry().snapshot : this.view.snapshots[this.index];
  }

  value(figure) {
    const snapshot = this.snapshot();
    return this.view.figures[figure][1] ? snapshot.shared[this.slots[figure]] : snapshot.rows[this.row][this.slots[figure]];
  }

  shown(figure) {
    return decimal(this.value(figure), this.digits);
  }

  exact(figure) {
    return String(this.value(figure));
  }

  /** The data: in a live page as the reader has changed it. */
  examples() {
    return this.live ? this.entry().state : this.data.examples;
  }

  count() {
    return this.live ? this.history.length : this.view.snapshots.length;
  }

  round() {
    return this.snapshot().round;
  }

  curve() {
    return this.points;
  }

  currentStep() {
    return this.everything ? null : this.view.steps[this.step] || null;
  }

  // Moving ------------------------------------------------------------------------------------------------------

  async forward() {
    this.everything = false;
    if (this.step < this.view.steps.length - 1) this.step += 1;
    else if (await this.later()) this.step = 0;
    this.refresh();
  }

  back() {
    this.everything = false;
    if (this.step >= 0) this.step -= 1;
    else if (this.index > 0) {
      this.index -= 1;
      this.arrive();
      this.step = this.view.steps.length - 1;
    }
    this.refresh();
  }

  async nextPhase() {
    this.everything = false;
    const { steps } = this.view, phase = this.step < 0 ? -1 : steps[this.step].phase;
    const next = steps.findIndex((s) => s.phase > phase);
    if (next >= 0) this.step = next;
    else if (await this.later()) this.step = 0;
    this.refresh();
  }

  toPhase(phase) {
    this.everything = false;
    this.step = this.view.steps.findIndex((s) => s.phase === phase);
    this.refresh();
  }

  /** The next round that there is; false at the end. */
  async later(rounds = 1) {
    if (this.index < this.count() - 1) {
      this.index += 1;
      await this.arrive();
      return true;
    }
    if (!this.live) return false;
    if (!this.canTrain()) {
      this.complain("An update needs a learning rate: write one in its field.");
      return false;
    }
    const before = this.entry();
    await this.live.train(rounds);
    return this.entry() !== before;
  }

  canTrain() {
    return this.live ? this.entry().state.learning_rate !== null : this.count() > 1;
  }

  async update(rounds = 1) {
    if (this.step < 0) this.step = this.view.steps.length - 1;
    const moved = await this.later(rounds);
    this.refresh();
    return moved;
  }

  /** The snapshot nearest to a round. */
  goTo(round) {
    const rounds = (this.live ? this.history.map((h) => h.snapshot) : this.view.snapshots).map((s) => s.round);
    this.toIndex(rounds.reduce((best, n, i) => (Math.abs(n - round) < Math.abs(rounds[best] - round) ? i : best), 0));
  }

  async toIndex(index) {
    this.index = index;
    await this.arrive();
    this.refresh();
  }

  reset() {
    if (this.live) {
      this.history = this.history.slice(0, 1);
      this.points = this.points.slice(0, 1);
    }
    this.index = 0;
    this.step = -1;
    this.arrive();
    this.refresh();
  }

  async toRow(row) {
    this.row = row;
    await this.arrive();
    this.refresh();
  }

  async toOutput(output) {
    if (this.live) await this.live.ask((state, request) => (request.output = output));
    else this.use(this.views.find((v) => v.output === output));
    this.refresh();
  }

  /** After a move a live page may lack the row that is looked at. */
  async arrive() {
    if (!this.live) return;
    const { view, snapshot } = this.entry();
    if (view !== this.view) this.use(view);
    if (!(this.row in snapshot.rows)) {
      const row = this.row;
      this.row = Number(Object.keys(snapshot.rows)[0]);
      await this.live.ask((state, request) => (request.row = row));
    }
  }

  /** What the engine answered. */
  take(found, state, request) {
    const view = found.view || this.view, entry = { view, snapshot: found.snapshot, state };
    if (request.rounds) {
      this.history = [...this.history.slice(0, this.index + 1), entry].slice(-500);
      this.index = this.history.length - 1;
    } else {
      this.history = [...this.history.slice(0, this.index), entry];
    }
    this.row = request.row;
    if (found.view) {
      this.use(view);
      this.step = Math.min(this.step, view.steps.length - 1);
    }
    const first = found.curve.length ? found.curve[0][0] : Infinity;
    this.points = [...this.points.filter(([n]) => n < first), ...found.curve];
    this.refresh();
  }

  // Telling -----------------------------------------------------------------------------------------------------

  complain(text) {
    this.listeners.forEach((l) => l.complain && l.complain(text));
  }

  refresh() {
    this.known = new Set(this.view.figures.keys());
    const limit = this.everything ? Infinity : this.step;
    for (const [figure, step] of this.made) if (step > limit) this.known.delete(figure);
    this.listeners.forEach((l) => l.update());
  }

  edit(thing) {
    const name = thing.weight !== undefined ? this.view.weights[thing.weight].name : thing.kind === "input" ? thing.label : null;
    this.listeners.forEach((l) => name && l.edit && l.edit(name));
  }
}
