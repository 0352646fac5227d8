"""Whole training steps beside torch.optim.AdamW: the same initialization, the batches that `cloze batches` writes, clipping,
warm-up, decay and accumulation; the loss of every step must agree."""

import gzip
import json
import subprocess

import pytest
import torch
from safetensors.numpy import load_file
from transformers import BertForPreTraining

from reference import cross_entropy, torch_batch

STEPS, WARMUP, PEAK, DECAY, CLIP = 50, 10, 1e-3, 0.01, 1.0

CONFIG = """
seed: 7
output: {run}
model: {{size: tiny, hidden_dropout_prob: {dropout}, attention_probs_dropout_prob: {dropout}}}
tokenizer: {{vocab: {vocab}}}
data: {{train: [{text}], seq_len: 64, valid_fraction: 0}}
train:
  steps: {steps}
  batch_size: 16
  micro_batch_size: 6
  learning_rate: {peak}
  warmup_steps: {warmup}
  weight_decay: {decay}
  max_grad_norm: {clip}
  adam_epsilon: 1e-6
  log_every: 1
  save_every: 0
"""


@pytest.fixture(scope="module")
def text(shared, tmp_path_factory):
    """The first few thousand lines of the corpus."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    with gzip.open(shared / "corpus/enwiki2018.txt.gz", "rt") as corpus:
        path.write_text("".join(line for line, _ in zip(corpus, range(4000))))
    return path


def write_config(folder, shared, text, dropout, seed=7, steps=STEPS):
    path = folder / "config.yaml"
    values = dict(run=folder / "run", vocab=shared / "vocab/bert-base-uncased.txt", text=text)
    config = CONFIG.format(
        **values, dropout=dropout, steps=steps, peak=PEAK, warmup=WARMUP, decay=DECAY, clip=CLIP
    )
    path.write_text(config.replace("seed: 7", f"seed: {seed}"))
    return path


def metrics(folder):
    records = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    return [record for record in records if "eval" not in record]


def learning_rate(step, steps):
    return PEAK * step / WARMUP if step <= WARMUP else PEAK * (steps - step) / (steps - WARMUP)


def torch_optimizer(model):
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.999), eps=1e-6)


def torch_step(model, optimizer, batch, step, steps):
    """One update; returns the loss before it and the gradient's norm before clipping."""
    tensors = torch_batch(batch)
    labels, pairs = tensors.pop("labels"), tensors.pop("next_sentence_label")
    output = model(**tensors)
    masked = labels != -100
    loss = cross_entropy(output.prediction_logits[masked], labels[masked])
    loss = loss + cross_entropy(output.seq_relationship_logits, pairs)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, steps)
    optimizer.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    return loss.item(), norm.item()


def test_fifty_steps_have_the_losses_of_torch(cloze, shared, text, tmp_path):
    config = write_config(tmp_path, shared, text, dropout=0.0)
    subprocess.run([cloze, "train", config], check=True, capture_output=True)
    subprocess.run(
        [cloze, "batches", config, "--steps", str(STEPS), "--output", tmp_path / "batches"],
        check=True,
        capture_output=True,
    )
    model = BertForPreTraining.from_pretrained(tmp_path / "run/checkpoints/step-00000000")
    model.train()
    optimizer = torch_optimizer(model)
    for step, record in enumerate(metrics(tmp_path), 1):
        batch = load_file(tmp_path / f"batches/step-{step:08}.safetensors")
        loss, norm = torch_step(model, optimizer, batch, step, STEPS)
        assert record["step"] == step
        assert abs(record["loss"] - loss) < 1e-4 * loss, step
        assert abs(record["grad_norm"] - norm) < 2e-3 * norm, step
        assert abs(record["learning_rate"] - learning_rate(step, STEPS)) < 1e-9
