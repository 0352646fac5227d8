"""A small model, trained by the package itself, and three that are fine-tuned from it."""

import os
import random
import shutil
from pathlib import Path

import pytest

import cloze

CONFIG = """\
seed: 5
output: runs/mine
model: {size: tiny, hidden_size: 32, intermediate_size: 64, num_attention_heads: 2}
tokenizer: {vocab_size: 100}
data: {train: [text.txt], sentences: line, seq_len: 32, valid_fraction: 0.1}
train: {steps: 12, batch_size: 8, learning_rate: 1e-3, warmup_steps: 2, log_every: 1, eval_every: 6, threads: 2}
"""

TASK = """\
model: {init_from: runs/mine}
train: {epochs: 1, batch_size: 4, threads: 2}
"""

TASKS = {
    "classification": "{train: [rows.tsv], valid: [rows.tsv], text: text, text_pair: pair, label: label}",
    "regression": "{kind: regression, train: [rows.tsv], valid: [rows.tsv], text: text, label: number}",
    "tokens": "{kind: tokens, train: [words.conll], valid: [words.conll]}",
}

WORDS = "the a dog cat night day barked slept ran all in by".split()


def write_texts(directory: Path) -> None:
    chosen = random.Random(1)
    lines = ["".join(chosen.choice(WORDS) + " " for _ in range(9)) + "." for _ in range(400)]
    documents = ["\n".join(lines[i : i + 8]) for i in range(0, len(lines), 8)]
    (directory / "text.txt").write_text("\n\n".join(documents) + "\n")
    (directory / "run.yaml").write_text(CONFIG)
    rows = [f"{lines[i]}\t{lines[i + 1]}\t{'yes' if i % 4 else 'no'}\t{i / 10}" for i in range(0, 32, 2)]
    (directory / "rows.tsv").write_text("\n".join(["text\tpair\tlabel\tnumber", *rows]) + "\n")
    sentences = ["\n".join(f"{word} {'B-X' if word == 'dog' else 'O'}" for word in WORDS[i:]) for i in range(8)]
    (directory / "words.conll").write_text("\n\n".join(sentences) + "\n")
    for name, task in TASKS.items():
        (directory / f"{name}.yaml").write_text(f"{TASK}output: runs/{name}\ntask: {task}\n")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A directory with texts, configurations, and the run runs/mine."""
    directory = tmp_path_factory.mktemp("trained")
    write_texts(directory)
    cloze.train(directory / "run.yaml", progress=False)
    return directory


@pytest.fixture
def texts(tmp_path):
    """A directory with texts and configurations, but no run."""
    write_texts(tmp_path)
    return tmp_path


@pytest.fixture
def model(trained):
    with cloze.Model.open(trained / "runs/mine") as opened:
        yield opened


@pytest.fixture(scope="session")
def program():
    """The program `cloze` of the same build, to compare with."""
    path = os.environ.get("CLOZE") or shutil.which("cloze")
    assert path, "the environment variable CLOZE names no program"
    return path
