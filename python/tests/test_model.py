import gc
import json
import os
import subprocess
import threading

import numpy
import pytest

import cloze
from cloze._library import library

TEXTS = ["the dog barked .", "", "a cat slept all day . " * 20, "by night"]


def test_fill_is_the_programs(model, trained, program):
    text = "the [MASK] barked all [MASK]."
    masks = model.fill(text, top=3)
    command = [program, "fill", str(trained / "runs/mine"), text, "--top", "3", "--json"]
    expected = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert [[candidate.token for candidate in mask] for mask in masks] == [[e["token_str"] for e in mask] for mask in expected]
    assert [[candidate.id for candidate in mask] for mask in masks] == [[e["token"] for e in mask] for mask in expected]
    assert masks[0][0].score == pytest.approx(expected[0][0]["score"], rel=1e-5)
    assert masks[1][2].sequence == expected[1][2]["sequence"]


def test_nsp_is_a_probability(model):
    one, other = model.nsp("the dog barked .", "a cat ran ."), model.nsp("a cat ran .", "the dog barked .")
    assert 0 < one < 1 and 0 < other < 1 and one != other


def test_vectors_are_the_programs(model, trained, program, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    for pooling in ("mean", "cls", "pooler"):
        output = tmp_path / f"{pooling}.npy"
        command = [program, "embed", trained / "runs/mine", tmp_path / "texts.txt", "--output", output, "--pooling", pooling]
        subprocess.run(command, check=True, capture_output=True)
        vectors = model.embed(TEXTS, pooling=pooling)
        assert vectors.dtype == numpy.float32 and vectors.shape == (4, model.hidden_size) and vectors.flags.owndata
        numpy.testing.assert_allclose(vectors, numpy.load(output), atol=1e-6)
    assert numpy.linalg.norm(model.embed(TEXTS, normalize=True), axis=1) == pytest.approx([1] * 4, abs=1e-5)


def test_the_mean_of_hidden_states_is_the_vector(model):
    states = model.hidden_states("the dog barked")
    assert states.shape == (5, 32)
    numpy.testing.assert_allclose(states.mean(axis=0), model.embed(["the dog barked"])[0], atol=1e-5)


def test_no_texts_have_an_empty_result(model):
    assert model.embed([]).shape == (0, 32)
    assert model.embed(iter(["a", "b"])).shape == (2, 32)


def test_what_is_no_list_of_texts_is_refused(model):
    with pytest.raises(TypeError, match="a single text"):
        model.embed("the dog")
    with pytest.raises(TypeError, match="found int"):
        model.embed([1])
    with pytest.raises(ValueError, match="zero byte at position 3"):
        model.fill("the\0[MASK]")
    with pytest.raises(ValueError, match="has a zero byte"):
        cloze.Model.open("runs\0mine")
    with pytest.raises(ValueError, match="pooling is 'max'"):
        model.embed(["a"], pooling="max")


def test_errors_are_the_librarys(model, tmp_path):
    with pytest.raises(cloze.Error, match=r"no \[MASK\] in") as raised:
        model.fill("the dog")
    assert raised.value.bad_input
    with pytest.raises(cloze.Error, match="no such directory"):
        cloze.Model.open(tmp_path / "absent")
    with pytest.raises(cloze.Error, match="no classifier"):
        model.predict(["the dog"])
    assert model.task is None and model.labels == ()


def test_integers_are_not_cut(model, trained):
    for top in (-1, 2**32 + 1):
        with pytest.raises(ValueError, match=f"top is {top}; expected 0 to 2147483647"):
            model.fill("the [MASK]", top=top)
    for seed in (-1, 2**64):
        with pytest.raises(ValueError, match=f"seed is {seed}; expected 0 to"):
            cloze.Trainer.open(trained / "runs/mine", seed=seed)


def test_a_closed_model_is_refused(trained):
    with cloze.Model.open(str(trained / "runs/mine")) as model:
        assert model.max_length >= 32 and model.note == ""
    model.close()
    with pytest.raises(ValueError, match="closed"):
        model.fill("[MASK]")
    with pytest.raises(ValueError, match="closed"):
        model.hidden_size


def test_models_are_freed(trained, monkeypatch):
    closed, close = [], library.cloze_close
    monkeypatch.setattr(library, "cloze_close", lambda handle: (closed.append(handle), close(handle)))
    for _ in range(3):
        cloze.Model.open(trained / "runs/mine").fill("[MASK]")
    gc.collect()
    assert len(closed) == 3


def test_threads_take_turns(model):
    expected, found = model.embed(TEXTS), {}

    def embed(number):
        for _ in range(5):
            found[number] = model.embed(TEXTS)

    threads = [threading.Thread(target=embed, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for vectors in found.values():
        numpy.testing.assert_array_equal(vectors, expected)


def test_a_forked_process_is_refused(model):
    model.fill("[MASK]")
    child = os.fork()
    if child == 0:
        try:
            model.fill("[MASK]")
        except RuntimeError as error:
            os._exit(3 if "forked" in str(error) else 4)
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert model.fill("[MASK]")


# ---- fine-tuned models ----


@pytest.fixture(scope="module")
def tuned(trained):
    def run(name):
        return cloze.train(trained / f"{name}.yaml", progress=False)

    return run


def test_classification(tuned):
    texts, pairs = ["the dog ran .", "a cat slept ."], ["all night .", "all day ."]
    with cloze.Model.open(tuned("classification")) as model:
        assert model.task == "classification" and model.labels == ("no", "yes")
        values = model.classify(texts, pairs)
        assert values.shape == (2, 2) and values.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
        for label, row in zip(model.predict(texts, pairs), values):
            assert label == cloze.Label(model.labels[row.argmax()], row.max())
        assert model.predict([]) == []
        with pytest.raises(ValueError, match="2 texts, but 1 in pairs"):
            model.predict(texts, pairs[:1])


def test_regression(tuned):
    with cloze.Model.open(tuned("regression")) as model:
        assert model.task == "regression" and model.labels == ()
        numbers = model.predict(["the dog ran .", "a cat"])
        assert numbers.shape == (2,) and numbers.dtype == numpy.float32 and numbers[0] != numbers[1]


def test_tokens(tuned):
    with cloze.Model.open(tuned("tokens")) as model:
        assert model.task == "tokens" and model.labels == ("B-X", "O")
        long = ["dog"] * (model.trained_length + 5)
        short, nothing, cut = model.predict([["the", "\x01", "dog"], [], long])
        assert short[0].label in model.labels and 0 < short[0].score <= 1
        assert short[1] is None and short[2] is not None and nothing == []
        assert len(cut) == len(long) and cut[0] is not None and cut[-1] is None
        with pytest.raises(TypeError, match="a single text"):
            model.predict(["the dog"])
        with pytest.raises(ValueError, match="no pairs"):
            model.predict([["a"]], ["b"])
