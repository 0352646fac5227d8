#!/usr/bin/env python3
"""Measures `cloze embed` and sentence-transformers on the same model, sentences and threads, run alternately, and prints
the rows of the table in docs/speed.md:

    scripts/bench_embed.py [--size tiny|mini|base]... [--texts NAME]... [--sentences N] [--rounds N] [--batch-size N]...
                           [--pooling mean|cls] [--threads N] [--clock wall|processor] [--cloze PROGRAM]

The models are transformers' BERT with random weights and the published uncased vocabulary. The texts are

    short   the first sentences of SST-2, mostly phrases: 13 tokens each on average
    mixed   those of MRPC and STS, then of SST-2: 19 tokens

The time of cloze is that of the command without loading the model: reading, encoding, computing, writing. The time of
sentence-transformers is that of `encode`, from a list of strings to an array, after a first call with 256 sentences. With
`--clock processor` it is the processor time of all threads, for cloze with loading the model; with `--threads 1` that
hardly depends on what else the machine does. Of each the fastest round counts: every disturbance makes a round longer.
Both vectors are compared. Needs torch, transformers and sentence-transformers (scripts/bench_requirements.txt), and the data in
../shared/data or CLOZE_SHARED.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CLOZE_SHARED", ROOT.parent / "shared" / "data"))
CORES = len(os.sched_getaffinity(0))
sys.path.insert(0, str(ROOT / "tests/interop"))


# ---- models and texts ----

def make_model(folder, size):
    import torch
    from reference import SIZES
    from transformers import BertConfig, BertModel, BertTokenizer
    torch.manual_seed(1)
    BertModel(BertConfig(vocab_size=30522, **SIZES[size])).save_pretrained(folder)
    BertTokenizer(str(SHARED / "vocab/bert-base-uncased.txt")).save_pretrained(folder)


def column(name, index, header):
    lines = (SHARED / name).read_text(encoding="utf-8-sig").splitlines()[header:]
    cells = [line.split("\t") for line in lines]
    return [row[index].strip() for row in cells if len(row) > index and row[index].strip()]


def sentences_of(texts, count):
    phrases = column("glue/SST-2/train.tsv", 0, 1)
    if texts == "short":
        return phrases[:count]
    pairs = [("glue/MRPC/train.tsv", 3, 1), ("glue/MRPC/dev.tsv", 3, 1), ("sts/train.tsv", 1, 0), ("sts/dev.tsv", 1, 0),
             ("sts/test.tsv", 1, 0)]
    mixed = [text for name, first, header in pairs for i in (first, first + 1) for text in column(name, i, header)]
    return (mixed + phrases)[:count]


# ---- one round ----

def environment(threads):
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads),
            "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false"}


def run_cloze(model, texts, output, options):
    """The seconds of the command."""
    command = [options.cloze, "embed", model, texts, "--output", output, "--pooling", options.pooling]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True,
                          env=environment(options.threads))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if options.clock == "processor":
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    took = re.search(r"numbers after ([^,]*), ([\d.]+)/s", done.stderr)
    wrote = re.search(r"wrote ([\d,]+)", done.stderr)
    return int(wrote[1].replace(",", "")) / float(took[2])


def serve(model, texts, pooling, threads, clock):
    """sentence-transformers in a process of its own: a round for each line of the standard input."""
    import numpy as np
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    torch.set_num_threads(int(threads))
    seconds_now = time.process_time if clock == "processor" else time.monotonic
    words = Transformer(model)
    encoder = SentenceTransformer(modules=[words, Pooling(words.get_embedding_dimension(), pooling)],
                                  device="cpu")
    sentences = Path(texts).read_text(encoding="utf-8").split("\n")[:-1]
    encoder.encode(sentences[:256])
    for line in sys.stdin:
        batch_size, output = line.split()
        begun = seconds_now()
        vectors = encoder.encode(sentences, batch_size=int(batch_size))
        seconds = seconds_now() - begun
        np.save(output, vectors)
        print(json.dumps(seconds), flush=True)


class Other:
    """The other program; it waits while cloze runs."""

    def __init__(self, model, texts, options):
        command = [sys.executable, __file__, "--serve", model, texts, options.pooling, options.threads, options.clock]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment(options.threads))

    def run(self, batch_size, output):
        print(batch_size, output, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


# ---- all rounds ----

def measure(size, texts, options, folder):
    import numpy as np
    sentences = sentences_of(texts, options.sentences)
    path, model = folder / f"{texts}.txt", folder / size
    path.write_text("\n".join(sentences) + "\n", encoding="utf-8")
    if not model.exists():
        make_model(model, size)
    other = Other(model, path, options)
    best, others = None, dict.fromkeys(options.batch_size)
    for _ in range(options.rounds):
        seconds = run_cloze(model, path, folder / "cloze.npy", options)
        best = min(best or seconds, seconds)
        said = f"  {size} {texts}: cloze {seconds:.3f} s"
        for batch_size in options.batch_size:
            seconds = other.run(batch_size, folder / "other.npy")
            others[batch_size] = min(others[batch_size] or seconds, seconds)
            said += f", sentence-transformers in batches of {batch_size} {seconds:.3f} s"
        print(said, file=sys.stderr, flush=True)
    other.close()
    difference = float(np.abs(np.load(folder / "cloze.npy") - np.load(folder / "other.npy")).max())
    if difference > 1e-4:
        sys.exit(f"{size}, {texts}: vectors differ by {difference:.1e}")
    rates = [f"{len(sentences) / seconds:,.0f}" for seconds in [best, *others.values()]]
    ratios = [f"**{seconds / best:.2f}**" for seconds in others.values()]
    print("|", " | ".join([size, texts, f"{len(sentences):,}", *rates, *ratios, f"{difference:.0e}"]), "|", flush=True)


def main():
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", action="append", choices=["tiny", "mini", "base"])
    parser.add_argument("--texts", action="append", choices=["short", "mixed"])
    parser.add_argument("--sentences", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, action="append", help="of sentence-transformers (32, its default)")
    parser.add_argument("--pooling", default="mean", choices=["mean", "cls"])
    parser.add_argument("--threads", type=int, default=CORES)
    parser.add_argument("--clock", default="wall", choices=["wall", "processor"])
    parser.add_argument("--cloze", default=ROOT / "build/cloze")
    options = parser.parse_args()
    options.batch_size = options.batch_size or [32]
    with tempfile.TemporaryDirectory() as folder:
        for size in options.size or ["tiny", "mini", "base"]:
            for texts in options.texts or ["short", "mixed"]:
                measure(size, texts, options, Path(folder))


main()
