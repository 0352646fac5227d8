"""TensorBoard's own reader beside metrics.jsonl."""

import json
import shutil

import numpy as np
import pytest

from runs import DATA, MODEL, make_run, write_text

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

TRAIN = ["loss", "mlm_loss", "nsp_loss", "mlm_accuracy", "nsp_accuracy", "learning_rate", "grad_norm", "tokens_per_second"]
EVAL = ["mlm_loss", "nsp_loss", "mlm_accuracy", "nsp_accuracy", "perplexity"]


def assert_same(run, last_step):
    """All records are in the events, each step once, with the same floats."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    events = event_accumulator.EventAccumulator(str(run / "events"), size_guidance={"scalars": 0}).Reload()
    expected = {f"{kind}/{key}": [(record["step"], np.float32(record[key])) for record in records
                                  if record["eval"] == (kind == "eval")]
                for kind, keys in (("train", TRAIN), ("eval", EVAL)) for key in keys}
    found = {tag: [(event.step, np.float32(event.value)) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert found == expected
    assert [step for step, _ in found["train/loss"]] == list(range(1, last_step + 1))


def test_the_reader_finds_the_records(cloze, tmp_path):
    write_text(tmp_path / "text.txt", 40)
    train = {"steps": 12, "batch_size": 8, "eval_every": 3, "save_every": 4, "log_every": 1, "keep_best": False, "threads": 1}
    sections = {"model": MODEL, "tokenizer": {"vocab_size": 300}, "data": DATA, "train": train}
    run = make_run(cloze, tmp_path, "run", **sections)
    assert_same(run, 12)
    # Without its later checkpoints the run goes on at step 4, and the steps from 5 on come twice in the events.
    for step in (8, 12):
        shutil.rmtree(run / f"checkpoints/step-{step:08}")
    make_run(cloze, tmp_path, "run", "--resume", "--set", "train.steps=14", **sections)
    assert len(list((run / "events").iterdir())) == 2
    assert_same(run, 14)
