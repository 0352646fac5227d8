// The sections of the page, from the document that `cloze report` has put into it (src/report/report.h).

const report = JSON.parse(document.getElementById("data").textContent);
const view = { axis: "step", smoothing: 0.6, hidden: new Set(), range: null };

// ---- what is derived from the records ----

// The tokens trained on up to each of the steps.
function tokensAt(train, steps) {
  if (!train.tokens) return null;
  const xs = [0, ...train.step], ys = [0, ...train.tokens], rate = last(ys) / last(xs);
  return steps.map((step) => between(xs, ys, step) ?? step * rate);
}

function axesOf(run, records) {
  const train = run.records.train, axes = { step: records.step };
  const tokens = records === train ? train.tokens : tokensAt(train, records.step);
  if (tokens) axes.tokens = tokens;
  if (records.seconds) axes.hours = records.seconds.map((value) => value / 3600);
  return axes;
}

function guessingOf(run) {
  const known = run.text && run.text.statistics && run.text.statistics.guessing;
  const words = run.architecture && run.architecture.vocab_size;
  return { guessing: known || null, uniform: words ? Math.log(words) : null };
}

// A label may be called "constructor", which every other object has.
function labelsOf(pairs) {
  const rows = Object.create(null), columns = Object.create(null);
  const labels = { names: [], rows, columns, cells: pairs, total: 0, right: 0, none: 0 };
  const names = new Set();
  for (const [key, number] of Object.entries(pairs)) {
    const [given, predicted] = key.split("\t");
    names.add(given);
    if (predicted) names.add(predicted);
    else labels.none += number;
    labels.rows[given] = (labels.rows[given] || 0) + number;
    labels.columns[predicted] = (labels.columns[predicted] || 0) + number;
    labels.total += number;
    if (given === predicted) labels.right += number;
  }
  labels.names = [...names].sort();
  for (const name of labels.names) labels.rows[name] = labels.rows[name] || 0;
  return labels;
}

function deriveRun(run) {
  const train = run.records.train, batch = Number(run.config["train.batch_size"]), phases = run.config["train.phases"];
  if (run.predictions && run.predictions.pairs) run.labels = labelsOf(run.predictions.pairs);
  if (train.step && train.tokens) {
    run.mean_length = last(train.tokens) / (last(train.step) * batch);
    run.length = phases ? null : Number(run.config["data.seq_len"]) || null;
    run.predicted_share = mean(train.predictions) / (last(train.tokens) / last(train.step));
  }
}

// ---- charts ----

const plain = (value) => String(Number(value.toPrecision(6)));
const percent = (value) => `${plain(100 * value)} %`;
const rate = (value) => (value === 0 ? "0" : value.toExponential(1));

const MEASURES = [
  { key: "mlm_loss", title: "MLM loss", format: real, axis: plain, guess: "loss" },
  { key: "mlm_accuracy", title: "MLM accuracy", format: share, axis: percent, guess: "accuracy" },
  { key: "nsp_loss", title: "NSP loss", format: real, axis: plain, level: Math.LN2 },
  { key: "nsp_accuracy", title: "NSP accuracy", format: share, axis: percent, level: 0.5 },
  { key: "loss", title: "Loss (fine-tuning)", format: real, axis: plain, task: true },
  { key: "accuracy", title: "Accuracy", format: share, axis: percent, task: true },
  { key: "f1", title: "F1", format: share, axis: percent, task: true },
  { key: "matthews", title: "Matthews correlation", format: real, axis: plain, task: true },
  { key: "pearson", title: "Pearson correlation", format: real, axis: plain, task: true },
  { key: "spearman", title: "Spearman correlation", format: real, axis: plain, task: true },
  { key: "learning_rate", title: "Learning rate", format: rate, axis: rate, zero: true, exact: true },
  { key: "grad_norm", title: "Gradient norm", format: real, axis: plain, zero: true, note: "before clipping" },
  { key: "tokens_per_second", title: "Tokens per second", format: short, axis: short, zero: true,
    note: "of steps, without evaluations and saves" },
];

function seriesOf(measure) {
  const list = [];
  report.runs.forEach((run, index) => {
    for (const [kind, records] of [["train", run.records.train], ["held-out", run.records.eval]])
      if (records[measure.key] && (measure.task === undefined || measure.task === run.task))
        list.push({ name: `${run.name}, ${kind === "train" ? "training" : "held out"}`, kind, run: index,
          x: axesOf(run, records), y: records[measure.key] });
  });
  if (!list.length) return list;
  for (const curve of curvesOf(report.runs))
    if (curve[measure.key] && curve[measure.key].some(isNumber))
      list.push({ name: `reference ${curve.name}`, kind: "reference", run: -1, x: { tokens: curve.tokens },
        y: curve[measure.key] });
  return list;
}

// The reference curves of the sizes of the runs.
function curvesOf(runs) {
  return report.curves.filter((curve) => runs.some((run) => isReference(curve, run)));
}

// Lines for what guessing gives: one, if that is the same for all runs to the digits that are shown.
function levelsOf(measure) {
  if (measure.level !== undefined) return [{ name: "guessing", value: measure.level }];
  const levels = new Map();
  for (const run of measure.guess ? report.runs : []) {
    const { guessing } = guessingOf(run);
    if (guessing) levels.set(measure.format(guessing[measure.guess]), guessing[measure.guess]);
  }
  return [...levels.values()].map((value) => ({ name: "guessing by frequency", value }));
}

function chartOf(measure) {
  const series = seriesOf(measure);
  return { ...measure, id: measure.key, zero: measure.zero || false, series, levels: series.length ? levelsOf(measure) : [] };
}

function choice(name, options, chosen, change) {
  return html("fieldset", {}, html("legend", {}, name), Object.entries(options).map(([value, title]) => {
    const input = html("input", { type: "radio", name, value, ...(value === chosen ? { checked: "" } : {}) });
    input.onchange = () => change(value);
    return html("label", {}, input, ` ${title}`);
  }));
}

function runBoxes(redraw) {
  return html("fieldset", {}, html("legend", {}, "Runs"), report.runs.map((run, index) => {
    const box = html("input", { type: "checkbox", checked: "" });
    box.onchange = () => {
      view.hidden[box.checked ? "delete" : "add"](index);
      redraw();
    };
    return html("label", {}, box, " ", html("span", { class: `swatch r${index % 8}` }), run.name);
  }));
}

function curveKey(references) {
  const line = (look) => svg("svg", { viewBox: "0 0 34 10", "aria-hidden": "true" },
    svg("path", { class: look, d: "M0 5L34 5" }),
    look.includes("held-out") ? svg("circle", { class: "dot", r: 3, cx: 17, cy: 5 }) : null);
  const item = (look, text) => html("span", {}, html("span", { class: "r0" }, line(look)), text);
  const names = references.map((curve) => curve.name).join(", ");
  return html("div", { class: "key" }, item("curve train", "training (the batch of a logged step)"),
    item("curve held-out", "held-out text"), item("guessing", "guessing"),
    names ? item("curve reference", `reference ${names}: held-out text of another corpus, drawn over tokens`) : null);
}

function curveSection() {
  const charts = MEASURES.map(chartOf).filter((chart) => chart.series.length);
  if (!charts.length) return null;
  const references = curvesOf(report.runs);
  const batches = new Set(report.runs.map((run) => run.config["train.batch_size"] + run.config["data.seq_len"]));
  if (references.length || batches.size > 1) view.axis = "tokens";
  const views = charts.map((chart) => new ChartView(chart, view, () => redraw()));
  const whole = html("button", { type: "button", hidden: "" }, "Show all");
  const redraw = () => { views.forEach((chart) => chart.draw()); whole.hidden = !view.range; };
  whole.onclick = () => { view.range = null; redraw(); };
  const axis = choice("Over", { step: "steps", tokens: "tokens", hours: "hours" }, view.axis, (value) => {
    Object.assign(view, { axis: value, range: null });
    redraw();
  });
  const smoothing = html("input", { type: "range", id: "smoothing", min: "0", max: "0.98", step: "0.02", value: view.smoothing });
  smoothing.oninput = () => { view.smoothing = Number(smoothing.value); redraw(); };
  const thinned = report.runs.some((run) => run.records.train_count > (run.records.train.step || []).length);
  addEventListener("load", redraw);
  addEventListener("resize", redraw);
  addEventListener("beforeprint", redraw);
  return section("Curves",
    html("div", { class: "controls" }, axis, html("label", { for: "smoothing" }, "Smoothing ", smoothing),
      report.runs.length > 1 ? runBoxes(redraw) : null, whole),
    curveKey(references),
    thinned ? html("p", { class: "faint" },
      "A point of a long run stands for several logged steps: their mean, or the largest gradient norm.") : null,
    html("div", { class: "charts" }, views.map((chart) => chart.figure)),
    html("p", { class: "faint" },
      "Point at a curve, or focus a chart and use the arrow keys, for values. Drag to look closer, double-click to go back."));
}

// ---- the other sections ----

function section(title, ...children) {
  const id = title.toLowerCase().replace(/[^a-z]+/g, "-");
  return html("section", { id, "aria-labelledby": `${id}-title` }, html("h2", { id: `${id}-title` }, title), ...children);
}

function runTitle(run, index) {
  return html("h3", {}, html("span", { class: `swatch r${index % 8}` }), run.name);
}

// What is the same for several runs is shown once. Makes a block for each group from its first run.
function grouped(runs, value, make) {
  const groups = new Map();
  runs.forEach((run) => {
    const key = JSON.stringify(value(run) ?? null);
    groups.set(key, [...(groups.get(key) || []), run]);
  });
  return [...groups.values()].map((group) => html("div", {}, html("h3", {}, group.flatMap((run, i) => [i ? ", " : null,
    html("span", { class: `swatch r${report.runs.indexOf(run) % 8}` }), run.name])), make(group[0])));
}

function runName(index) {
  return html("span", {}, html("span", { class: `swatch r${index % 8}` }), report.runs[index].name);
}

function overviewRow(run, index) {
  const held = recordAt(run.records.eval) || {}, train = recordAt(run.records.train) || {};
  const planned = Number(run.config["train.steps"]), speed = mean(run.records.train.tokens_per_second);
  return [runName(index),
    `${run.task ? `fine-tuning, ${run.config["task.kind"]}` : "pre-training"}${run.size ? `, ${run.size}` : ""}`,
    `${count(train.step || 0)}${planned ? ` of ${count(planned)}` : ""}`, isNumber(train.tokens) ? short(train.tokens) : "–",
    duration(train.seconds), count(speed), real(run.task ? held.loss : held.mlm_loss),
    share(run.task ? held.accuracy : held.mlm_accuracy), share(held.nsp_accuracy)];
}

function overviewSection() {
  const columns = ["run", "kind", "steps", "tokens", "time", "tokens/s", "held-out loss", "accuracy", "NSP accuracy"];
  return section("Overview", table("The last record of each run. Of pre-training, loss and accuracy are those of MLM.",
    columns.map((title, i) => ({ title, number: i > 1 })), report.runs.map(overviewRow)));
}

function judgementSection() {
  const marks = { good: html("b", {}, "good:"), warn: html("b", {}, "look here:"), note: null };
  const item = ({ level, text }) => html("li", { class: level }, marks[level] && marks[level].cloneNode(true), text);
  return section("Is this normal?", report.runs.map((run, index) => html("div", {}, runTitle(run, index),
    html("ul", { class: "findings" }, judgeRun(run, guessingOf(run), report.curves).map(item)), warningList(run))));
}

// What the training has warned of, in its own words.
function warningList(run) {
  if (!run.warnings.length) return null;
  return html("details", { open: "" }, html("summary", {}, `The training warned of this (${count(run.warnings.length)})`),
    html("ul", {}, run.warnings.map(({ step, warning }) =>
      html("li", {}, step ? html("span", { class: "faint" }, `step ${count(step)}: `) : null, warning))));
}

function fillTable(records) {
  const [before, after] = records[0].text.split("[MASK]");
  const cell = (record, i) => {
    const token = record.fill[i];
    if (!token) return "–";
    const look = token.token_str === record.word ? { class: "right" } : {};
    return html("span", look, `${token.token_str} `, html("span", { class: "faint" }, share(token.score)));
  };
  const caption = html("span", {}, before, html("mark", {}, "[MASK]"), after ?? "", ` — in the text: ${records[0].word}`);
  return table(caption, [{ title: "step", number: true }, { title: "best" }, { title: "second" }, { title: "third" }],
    records.map((record) => [count(record.step), ...[0, 1, 2].map((i) => cell(record, i))]));
}

function fillSection() {
  const runs = report.runs.filter((run) => run.fills && run.fills.length);
  if (!runs.length) return null;
  return section("Fill-ins over time",
    html("p", {}, "What the model says in the blanks of held-out sentences after an evaluation. A word of the text is bold."),
    runs.some((run) => new Set(run.fills.map((record) => record.step)).size < run.records.eval_count)
      ? html("p", { class: "faint" }, "Of many evaluations ten are shown.") : null,
    runs.map((run) => {
      const texts = [...new Set(run.fills.map((record) => record.text))];
      return html("div", {}, runTitle(run, report.runs.indexOf(run)),
        html("div", { class: "columns" }, texts.map((text) => fillTable(run.fills.filter((record) => record.text === text)))));
    }));
}

function matrixTable(labels) {
  const { names, none } = labels, columns = [{ title: "label" }, ...names.map((title) => ({ title, number: true }))];
  if (none) columns.push({ title: "no prediction", number: true });
  const cell = (given, predicted) => {
    const number = labels.cells[`${given}\t${predicted}`] || 0, part = labels.rows[given] ? number / labels.rows[given] : 0;
    const style = `opacity: ${(0.5 + 0.5 * part).toFixed(2)}; font-weight: ${part >= 0.5 ? 700 : 400}`;
    return html("span", { style }, count(number));
  };
  return table("Confusion matrix: a row for each label of the text, a column for each prediction.", columns,
    names.map((given) => [given, ...[...names, ...(none ? [""] : [])].map((predicted) => cell(given, predicted))]),
    { class: "matrix" });
}

function labelTable(labels) {
  const row = (name) => {
    const right = labels.cells[`${name}\t${name}`] || 0, rows = labels.rows[name], columns = labels.columns[name] || 0;
    return [name, count(rows), share(right / columns), share(right / rows), share(2 * right / (rows + columns))];
  };
  return table("How many predictions of a label are right (precision), and how many examples of it are found (recall).",
    [{ title: "label" }, ...["examples", "precision", "recall", "F1"].map((title) => ({ title, number: true }))],
    labels.names.map(row));
}

function predictionBlock(run) {
  const MAX_LABELS = 16, title = runTitle(run, report.runs.indexOf(run)), { points, count: all } = run.predictions;
  if (!points)
    return html("div", {}, title, run.labels.names.length <= MAX_LABELS ? matrixTable(run.labels) : null, labelTable(run.labels));
  const shown = points.length < all ? `, ${count(points.length)} of ${count(all)} examples` : "";
  return html("div", {}, title, points.length ? scatter(points, `Predicted numbers over those of the text${shown}`) : null);
}

function predictionSection() {
  const runs = report.runs.filter((run) => run.predictions);
  return runs.length ? section("Predictions",
    html("p", {}, "What the best model of a fine-tuning run says of the held-out examples (predictions.tsv)."),
    runs.map(predictionBlock)) : null;
}

function barTable(caption, rows) {
  const max = Math.max(...rows.map(([, part]) => part));
  const bar = (part) => html("span", { class: "bar", style: `width: ${(100 * part / max).toFixed(1)}%` });
  return table(caption, [{ title: "" }, { title: "" }, { title: "share", number: true }],
    rows.map(([name, part]) => [name, bar(part), share(part)]), { class: "bars" });
}

function lengthTable(caption, counts) {
  const all = counts.reduce((sum, value) => sum + value, 0), first = counts.findIndex((value) => value > 0);
  const name = (power) => (power ? `${count(2 ** power)} to ${count(2 ** (power + 1) - 1)}` : "1");
  return barTable(caption, counts.map((value, power) => [name(power), value / all]).slice(first));
}

function textFacts({ summary, statistics }) {
  const number = (part, what) => `${count(summary[`${part}_${what}`])} ${what}`;
  const size = (part) => ["documents", "sentences", "tokens"].map((what) => number(part, what)).join(", ");
  const unknown = summary.unknown_tokens / (summary.train_tokens + summary.valid_tokens);
  const facts = [["training text", size("train")], ["held out", summary.valid_tokens ? size("valid") : "nothing"],
    ["[UNK]", `${share(unknown, 3)} of the tokens`]];
  if (summary.invalid_utf8) facts.push(["not UTF-8", `${count(summary.invalid_utf8)} places`]);
  if (statistics) facts.push(["vocabulary", `${count(statistics.absent)} of its tokens do not occur in the training text, ` +
    `${count(statistics.rare)} fewer than ten times`]);
  return facts;
}

function textBlock(run) {
  if (!run.text) return html("p", {}, "The run has no prepared data (data/manifest.json).");
  const statistics = run.text.statistics;
  return html("div", {}, table("The text", [{ title: "what" }, { title: "value" }], textFacts(run.text)),
    table("Files", [{ title: "file" }, { title: "used for" }, { title: "size", number: true }],
      run.text.files.map(([use, path, size]) => [path ?? "?", use === "train" ? "training" : "held out", bytes(size)])),
    statistics ? html("div", { class: "columns" },
      lengthTable("Sentences of the training text by tokens", statistics.sentence_lengths),
      lengthTable("Documents of the training text by tokens", statistics.document_lengths),
      barTable("Frequent tokens of the training text", statistics.frequent))
      : html("p", { class: "faint" }, "Lengths, frequent tokens and what guessing gives are not shown: the run has no " +
        "checkpoint yet, or the shards of the text are not there."));
}

function readingTable(runs) {
  const row = (run) => {
    const tokens = last(run.records.train.tokens);
    return [runName(report.runs.indexOf(run)), run.text && tokens ? (tokens / run.text.summary.train_tokens).toFixed(2) : "–",
      isNumber(run.mean_length) ? `${run.mean_length.toFixed(1)}${run.length ? ` of ${run.length}` : ""}` : "–",
      share(run.predicted_share)];
  };
  const titles = ["times read", "tokens of a sequence", "predicted tokens"];
  const columns = [{ title: "run" }, ...titles.map((title) => ({ title, number: true }))];
  return table("What each run has read of its text so far, and the means of its sequences", columns, runs.map(row));
}

function textSection() {
  const runs = report.runs.filter((run) => !run.task);
  return runs.length ? section("Data", readingTable(runs), grouped(runs, (run) => run.text, textBlock)) : null;
}

function configSection() {
  const runs = report.runs, keys = [...new Set(runs.flatMap((run) => Object.keys(run.config)))].filter((key) => key !== "output");
  const value = (run, key) => run.config[key] ?? "–", columns = [{ title: "key" }, ...runs.map((run) => ({ title: run.name }))];
  const rows = (list) => list.map((key) => [key, ...runs.map((run) => value(run, key))]);
  const different = keys.filter((key) => new Set(runs.map((run) => value(run, key))).size > 1);
  const all = html("details", {}, html("summary", {}, `All ${keys.length} keys`), table("Configuration", columns, rows(keys)));
  if (runs.length === 1) return section("Configuration", all);
  return section("Configuration", different.length ? table("Where the runs differ", columns, rows(different))
    : html("p", {}, "All runs have the same configuration."), all);
}

function systemFacts(run) {
  const { state, architecture: model } = run, facts = [["directory", run.directory]];
  if (!state) return facts;
  const best = state.best_step === undefined ? "–" : `step ${count(state.best_step)}`;
  return [...facts, ["model", `${model.num_hidden_layers} layers, hidden size ${model.hidden_size}, ` +
    `${model.num_attention_heads} heads, ${count(model.vocab_size)} tokens, ${bytes(state.model_bytes)}`],
  ["checkpoints", `latest: step ${count(state.step)}; best: ${best}`], ["precision", run.config["train.precision"]],
  ["threads", state.threads ? count(state.threads) : "–"], ["kernels", state.kernels || "–"],
  ["micro-batch", `${count(state.micro_batch_size)} sequences`], ["cloze", state.cloze_version]];
}

function systemSection() {
  return section("System", html("div", { class: "columns" }, report.runs.map((run, index) => html("div", {}, runTitle(run, index),
    table("Model and machine", [{ title: "what" }, { title: "value" }], systemFacts(run))))));
}

// ---- the page ----

function show() {
  const names = report.runs.map((run) => run.name), title = names.length > 3 ? `${names.length} runs` : names.join(", ");
  report.runs.forEach(deriveRun);
  document.title = `${title} – cloze report`;
  document.getElementById("title").textContent = title;
  const makers = [overviewSection, judgementSection, curveSection, fillSection, predictionSection, textSection, configSection,
    systemSection];
  const sections = makers.map((make) => make()).filter((part) => part);
  document.getElementById("main").replaceChildren(...sections);
  document.getElementById("contents").append(...sections.map((part) =>
    html("a", { href: `#${part.id}` }, part.querySelector("h2").textContent)));
  const made = `Made by cloze ${report.version}${report.made ? `, ${report.made}` : ""}.`;
  document.getElementById("footer").append(html("p", {}, made));
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
}

show();
