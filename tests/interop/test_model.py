"""Forward and backward pass beside BertForPreTraining of transformers, in fp32: losses within 1e-5 relative, logits within
1e-4, every gradient within 1e-4 of its norm."""

import pytest
import torch

from reference import bert_config, cloze_score, compare, make_batch, make_model, torch_score

CASES = {
    # name: (size, changes, lengths, batch options)
    "tiny": ("tiny", {}, [128] * 4, {}),
    "mini": ("mini", {}, [128] * 4, {}),
    "base": ("base", {}, [128, 100], {}),
    "tiny-1": ("tiny", {}, [1, 1], {"masked": 1.0}),
    "tiny-2": ("tiny", {}, [2] * 3, {"masked": 0.5}),
    "tiny-17": ("tiny", {}, [17] * 5, {}),
    "tiny-512": ("tiny", {}, [512] * 2, {}),
    "mini-512": ("mini", {}, [512], {}),
    "base-512": ("base", {"vocab_size": 5000}, [512], {}),
    "base-17": ("base", {"vocab_size": 5000}, [17, 2, 1], {"masked": 0.5}),
    "mixed-lengths": ("mini", {"vocab_size": 5000}, [128, 3, 77, 1, 128, 40, 2, 64], {}),
    "gelu_new": ("tiny", {"hidden_act": "gelu_new"}, [60, 128], {}),
    "gelu_pytorch_tanh": ("tiny", {"hidden_act": "gelu_pytorch_tanh"}, [60, 128], {}),
    "relu": ("mini", {"hidden_act": "relu"}, [60, 128], {}),
    "one-type": ("tiny", {}, [60, 128], {"types": False}),
    "nothing-masked": ("tiny", {}, [60, 128], {"masked": 0.0}),
    "no-pairs": ("tiny", {}, [60, 128], {"pairs": False}),
    "batch-of-1": ("tiny", {}, [99], {}),
    "odd-width": (
        "tiny",
        {"hidden_size": 36, "num_attention_heads": 3, "intermediate_size": 50, "vocab_size": 101},
        [33, 7],
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_score_agrees_with_transformers(name, cloze, tmp_path):
    size, changes, lengths, options = CASES[name]
    torch.set_num_threads(2)
    config = bert_config(size, **changes)
    model = make_model(config)
    model.save_pretrained(tmp_path / "model")
    batch = make_batch(config, lengths, **options)
    worst = compare(cloze_score(cloze, tmp_path / "model", batch, tmp_path), torch_score(model, batch))
    print(name, worst)
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
