"""Forward and backward pass beside BertForPreTraining of transformers, in fp32: losses within 1e-5 relative, logits within
1e-4, every gradient within 1e-4 of its norm."""

import shutil

import pytest
import torch

from reference import SIZES, bert_config, cloze_score, compare, make_batch, make_model, torch_score

# Architectures, in the order in which they are saved, each once.
MODELS = {
    "tiny": ("tiny", {}),
    "mini": ("mini", {}),
    "base": ("base", {}),
    "gelu_new": ("tiny", {"hidden_act": "gelu_new"}),
    "gelu_pytorch_tanh": ("tiny", {"hidden_act": "gelu_pytorch_tanh"}),
    "relu": ("mini", {"hidden_act": "relu"}),
    "odd widths": ("tiny", {"hidden_size": 36, "num_attention_heads": 3, "intermediate_size": 50, "vocab_size": 101}),
}

LENGTHS = {  # name: (lengths, batch options)
    "length 1": ([1, 1], {"masked": 1.0}),
    "length 2": ([2] * 3, {"masked": 0.5}),
    "length 17": ([17] * 3, {}),
    "length 128": ([128] * 2, {}),
    "length 512": ([512], {}),
    "mixed lengths": ([128, 3, 77, 1, 40], {}),
}

BATCHES = {
    **LENGTHS,
    "one token type": ([60, 128], {"types": False}),
    "nothing masked": ([60, 128], {"masked": 0.0}),
    "no pairs": ([60, 128], {"pairs": False}),
    "batch of 1": ([99], {}),
    "two sequences": ([60, 128], {}),
}

CASES = ([("tiny", batch) for batch in BATCHES] + [(size, batch) for size in ("mini", "base") for batch in LENGTHS]
         + [(name, "two sequences") for name in list(MODELS)[3:]])


@pytest.fixture(scope="module")
def saved(request, tmp_path_factory):
    """A model of transformers and the directory that it is saved in."""
    size, changes = MODELS[request.param]
    model = make_model(bert_config(size, **changes))
    directory = tmp_path_factory.mktemp("model")
    model.save_pretrained(directory)
    yield request.param, model, directory
    shutil.rmtree(directory)


@pytest.mark.parametrize("saved, name", CASES, indirect=["saved"])
def test_score_agrees_with_transformers(saved, name, cloze, tmp_path, measured):
    kind, model, directory = saved
    lengths, options = BATCHES[name]
    torch.set_num_threads(2)
    batch = make_batch(model.config, lengths, **options)
    worst = compare(cloze_score(cloze, directory, batch, tmp_path), torch_score(model, batch))
    row = kind if kind in SIZES else "gelu_new, relu, odd widths"
    measured(f"{row}: losses, relative", worst["loss"], "1e-5")
    measured(f"{row}: logits, absolute", worst["logits"], "1e-4")
    measured(f"{row}: gradients, norm of the difference over the norm", worst["gradient"], "1e-4")
    measured(f"{row}: gradients of key biases, absolute", worst["key_bias"], "1e-6")
    assert worst["loss"] < 1e-5
    assert worst["logits"] < 1e-4
    assert worst["gradient"] < 1e-4, worst["tensor"]
    assert worst["key_bias"] < 1e-6


def test_padding_in_front_agrees_with_transformers(cloze, tmp_path):
    """Tokens with attention 0 anywhere but at position 0 are left out, and the others keep their positions."""
    config = bert_config("tiny", vocab_size=1000)
    model = make_model(config)
    model.save_pretrained(tmp_path / "model")
    batch = make_batch(config, [40, 40])
    batch["attention_mask"][0, 1:7] = 0
    batch["labels"][0, 1:7] = -100
    batch["attention_mask"][1, 20:25] = 0
    batch["labels"][1, 20:25] = -100
    worst = compare(cloze_score(cloze, tmp_path / "model", batch, tmp_path), torch_score(model, batch))
    assert worst["loss"] < 1e-5 and worst["logits"] < 1e-4 and worst["gradient"] < 1e-4
