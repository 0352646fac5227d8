"""`cloze finetune` beside transformers and torch.optim.AdamW: the model directory, the predictions, the metric, and the steps of
a training with layer_decay and frozen layers, from the same initialization, on the same examples."""

import csv
import random

import pytest
import torch
from transformers import AutoTokenizer, BertForSequenceClassification, BertForTokenClassification

from reference import metrics, run, run_json, write_config

WORDS = "the a film book good bad very was it her plot slow warm dull bright story".split()
LENGTH = 32


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s"]) + "\n")
    return path


def sentence(generator, most=12):
    return " ".join(generator.choice(WORDS) for _ in range(generator.randint(1, most)))


def write_table(path, rows):
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n")
    return path


def pairs(count, seed):
    """Whether both texts have the word "good"."""
    generator = random.Random(seed)
    texts = [(sentence(generator), sentence(generator)) for _ in range(count)]
    return [("text", "second", "label")] + [(a, b, "yes" if "good" in a and "good" in b else "no") for a, b in texts]


def numbers(count, seed):
    generator = random.Random(seed)
    texts = [sentence(generator) for _ in range(count)]
    return [("text", "label")] + [(text, str(text.count("o") / 4)) for text in texts]


def finetune(cloze, folder, vocabulary, task, **training):
    config = write_config(
        folder,
        model={"size": "tiny", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
        tokenizer={"vocab": vocabulary},
        task={"max_length": LENGTH, **task},
        train={"batch_size": 16, "steps": 8, "learning_rate": 1e-3, "warmup_steps": 2, "log_every": 1, **training})
    return config, run_json(cloze, "finetune", config, "--json")


def predictions(config):
    with open(config.parent / "run/predictions.tsv", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def load(class_, directory):
    """A model that transformers loads without a missing or an unexpected tensor."""
    model, info = class_.from_pretrained(directory, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    return model.eval(), AutoTokenizer.from_pretrained(directory)


def encode(tokenizer, *texts):
    return tokenizer(*texts, truncation=True, max_length=LENGTH, padding=True, return_tensors="pt")


def test_classification_of_pairs(cloze, vocabulary, tmp_path):
    rows = pairs(40, 2)
    task = {"train": [write_table(tmp_path / "train.tsv", pairs(100, 1))],
            "valid": [write_table(tmp_path / "valid.tsv", rows)], "text_pair": "second"}
    config, printed = finetune(cloze, tmp_path, vocabulary, task)
    model, tokenizer = load(BertForSequenceClassification, tmp_path / "run/checkpoints/best")
    assert model.config.id2label == {0: "no", 1: "yes"}
    with torch.no_grad():
        logits = model(**encode(tokenizer, [row[0] for row in rows[1:]], [row[1] for row in rows[1:]])).logits
    run(cloze, "export", tmp_path / "run", tmp_path / "published")
    published, _ = load(BertForSequenceClassification, tmp_path / "published")
    assert published.config.id2label == model.config.id2label
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in published.state_dict().items())
    ours = predictions(config)
    assert [row["label"] for row in ours] == [row[2] for row in rows[1:]]
    assert [row["predicted"] for row in ours] == [model.config.id2label[int(i)] for i in logits.argmax(1)]
    probabilities = torch.tensor([float(row["probability"]) for row in ours])
    assert (probabilities - logits.softmax(1).max(1).values).abs().max() < 1e-4
    right = sum(row["predicted"] == row["label"] for row in ours) / len(ours)
    assert printed["metric"] == "accuracy" and abs(printed["value"] - right) < 1e-8


def test_regression(cloze, vocabulary, tmp_path):
    rows = numbers(40, 2)
    task = {"kind": "regression", "train": [write_table(tmp_path / "train.tsv", numbers(100, 1))],
            "valid": [write_table(tmp_path / "valid.tsv", rows)]}
    config, printed = finetune(cloze, tmp_path, vocabulary, task, steps=60)
    model, tokenizer = load(BertForSequenceClassification, tmp_path / "run/checkpoints/best")
    with torch.no_grad():
        values = model(**encode(tokenizer, [row[0] for row in rows[1:]])).logits[:, 0]
    ours = torch.tensor([float(row["predicted"]) for row in predictions(config)])
    assert (ours - values).abs().max() < 1e-4
    labels = torch.tensor([float(row[1]) for row in rows[1:]])
    pearson = torch.corrcoef(torch.stack([values, labels]))[0, 1]
    assert printed["metric"] == "pearson" and abs(printed["value"] - float(pearson)) < 1e-4


def write_conll(path, count, seed):
    generator = random.Random(seed)
    texts = [[(word, "B-GOOD" if word == "good" else "O") for word in sentence(generator).split()] for _ in range(count)]
    path.write_text("\n".join("".join(f"{word}\t{label}\n" for word, label in text) for text in texts))
    return path, texts


def test_labels_of_words(cloze, vocabulary, tmp_path):
    train, _ = write_conll(tmp_path / "train.conll", 100, 1)
    valid, texts = write_conll(tmp_path / "valid.conll", 30, 2)
    config, printed = finetune(cloze, tmp_path, vocabulary, {"kind": "tokens", "train": [train], "valid": [valid]}, steps=40)
    model, tokenizer = load(BertForTokenClassification, tmp_path / "run/checkpoints/best")
    expected = []
    for text in texts:
        batch = tokenizer([word for word, _ in text], is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            chosen = model(**batch).logits[0].argmax(1)
        words = batch.word_ids()
        expected += [model.config.id2label[int(chosen[words.index(i)])] for i in range(len(text))]
    assert [row["predicted"] for row in predictions(config)] == expected
    assert [(row["word"], row["label"]) for row in predictions(config)] == [word for text in texts for word in text]
    assert printed["metric"] == "f1"


def scale_of(name, layers, decay):
    """The factor of a parameter's learning rate: decay for each layer of the encoder above it."""
    if name.startswith("bert.embeddings."):
        return decay ** layers
    if name.startswith("bert.encoder.layer."):
        return decay ** (layers - 1 - int(name.split(".")[3]))
    return 1.0


def torch_steps(directory, rows, steps, peak, warmup, decay, frozen):
    """The losses of steps on all examples at once."""
    model, tokenizer = load(BertForSequenceClassification, directory)
    layers = model.config.num_hidden_layers
    groups = []
    for name, parameter in model.named_parameters():
        scale = scale_of(name, layers, decay)
        below = name.startswith("bert.embeddings.") or any(name.startswith(f"bert.encoder.layer.{i}.") for i in range(frozen))
        if frozen and below:
            parameter.requires_grad_(False)
            continue
        groups.append({"params": [parameter], "weight_decay": 0.01 if parameter.dim() > 1 else 0.0, "scale": scale})
    optimizer = torch.optim.AdamW(groups, lr=peak, eps=1e-6)
    batch = encode(tokenizer, [row[0] for row in rows], [row[1] for row in rows])
    labels = torch.tensor([model.config.label2id[row[2]] for row in rows])
    losses = []
    for step in range(1, steps + 1):
        rate = peak * step / warmup if step <= warmup else peak * (steps - step) / (steps - warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        loss = model(**batch, labels=labels).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
    return losses, model.state_dict()


@pytest.mark.parametrize("decay, frozen", [(1.0, 0), (0.7, 0), (1.0, 1), (0.7, 2)])
def test_steps_are_those_of_torch(cloze, vocabulary, tmp_path, decay, frozen):
    steps, peak, warmup, rows = 12, 1e-3, 2, pairs(48, 1)
    table = write_table(tmp_path / "train.tsv", rows)
    config, _ = finetune(cloze, tmp_path, vocabulary, {"train": [table], "valid": [table], "text_pair": "second"},
                         batch_size=48, steps=steps, learning_rate=peak, warmup_steps=warmup, layer_decay=decay,
                         frozen_layers=frozen)
    checkpoints = tmp_path / "run/checkpoints"
    theirs, state = torch_steps(checkpoints / "step-00000000", rows[1:], steps, peak, warmup, decay, frozen)
    ours = [record["loss"] for record in metrics(config)]
    assert max(abs(a / b - 1) for a, b in zip(ours, theirs)) < 1e-4
    trained, _ = load(BertForSequenceClassification, checkpoints / f"step-{steps:08}")
    for name, value in trained.state_dict().items():
        assert (value - state[name]).abs().max() < 1e-4, name
