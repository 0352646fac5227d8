"""Continued pre-training (model.init_from) from directories that transformers writes, also with a vocabulary that new words
extend."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    BertTokenizerFast,
)

from reference import bert_config, batches, make_model, metrics, refusal, torch_loss, train, write_config

WORDS = "the cat sat on a mat while rain fell over green hills and nobody minded except an Old Owl".split()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *WORDS]
NEW_WORDS = ["Wombat", "billabong", "##s"]
ROWS = {"bert.embeddings.word_embeddings.weight", "cls.predictions.bias"}


def write_lines(path, lines):
    path.write_text("".join(line + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    words = WORDS + ["Wombats", "billabong"]
    documents = [[" ".join(words[(i * 7 + j * 3 + k * (i + 1)) % len(words)] for k in range(6)) + "." for j in range(8)]
                 for i in range(40)]
    return write_lines(tmp_path_factory.mktemp("text") / "text.txt", ["\n".join(lines) + "\n" for lines in documents])


def source_config():
    return bert_config("tiny", hidden_size=36, num_attention_heads=3, intermediate_size=50, vocab_size=len(VOCABULARY),
                       max_position_embeddings=40)


def save_tokenizer(directory):
    """A cased one: its flag must survive beside a default that says otherwise."""
    tokenizer = BertTokenizerFast(vocab={token: number for number, token in enumerate(VOCABULARY)}, do_lower_case=False)
    tokenizer.save_pretrained(directory)


def save_source(directory, kind=BertForPreTraining, dtype=torch.float32, **options):
    """A directory of transformers; returns its tensors under their names in BertForPreTraining."""
    whole = make_model(source_config())
    model = kind(source_config()).to(dtype)
    model.load_state_dict(whole.state_dict() if kind is not BertModel else whole.bert.state_dict(), strict=False)
    model.save_pretrained(directory, **options)
    save_tokenizer(directory)
    prefix = "bert." if kind is BertModel else ""
    return {prefix + name: parameter.detach().float() for name, parameter in model.named_parameters()}


def continued(folder, text, steps=5, vocabulary=None, **tokenizer):
    if vocabulary:
        tokenizer["vocab"] = write_lines(folder / "vocab.txt", vocabulary)
    return write_config(
        folder,
        model={"init_from": folder / "source", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
        tokenizer=tokenizer,
        data={"train": [text], "seq_len": 32, "valid_fraction": 0, "sentences": "line"},
        train={"steps": steps, "batch_size": 8, "learning_rate": 1e-3, "log_every": 1})


def assert_fresh(name, values):
    """As cloze initializes: normal(0, 0.02) cut at two deviations, biases 0, norms 1."""
    if values.dim() == 2:
        assert 0 < values.abs().max() <= 0.04 and 0.012 < values.std() < 0.022, name
    else:
        assert (values == (1 if name.endswith("LayerNorm.weight") else 0)).all(), name


@pytest.mark.parametrize("kind, dtype, options, fresh", [
    (BertForPreTraining, torch.float32, {}, []),
    (BertForPreTraining, torch.bfloat16, {"max_shard_size": "20KB"}, []),
    (BertModel, torch.float32, {}, ["MLM head", "NSP head"]),
    (BertModel, torch.float16, {"max_shard_size": "20KB"}, ["MLM head", "NSP head"]),
    (BertForMaskedLM, torch.float32, {}, ["pooler", "NSP head"]),
    (BertForMaskedLM, torch.bfloat16, {"max_shard_size": "20KB"}, ["pooler", "NSP head"]),
], ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_run_begins_with_the_parameters_of_the_directory(kind, dtype, options, fresh, cloze, text, tmp_path, measured):
    source = save_source(tmp_path / "source", kind, dtype, **options)
    assert (tmp_path / "source/model.safetensors.index.json").exists() == bool(options)
    checkpoints, said = train(cloze, continued(tmp_path, text, steps=1))
    first = load_file(checkpoints / "step-00000000/model.safetensors")
    for name, values in first.items():
        if name in source:
            assert torch.equal(values, source[name]), name
        else:
            assert_fresh(name, values)
    assert len(set(first) & set(source)) == len(source)
    assert [part for part in ("pooler", "MLM head", "NSP head") if f"has no {part}; initializing a new one" in said] == fresh
    assert said.count("initializing a new one") == len(fresh)
    measured("step 0 from BertForPreTraining, BertModel, BertForMaskedLM, whole and in shards, fp32, fp16, bf16: "
             "tensors that differ", 0, "0")


def assert_losses_agree(cloze, config, model, measured, what):
    """The losses of a run are those of a model at its beginning; returns the largest deviation of the first."""
    first = next(batches(cloze, config, 1))
    with torch.no_grad():
        expected = torch_loss(model.eval(), first).item()
    deviation = abs(metrics(config)[0]["loss"] / expected - 1)
    measured(f"first loss of {what}, relative", deviation, "1e-5")
    assert deviation < 1e-5


def test_the_first_loss_is_that_of_the_directory(cloze, text, tmp_path, measured):
    save_source(tmp_path / "source")
    config = continued(tmp_path, text)
    train(cloze, config)
    model = BertForPreTraining.from_pretrained(tmp_path / "source")
    assert_losses_agree(cloze, config, model, measured, "a run from a directory of transformers")


def test_new_words_get_new_rows(cloze, text, tmp_path, measured):
    source = save_source(tmp_path / "source")
    config = continued(tmp_path, text, vocabulary=VOCABULARY + NEW_WORDS)
    checkpoints, said = train(cloze, config)
    assert "has a smaller vocabulary; initializing the last 3 tokens" in said
    first = load_file(checkpoints / "step-00000000/model.safetensors")
    for name, values in first.items():
        assert torch.equal(values[:len(VOCABULARY)] if name in ROWS else values, source[name]), name
        if name in ROWS:
            assert len(values) == len(VOCABULARY) + len(NEW_WORDS)
            assert_fresh(name, values[len(VOCABULARY):])
    model, loading = BertForPreTraining.from_pretrained(checkpoints / "step-00000000", output_loading_info=True)
    assert not any(loading.values()) and model.config.vocab_size == len(VOCABULARY) + len(NEW_WORDS)
    assert_losses_agree(cloze, config, model, measured, "a run with three new words")
    trained = load_file(checkpoints / "latest/model.safetensors")
    assert not torch.equal(*(tensors["bert.embeddings.word_embeddings.weight"][-1] for tensors in (first, trained)))
    tokenizer = AutoTokenizer.from_pretrained(checkpoints / "latest")
    assert tokenizer.tokenize("the Wombats billabong Old old") == ["the", *NEW_WORDS[:1], "##s", "billabong", "Old", "[UNK]"]


@pytest.mark.parametrize("vocabulary, message", [
    (VOCABULARY[:-1], "vocab.txt: has 24 tokens, fewer than the 25 of the model in"),
    (VOCABULARY[:-2] + VOCABULARY[:-3:-1], 'vocab.txt:24: found "Owl", expected "Old" as in the model in'),
    (VOCABULARY[:5] + NEW_WORDS + VOCABULARY[5:], 'vocab.txt:6: found "Wombat", expected "." as in the model in'),
], ids=["shorter", "reordered", "new words in front"])
def test_other_vocabularies_are_refused(vocabulary, message, cloze, text, tmp_path):
    save_source(tmp_path / "source")
    assert message in refusal(cloze, "train", continued(tmp_path, text, vocabulary=vocabulary))


def test_the_flags_of_the_tokenizer_cannot_change(cloze, text, tmp_path):
    save_source(tmp_path / "source")
    said = refusal(cloze, "train", continued(tmp_path, text, lowercase=True))
    assert "tokenizer.lowercase: is true, but the model in model.init_from has false" in said


def test_a_directory_without_tokenizer_is_refused(cloze, text, tmp_path):
    make_model(source_config()).save_pretrained(tmp_path / "source")
    said = refusal(cloze, "train", continued(tmp_path, text, vocabulary=VOCABULARY))
    assert "holds neither tokenizer.json nor vocab.txt" in said


def test_rows_that_belong_to_no_token_are_kept(cloze, text, tmp_path):
    """Embeddings padded to a multiple of 8: transformers takes them, and gets them back as they were."""
    model = make_model(source_config())
    model.resize_token_embeddings(32)
    model.save_pretrained(tmp_path / "source")
    save_tokenizer(tmp_path / "source")
    checkpoints, said = train(cloze, continued(tmp_path, text))
    assert "7 rows of its embeddings belong to no token" in said
    last, loading = BertForPreTraining.from_pretrained(checkpoints / "latest", output_loading_info=True)
    assert not any(loading.values()) and last.config.vocab_size == 32
    old, new = (source.bert.embeddings.word_embeddings.weight for source in (model, last))
    assert torch.equal(old[25:], new[25:]) and not torch.equal(old[:25], new[:25])
    assert torch.equal(model.cls.predictions.bias[25:], last.cls.predictions.bias[25:])


@pytest.mark.parametrize("kind", [BertForSequenceClassification, BertForTokenClassification, BertForQuestionAnswering,
                                  BertForNextSentencePrediction])
def test_models_for_other_tasks_are_continued(kind, cloze, text, tmp_path):
    kind(source_config()).save_pretrained(tmp_path / "source")
    save_tokenizer(tmp_path / "source")
    checkpoints, said = train(cloze, continued(tmp_path, text))
    assert ("not used of" in said) == (kind is not BertForNextSentencePrediction)
    assert "has no MLM head; initializing a new one" in said
    source = load_file(tmp_path / "source/model.safetensors")
    first = load_file(checkpoints / "step-00000000/model.safetensors")
    assert all(torch.equal(first[name], tensor) for name, tensor in source.items() if name in first)


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module._orig_mod."])
def test_names_of_wrappers_are_understood(prefix, cloze, text, tmp_path):
    source = save_source(tmp_path / "source")
    path = tmp_path / "source/model.safetensors"
    save_file({prefix + name: tensor for name, tensor in load_file(path).items()}, path)
    checkpoints, _ = train(cloze, continued(tmp_path, text))
    first = load_file(checkpoints / "step-00000000/model.safetensors")
    assert all(torch.equal(values, source[name]) for name, values in first.items())


@pytest.mark.parametrize("name, tied", [
    ("cls.predictions.bias", "cls.predictions.decoder.bias"),
    ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight")])
def test_one_of_two_tied_tensors_is_enough(name, tied, cloze, text, tmp_path):
    """As transformers loads such a file."""
    save_source(tmp_path / "source")
    path = tmp_path / "source/model.safetensors"
    tensors = load_file(path)
    tensors[tied] = tensors.pop(name)
    save_file(tensors, path, metadata={"format": "pt"})
    expected = BertForPreTraining.from_pretrained(tmp_path / "source").state_dict()
    checkpoints, _ = train(cloze, continued(tmp_path, text))
    first = load_file(checkpoints / "step-00000000/model.safetensors")
    assert all(torch.equal(values, expected[key]) for key, values in first.items())


def test_the_line_that_is_printed_converts_pytorch_files(cloze, text, tmp_path):
    save_source(tmp_path / "source")
    path = tmp_path / "source/model.safetensors"
    torch.save(load_file(path), tmp_path / "source/pytorch_model.bin")
    path.unlink()
    said = refusal(cloze, "train", continued(tmp_path, text))
    line = said[said.index('python3 -c "') + len('python3 -c "'):said.rindex('"')]
    subprocess.run([sys.executable, "-c", line], cwd=tmp_path / "source", check=True)
    train(cloze, continued(tmp_path, text))

