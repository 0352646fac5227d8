"""Runs the steps of scripts/results, each of which keeps what it measured in build/results/NAME.json, and writes
docs/results.md and docs/curves/mini-wiki.tsv from them."""

import argparse
import concurrent.futures
import datetime
import json
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "results"
CONFIG, PAGE, CURVE = ROOT / "configs/mini-wiki.yaml", ROOT / "docs/results.md", ROOT / "docs/curves/mini-wiki.tsv"
CORES = len(os.sched_getaffinity(0))

FILES = """files in DIR:
  corpus/enwiki2018.txt.gz               English Wikipedia, a paragraph a line, an empty line between articles
  minimal_pairs/blimp.jsonl.gz           BLiMP, all 67,000 pairs
  glue/{SST-2,MRPC,CoLA}/{train,dev}.tsv GLUE
  sts/{train,dev}.tsv                    SemEval STS: score, text, text
  ner/wnut17/{train,dev}.conll           WNUT-17
"""

# Runs by which the recipe was chosen: so many steps of the configuration with something changed.
SWEEP_STEPS = 2000
def phases(*pairs):
    return {"train.phases": [{"seq_len": length, "steps": steps} for length, steps in pairs]}


# Of each thing that was changed: its name, the steps after which as many tokens were seen, and the changes. Where steps have
# more or fewer tokens, the warm-up and the whole run have as many more or fewer steps. All are evaluated with sequences of
# 64 tokens; a phase of that length begins for this where the sequences are longer.
SWEEP = [
    ("learning rate 1e-3", SWEEP_STEPS, {"train.learning_rate": 1e-3}),
    ("16 sequences in a batch", 2 * SWEEP_STEPS,
     {"train.batch_size": 16, "train.warmup_steps": 2000, **phases((64, 76000), (128, 16000))}),
    ("64 sequences in a batch", SWEEP_STEPS // 2,
     {"train.batch_size": 64, "train.warmup_steps": 500, **phases((64, 19000), (128, 4000))}),
    ("16 sequences of 128 tokens in a batch", SWEEP_STEPS,
     {"train.batch_size": 16, **phases((128, SWEEP_STEPS - 1), (64, 46000 - SWEEP_STEPS + 1))}),
]

# The fine-tuning of every task, from the trained parameters and from those that the training began with.
SEEDS, RATE, BATCH = (1, 2, 3), 3e-4, 32
TASKS = {
    "SST-2": dict(data="glue/SST-2/{}.tsv", valid="dev", epochs=1, task={"text": "sentence", "label": "label"}),
    "MRPC": dict(data="glue/MRPC/{}.tsv", valid="dev", epochs=3,
                 task={"text": "#1 String", "text_pair": "#2 String", "label": "Quality", "metric": "accuracy"}),
    "CoLA": dict(data="glue/CoLA/{}.tsv", valid="dev", epochs=3,
                 task={"header": False, "text": "4", "label": "2", "metric": "matthews"}),
    "STS": dict(data="sts/{}.tsv", valid="dev", epochs=3,
                task={"kind": "regression", "header": False, "label": "1", "text": "2", "text_pair": "3"}),
    "WNUT-17": dict(data="ner/wnut17/{}.conll", valid="dev", epochs=3, task={"kind": "tokens"}),
}
START = {"trained": "latest", "random": "step-00000000"}

# The first steps of the run, repeated by PyTorch.
TORCH_STEPS = 200


# ---- running ----

def say(*words):
    print(*words, file=sys.stderr, flush=True)


def run(command, log=None, threads=CORES):
    """The seconds that a command took and what it printed; ends the program if it failed."""
    begun = time.monotonic()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with open(log or os.devnull, "w") as errors, subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=errors if log else None, text=True, cwd=ROOT,
            env=environment) as process:
        try:
            output = process.stdout.read()
        except KeyboardInterrupt:
            process.wait()  # it has the signal as well, and saves
            raise
    if process.returncode:
        sys.exit(f"results: {' '.join(map(str, command))} failed" + (f"; see {log}" if log else ""))
    return time.monotonic() - begun, output


def settings(values):
    return [word for key, value in values.items() for word in ("--set", f"{key}={json.dumps(value)}")]


def is_done(name):
    """Whether a step was measured, of tasks all of them."""
    value = kept(name)
    return value is not None and (name != "tasks" or all(start in value.get(task, {}) for task in TASKS for start in START))


def keep(name, value):
    (WORK / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n")


def kept(name):
    path = WORK / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def records(run_directory):
    """The records of the run's steps and of its evaluations."""
    steps, evaluations = {}, {}
    for line in (run_directory / "metrics.jsonl").read_text().split("\n")[:-1]:  # the last may not be whole yet
        record = json.loads(line)
        (evaluations if record["eval"] else steps)[record["step"]] = record  # a step that was repeated counts once
    return list(steps.values()), list(evaluations.values())


def text_of(options):
    return options.data / "corpus/enwiki2018.txt.gz"


# ---- the steps ----

def evaluation_after(evaluations, step):
    return next((record for record in evaluations if record["step"] == step), None)


def train_until(step, command, output, log):
    """The record of the evaluation after so many steps of a training, which is then stopped."""
    with open(log, "w") as errors:
        training = subprocess.Popen([str(word) for word in command], stderr=errors, stdout=errors, cwd=ROOT)
        while training.poll() is None:
            time.sleep(1)
            if (output / "metrics.jsonl").exists() and evaluation_after(records(output)[1], step):
                training.terminate()
    done = (output / "metrics.jsonl").exists() and evaluation_after(records(output)[1], step)
    return done or sys.exit(f"results: the training ended before step {step}; see {log}")


def sweep(options):
    results = []
    for number, (name, steps, changes) in enumerate(SWEEP):
        output = WORK / f"sweep-{number}"
        shutil.rmtree(output, ignore_errors=True)
        changes = {"output": str(output), "data.train": [str(text_of(options))], "train.eval_every": steps, **changes}
        results.append({"name": name, **train_until(
            steps, ["build/cloze", "train", CONFIG, *settings(changes)], output, output.with_suffix(".log"))})
        say(results[-1])
    keep("sweep", results)


def train(options):
    resume = ["--resume"] if (options.run / "checkpoints").is_dir() else []
    run(["build/cloze", "train", CONFIG, *resume,
         *settings({"output": str(options.run), "data.train": [str(text_of(options))]})], WORK / "train.log")
    keep("train", {"version": version(), "machine": machine(), "date": str(datetime.date.today())})


def minimal_pairs(options):
    seconds, output = run(["build/cloze", "eval", options.run, "--json", "--minimal-pairs",
                           options.data / "minimal_pairs/blimp.jsonl.gz"])
    keep("minimal-pairs", {**json.loads(output), "seconds": seconds})


def torch_comparison(options):
    folder = WORK / "batches"
    shutil.rmtree(folder, ignore_errors=True)
    run(["build/cloze", "batches", options.run / "config.yaml", "--steps", TORCH_STEPS, "--output", folder],
        WORK / "batches.log")
    keep("torch", json.loads(run([sys.executable, "scripts/results_torch.py", options.run, folder, TORCH_STEPS],
                                 WORK / "torch.log")[1].splitlines()[-1]))


def task_settings(name, start, options):
    task = TASKS[name]
    files = {key: [str(options.data / task["data"].format(split))]
             for key, split in (("train", "train"), ("valid", task["valid"]))}
    return {"output": f"{name}-{start}",
            "model": {"init_from": str(options.run / "checkpoints" / START[start]),
                      "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1},
            "task": {**task["task"], **files},
            "train": {"epochs": task["epochs"], "batch_size": BATCH, "learning_rate": RATE, "precision": options.precision,
                      "seeds": list(SEEDS), "keep_checkpoints": 1}}


def finetune(name, start, options):
    config = WORK / f"{name}-{start}.yaml"
    shutil.rmtree(config.with_suffix(""), ignore_errors=True)
    config.write_text(json.dumps(task_settings(name, start, options), indent=1))  # JSON is YAML
    seconds, output = run(["build/cloze", "finetune", config, "--json"], config.with_suffix(".log"), threads=1)
    return {**json.loads(output), "seconds": seconds}


def train_by_trainer(seed, options):
    """SST-2 by transformers' Trainer, from the same directory, with the same recipe; the best epoch counts, as in cloze."""
    seconds, output = run([sys.executable, "scripts/results_trainer.py", options.run / "checkpoints/latest",
                           options.data / "glue/SST-2", seed, TASKS["SST-2"]["epochs"], RATE, BATCH],
                          WORK / f"trainer-{seed}.log", threads=1)
    return {"value": json.loads(output.splitlines()[-1])["accuracy"], "seconds": seconds}


def together(jobs):
    """Runs functions on one core each, and yields (name, result) as they end; those that fail end the program afterwards."""
    failed = []
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        running = {pool.submit(job): name for name, job in jobs.items()}
        for future in concurrent.futures.as_completed(running):
            try:
                result = future.result()
            except SystemExit as failure:
                say(failure)
                failed.append(running[future])
                continue
            say(running[future], result)
            yield running[future], result
    if failed:
        sys.exit(f"results: {len(failed)} of {len(jobs)} failed; what the others measured is kept")


def tasks(options):
    results = kept("tasks") or {}
    jobs = {(name, start): lambda name=name, start=start: finetune(name, start, options)
            for name in options.only or TASKS for start in START if options.steps or start not in results.get(name, {})}
    for (name, start), result in together(jobs):
        results.setdefault(name, {})[start] = result
        keep("tasks", results)


def trainer(options):
    jobs = {seed: lambda seed=seed: train_by_trainer(seed, options) for seed in SEEDS}
    results = {}
    for seed, result in together(jobs):
        results[seed] = result
        keep("trainer", results)


# ---- the page ----

def version():
    return subprocess.run(["build/cloze", "--version"], cwd=ROOT, check=True, capture_output=True,
                          text=True).stdout.splitlines()[:3]


def machine():
    cpu = dict(re.findall(r"^([^:]+):\s+(.*)$", subprocess.run(["lscpu"], capture_output=True, text=True).stdout, re.M))
    return (f"{CORES} cores of {cpu.get('Model name', 'an unknown processor')} (family {cpu.get('CPU family', '?')}, "
            f"model {cpu.get('Model', '?')}), {platform.system()}")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def wilson(share, count):
    """The 95 % interval of a share (Wilson 1927), as cloze prints it."""
    z = 1.959964
    middle = share + z * z / (2 * count)
    width = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - width) / (1 + z * z / count), (middle + width) / (1 + z * z / count)


def percent(share, count=None):
    shown = f"{100 * share:.1f} %"
    if count:
        low, high = wilson(share, count)
        shown += f" ({100 * low:.1f} to {100 * high:.1f})"
    return shown


def training_seconds(steps):
    """The time of the steps: of each hundred records the tokens over their median rate, so that pauses do not count."""
    seconds = before = 0
    for group in (steps[i:i + 100] for i in range(0, len(steps), 100)):
        seconds += (group[-1]["tokens"] - before) / statistics.median(step["tokens_per_second"] for step in group)
        before = group[-1]["tokens"]
    return seconds


def epochs(steps, log, batch):
    """How often the text was read: the tokens without [CLS] and two [SEP], over those of the text."""
    text = int(re.search(r"^text\s+[\d,]+ documents, ([\d,]+) tokens", log, re.M)[1].replace(",", ""))
    return (steps[-1]["tokens"] - 3 * batch * steps[-1]["step"]) / text


def duration(seconds):
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def sweep_section(evaluations):
    entries = [{"name": "nothing", **evaluation_after(evaluations, SWEEP_STEPS)}, *kept("sweep")]
    rows = [[entry["name"], f"{entry['mlm_loss']:.3f}", percent(entry["mlm_accuracy"]), percent(entry["nsp_accuracy"])]
            for entry in entries]
    return table(["what was changed", "MLM loss", "MLM accuracy", "NSP accuracy"], rows)


def curve_rows(evaluations, steps):
    tokens = {step["step"]: step["tokens"] for step in steps}
    return [(record, tokens.get(record["step"])) for record in evaluations if record["step"] in tokens]


def curve_section(steps, evaluations):
    rows = [[f"{record['step']:,}", f"{tokens / 1e6:.1f}", f"{record['mlm_loss']:.3f}",
             percent(record["mlm_accuracy"]), f"{record['nsp_loss']:.3f}", percent(record["nsp_accuracy"])]
            for record, tokens in curve_rows(evaluations, steps)]
    return table(["step", "million tokens", "MLM loss", "MLM accuracy", "NSP loss", "NSP accuracy"], rows)


def write_curve(steps, evaluations):
    columns = ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy")
    lines = ["\t".join(("step", "tokens", *columns))]
    for record, tokens in curve_rows(evaluations, steps):
        lines.append("\t".join([str(record["step"]), str(tokens), *(f"{record[name]:.5f}" for name in columns)]))
    CURVE.parent.mkdir(exist_ok=True)
    CURVE.write_text("\n".join(lines) + "\n")


def torch_section(steps):
    theirs = kept("torch")
    ours = {step["step"]: step for step in steps if step["step"] <= TORCH_STEPS}
    every = max(1, len(ours) // 8)
    rows = [[str(step), f"{ours[step]['loss']:.4f}", f"{theirs['losses'][step - 1]:.4f}",
             f"{100 * (ours[step]['loss'] / theirs['losses'][step - 1] - 1):+.2f} %"] for step in sorted(ours)[every - 1::every]]
    worst = max(abs(ours[step]["loss"] / theirs["losses"][step - 1] - 1) for step in ours)
    rate = statistics.median(step["tokens_per_second"] for step in ours.values())
    return (table(["step", "loss of cloze", "loss of PyTorch", "difference"], rows)
            + f"\nThe largest difference of the {len(ours)} steps that cloze logged among the first {TORCH_STEPS} is "
            f"{100 * worst:.2f} %.\nThere cloze trains on {rate:,.0f} tokens/s, PyTorch {theirs['version']} on "
            f"{theirs['tokens_per_second']:,.0f}: cloze is **{rate / theirs['tokens_per_second']:.1f} times** as fast.\n")


def spread(values):
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def values_of(result):
    """The metric of each seed; a metric that is not defined (null: all predictions equal) counts as 0 here."""
    return [seed["value"] or 0.0 for seed in result["seeds"]]


def tasks_section():
    rows, unclear = [], ""
    for name, result in sorted(kept("tasks").items(), key=lambda item: list(TASKS).index(item[0])):
        trained, random = values_of(result["trained"]), values_of(result["random"])
        gain = statistics.mean(trained) - statistics.mean(random)
        clear = gain > statistics.stdev(trained) + statistics.stdev(random)
        if not clear:
            low, high = result["trained"]["seeds"][0]["interval"]
            unclear += (f"\n{name}: within the spread of the seeds. The 95 % interval of one model there is {high - low:.3f} wide: the\n"
                        "development file is too small to tell such a gain.\n")
        rows.append([name, result["trained"]["metric"], spread(trained), spread(random),
                     f"{gain:+.3f}" + ("" if clear else " (within the spread)"), duration(result["trained"]["seconds"])])
    return (table(["task", "metric", "trained", "random", "gain", "three seeds take"], rows) + unclear + undefined_note(kept("tasks"))
            + (trainer_section() if kept("trainer") else ""))


def undefined_note(results):
    """Names the runs whose metric is not defined."""
    places = [f"{name}, {start}, seed {seed['seed']}" for name, result in results.items() for start in START
              for seed in result[start]["seeds"] if seed["value"] is None]
    return f"\nNot defined, because all predictions are equal, and counted as 0: {'; '.join(places)}.\n" if places else ""


def trainer_section():
    theirs, ours = list(kept("trainer").values()), kept("tasks")["SST-2"]["trained"]
    return (f"\nSST-2 by transformers' Trainer from the same directory, with the same recipe in fp32, {len(theirs)} seeds: accuracy\n"
            f"{spread([result['value'] for result in theirs])} in {duration(sum(result['seconds'] for result in theirs))}; "
            f"by cloze {spread(values_of(ours))} in {duration(ours['seconds'])}.\n")


def pairs_section():
    result = kept("minimal-pairs")
    rows = [[name, percent(accuracy)] for name, accuracy in sorted(result["by_field"].items())]
    rows.append([f"all {result['pairs']:,} pairs", percent(result["accuracy"], result["pairs"])])
    return table(["field", "accuracy"], rows) + f"\nIn {duration(result['seconds'])}.\n"


PAGE_TEXT = """# What a model learns in two hours

Written by `scripts/results`, which repeats all of it from nothing. [configs/mini-wiki.yaml](../configs/mini-wiki.yaml) trains
BERT mini (4 layers, 256 wide, {parameters} parameters) on 30 MB of English Wikipedia, {epochs:.1f} times over:
{step_count:,} steps, {tokens:.0f} million tokens, {time} of steps at {rate:,.0f} tokens/s (evaluations, saves and pauses are
not counted).

Measured {date} on {machine}; {version}.

## Held-out text

| | trained | guessing by token frequency |
| --- | --- | --- |
| MLM loss | {mlm_loss:.4f} | {guess_loss} |
| MLM accuracy | {mlm_accuracy} | {guess_accuracy} |
| NSP accuracy | {nsp_accuracy} | 50.0 % |

On {predictions:,} masked tokens and {pairs:,} pairs of documents that were held out; intervals are of 95 %.

## The learning curve

Held-out figures ([the same as a table for programs](curves/mini-wiki.tsv)). Sequences, also those of the evaluations, have
{lengths}: figures of different lengths cannot be compared.

{curve}
## How the recipe was chosen

The run's first {sweep_steps:,} steps with one thing changed; held-out figures after them, or after as many tokens where a step has
more or fewer (warm-up and run have as many more or fewer steps), of sequences of 64 tokens:

{sweep}
## The same steps by PyTorch

`BertForPreTraining` from the run's own initialization, on the very batches of the run (`cloze batches`), without dropout as
in the configuration: bf16 by autocast, the MLM head on masked positions only, clipping and AdamW as in cloze.

{torch}
## Minimal pairs

BLiMP (67,000 pairs of an acceptable and an unacceptable sentence; `cloze eval --minimal-pairs`); guessing is 50 %:

{pairs_table}
## Other tasks

`cloze finetune` on the task's training file, three seeds, learning rate {finetune_rate:g}, batch {finetune_batch}, dropout 0.1;
{epochs_of_tasks}, of which the best one on the development file counts; each run has one core.
*Trained*: from the parameters of the run; *random*: from those it began with. Mean ± standard deviation.

{tasks}"""


def guessing(log):
    """What the training says, whenever it starts, that guessing gives."""
    return re.search(r"guessing\s+MLM loss ([\d.]+), accuracy ([\d.]+ %)", log).groups()


def lengths_of(phases):
    """What the page says of [{seq_len: 64, steps: 38000}, {seq_len: 128, steps: 8000}]."""
    words, step = [], 0
    for length, steps in re.findall(r"seq_len: (\d+), steps: (\d+)", phases):
        step += int(steps)
        words.append(f"{length} tokens until step {step:,}")
    return ", then ".join(words)


def epochs_of_tasks():
    """"1 epoch of SST-2, 3 of MRPC and CoLA"."""
    by_count = {}
    for name, task in TASKS.items():
        by_count.setdefault(task["epochs"], []).append(name)
    texts = [f"{count}{'' if i else ' epoch' + ('s' if count > 1 else '')} of {', '.join(names[:-1])}"
             f"{' and ' if names[1:] else ''}{names[-1]}" for i, (count, names) in enumerate(by_count.items())]
    return ", ".join(texts)


def page(options):
    steps, evaluations = records(options.run)
    write_curve(steps, evaluations)
    last, trained, log = evaluations[-1], kept("train"), (WORK / "train.log").read_text()
    guess_loss, guess_accuracy = guessing(log)
    config = (options.run / "config.yaml").read_text()

    def setting(key):
        return re.search(rf"^  {key}: (.*)$", config, re.M)[1]

    PAGE.write_text(PAGE_TEXT.format(
        parameters=re.search(r"parameters\s+([\d,]+)", log)[1],
        epochs=epochs(steps, log, int(setting("batch_size"))), lengths=lengths_of(setting("phases")),
        step_count=steps[-1]["step"], tokens=steps[-1]["tokens"] / 1e6, time=duration(training_seconds(steps)),
        rate=statistics.median(step["tokens_per_second"] for step in steps), date=trained["date"],
        machine=trained["machine"], version="; ".join(trained["version"]), mlm_loss=last["mlm_loss"],
        guess_loss=guess_loss, guess_accuracy=guess_accuracy, mlm_accuracy=percent(last["mlm_accuracy"], last["predictions"]),
        nsp_accuracy=percent(last["nsp_accuracy"], last["pairs"]), predictions=last["predictions"], pairs=last["pairs"],
        curve=curve_section(steps, evaluations), sweep_steps=SWEEP_STEPS, sweep=sweep_section(evaluations),
        torch=torch_section(steps), pairs_table=pairs_section(), finetune_rate=RATE,
        finetune_batch=BATCH, epochs_of_tasks=epochs_of_tasks(),
        tasks=tasks_section()))


STEPS = {"sweep": sweep, "train": train, "minimal-pairs": minimal_pairs, "torch": torch_comparison, "tasks": tasks,
         "trainer": trainer}


def main():
    parser = argparse.ArgumentParser(prog="scripts/results", description=__doc__, epilog=FILES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join([*STEPS, "page"]))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="corpus and tasks (../shared/data)")
    parser.add_argument("--run", type=Path, default=ROOT / "runs/mini-wiki", help="the run directory (runs/mini-wiki)")
    parser.add_argument("--only", nargs="+", choices=TASKS, metavar="TASK", help="of tasks: " + ", ".join(TASKS))
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16", help="of fine-tuning (bf16)")
    options = parser.parse_args()
    options.data, options.run = options.data.resolve(), options.run.resolve()
    unknown = set(options.steps) - {*STEPS, "page"}
    if unknown:
        parser.error(f"unknown step {', '.join(sorted(unknown))}; the steps are {', '.join([*STEPS, 'page'])}")
    WORK.mkdir(parents=True, exist_ok=True)
    missing = [name for name in STEPS if name != "trainer" and name not in options.steps and not is_done(name)]
    if "page" in options.steps and missing:
        parser.error(f"the page needs the steps {', '.join(missing)}; name them too")
    for name, step in STEPS.items():
        if name in options.steps or not options.steps and not is_done(name):
            say(name)
            step(options)
    if not options.steps or "page" in options.steps:
        page(options)


if __name__ == "__main__":
    main()
