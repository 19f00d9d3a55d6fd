// Numbers and names as people write them. Nothing is computed here: a number is turned into text, a name into nodes.

/** A number with so many decimals; tiny and huge ones keep their digits. Words ("not a number") pass. */
function decimal(x, places) {
  if (typeof x !== "number") return String(x);
  const size = Math.abs(x);
  let text;
  if (x && (size < 1e-4 || size >= 1e9)) {
    text = x.toExponential(Math.max(1, places - 1)).replace(/\.?0+e/, "e").replace("e+", "e");
  } else {
    text = x && size < 10 ** (4 - places) ? x.toPrecision(Math.max(2, places)) : x.toFixed(places);
    if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  }
  return text === "-0" ? "0" : text.replaceAll("-", "−");
}

/** A number in a few characters, for the drawing. */
function brief(x, digits = 4) {
  if (typeof x !== "number") return String(x);
  const size = Math.abs(x);
  if (x && (size < 0.001 || size >= 10000)) return x.toExponential(1).replace("e+", "e").replaceAll("-", "−");
  const text = x.toPrecision(size < 0.1 ? 3 : digits);
  return (text.includes(".") ? text.replace(/\.?0+$/, "") : text).replace("-", "−");
}

/** An element with attributes and children; text becomes a text node. */
function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** Likewise in a drawing. */
function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const GREEK = { delta: "δ" };

/** w5 with its number as an index; net_h1 with its neuron as one. */
function symbol(name) {
  const place = /^(\d+)\.(weight|bias)\[(.*)\]$/.exec(name);
  if (place) return [el("var", {}, place[2][0]), el("sup", {}, place[1]), el("sub", {}, place[3])];
  const under = name.indexOf("_");
  const plain = /^[A-Za-z]+_/.test(name) && ["net", "out", "delta", "target", "E"].includes(name.slice(0, under));
  const found = plain ? [name.slice(0, under), name.slice(under + 1)] : (/^([A-Za-z]+)(\d[\d.]*)$/.exec(name) || []).slice(1);
  if (found.length < 2) return [el("var", {}, name)];
  return [el("var", {}, GREEK[found[0]] || found[0]), el("sub", {}, found[1])];
}

/** A figure's label as nodes: derivatives become fractions. */
function pretty(label) {
  const fraction = /^d(.+?)\/d(\S+)(.*)$/.exec(label);
  if (fraction) {
    const [, over, below, rest] = fraction;
    const bar = el("span", { class: "fraction" }, el("span", {}, "∂", ...symbol(over)), el("span", {}, "∂", ...symbol(below)));
    return rest ? [bar, el("span", { class: "rest" }, rest)] : [bar];
  }
  if (label.startsWith("new ")) return [el("span", { class: "rest" }, "new "), ...symbol(label.slice(4))];
  return label.includes(" ") ? [el("span", { class: "rest" }, label)] : symbol(label);
}

/** The same in one line of plain text, for tooltips and screen readers. */
function spoken(label) {
  return label.replace(/^d(.+?)\/d/, "∂$1/∂").replace(/\bdelta_/, "δ_");
}
