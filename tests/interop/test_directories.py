"""Model directories, both ways: what transformers writes loads in cloze, what cloze writes loads in transformers."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForSequenceClassification,
    BertModel,
    pipeline,
)

from reference import (
    bert_config, cloze_score, compare, make_batch, make_model, refusal, run, run_json, torch_score, train, write_config)

CHANGES = {"hidden_size": 36, "num_attention_heads": 3, "intermediate_size": 50, "vocab_size": 307}
PRETRAINING = {"encoder", "pooler", "mlm_head", "nsp_head"}


@pytest.fixture
def model():
    return make_model(bert_config("tiny", **CHANGES))


def rewrite(directory, change):
    """Replaces the tensors of a directory by change(tensors)."""
    path = directory / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def deviation(cloze, directory, model, folder):
    """The largest deviations of the losses and logits of a directory from those of a model."""
    batch = make_batch(model.config, [31, 17, 5])
    expected = {name: value for name, value in torch_score(model, batch).items() if not name.startswith("grad.")}
    return compare(cloze_score(cloze, directory, batch, folder, gradients=False), expected)


def assert_scores_agree(cloze, directory, model, folder, measured, what):
    worst = deviation(cloze, directory, model, folder)
    measured(f"{what}: losses, relative", worst["loss"], "1e-5")
    measured(f"{what}: logits, absolute", worst["logits"], "1e-4")
    assert worst["loss"] < 1e-5 and worst["logits"] < 1e-4


@pytest.mark.parametrize("max_shard_size", ["1GB", "40KB"], ids=["one-file", "shards"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_dtypes_and_shards_of_transformers_load(dtype, max_shard_size, model, cloze, tmp_path, measured):
    directory = tmp_path / "model"
    model.to(dtype).save_pretrained(directory, max_shard_size=max_shard_size)
    assert (directory / "model.safetensors").exists() == (max_shard_size == "1GB")
    assert_scores_agree(cloze, directory, model.float(), tmp_path, measured,
                        "BertForPreTraining of transformers, fp64, fp32, fp16, bf16, whole and in shards")


@pytest.mark.parametrize("kind, parts", [
    (BertForPreTraining, PRETRAINING),
    (BertModel, {"encoder", "pooler"}),
    (BertForMaskedLM, {"encoder", "mlm_head"}),
], ids=lambda value: getattr(value, "__name__", ""))
def test_models_without_all_heads_load(kind, parts, cloze, tmp_path, measured):
    part = kind(bert_config("tiny", **CHANGES))
    part.save_pretrained(tmp_path / "model")
    info = run_json(cloze, "info", tmp_path / "model", "--json")
    assert set(info["parts"]) == parts
    count = sum(parameter.numel() for parameter in part.parameters())
    measured("BertForPreTraining, BertModel, BertForMaskedLM of transformers: parameters not found",
             count - info["parameters"], "0")
    assert info["parameters"] == count


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
def test_other_names_load(change, model, cloze, tmp_path, measured):
    directory = tmp_path / "model"
    model.save_pretrained(directory)
    rewrite(directory, change)
    assert_scores_agree(cloze, directory, model, tmp_path, measured, "names of older versions, tied tensors stored twice")


def test_a_task_model_has_its_encoder_and_classifier(cloze, tmp_path):
    BertForSequenceClassification(bert_config("tiny", **CHANGES)).save_pretrained(tmp_path / "model")
    assert set(run_json(cloze, "info", tmp_path / "model", "--json")["parts"]) == {"encoder", "pooler",
                                                                                       "classifier"}


def test_an_untied_decoder_is_refused(model, cloze, tmp_path):
    directory = tmp_path / "model"
    model.save_pretrained(directory)
    rewrite(directory, lambda tensors: {**tensors, "cls.predictions.decoder.bias": torch.ones(307)})
    assert "tensor cls.predictions.decoder.bias differs from cls.predictions.bias at element 0" in refusal(
        cloze, "info", directory)


@pytest.fixture(scope="module")
def checkpoint(cloze, tmp_path_factory):
    """The last checkpoint of a small run, as cloze writes it."""
    folder = tmp_path_factory.mktemp("run")
    words = "the cat sat on a mat while rain fell over green hills and nobody minded".split()
    documents = ["\n".join(" ".join(words[(i * 7 + j * 3 + k) % len(words)] for k in range(6)) + "." for j in range(8))
                 for i in range(40)]
    (folder / "text.txt").write_text("\n\n".join(documents) + "\n")
    config = write_config(
        folder,
        model={"hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 50,
               "hidden_act": "gelu_new", "max_position_embeddings": 40},
        tokenizer={"vocab_size": 120},
        data={"train": ["text.txt"], "seq_len": 32, "valid_fraction": 0.1, "sentences": "line"},
        train={"steps": 60, "batch_size": 4, "learning_rate": 1e-3})
    return train(cloze, config)[0] / "latest"


def test_transformers_finds_every_key_of_a_checkpoint(checkpoint):
    model, loading = BertForPreTraining.from_pretrained(checkpoint, output_loading_info=True)
    assert not any(loading.values()), loading
    config = model.config
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (36, 2, 3)
    assert (config.intermediate_size, config.hidden_act, config.max_position_embeddings) == (50, "gelu_new", 40)
    assert (config.type_vocab_size, config.pad_token_id, config.layer_norm_eps) == (2, 0, 1e-12)
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight


@pytest.mark.parametrize("purpose, kind", [
    ("pretraining", BertForPreTraining), ("masked-lm", BertForMaskedLM), ("encoder", BertModel)])
def test_an_exported_directory_is_the_class_asked_for(purpose, kind, checkpoint, cloze, tmp_path):
    directory = tmp_path / "published"
    run(cloze, "export", checkpoint, directory, "--for", purpose)
    assert not {"optimizer.safetensors", "training_state.json"} & {path.name for path in directory.iterdir()}
    model, loading = kind.from_pretrained(directory, output_loading_info=True)
    assert not any(loading.values()), loading
    assert model.config.architectures == [kind.__name__]
    expected = kind.from_pretrained(checkpoint).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    assert AutoTokenizer.from_pretrained(directory).model_max_length == 32
    assert f"from transformers import AutoTokenizer, {kind.__name__}" in (directory / "README.md").read_text()


def test_an_export_says_what_it_leaves_out(checkpoint, cloze, tmp_path):
    BertForSequenceClassification.from_pretrained(checkpoint).save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(tmp_path / "model")
    said = run(cloze, "export", tmp_path / "model", tmp_path / "published", "--for", "encoder").stderr
    assert "warning: not exported: the classifier" in said
    _, loading = BertModel.from_pretrained(tmp_path / "published", output_loading_info=True)
    assert not any(loading.values()), loading


def test_a_model_trained_without_pairs_loads_with_every_key(cloze, tmp_path):
    """Which parts were never trained is written where transformers does not mind."""
    (tmp_path / "text.txt").write_text("\n\n".join("the cat sat.\nrain fell.\nnobody minded." for _ in range(40)))
    config = write_config(tmp_path, model={"hidden_size": 36, "num_attention_heads": 3, "intermediate_size": 50},
                          tokenizer={"vocab_size": 100}, train={"steps": 2, "batch_size": 4},
                          data={"train": ["text.txt"], "seq_len": 32, "nsp": False, "sentences": "line"})
    model, loading = BertForPreTraining.from_pretrained(train(cloze, config)[0] / "latest", output_loading_info=True)
    assert not any(loading.values()), loading
    model.save_pretrained(tmp_path / "again")
    assert run_json(cloze, "info", tmp_path / "again", "--json")["untrained"] == ["pooler", "nsp_head"]


def test_a_checkpoint_computes_the_same_in_transformers(checkpoint, cloze, tmp_path, measured):
    model = BertForPreTraining.from_pretrained(checkpoint).eval()
    assert_scores_agree(cloze, checkpoint, model, tmp_path, measured, "a checkpoint of cloze as BertForPreTraining")


@pytest.mark.parametrize("kind, fresh", [
    (BertForPreTraining, set()),
    (BertModel, set()),
    (AutoModel, set()),
    (BertForMaskedLM, set()),
    (BertForNextSentencePrediction, set()),
    (BertForSequenceClassification, {"classifier.weight", "classifier.bias"}),
], ids=lambda value: getattr(value, "__name__", ""))
def test_every_class_of_transformers_takes_its_part_of_a_checkpoint(kind, fresh, checkpoint, measured):
    model, loading = kind.from_pretrained(checkpoint, output_loading_info=True)
    assert set(loading["missing_keys"]) == fresh and not loading["mismatched_keys"]
    stored = load_file(checkpoint / "model.safetensors")
    prefix = "" if hasattr(model, "bert") else "bert."
    for name, parameter in model.named_parameters():
        assert name in fresh or torch.equal(parameter, stored[prefix + name]), name
    measured("the same in BertForPreTraining, BertModel, AutoModel, BertForMaskedLM, BertForNextSentencePrediction, "
             "BertForSequenceClassification: keys missing but for the classifier",
             len(set(loading["missing_keys"]) - fresh), "0")


def test_the_next_sentence_head_of_transformers_gives_the_same_probability(checkpoint, cloze, measured):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = BertForNextSentencePrediction.from_pretrained(checkpoint).eval()
    worst = 0.0
    for a, b in [("the cat sat on a mat", "rain fell over green hills."), ("nobody minded", "zebras!")]:
        with torch.no_grad():
            logits = model(**tokenizer(a, b, return_tensors="pt")).logits
        found = run_json(cloze, "nsp", checkpoint, a, b, "--json")["is_next"]
        worst = max(worst, abs(found - logits.softmax(-1)[0, 0].item()))
    measured("`cloze nsp` against BertForNextSentencePrediction: probability", worst, "1e-5")
    assert worst < 1e-5


SENTENCES = ["the cat [MASK] on a mat", "[MASK]", "nobody can't mind, \"[MASK]\"? Zebras!",
             "[MASK] fell over green [MASK] and [MASK].", "[PAD] [MASK] [UNK] [CLS] [MASK] [PAD]"]


def fill_deviation(cloze, directory, top):
    """The largest difference of a probability between `cloze fill` and the fill-mask pipeline, which agree otherwise."""
    peer = pipeline("fill-mask", model=str(directory), tokenizer=str(directory))
    worst = 0.0
    for sentence in SENTENCES:
        expected = peer(sentence, top_k=top)
        expected = expected if isinstance(expected[0], list) else [expected]
        found = run_json(cloze, "fill", directory, sentence, "--top", top, "--json")
        assert [len(mask) for mask in found] == [top] * len(expected)
        for ours, theirs in zip(sum(found, []), sum(expected, [])):
            worst = max(worst, abs(ours.pop("score") - theirs.pop("score")))
            assert ours == theirs
    return worst


def test_fill_is_the_pipeline_of_transformers(checkpoint, cloze, measured):
    """All fields of the five best, and of the fifty best: pieces and special tokens are among them."""
    worst = max(fill_deviation(cloze, checkpoint, top) for top in (5, 50))
    measured("`cloze fill` against the fill-mask pipeline, 5 and 50 best: tokens and sequences equal, probability", worst,
             "1e-5")
    assert worst < 1e-5


def test_fill_with_a_model_and_tokenizer_of_transformers(cloze, checkpoint, tmp_path, measured):
    """Without pooler and next-sentence head, and with weights so large that the candidates stand apart."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    torch.manual_seed(3)
    config = bert_config("tiny", vocab_size=len(tokenizer), initializer_range=0.1)
    BertForMaskedLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    worst = fill_deviation(cloze, tmp_path, 5)
    measured("the same with a BertForMaskedLM that transformers wrote", worst, "1e-5")
    assert worst < 1e-5


def test_a_model_returns_from_transformers_unchanged(checkpoint, cloze, tmp_path):
    model = BertForPreTraining.from_pretrained(checkpoint)
    model.save_pretrained(tmp_path / "again")
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (checkpoint, tmp_path / "again"))
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert set(run_json(cloze, "info", tmp_path / "again", "--json")["parts"]) == PRETRAINING


def test_a_damaged_file_is_named(checkpoint, cloze, tmp_path):
    directory = tmp_path / "damaged"
    shutil.copytree(checkpoint, directory)
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    assert "model.safetensors" in refusal(cloze, "info", directory)
