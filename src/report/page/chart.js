// Curves as SVG, drawn at the width that the page has.
//
// A chart is {id, title, note, format, axis, zero, exact, series, levels}: format and axis make texts of values, for a person
// and beside the grid; with zero the values begin there; exact values are not smoothed. A series is {name, kind, run, x, y}:
// kind is "train", "held-out" or "reference", x has a list for each axis that the series can be drawn over, y may have nulls.
// A level is {name, value}, a line across the chart. The view is {axis, smoothing, hidden, range}: of all charts together.

const AXES = {
  step: { title: "step", format: short },
  tokens: { title: "tokens", format: short },
  hours: { title: "hours", format: (value) => `${Number(value.toPrecision(3))}` },
};

const MARGIN = { left: 52, right: 14, top: 10, bottom: 34 };

// Round numbers from low to high, about so many.
function ticks(low, high, about) {
  const rough = (high - low) / about, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
  const list = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) list.push(Number((i * step).toPrecision(12)));
  return list;
}

// An exponential mean, corrected for its start.
function smooth(ys, weight) {
  let mean = 0, total = 0;
  return ys.map((y) => {
    if (y === null) return null;
    mean = weight * mean + (1 - weight) * y;
    total = weight * total + (1 - weight);
    return mean / total;
  });
}

function visibleSeries(chart, view) {
  return chart.series.filter((series) => series.x[view.axis] && !view.hidden.has(series.run));
}

function limits(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values)
    if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
  return [low, high];
}

function rangeOf(chart, view) {
  if (view.range) return view.range;
  const own = visibleSeries(chart, view).filter((series) => series.kind !== "reference");
  const [low, high] = limits(own.flatMap((series) => limits(series.x[view.axis])));
  return high > low ? [low, high] : [low - 1, high + 1];
}

// The values of the chart within the range of x, which decide the range of y.
function valueRange(chart, view, [from, to]) {
  const values = chart.levels.map((level) => level.value);
  for (const { x, y } of visibleSeries(chart, view))
    y.forEach((value, i) => { if (x[view.axis][i] >= from && x[view.axis][i] <= to) values.push(value); });
  if (chart.zero) values.push(0);
  const [low, high] = limits(values), room = high > low ? (high - low) * 0.05 : Math.abs(high) * 0.1 || 0.05;
  return [chart.zero ? 0 : low - room, high + room];
}

function pathOf(xs, ys, scale) {
  let path = "", pen = "M";
  ys.forEach((y, i) => {
    if (y === null || xs[i] === null) { pen = "M"; return; }
    path += `${pen}${scale.x(xs[i]).toFixed(1)} ${scale.y(y).toFixed(1)}`;
    pen = "L";
  });
  return path;
}

function drawGrid(chart, view, scale, size) {
  const group = svg("g", { "aria-hidden": "true" });
  for (const value of ticks(...scale.values, size.height < 200 ? 4 : 5)) {
    const y = scale.y(value);
    group.append(svg("line", { class: "grid", x1: MARGIN.left, x2: size.width - MARGIN.right, y1: y, y2: y }),
      svg("text", { x: MARGIN.left - 6, y: y + 4, "text-anchor": "end" }, chart.axis(value)));
  }
  const bottom = size.height - MARGIN.bottom;
  for (const value of ticks(...scale.range, Math.max(4, Math.floor(size.width / 95))))
    group.append(svg("line", { class: "grid", x1: scale.x(value), x2: scale.x(value), y1: bottom, y2: bottom + 4 }),
      svg("text", { x: scale.x(value), y: bottom + 17, "text-anchor": "middle" }, AXES[view.axis].format(value)));
  const end = { x: size.width - MARGIN.right, y: size.height - 3, "text-anchor": "end" };
  group.append(svg("text", end, AXES[view.axis].title));
  return group;
}

function drawSeries(series, chart, view, scale) {
  const xs = series.x[view.axis], group = svg("g", { class: `r${series.run % 8}` });
  const look = `curve ${series.kind}${series.run >= 8 ? " dashed" : ""}`;
  const smoothed = series.kind === "train" && view.smoothing > 0 && !chart.exact;
  if (smoothed) group.append(svg("path", { class: "curve raw", d: pathOf(xs, series.y, scale) }));
  group.append(svg("path", { class: look, d: pathOf(xs, smoothed ? smooth(series.y, view.smoothing) : series.y, scale) }));
  if (series.kind === "held-out" && xs.length <= 60)
    xs.forEach((x, i) => {
      const place = { class: "dot", r: 3, cx: scale.x(x), cy: scale.y(series.y[i]) };
      if (series.y[i] !== null) group.append(svg("circle", place));
    });
  return group;
}

function drawLevels(chart, scale, size) {
  return chart.levels.map((level) => {
    const y = scale.y(level.value);
    return svg("line", { class: "guessing", x1: MARGIN.left, x2: size.width - MARGIN.right, y1: y, y2: y });
  });
}

// What a person who does not see the curves hears.
function describe(chart, view) {
  const ends = visibleSeries(chart, view).map((series) => {
    const value = last(series.y.filter(isNumber));
    return `${series.name}: ${value === null ? "no value" : `last ${chart.format(value)}`}`;
  });
  return `${chart.title} over ${AXES[view.axis].title}. ${ends.join("; ")}.`;
}

// The point of each series that is nearest to x, if it is near enough to be meant.
function nearest(chart, view, x, reach) {
  const found = [];
  for (const series of visibleSeries(chart, view)) {
    const xs = series.x[view.axis];
    let best = -1;
    xs.forEach((value, i) => {
      if (series.y[i] !== null && (best < 0 || Math.abs(value - x) < Math.abs(xs[best] - x))) best = i;
    });
    if (best >= 0 && Math.abs(xs[best] - x) <= reach) found.push({ series, x: xs[best], y: series.y[best] });
  }
  return found;
}

class ChartView {
  constructor(chart, view, redrawAll) {
    Object.assign(this, { chart, view, redrawAll });
    this.space = html("div");
    this.tip = html("div", { class: "tip", hidden: "" });
    const notes = [chart.note, ...chart.levels.map((level) => `${level.name}: ${chart.format(level.value)}`)];
    this.figure = html("figure", {}, html("figcaption", {}, chart.title,
      html("small", {}, notes.filter((text) => text).join(", "))), this.space, this.tip);
  }

  draw() {
    const { chart, view } = this;
    this.figure.hidden = false;
    const width = Math.max(this.space.clientWidth, 240), size = { width, height: width < 480 ? 210 : 250 };
    const range = rangeOf(chart, view), values = valueRange(chart, view, range);
    const inner = { width: width - MARGIN.left - MARGIN.right, height: size.height - MARGIN.top - MARGIN.bottom };
    this.tip.hidden = true;
    this.figure.hidden = !Number.isFinite(range[0]) || !Number.isFinite(values[0]);
    if (this.figure.hidden) return;
    const scale = this.scale = {
      range, values, width,
      x: (value) => MARGIN.left + (value - range[0]) / (range[1] - range[0]) * inner.width,
      y: (value) => size.height - MARGIN.bottom - (value - values[0]) / (values[1] - values[0]) * inner.height,
      back: (pixel) => range[0] + (pixel - MARGIN.left) / inner.width * (range[1] - range[0]),
    };
    const clip = `clip-${chart.id}`;
    const box = { x: MARGIN.left, y: 0, width: inner.width, height: size.height - MARGIN.bottom };
    this.cursor = svg("line", { class: "cursor", y1: MARGIN.top, y2: size.height - MARGIN.bottom, visibility: "hidden" });
    this.selection = svg("rect", { class: "selection", y: MARGIN.top, height: inner.height, width: 0 });
    this.drawing = svg("svg", { viewBox: `0 0 ${width} ${size.height}`, height: size.height, role: "img", tabindex: "0",
      "aria-label": describe(chart, view) },
    svg("clipPath", { id: clip }, svg("rect", box)), drawGrid(chart, view, scale, size), this.cursor,
    svg("g", { "clip-path": `url(#${clip})` }, visibleSeries(chart, view).map((series) => drawSeries(series, chart, view, scale)),
      drawLevels(chart, scale, size)), this.selection);
    this.space.replaceChildren(this.drawing);
    this.listen();
  }

  listen() {
    const at = (event) => event.clientX - this.drawing.getBoundingClientRect().left;
    let start = null;
    this.drawing.onpointerdown = (event) => { if (event.pointerType === "mouse" && event.button === 0) start = at(event); };
    this.drawing.onpointermove = (event) => {
      this.point(this.scale.back(at(event)));
      if (start !== null) {
        this.selection.setAttribute("x", Math.min(start, at(event)));
        this.selection.setAttribute("width", Math.abs(at(event) - start));
      }
    };
    this.drawing.onpointerup = (event) => {
      const ends = start === null ? [0, 0] : [start, at(event)].sort((a, b) => a - b);
      start = null;
      if (ends[1] - ends[0] > 8) this.zoom(ends.map(this.scale.back));
    };
    this.drawing.onpointerleave = () => { start = null; this.selection.setAttribute("width", 0); this.point(null); };
    this.drawing.ondblclick = () => this.zoom(null);
    this.drawing.onblur = () => this.point(null);
    this.drawing.onkeydown = (event) => this.key(event);
  }

  zoom(range) {
    this.view.range = range;
    this.redrawAll();
  }

  key(event) {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") this.zoom(null);
    if (!direction) return;
    event.preventDefault();
    const [from, to] = this.scale.range, middle = this.pointed ?? (from + to) / 2;
    this.point(Math.min(to, Math.max(from, middle + direction * (to - from) / 50)));
  }

  // Shows the values at x; null: hides them.
  point(x) {
    const { chart, view, scale } = this, [from, to] = scale.range;
    const found = x === null ? [] : nearest(chart, view, x, (to - from) / 10);
    this.pointed = x;
    this.tip.hidden = found.length === 0;
    this.cursor.setAttribute("visibility", found.length ? "visible" : "hidden");
    if (!found.length) return;
    const place = scale.x(found.reduce((a, b) => (Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a)).x);
    this.cursor.setAttribute("x1", place);
    this.cursor.setAttribute("x2", place);
    const lines = found.map((item) => html("div", {}, html("span", { class: `swatch r${item.series.run % 8}` }),
      `${item.series.name}: ${chart.format(item.y)} at ${AXES[view.axis].title} ${AXES[view.axis].format(item.x)}`));
    this.tip.replaceChildren(...lines);
    const left = place < scale.width / 2;
    this.tip.style.left = left ? `${place + 12}px` : "";
    this.tip.style.right = left ? "" : `${scale.width - place + 12}px`;
    this.tip.style.top = `${this.space.offsetTop + 4}px`;
  }
}

// Numbers that were predicted, over those that were given, with the line where both are equal.
function scatter(points, title) {
  const size = 320, left = 46, bottom = 34, [low, high] = limits(points.flat());
  const room = (high - low) * 0.04 || 1, from = low - room, to = high + room, unit = (size - left - 10) / (to - from);
  const x = (value) => left + (value - from) * unit, y = (value) => size - bottom - (value - from) * unit;
  const marks = ticks(from, to, 4).flatMap((value) => [
    svg("text", { x: x(value), y: size - bottom + 16, "text-anchor": "middle" }, short(value)),
    svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value))]);
  return html("figure", { style: "max-width: 22rem" }, html("figcaption", {}, title),
    svg("svg", { viewBox: `0 -26 ${size} ${size + 26}`, role: "img", "aria-label": title },
      svg("line", { class: "guessing", x1: x(from), y1: y(from), x2: x(to), y2: y(to) }), ...marks,
      svg("text", { x: size - 10, y: size - 3, "text-anchor": "end" }, "given"), svg("text", { x: 4, y: -10 }, "predicted"),
      ...points.map(([given, predicted]) =>
        svg("circle", { class: "dot r0", r: 2.5, opacity: 0.6, cx: x(given), cy: y(predicted) }))));
}
