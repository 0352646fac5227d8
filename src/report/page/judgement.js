// "Is this normal?": what the records of a run say, in sentences. Each function returns a list of {level, text}, where the
// level is "good", "warn" or "note".

const good = (text) => ({ level: "good", text });
const warn = (text) => ({ level: "warn", text });
const note = (text) => ({ level: "note", text });

// The record of a table at an index, or at the last one.
function recordAt(records, index = records.step ? records.step.length - 1 : -1) {
  if (index < 0) return null;
  return Object.fromEntries(Object.entries(records).map(([key, list]) => [key, list[index]]));
}

function mean(list) {
  const numbers = (list || []).filter(isNumber);
  return numbers.length ? numbers.reduce((sum, value) => sum + value, 0) / numbers.length : null;
}

// The means of the first and of the last tenth of a curve.
function ends(list) {
  const size = Math.max(1, Math.floor((list || []).length / 10));
  return [mean((list || []).slice(0, size)), mean((list || []).slice(-size))];
}

const PLATEAU_STEPS = 5000; // as in src/train/signs.c

// As run_config_warmup_steps; where epochs or hours decide, as long as the rate rises.
function warmupOf(run) {
  const given = run.config["train.warmup_steps"], steps = Number(run.config["train.steps"]);
  if (given) return Number(given);
  if (steps) return Math.min(steps / 10, 10000);
  const train = run.records.train, rates = (train.learning_rate || []).filter(isNumber);
  return rates.length ? train.step[train.learning_rate.indexOf(Math.max(...rates))] : 0;
}

function judgeLoss(run, levels) {
  const held = recordAt(run.records.eval), train = run.records.train, { guessing, uniform } = levels;
  const loss = held ? held.mlm_loss : ends(train.mlm_loss)[1];
  const accuracy = held ? held.mlm_accuracy : ends(train.mlm_accuracy)[1];
  if (!isNumber(loss)) return [warn("The latest loss is not a finite number: the training has diverged.")];
  const where = held ? `On held-out text at step ${count(held.step)}`
    : "In the last steps, on the training text (there has been no evaluation),";
  const reached = `${where} the MLM loss is ${real(loss)} and the accuracy ${share(accuracy)}.`;
  const nothing = uniform ? ` Without knowing anything the loss is ln V = ${real(uniform)}.` : "";
  if (!guessing)
    return [note(`${reached}${nothing} What guessing by token frequency gives is not known: the shards are not there.`)];
  const text = `${reached} Guessing by token frequency gives ${real(guessing.loss)} and ${share(guessing.accuracy)}.${nothing}`;
  const low = held && held.predictions ? interval(accuracy, held.predictions)[0] : accuracy;
  if (loss < guessing.loss - 0.1 && low > guessing.accuracy) return [good(`${text} The model is clearly better than guessing.`)];
  const found = `${text} The model is not clearly better than guessing yet.`;
  if (last(train.step) < Math.max(PLATEAU_STEPS, warmupOf(run)))
    return [note(`${found} That is normal at first: models of this project left it after 1,000 to 4,000 steps, and after the warm-up.`)];
  return [warn(`${found} Perhaps the learning rate does not suit; otherwise train for more steps.`)];
}

function judgePairs(run) {
  const held = recordAt(run.records.eval);
  if (!held || !isNumber(held.nsp_accuracy)) return [];
  const text = `NSP accuracy on held-out pairs is ${share(held.nsp_accuracy)}; guessing gives 50 %.`;
  if (held.pairs && interval(held.nsp_accuracy, held.pairs)[0] > 0.5)
    return [good(`${text} The model tells better than by chance which sentences follow each other.`)];
  return [note(`${text} It is not clearly better than guessing yet: next-sentence prediction usually starts later than MLM.`)];
}

// Losses of sequences of another length are not compared: the step after which the current length began.
function comparableFrom(run, step) {
  let before = 0, from = 0, length = null;
  for (const [, phase, steps] of (run.config["train.phases"] || "").matchAll(/seq_len: (\d+), steps: (\d+)/g)) {
    if (before >= step) break;
    if (phase !== length) from = before;
    length = phase;
    before += Number(steps);
  }
  return from;
}

function judgeTrend(run, key) {
  const train = run.records.train, list = [], from = comparableFrom(run, last(train.step));
  const comparable = (train[key] || []).filter((_, i) => train.step[i] > from);
  const [first] = ends(train[key]), [, now] = ends(comparable);
  if (!isNumber(first) || !isNumber(now) || comparable.length < 5) return list;
  const lowest = Math.min(...smooth(comparable, 0.9).filter(isNumber));
  if (now > lowest + 0.3 && now > 1.05 * lowest)
    list.push(warn(`The training loss has risen again, from ${real(lowest)} to ${real(now)}; perhaps by a high learning rate.`));
  else if (now > 0.98 * first)
    list.push(warn(`The training loss hardly moves: ${real(first)} in the first tenth of the steps, ${real(now)} in the last. ` +
      "A higher learning rate may help, or a longer warm-up."));
  else list.push(good(`The training loss has fallen from ${real(first)} to ${real(now)}.`));
  return list;
}

// Whether the held-out loss was lower before.
function judgeBest(run) {
  const evals = run.records.eval, from = comparableFrom(run, last(evals.step));
  const losses = (evals[run.task ? "loss" : "mlm_loss"] || []).map((loss, i) => (evals.step[i] > from ? loss : null));
  const lowest = Math.min(...losses.filter(isNumber)), at = losses.indexOf(lowest), now = last(losses);
  if (losses.filter(isNumber).length < 2 || !isNumber(now)) return [];
  if (now <= lowest) return [good(`The held-out loss is at its lowest now (${real(now)}): more steps may still help.`)];
  const text = `The held-out loss was lowest at step ${count(evals.step[at])} (${real(lowest)}) and is ${real(now)} now.`;
  if (run.task) return [note(`${text} That is usual in fine-tuning; checkpoints/best is chosen by the metric.`)];
  if (now <= lowest + 0.05) return [note(text)];
  return [warn(`${text} The model learns its text by heart: use more text or fewer steps.`)];
}

function judgeText(run) {
  const list = [], summary = run.text && run.text.summary, tokens = last(run.records.train.tokens);
  if (!summary) return list;
  const epochs = tokens / summary.train_tokens, all = summary.train_tokens + summary.valid_tokens;
  if (epochs > 100)
    list.push(warn(`The text has been read ${count(epochs)} times. BERT read its text about 40 times; more text would help.`));
  else if (epochs >= 1) list.push(note(`The text has been read ${epochs.toFixed(1)} times (BERT: about 40 times).`));
  if (summary.unknown_tokens > 0.01 * all)
    list.push(warn(`${share(summary.unknown_tokens / all, 2)} of the tokens are [UNK]: the vocabulary does not suit the text.`));
  if (run.length && run.mean_length < 0.5 * run.length)
    list.push(warn(`Sequences have ${count(run.mean_length)} tokens on average, of ${run.length}: the documents are short.`));
  return list;
}

// Whether a run began from random parameters, as the reference run of its size did.
function isReference(curve, run) {
  return !run.task && !run.config["model.init_from"] && curve.size === run.size;
}

function judgeReference(run, curves) {
  const tokens = last(run.records.train.tokens), held = recordAt(run.records.eval);
  if (!held || !isNumber(held.mlm_loss)) return [];
  return curves.filter((curve) => isReference(curve, run)).flatMap((curve) => {
    const loss = between(curve.tokens, curve.mlm_loss, tokens);
    return loss === null ? [] : [note(`After as many tokens the reference run ${curve.name} had a held-out MLM loss of ` +
      `${real(loss)}, on another text. Losses of other texts and vocabularies differ; the shape of the curves should not.`)];
  });
}

function judgeSkips(run) {
  const skipped = last(run.records.train.skipped_steps);
  return skipped ? [warn(`${count(skipped)} steps were skipped because of their loss or gradient.`)] : [];
}

// Compares with what always saying the most frequent label would give.
function judgeLabels(run) {
  const labels = run.labels, held = recordAt(run.records.eval);
  if (!labels || !labels.total) return held ? [] : [note("There has been no evaluation yet.")];
  const frequent = labels.names.reduce((a, b) => (labels.rows[b] > labels.rows[a] ? b : a));
  const guess = labels.rows[frequent] / labels.total, right = labels.right / labels.total;
  const text = `Of ${count(labels.total)} held-out predictions ${share(right)} are right; always saying “${frequent}” ` +
    `gives ${share(guess)}.`;
  const better = interval(right, labels.total)[0] > guess;
  return [better ? good(`${text} The model is clearly better.`) : warn(`${text} The model is not clearly better.`)];
}

// The correlation of a regression, with Fisher's interval as in the program.
function judgeNumbers(run) {
  const held = recordAt(run.records.eval);
  if (!held || !isNumber(held.pearson) || !(held.predictions > 3)) return [];
  const text = `Pearson's correlation of predicted and given numbers is ${real(held.pearson)} on ${count(held.predictions)} ` +
    "held-out examples; guessing gives 0.";
  const better = Math.tanh(Math.atanh(held.pearson) - 1.96 / Math.sqrt(held.predictions - 3)) > 0;
  return [better ? good(`${text} The model is clearly better.`) : warn(`${text} The model is not clearly better.`)];
}

function judgeRun(run, levels, curves) {
  const train = run.records.train;
  if (!train.step) return [note("This run has no records yet.")];
  const findings = run.task ? [...judgeLabels(run), ...judgeNumbers(run), ...judgeTrend(run, "loss"), ...judgeBest(run)]
    : [...judgeLoss(run, levels), ...judgePairs(run), ...judgeTrend(run, "mlm_loss"), ...judgeBest(run),
      ...judgeText(run), ...judgeReference(run, curves)];
  return [...findings, ...judgeSkips(run)];
}
