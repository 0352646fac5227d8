"""Model directories, both ways: what transformers writes loads in cloze, what cloze writes loads in transformers."""

import json
import shutil
import subprocess

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertForMaskedLM,
    BertForPreTraining,
    BertForSequenceClassification,
    BertModel,
)

from reference import bert_config, cloze_score, compare, make_batch, make_model, run_json, torch_score

CHANGES = {"hidden_size": 36, "num_attention_heads": 3, "intermediate_size": 50, "vocab_size": 307}
PRETRAINING = {"encoder", "pooler", "mlm_head", "nsp_head"}


@pytest.fixture
def model():
    return make_model(bert_config("tiny", **CHANGES))


def rewrite(directory, change):
    """Replaces the tensors of a directory by change(tensors)."""
    path = directory / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def assert_scores_agree(cloze, directory, model, folder):
    batch = make_batch(model.config, [31, 17, 5])
    worst = compare(cloze_score(cloze, directory, batch, folder, gradients=False),
                    {k: v for k, v in torch_score(model, batch).items() if not k.startswith("grad.")})
    assert worst["loss"] < 1e-5 and worst["logits"] < 1e-4


def refusal(cloze, directory):
    result = subprocess.run([cloze, "info", directory], capture_output=True, text=True)
    assert result.returncode == 2, result.stderr
    return result.stderr


@pytest.mark.parametrize("max_shard_size", ["1GB", "40KB"], ids=["one-file", "shards"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_dtypes_and_shards_of_transformers_load(dtype, max_shard_size, model, cloze, tmp_path):
    directory = tmp_path / "model"
    model.to(dtype).save_pretrained(directory, max_shard_size=max_shard_size)
    assert (directory / "model.safetensors").exists() == (max_shard_size == "1GB")
    assert_scores_agree(cloze, directory, model.float(), tmp_path)


@pytest.mark.parametrize("kind, parts", [
    (BertForPreTraining, PRETRAINING),
    (BertModel, {"encoder", "pooler"}),
    (BertForMaskedLM, {"encoder", "mlm_head"}),
], ids=lambda value: getattr(value, "__name__", ""))
def test_models_without_all_heads_load(kind, parts, cloze, tmp_path):
    part = kind(bert_config("tiny", **CHANGES))
    part.save_pretrained(tmp_path / "model")
    info = run_json([cloze, "info", tmp_path / "model", "--json"])
    assert set(info["parts"]) == parts
    assert info["parameters"] == sum(parameter.numel() for parameter in part.parameters())


def old_names(tensors):
    """As conversions of the first TensorFlow checkpoints named them."""
    return {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"):
            tensor for name, tensor in tensors.items()}


def with_copies(tensors):
    """The tied decoder stored again, and the buffer that old versions saved."""
    return {**tensors,
            "cls.predictions.decoder.weight": tensors["bert.embeddings.word_embeddings.weight"].clone(),
            "cls.predictions.decoder.bias": tensors["cls.predictions.bias"].clone(),
            "bert.embeddings.position_ids": torch.arange(512).unsqueeze(0)}


@pytest.mark.parametrize("change", [old_names, with_copies])
def test_other_names_load(change, model, cloze, tmp_path):
    directory = tmp_path / "model"
    model.save_pretrained(directory)
    rewrite(directory, change)
    assert_scores_agree(cloze, directory, model, tmp_path)


def test_a_task_model_is_refused(cloze, tmp_path):
    BertForSequenceClassification(bert_config("tiny", **CHANGES)).save_pretrained(tmp_path / "model")
    assert "tensor classifier.bias, F32 [2], is none of this model's" in refusal(cloze, tmp_path / "model")


def test_an_untied_decoder_is_refused(model, cloze, tmp_path):
    directory = tmp_path / "model"
    model.save_pretrained(directory)
    rewrite(directory, lambda tensors: {**tensors, "cls.predictions.decoder.bias": torch.ones(307)})
    assert "tensor cls.predictions.decoder.bias differs from cls.predictions.bias at element 0" in refusal(
        cloze, directory)


@pytest.fixture(scope="module")
def checkpoint(cloze, tmp_path_factory):
    """The first checkpoint of a small run, as cloze writes it."""
    folder = tmp_path_factory.mktemp("run")
    words = "the cat sat on a mat while rain fell over green hills and nobody minded".split()
    documents = ["\n".join(" ".join(words[(i * 7 + j * 3 + k) % len(words)] for k in range(6)) + "." for j in range(8))
                 for i in range(40)]
    (folder / "text.txt").write_text("\n\n".join(documents) + "\n")
    config = {
        "seed": 1,
        "output": "run",
        "model": {"hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 50,
                  "hidden_act": "gelu_new", "max_position_embeddings": 40},
        "tokenizer": {"vocab_size": 120},
        "data": {"train": ["text.txt"], "seq_len": 32, "valid_fraction": 0.1, "sentences": "line"},
        "train": {"steps": 2, "batch_size": 4},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    result = subprocess.run([cloze, "train", folder / "config.yaml"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return folder / "run" / "checkpoints" / "step-00000002"


def test_transformers_finds_every_key_of_a_checkpoint(checkpoint):
    model, loading = BertForPreTraining.from_pretrained(checkpoint, output_loading_info=True)
    assert not any(loading.values()), loading
    config = model.config
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (36, 2, 3)
    assert (config.intermediate_size, config.hidden_act, config.max_position_embeddings) == (50, "gelu_new", 40)
    assert (config.type_vocab_size, config.pad_token_id, config.layer_norm_eps) == (2, 0, 1e-12)
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight


def test_a_checkpoint_computes_the_same_in_transformers(checkpoint, cloze, tmp_path):
    model = BertForPreTraining.from_pretrained(checkpoint).eval()
    assert_scores_agree(cloze, checkpoint, model, tmp_path)


def test_a_model_returns_from_transformers_unchanged(checkpoint, cloze, tmp_path):
    model = BertForPreTraining.from_pretrained(checkpoint)
    model.save_pretrained(tmp_path / "again")
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (checkpoint, tmp_path / "again"))
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert set(run_json([cloze, "info", tmp_path / "again", "--json"])["parts"]) == PRETRAINING


def test_a_damaged_file_is_named(checkpoint, cloze, tmp_path):
    directory = tmp_path / "damaged"
    shutil.copytree(checkpoint, directory)
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    assert "model.safetensors" in refusal(cloze, directory)
