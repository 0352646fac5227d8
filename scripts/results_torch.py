"""The first steps of a run by PyTorch, for scripts/results: prints {"losses", "tokens_per_second", "version"}.

usage: results_torch.py RUN BATCHES STEPS

BATCHES has the batches of the steps (`cloze batches`). The same work as cloze's: bf16 by autocast where the run computes in
bf16, the MLM head on masked positions only, clipping, the optimizer fused."""

import json
import re
import statistics
import sys
import time
from pathlib import Path

from torch_memory import keep_memory

keep_memory()
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/interop"))

import torch  # noqa: E402 (its memory comes first)
from transformers import BertForPreTraining  # noqa: E402

import reference  # noqa: E402


def rates(run, steps):
    """The learning rate of each step. The run logs some of them; all of these lie in its warm-up, on one line."""
    logged = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        if not record["eval"] and record["step"] <= steps:
            logged[record["step"]] = record["learning_rate"]
    slope = logged[max(logged)] / max(logged)
    assert all(abs(rate - step * slope) < 1e-3 * rate for step, rate in logged.items()), "beyond the warm-up"
    return [step * slope for step in range(1, steps + 1)]


def main():
    run, batches, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    bf16 = re.search(r"precision: bf16", (run / "config.yaml").read_text()) is not None
    model = BertForPreTraining.from_pretrained(run / "checkpoints/step-00000000", attn_implementation="sdpa").train()
    optimizer = reference.torch_optimizer(model, fused=True)
    losses, speeds = [], []
    for step, rate in enumerate(rates(run, steps), 1):
        batch = reference.load_file(batches / f"step-{step:08}.safetensors")
        begun = time.monotonic()
        loss, _ = reference.torch_step(model, optimizer, batch, rate, bf16)
        speeds.append(int(batch["attention_mask"].sum()) / (time.monotonic() - begun))
        losses.append(loss)
    print(json.dumps({"losses": losses, "tokens_per_second": statistics.median(speeds), "version": torch.__version__}))


main()
