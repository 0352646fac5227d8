"""Fine-tuned models beside BertForSequenceClassification and BertForTokenClassification of transformers, in fp32: the same
bounds as in test_model.py."""

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification, BertForTokenClassification

from reference import bert_config, cloze_score, compare, make_batch, torch_batch

LENGTHS = [60, 3, 1, 128]
LABELS = 5


def make_classifier(class_, **changes):
    """A model without dropout whose biases and norms are random too: a zero hides mistakes."""
    torch.manual_seed(1)
    config = bert_config("tiny", **changes)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    model = class_(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.02)
    return model


def inputs(model):
    batch = make_batch(model.config, LENGTHS)
    del batch["next_sentence_label"]
    return batch


def classes_of_sequences(model):
    return {**inputs(model), "labels": np.array([4, 0, -100, 2], np.int64)}


def numbers_of_sequences(model):
    return {**inputs(model), "labels": np.array([0.5, -3.0, 100.0, 2.25], np.float32)}


def classes_of_tokens(model):
    batch = inputs(model)
    batch["labels"] = np.where(batch["labels"] == -100, -100, batch["labels"] % LABELS)
    return batch



KINDS = {
    "classes of sequences": (BertForSequenceClassification, {"num_labels": LABELS}, classes_of_sequences),
    "two classes": (BertForSequenceClassification, {"num_labels": 2, "problem_type": "single_label_classification"},
                    lambda model: {**inputs(model), "labels": np.array([1, 0, 0, 1], np.int64)}),
    "numbers of sequences": (BertForSequenceClassification, {"num_labels": 1}, numbers_of_sequences),
    "declared regression": (BertForSequenceClassification, {"num_labels": 1, "problem_type": "regression"},
                            numbers_of_sequences),
    "classes of tokens": (BertForTokenClassification, {"num_labels": LABELS}, classes_of_tokens),
}


def torch_score(model, batch):
    """Loss, logits and gradients, under the names of `cloze score`."""
    tensors = torch_batch(batch)
    model.zero_grad()
    output = model(**tensors)
    output.loss.backward()
    logits = output.logits.detach()
    if isinstance(model, BertForTokenClassification):
        logits = logits[tensors["labels"] != -100]
    gradients = {f"grad.{name}": parameter.grad for name, parameter in model.named_parameters()}
    return {name: np.asarray(value) for name, value in {"loss": output.loss.detach(), "logits": logits,
                                                        **gradients}.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_score_agrees_with_transformers(kind, cloze, tmp_path, measured):
    class_, changes, make_labels = KINDS[kind]
    model = make_classifier(class_, **changes)
    model.save_pretrained(tmp_path / "model")
    batch = make_labels(model)
    worst = compare(cloze_score(cloze, tmp_path / "model", batch, tmp_path), torch_score(model, batch))
    measured("classifiers: losses, relative", worst["loss"], "1e-5")
    measured("classifiers: logits, absolute", worst["logits"], "1e-4")
    measured("classifiers: gradients, norm of the difference over the norm", worst["gradient"], "1e-4")
    assert worst["loss"] < 1e-5
    assert worst["logits"] < 1e-4
    assert worst["gradient"] < 1e-4, worst["tensor"]
    assert worst["key_bias"] < 1e-6


def test_sequences_have_logits_without_labels(cloze, tmp_path):
    model = make_classifier(BertForSequenceClassification, num_labels=LABELS)
    model.save_pretrained(tmp_path / "model")
    batch = inputs(model)
    del batch["labels"]
    found = cloze_score(cloze, tmp_path / "model", batch, tmp_path, gradients=False)
    with torch.no_grad():
        expected = model(**torch_batch(batch)).logits
    assert set(found) == {"loss", "logits"} and found["loss"].item() == 0
    assert np.abs(found["logits"] - expected.numpy()).max() < 1e-4
