import numpy
import pytest

import cloze

BATCH = {
    "input_ids": [[2, 7, 4, 9, 3], [2, 8, 9, 3, 0]],
    "attention_mask": [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]],
    "labels": [[-100, -100, 12, -100, -100], [-100, 8, -100, -100, -100]],
}


def test_a_batch_is_learned_and_saved(trained, tmp_path):
    with cloze.Trainer.open(trained / "runs/mine", seed=3) as trainer:
        losses = [trainer.step({**BATCH, "next_sentence_label": [0, 1]}, 1e-2) for _ in range(60)]
        assert losses[0].loss == pytest.approx(losses[0].mlm_loss + losses[0].nsp_loss) and losses[0].grad_norm > 0
        assert losses[-1].mlm_loss < losses[0].mlm_loss / 2
        trainer.save(tmp_path / "saved")
        with pytest.raises(cloze.Error, match="exists already"):
            trainer.save(tmp_path / "saved")
        assert trainer.note == ""
    with cloze.Model.open(tmp_path / "saved") as model:
        assert model.trained_length == 32
    with pytest.raises(ValueError, match="closed"):
        trainer.step(BATCH, 1e-3)


def test_labels_of_tasks(trained):
    run = cloze.train(trained / "classification.yaml", {"output": trained / "classes"}, progress=False)
    inputs = {"input_ids": numpy.array(BATCH["input_ids"], numpy.int32)}
    with cloze.Trainer.open(run) as trainer:
        assert trainer.task == "classification"
        assert trainer.step({**inputs, "labels": [0, 1]}, 1e-3).mlm_loss == 0
        with pytest.raises(cloze.Error, match="numbers to predict"):
            trainer.step({**inputs, "labels": [0.5, 1.5]}, 1e-3)
    run = cloze.train(trained / "regression.yaml", {"output": trained / "numbers"}, progress=False)
    with cloze.Trainer.open(run) as trainer:
        assert trainer.step({**inputs, "labels": numpy.array([0.5, 1.5])}, 1e-3).loss > 0
        with pytest.raises(cloze.Error, match="labels are classes"):
            trainer.step({**inputs, "labels": [0, 1]}, 1e-3)


def test_betas_are_two(trained):
    for betas in [(0.9,), (0.9, 0.999, 1e-6), 0.9]:
        with pytest.raises(ValueError, match="betas is .*0.9.*; expected two numbers"):
            cloze.Trainer.open(trained / "runs/mine", betas=betas)


def test_what_is_no_batch_is_refused(trained):
    with cloze.Trainer.open(trained / "runs/mine") as trainer:
        for batch, message in [
            ({"labels": [[1]]}, "the batch has no input_ids"),
            ({**BATCH, "label": [[1, 1]]},
             "^the batch has label; expected input_ids, attention_mask, token_type_ids, labels, next_sentence_label$"),
            ({**BATCH, "attention_mask": [[1]]}, r"attention_mask has the shape \[1, 1\], and input_ids \[2, 5\]"),
            ({**BATCH, "labels": [1, 2]}, r"labels has the shape \[2\]"),
            ({"input_ids": [1, 2]}, r"input_ids has the shape \[2\]"),
        ]:
            with pytest.raises(ValueError, match=message):
                trainer.step(batch, 1e-3)
        with pytest.raises(TypeError, match="input_ids is an array of float64"):
            trainer.step({"input_ids": [[1.5]]}, 1e-3)
        with pytest.raises(cloze.Error, match="no labels"):
            trainer.step({"input_ids": [[2, 3]]}, 1e-3)
        with pytest.raises(cloze.Error, match="input_ids, row 0, column 1: 9999"):
            trainer.step({"input_ids": [[2, 9999]], "labels": [[-100, 5]]}, 1e-3)
