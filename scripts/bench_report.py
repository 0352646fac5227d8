"""Runs the measurements of scripts/bench and writes this processor's section of docs/speed.md from all that
build/bench/results.json holds."""

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
WORK = ROOT / "build" / "bench"
RESULTS, PAGE = WORK / "results.json", ROOT / "docs" / "speed.md"
CORES = len(os.sched_getaffinity(0))

# name: size, length, batch, precision
TRAIN = {f"{size}-{seq}-{precision}": (size, seq, batch, precision)
         for precision in ("fp32", "bf16") for seq, batch in ((128, 32), (512, 8)) for size in ("tiny", "mini", "base")}

# What PyTorch is tried with; the fastest is compared with cloze.
VARIANTS = {
    "fp32": ["--attention eager", "--attention sdpa", "--attention eager --mode compile",
             "--attention sdpa --mode compile"],
    "bf16": ["--precision bf16 --attention eager", "--precision bf16 --attention sdpa",
             "--precision bf16 --attention eager --mode compile", "--precision bf16-weights --attention eager",
             "--precision bf16-weights --attention eager --mode compile"],
}
HUGGING_FACE = {"fp32": "--model huggingface --attention sdpa",
                "bf16": "--model huggingface --attention sdpa --precision bf16"}
TEXT = ["encode", "vocab", "prepare"]


# ---- running ----

def run(command, threads=CORES, output=subprocess.PIPE):
    """The seconds that it took and what it printed; (None, None) if it failed, which is said."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    begun = time.monotonic()
    done = subprocess.run([str(word) for word in command], stdout=output, stderr=subprocess.PIPE, text=True,
                          env=environment, cwd=ROOT)
    if done.returncode:
        print("  failed:", " ".join(map(str, command)), "\n ", (done.stderr.strip() or "?").splitlines()[-1],
              file=sys.stderr)
        return None, None
    return time.monotonic() - begun, done.stdout


def run_json(command, threads=CORES):
    _, output = run(command, threads)
    return output and json.loads(output[output.index("{"):])


def cloze_bench(case, options, threads=CORES):
    size, seq, batch, precision = TRAIN[case]
    return run_json(["build/cloze", "bench", "--size", size, "--seq", seq, "--batch", batch, "--precision", precision,
                     "--seconds", options.seconds, "--json"], threads)


def torch_bench(case, variant, options):
    size, seq, batch, _ = TRAIN[case]
    return run_json([sys.executable, "scripts/bench_torch.py", "--size", size, "--seq", seq, "--batch", batch,
                     "--seconds", options.seconds, "--warm-up", 1 if size == "base" else 2, *variant.split()])


def remember(samples, name, sample):
    if sample:
        samples.setdefault(name, []).append({**sample, "date": str(datetime.date.today())})
        print(f"  {name:<55} {sample.get('tokens_per_second') or sample.get('seconds'):>12,.2f}", file=sys.stderr)


def candidates(case, results):
    """The variants of PyTorch to try; with long sequences the two that were fastest with short ones."""
    size, seq, _, precision = TRAIN[case]
    tried = results.get(f"{size}-128-{precision}", {}).get("variants") if seq != 128 else None
    if not tried:
        return VARIANTS[precision]
    return sorted(tried, key=lambda name: -tried[name][0]["tokens_per_second"])[:2]


def measure_training(case, results, options):
    """Tries the variants of PyTorch once, then takes turns with the fastest."""
    result = results.setdefault(case, {})
    if options.choose or "variants" not in result:
        result["variants"] = {}
        for variant in candidates(case, results):
            remember(result["variants"], variant, torch_bench(case, variant, options))
    best = fastest(result["variants"])
    if not options.add:
        result["samples"] = {}
    samples = result.setdefault("samples", {})
    for _ in range(options.rounds):
        remember(samples, "cloze", cloze_bench(case, options))
        if best:
            remember(samples, "torch", torch_bench(case, best, options))
        remember(samples, "one thread", cloze_bench(case, options, 1))
    if best and not samples.get("same last layer"):
        remember(samples, "same last layer", torch_bench(case, f"{best} --last-layer read", options))
    if not samples.get("huggingface"):
        remember(samples, "huggingface", torch_bench(case, HUGGING_FACE[TRAIN[case][3]], options))


def fastest(variants):
    return max(variants, key=lambda name: variants[name][0]["tokens_per_second"], default=None)


def corpus(times):
    """The reference corpus as plain text, under so many names."""
    text = WORK / "corpus.txt"
    if not text.exists():
        import gzip
        text.write_bytes(gzip.decompress((SHARED / "corpus/enwiki2018.txt.gz").read_bytes()))
    names = [text] + [WORK / f"corpus-{i}.txt" for i in range(2, times + 1)]
    for name in names[1:]:
        if not name.exists():
            os.link(text, name)
    return names


def measure_text(case, results, options):
    vocab, text = SHARED / "vocab/bert-base-uncased.txt", corpus(1)[0]
    result = results.setdefault(case, {})
    if not options.add:
        result["samples"] = {}
    samples = result.setdefault("samples", {})
    for _ in range(options.rounds):
        for threads in sorted({1, CORES}):
            measure_text_once(case, samples, vocab, text, threads)


def measure_text_once(case, samples, vocab, text, threads):
    python = [sys.executable, "scripts/bench_text.py"]

    def cloze(name, *command):
        seconds, _ = run(["build/cloze", *command], threads, subprocess.DEVNULL)
        remember(samples, f"{name} {threads}", seconds and {"seconds": seconds})

    if case == "encode":
        cloze("cloze", "tokenize", "--ids", "--vocab", vocab, text)
        for other in ("huggingface", "blingfire"):
            remember(samples, f"{other} {threads}", run_json([*python, "encode", other, vocab, text, threads]))
    elif case == "vocab":
        cloze("cloze", "vocab", "--input", text, "--size", 30522, "--output", WORK / "vocab.txt")
        remember(samples, f"huggingface {threads}", run_json([*python, "vocab", text, 30522, WORK, threads]))
    else:
        for times in (1, 20):
            names = corpus(times)
            shutil.rmtree(WORK / "data", ignore_errors=True)
            cloze(f"prepare x{times}", "prepare", "--vocab", vocab, "--output", WORK / "data", "--input", *names)
            cloze(f"tokenize x{times}", "tokenize", "--ids", "--vocab", vocab, twenty(names))


def twenty(names):
    """One file of all, since tokenize takes one."""
    if len(names) == 1:
        return names[0]
    joined = WORK / f"corpus-x{len(names)}.joined"
    if not joined.exists():
        joined.write_bytes(b"".join(name.read_bytes() for name in names))
    return joined


# ---- the page ----

def middle(samples, name, key="tokens_per_second"):
    values = [sample[key] for sample in samples.get(name, []) if key in sample]
    return median(values) if values else None


def ratio_of_rounds(samples, above, below, key="tokens_per_second"):
    """The median of the ratios of neighbouring runs, which drifts of the machine move less than a ratio of medians."""
    pairs = zip(samples.get(above, []), samples.get(below, []))
    return median([a[key] / b[key] for a, b in pairs]) if samples.get(above) and samples.get(below) else None


def shown(value, form="{:,.0f}"):
    return form.format(value) if value else "-"


def table(head, rows):
    """A table, which ends in an empty line; nothing without rows."""
    if not rows:
        return ""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n\n"


def case_name(case):
    size, seq, batch, precision = TRAIN[case]
    return f"{size}, {batch} x {seq}, {precision}"


def training_table(results):
    rows = []
    for case in (case for case in TRAIN if case in results):
        samples = results[case]["samples"]
        memory = [middle(samples, name, "peak_memory_bytes") for name in ("cloze", "torch")]
        rows.append([
            case_name(case), shown(middle(samples, "cloze")), shown(middle(samples, "torch")),
            shown(ratio_of_rounds(samples, "cloze", "torch"), "**{:.2f}**"),
            shown(middle(samples, "same last layer")), shown(middle(samples, "huggingface")),
            shown(memory[0] and memory[0] / 2**30, "{:.2f}"), shown(memory[1] and memory[1] / 2**30, "{:.2f}"),
            shown(len(samples.get("cloze", [])), "{}")])
    return table(["model, batch", "cloze, tokens/s", "PyTorch, tokens/s", "cloze / PyTorch",
                  "PyTorch, same last layer", "Hugging Face, tokens/s", "cloze, GiB", "PyTorch, GiB", "rounds"], rows)


def share_table(results):
    rows = []
    for case in (case for case in TRAIN if results.get(case, {}).get("samples", {}).get("cloze")):
        samples = results[case]["samples"]
        one = middle(samples, "one thread")
        rows.append([
            case_name(case), shown(middle(samples, "cloze", "model_flops_per_second") / 1e9),
            shown(middle(samples, "cloze", "gemm_peak_flops_per_second") / 1e9),
            shown(100 * middle(samples, "cloze", "gemm_share"), "{:.0f} %"),
            shown(100 * middle(samples, "cloze", "non_gemm_time"), "{:.1f} %"),
            shown(one), shown(ratio_of_rounds(samples, "cloze", "one thread"), "{:.2f}")])
    return table(["model, batch", "GFLOP/s of the model", "matrix products reach", "share", "time outside of them",
                  "one thread, tokens/s", f"{CORES} threads / one"], rows)


def variant_table(results):
    rows = []
    for case in (case for case in TRAIN if results.get(case, {}).get("variants")):
        variants = results[case]["variants"]
        rows += [[case_name(case), f"`{name}`", shown(variants[name][0]["tokens_per_second"])]
                 for name in sorted(variants, key=lambda name: -variants[name][0]["tokens_per_second"])]
    tried = table(["model, batch", "arguments of scripts/bench_torch.py", "tokens/s, one run"], rows)
    return "What PyTorch was tried with:\n\n" + tried if tried else ""


def text_tables(results):
    encode = results.get("encode", {}).get("samples", {})
    vocab = results.get("vocab", {}).get("samples", {})
    prepare = results.get("prepare", {}).get("samples", {})
    if not (encode or vocab or prepare):
        return ""
    megabytes = corpus(1)[0].stat().st_size / 1e6
    pages = []
    for title, samples, others in (("encoding", encode, ("huggingface", "blingfire")),
                                   ("vocabulary of 30,522", vocab, ("huggingface",))):
        for threads in sorted({1, CORES}) if samples else []:
            cells = [f"{title}, {threads} thread{'s' if threads > 1 else ''}",
                     seconds_cell(samples, f"cloze {threads}", megabytes)]
            for other in ("huggingface", "blingfire"):
                name = f"{other} {threads}"
                cells.append(seconds_cell(samples, name, megabytes) if other in others else "")
                faster = ratio_of_rounds(samples, name, f"cloze {threads}", "seconds")
                cells.append(shown(faster, "**{:.1f}**") if other in others else "")
            pages.append(cells)
    text = table(["what", "cloze", "Hugging Face tokenizers", "times", "BlingFire", "times"], pages)
    rows = []
    for times in (1, 20):
        for threads in sorted({1, CORES}) if prepare else []:
            name = f"prepare x{times} {threads}"
            share = ratio_of_rounds(prepare, f"tokenize x{times} {threads}", name, "seconds")
            rows.append([f"{times * megabytes:,.0f} MB, {threads} thread{'s' if threads > 1 else ''}",
                         seconds_cell(prepare, name, times * megabytes),
                         seconds_cell(prepare, f"tokenize x{times} {threads}", times * megabytes),
                         shown(share and 100 * share, "{:.0f} %")])
    return text + table(["preparing data", "`cloze prepare`", "`cloze tokenize --ids`", "share of its rate"], rows)


def seconds_cell(samples, name, megabytes):
    seconds = middle(samples, name, "seconds")
    return f"{seconds:.2f} s, {megabytes / seconds:.1f} MB/s" if seconds else "-"


def version():
    """The lines of `cloze --version`: the release, the kernels of fp32, those of bf16 or why there are none."""
    return subprocess.run(["build/cloze", "--version"], cwd=ROOT, check=True, capture_output=True,
                          text=True).stdout.splitlines()


def has_bf16():
    return version()[2].endswith(" kernels")


def machine():
    """What names a section of the page and of results.json: the processor, how much of it, and what it has."""
    cpu = dict(re.findall(r"^([^:]+):\s+(.*)$", subprocess.run(["lscpu"], capture_output=True, text=True).stdout, re.M))
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in cpu.get("Flags", "").split()]
    return (f"{CORES} cores of {cpu.get('Model name', 'an unknown processor')} (family {cpu.get('CPU family', '?')}, "
            f"model {cpu.get('Model', '?')}): {', '.join(flags)}")


def circumstances(results):
    taken = [sample for result in results.values() for kind in ("variants", "samples")
             for samples in result.get(kind, {}).values() for sample in samples]
    torch = next((sample["torch"] for sample in taken if "torch" in sample), "not run")
    dates = sorted({sample["date"] for sample in taken}) or ["never"]
    with open("/proc/meminfo") as file:
        memory = int(re.search(r"MemTotal:\s+(\d+)", file.read())[1]) / 2**20
    return (f"Measured {' to '.join(dates[:1] + dates[1:][-1:])}: {memory:.0f} GiB, {platform.system()} "
            f"{platform.release()}, {'; '.join(version()[:3])}; PyTorch {torch}.")


PAGE_TEXT = """# Speed

Written by `scripts/bench`: a section for each processor that it ran on, the last one first. cloze runs alternately
with PyTorch and other programs, each in its own process; what is shown is the median of the rounds, and for ratios
the median of the ratios of neighbouring runs. Sections were measured with the cloze of their day;
[optimizations.md](optimizations.md) has what each change since then gained, and what did not help.

**Training.** The whole optimizer step: forward, backward, clipping, Adam; vocabulary of 30,522, 15 % masked, dropout 0.1,
full-length sequences. *PyTorch* is the fastest variant of a model written for speed
([scripts/bench_torch.py](../scripts/bench_torch.py)): fused query, key and value, the MLM head on masked positions only, fused
AdamW, huge pages, eager or compiled; *Hugging Face* is `BertForPreTraining` in the same loop. cloze computes in its last layer
only the tokens that the heads read: *same last layer* is PyTorch taught the same (one run; `--last-layer read`), which tells
how much of the ratio comes from that. With 512 tokens only the two variants are tried that were fastest with 128. Memory is the
peak: cloze's from its start, PyTorch's without import and compilation.

**Share.** The rate of the model's own arithmetic as a share of what cloze's matrix products reach at the model's shapes in the
same process (`cloze bench` explains the terms), and the time that is not matrix products.

**Text.** 30.6 MB of English Wikipedia, the published uncased vocabulary. The times of cloze are whole processes: starting,
reading, loading the vocabulary, writing the ids as text. Those of the others are their core alone, from lines in memory to ids
in memory ([scripts/bench_text.py](../scripts/bench_text.py)).

**How to repeat.**

<!-- not run: `scripts/bench` (takes an hour or two, and a quiet machine) -->
<!-- not run: `scripts/bench train base-128-fp32` (needs PyTorch's packages, minutes, and a quiet machine) -->
<!-- run as `cloze bench --size tiny --seconds 1`: `cloze bench --size base` (faster) -->
```sh
scripts/bench                       # everything
scripts/bench train base-128-fp32   # one row; --rounds 5 for more rounds, --choose to try PyTorch's variants again
cloze bench --size base             # cloze alone, with the time of each phase
```

{sections}"""

SECTION_TEXT = """<!-- section -->
## {machine}

{circumstances}

{training}{share}{text}{variants}<!-- end of section -->
"""
SECTION = re.compile(r"<!-- section -->\n## ([^\n]*)\n.*?<!-- end of section -->\n", re.S)


def write_page(results):
    page, name = PAGE.read_text() if PAGE.exists() else "", machine()
    sections = [SECTION_TEXT.format(machine=name, circumstances=circumstances(results),
                                    training=training_table(results), share=share_table(results),
                                    text=text_tables(results), variants=variant_table(results))]
    sections += [found[0] for found in SECTION.finditer(page) if found[1] != name]
    PAGE.write_text(PAGE_TEXT.format(sections="\n".join(sections)))


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=["train", "text", "page"],
                        help="page: write this processor's section of docs/speed.md from what was measured before")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join([*TRAIN, *TEXT]))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="of each run, and three steps at least")
    parser.add_argument("--add", action="store_true", help="keep the rounds measured before")
    parser.add_argument("--choose", action="store_true", help="try the variants of PyTorch again")
    options = parser.parse_args()
    unknown = set(options.cases) - {*TRAIN, *TEXT}
    if unknown:
        parser.error(f"unknown case {', '.join(sorted(unknown))}; the cases are {', '.join([*TRAIN, *TEXT])}")
    return options


def main():
    options = parse_arguments()
    WORK.mkdir(parents=True, exist_ok=True)
    everything = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results = everything.setdefault(machine(), {})
    for cases, part, measure in ((TRAIN, "train", measure_training), (TEXT, "text", measure_text)):
        for case in cases if options.part in (None, part) else []:
            if options.cases and case not in options.cases:
                continue
            if case.endswith("-bf16") and not has_bf16():
                print(f"{case}: left out, {version()[2]}", file=sys.stderr)
                continue
            print(case, file=sys.stderr)
            measure(case, results, options)
            RESULTS.write_text(json.dumps(everything, indent=1))
    write_page(results)


main()
