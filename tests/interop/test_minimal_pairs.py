"""Pseudo-log-likelihoods of minimal pairs beside PyTorch: the same decisions."""

import json

import pytest
import torch
from transformers import BertTokenizer

from reference import bert_config, lines_of, make_model, run_json

PAIRS = 500


def log_likelihood(model, tokenizer, sentence):
    """PLL-word-l2r (Kauf & Ivanova 2023), one masked copy a token."""
    pieces = tokenizer.tokenize(sentence)
    ids = torch.tensor(tokenizer.convert_tokens_to_ids(["[CLS]", *pieces, "[SEP]"]))
    copies = ids.repeat(len(pieces), 1)
    for first in range(len(pieces)):
        end = first + 1
        while end < len(pieces) and pieces[end].startswith("##"):
            end += 1
        copies[first, 1 + first : 1 + end] = tokenizer.mask_token_id
    places = torch.arange(len(pieces))
    hidden = model.bert(input_ids=copies).last_hidden_state[places, 1 + places]
    logits = model.cls.predictions(hidden)
    return torch.log_softmax(logits.double(), dim=-1)[places, ids[1:-1]].sum().item()


def test_decisions_are_those_of_pytorch(cloze, shared, tmp_path, measured):
    torch.set_num_threads(1)  # sentences are short
    vocab = shared / "vocab" / "bert-base-uncased.txt"
    tokenizer = BertTokenizer(str(vocab))
    model = make_model(bert_config("tiny", vocab_size=30522))
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    # Of every field: the pairs of BLiMP are sorted by test.
    lines = lines_of(shared / "minimal_pairs" / "blimp.jsonl.gz")[:: 67000 // PAIRS][:PAIRS]
    pairs = [json.loads(line) for line in lines]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines) + "\n")
    # A UID for each pair: its accuracy is the decision.
    named = [json.dumps({**pair, "UID": str(i)}) for i, pair in enumerate(pairs)]
    (tmp_path / "named.jsonl").write_text("\n".join(named) + "\n")

    report = run_json(cloze, "eval", tmp_path / "model", "--minimal-pairs", tmp_path / "named.jsonl", "--json")
    with torch.no_grad():
        differences = [log_likelihood(model, tokenizer, pair["sentence_good"]) -
                       log_likelihood(model, tokenizer, pair["sentence_bad"]) for pair in pairs]
    decisions = [report["by_uid"][str(i)] for i in range(len(pairs))]
    wrong = [i for i, difference in enumerate(differences)
             if abs(difference) > 1e-4 and decisions[i] != (difference > 0)]
    near = sum(abs(difference) <= 1e-4 for difference in differences)
    measured("minimal pairs decided otherwise", len(wrong), "0")
    assert len(pairs) == report["pairs"] == PAIRS
    assert not wrong and near < 5

    by_field = run_json(cloze, "eval", tmp_path / "model", "--minimal-pairs", tmp_path / "pairs.jsonl", "--json")
    assert by_field["accuracy"] == report["accuracy"] == pytest.approx(sum(decisions) / PAIRS)
    for field, accuracy in by_field["by_field"].items():
        chosen = [decision for decision, pair in zip(decisions, pairs) if pair["field"] == field]
        assert accuracy == pytest.approx(sum(chosen) / len(chosen))
