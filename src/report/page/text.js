// Elements and numbers as people read them. Every text of a run goes through these functions, as text and never as HTML.

const SVG_NAMES = "http://www.w3.org/2000/svg";

// A child is a text, an element, or null for nothing.
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.flat().filter((child) => child !== null));
  return node;
}

const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG_NAMES, tag), attributes, children);

// Columns are {title, number}: a number is aligned to the right. A cell is a text or an element.
function table(caption, columns, rows, attributes = {}) {
  const kind = (i) => (columns[i].number ? { class: "number" } : { class: "text" });
  const head = columns.map((column, i) => html("th", { scope: "col", ...kind(i) }, column.title));
  const body = rows.map((row) => html("tr", {}, row.map((cell, i) =>
    i === 0 ? html("th", { scope: "row", ...kind(i) }, cell) : html("td", kind(i), cell))));
  return html("div", { class: "scroll", tabindex: "0" }, html("table", attributes, html("caption", {}, html("div", {}, caption)),
    html("thead", {}, html("tr", {}, head)), html("tbody", {}, body)));
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

function count(value) {
  return isNumber(value) ? Math.round(value).toLocaleString("en-US") : "–";
}

// 1234567 is 1.23 M.
function short(value) {
  for (const [size, name] of [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"]])
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}${name}`;
  return `${Number(value.toPrecision(3))}`;
}

function share(value, digits = 1) {
  return isNumber(value) ? `${(100 * value).toFixed(digits)} %` : "–";
}

function real(value) {
  if (!isNumber(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2);
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.1 ? 3 : 5);
}

function bytes(value) {
  if (!isNumber(value)) return "–";
  let power = 0;
  for (; value >= 1024 && power < 4; power++) value /= 1024;
  return power ? `${value.toFixed(1)} ${["", "KiB", "MiB", "GiB", "TiB"][power]}` : `${value} bytes`;
}

function duration(seconds) {
  if (!isNumber(seconds)) return "–";
  const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return minutes ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${seconds.toFixed(1)} s`;
}

const last = (list) => (list && list.length ? list[list.length - 1] : null);

// Wilson's interval of 95 % of a share of `answers`, as in the program.
function interval(part, answers) {
  const z = 1.959963984540054, center = part + z * z / (2 * answers);
  const margin = z * Math.sqrt(part * (1 - part) / answers + z * z / (4 * answers * answers));
  const scale = 1 + z * z / answers;
  return [(center - margin) / scale, (center + margin) / scale];
}

// The value at x of a line through the points (xs, ys), of which xs ascend; null outside of them.
function between(xs, ys, x) {
  if (!xs || !xs.length || x < xs[0] || x > last(xs)) return null;
  const right = xs.findIndex((value) => value >= x), left = Math.max(right - 1, 0);
  const part = xs[right] > xs[left] ? (x - xs[left]) / (xs[right] - xs[left]) : 0;
  return ys[left] === null || ys[right] === null ? null : ys[left] + part * (ys[right] - ys[left]);
}
