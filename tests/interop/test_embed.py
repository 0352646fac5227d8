"""`cloze embed` compared with the hidden states of transformers."""

import numpy as np
import pytest
import torch
from transformers import BertTokenizer

from reference import bert_config, lines_of, make_model, run

TEXTS = {"tiny": 150, "mini": 60}


def expected(model, tokenizer, text, pooling):
    inputs = tokenizer(text, truncation=True, max_length=512, return_tensors="pt")
    outputs = model.bert(**inputs)
    hidden = outputs.last_hidden_state[0]
    return {"mean": hidden.mean(0), "cls": hidden[0], "pooler": outputs.pooler_output[0]}[pooling]


@pytest.mark.parametrize("size", TEXTS)
def test_vectors_are_those_of_transformers(size, cloze, shared, tmp_path, measured):
    torch.set_num_threads(2)
    tokenizer = BertTokenizer(str(shared / "vocab" / "bert-base-uncased.txt"))
    model = make_model(bert_config(size, vocab_size=30522))
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    count = TEXTS[size]
    # Paragraphs, some longer than 512 tokens, and empty lines between documents.
    texts = lines_of(shared / "corpus" / "enwiki2018.txt.gz", count)
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    for pooling in ["mean", "cls", "pooler"]:
        run(cloze, "embed", tmp_path / "model", tmp_path / "texts.txt", "--output", tmp_path / "out.npy",
            "--pooling", pooling)
        found = np.load(tmp_path / "out.npy")
        assert found.shape == (count, model.config.hidden_size) and found.dtype == np.float32
        with torch.no_grad():
            wanted = torch.stack([expected(model, tokenizer, text, pooling) for text in texts]).numpy()
        difference = float(np.abs(found - wanted).max())
        measured(f"{size}: vectors by {pooling}, absolute", difference, "1e-4")
        assert difference < 1e-4
    run(cloze, "embed", tmp_path / "model", tmp_path / "texts.txt", "--output", tmp_path / "unit.npy", "--normalize")
    run(cloze, "embed", tmp_path / "model", tmp_path / "texts.txt", "--output", tmp_path / "out.npy")
    found, unit = np.load(tmp_path / "out.npy"), np.load(tmp_path / "unit.npy")
    assert np.allclose(unit, found / np.linalg.norm(found, axis=1, keepdims=True), atol=1e-6)
