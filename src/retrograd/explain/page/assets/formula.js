// Equations: first in names, then with the numbers plugged in. The pieces come from the trace.

/** Text between figures, in the signs of mathematics. */
function operators(text) {
  const nodes = [];
  text.split(/( \*\* \d+)/).forEach((part, i) => {
    if (i % 2) nodes.push(el("sup", {}, part.slice(4)));
    else nodes.push(part.replaceAll(" * ", " · ").replaceAll("1/2", "½").replaceAll("-", "−"));
  });
  return nodes;
}

/** One figure in a formula; pointing at it shows where it is in the drawing. */
function mention(app, figure, content, kind) {
  const about = `${spoken(app.view.figures[figure][0])} = ${app.exact(figure)}`;
  return el("span", { class: kind, "data-figure": figure, title: about }, ...content);
}

/** Whether a negative number needs parentheses at this place. */
function exposed(pieces, i) {
  const before = pieces[i - 1], after = pieces[i + 1];
  if (pieces.length === 1) return false;
  return !(typeof before === "string" && before.endsWith("(") && typeof after === "string" && after.startsWith(")"));
}

/** A line of an equation in names, or in numbers. */
function line(app, pieces, numbers) {
  const nodes = [];
  pieces.forEach((piece, i) => {
    if (typeof piece === "string") nodes.push(...operators(piece));
    else if (Array.isArray(piece)) nodes.push(el("span", { class: "words" }, piece[0]));
    else if (!numbers) nodes.push(mention(app, piece, pretty(app.view.figures[piece][0]), "name"));
    else {
      const text = app.shown(piece);
      const content = text.startsWith("−") && exposed(pieces, i) ? `(${text})` : text;
      nodes.push(mention(app, piece, [content], "number"));
    }
  });
  return nodes;
}

/** An equation as rows of two cells, the name and what it equals; among many others on one row. */
function equation(app, record, among) {
  const label = app.view.figures[record.figure][0];
  const rows = [];
  const row = (left, right, kind) => rows.push(el("div", { class: "left" }, ...left), el("div", { class: `right ${kind}` }, ...right));
  let left = [mention(app, record.figure, pretty(label), "name")];
  if (record.alias) left.push(" = ", el("span", { class: "name" }, ...pretty(record.alias)));
  const result = ["= ", mention(app, record.figure, [app.shown(record.figure)], "number result")];
  if (among) {
    const [{ pieces, numbers }] = record.lines;
    row(left, ["= ", ...line(app, pieces, false), ...(numbers ? [" = ", ...line(app, pieces, true)] : []), " ", ...result], "numbers");
    return el("div", { class: "equation among" }, ...rows);
  }
  for (const { pieces, numbers } of record.lines) {
    row(left, ["= ", ...line(app, pieces, false)], "names");
    if (numbers) row([], ["= ", ...line(app, pieces, true)], "numbers");
    left = [];
  }
  row([], result, "numbers");
  return el("div", { class: "equation" }, ...rows);
}
