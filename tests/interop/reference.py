"""What the tests here share: running cloze, models and batches of Hugging Face, and `cloze score` beside them."""

import gzip
import itertools
import json
import subprocess

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from transformers import BertConfig, BertForPreTraining

SIZES = {
    "tiny": dict(num_hidden_layers=2, hidden_size=128, num_attention_heads=2, intermediate_size=512),
    "mini": dict(num_hidden_layers=4, hidden_size=256, num_attention_heads=4, intermediate_size=1024),
    "base": dict(num_hidden_layers=12, hidden_size=768, num_attention_heads=12, intermediate_size=3072),
}


def run(*command):
    """Runs a command that must succeed; returns its subprocess.CompletedProcess."""
    result = subprocess.run([str(argument) for argument in command], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result


def run_json(*command):
    return json.loads(run(*command).stdout)


def refusal(*command):
    """What a command says that must find its input wrong."""
    result = subprocess.run([str(argument) for argument in command], capture_output=True, text=True)
    assert result.returncode == 2, result.stderr
    return result.stderr


def lines_of(path, count=None):
    """The first lines of a compressed text, all without a count."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return [line.rstrip("\n") for line in itertools.islice(file, count)]


def write_config(folder, **sections):
    """The configuration of a run in folder/run, as JSON, which is YAML."""
    path = folder / "config.yaml"
    path.write_text(json.dumps({"seed": 1, "output": "run", **sections}, indent=2, default=str))
    return path


def train(cloze, config):
    """Trains as a configuration says; returns the folder of the checkpoints and what was said on the way."""
    said = run(cloze, "train", config).stderr
    return config.parent / "run" / "checkpoints", said


def metrics(config):
    """The records of the steps of a run, by its configuration."""
    records = map(json.loads, (config.parent / "run/metrics.jsonl").read_text().splitlines())
    return [record for record in records if not record["eval"]]


def batches(cloze, config, steps):
    """The batches of a run, one after the other."""
    folder = config.parent / "batches"
    run(cloze, "batches", config, "--steps", steps, "--output", folder)
    for step in range(1, steps + 1):
        yield load_file(folder / f"step-{step:08}.safetensors")


def bert_config(size, **changes):
    return BertConfig(**{**SIZES[size], **changes})


def make_model(config, seed=1):
    """A model without dropout whose biases and norms are random too: a zero hides mistakes."""
    torch.manual_seed(seed)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    model = BertForPreTraining(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.02)
    return model


def make_batch(config, lengths, seed=2, masked=0.15, types=True, pairs=True):
    """Arrays as `cloze batches` writes them: one row a sequence, padded to the longest."""
    random = np.random.default_rng(seed)
    rows, width = len(lengths), max(lengths)
    batch = {
        "input_ids": np.zeros((rows, width), np.int64),
        "attention_mask": np.zeros((rows, width), np.int64),
        "token_type_ids": np.zeros((rows, width), np.int64),
        "labels": np.full((rows, width), -100, np.int64),
        "next_sentence_label": np.full(rows, -100, np.int64),
    }
    for row, length in enumerate(lengths):
        batch["input_ids"][row, :length] = random.integers(5, config.vocab_size, length)
        batch["attention_mask"][row, :length] = 1
        if types:
            batch["token_type_ids"][row, length // 2 : length] = 1
        chosen = random.random(length) < masked
        if masked and not chosen.any() and row == 0:
            chosen[length - 1] = True
        places = np.flatnonzero(chosen)
        batch["labels"][row, places] = random.integers(0, config.vocab_size, len(places))
        if pairs:
            batch["next_sentence_label"][row] = random.integers(0, 2)
    return batch


def torch_batch(batch):
    return {name: torch.from_numpy(np.array(values)) for name, values in batch.items()}


def cross_entropy(logits, labels):
    """The mean over labelled rows; 0 without one, where PyTorch says NaN."""
    if not (labels != -100).any():
        return logits.sum() * 0
    return torch.nn.functional.cross_entropy(logits, labels)


def torch_loss(model, batch):
    """The loss of a batch, the MLM head on masked positions only."""
    tensors = torch_batch(batch)
    labels, pairs = tensors.pop("labels"), tensors.pop("next_sentence_label")
    masked = labels != -100
    hidden = model.bert(**tensors)
    predictions = model.cls.predictions(hidden.last_hidden_state[masked])
    relations = model.cls.seq_relationship(hidden.pooler_output)
    return cross_entropy(predictions, labels[masked]) + cross_entropy(relations, pairs)


# How torch trains here, but for what a caller gives.
DECAY, CLIP, BETAS, EPSILON = 0.01, 1.0, (0.9, 0.999), 1e-6


def learning_rate(step, steps, peak, warmup):
    return peak * (step / warmup if step <= warmup else (steps - step) / (steps - warmup))


def torch_optimizer(model, **options):
    """No decay on biases and LayerNorm."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=BETAS, eps=EPSILON, **options)


def torch_step(model, optimizer, batch, rate, bf16=False):
    """One update, in bf16 by autocast; returns the loss before it and the gradient's norm before clipping."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = torch_loss(model, batch)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    return loss.item(), norm.item()


def torch_train(checkpoint, steps, batches, peak, warmup):
    """[(loss, norm)] of the steps of torch from a checkpoint, with the dropout of its config.json."""
    model = BertForPreTraining.from_pretrained(checkpoint).train()
    optimizer = torch_optimizer(model)
    return [torch_step(model, optimizer, batch, learning_rate(step, steps, peak, warmup))
            for step, batch in enumerate(batches, 1)]


def torch_score(model, batch):
    """Losses, logits and gradients, under the names of `cloze score`."""
    tensors = torch_batch(batch)
    labels = tensors.pop("labels")
    next_sentence_label = tensors.pop("next_sentence_label")
    model.zero_grad()
    output = model(**tensors)
    masked = labels != -100
    mlm_loss = cross_entropy(output.prediction_logits[masked], labels[masked])
    nsp_loss = cross_entropy(output.seq_relationship_logits, next_sentence_label)
    loss = mlm_loss + nsp_loss
    loss.backward()
    result = {
        "loss": loss.detach(),
        "mlm_loss": mlm_loss.detach(),
        "nsp_loss": nsp_loss.detach(),
        "prediction_logits": output.prediction_logits[masked].detach(),
        "seq_relationship_logits": output.seq_relationship_logits.detach(),
    }
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        result["grad." + name] = torch.zeros_like(parameter) if gradient is None else gradient
    return {name: np.asarray(value) for name, value in result.items()}


def cloze_score(cloze, directory, batch, folder, gradients=True):
    """Writes the batch, runs `cloze score` on it and reads the result."""
    path, output = folder / "batch.safetensors", folder / "score.safetensors"
    save_file({name: np.ascontiguousarray(values) for name, values in batch.items()}, path)
    run(cloze, "score", directory, "--batch", path, "--output", output, *(["--gradients"] if gradients else []))
    return load_file(output)


def relative(found, expected):
    """The norm of the difference over the norm of what is expected."""
    norm = np.linalg.norm(expected)
    difference = np.linalg.norm(found.astype(np.float64) - expected.astype(np.float64))
    return difference / norm if norm > 0 else difference


def compare(found, expected):
    """The largest deviations of a score: {"loss", "logits", "gradient"}; key biases apart, by absolute size.

    So are the query and key gradients of sequences of one token, which are zero in exact arithmetic too: whatever is
    below 1e-7 of the whole gradient is rounding in both."""
    assert set(found) == set(expected), set(found) ^ set(expected)
    worst = {"loss": 0.0, "logits": 0.0, "gradient": 0.0, "key_bias": 0.0, "tensor": ""}
    whole = np.sqrt(sum(np.square(v.astype(np.float64)).sum() for n, v in expected.items() if n.startswith("grad.")))
    for name, values in expected.items():
        if "loss" in name:
            error = abs(float(found[name].item()) - float(values)) / max(abs(float(values)), 1e-6)
            worst["loss"] = max(worst["loss"], error if float(values) else abs(found[name].item()))
        elif "logits" in name:
            assert found[name].shape == values.shape
            if values.size:
                worst["logits"] = max(worst["logits"], float(np.abs(found[name] - values).max()))
        elif name.endswith("key.bias"):
            worst["key_bias"] = max(worst["key_bias"], float(np.abs(found[name]).max()))
        elif max(np.linalg.norm(values), np.linalg.norm(found[name])) <= 1e-7 * whole:
            continue
        elif relative(found[name], values) > worst["gradient"]:
            worst["gradient"], worst["tensor"] = relative(found[name], values), name
    return worst
