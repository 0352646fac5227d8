import io
import math
import os
import signal
import threading

import numpy
import pytest

import cloze
from cloze._progress import Progress


def weights(run):
    return (run / "checkpoints/latest/model.safetensors").read_bytes()


def test_each_step_is_reported(texts):
    steps, lines = [], []
    run = cloze.train(texts / "run.yaml", progress=steps.append, message=lines.append)
    assert run == texts / "runs/mine"
    assert [step.step for step in steps] == list(range(1, 13))
    assert [step.step for step in steps if step.evaluated] == [6, 12]
    last = steps[-1]
    assert (last.steps, last.seed, last.seconds_left) == (12, 5, 0)
    assert last.loss == pytest.approx(last.mlm_loss + last.nsp_loss, abs=1e-6)
    assert 0 < last.held_out_score < 6 and last.tokens_per_second > 0
    assert math.isnan(last.accuracy) and math.isnan(steps[0].held_out_score)
    assert any(line.startswith("held out at step 12") for line in lines)
    with cloze.Model.open(run) as model:
        assert model.trained_length == 32


def test_false_of_numpy_stops(texts):
    run = cloze.train(texts / "run.yaml", progress=lambda step: numpy.float64(step.step) < 5)
    assert (run / "checkpoints/step-00000005").is_dir() and not (run / "checkpoints/step-00000012").exists()


def test_settings_may_be_paths_and_numbers_of_numpy(texts):
    steps = []
    cloze.train(texts / "run.yaml", {"data.train": [texts / "text.txt"], "train.steps": numpy.int64(3)}, progress=steps.append)
    assert len(steps) == 3


def test_settings_replace_keys(texts):
    steps = []
    settings = {"train.steps": 3, "data.nsp": False, "output": texts / "other", "data.valid": [], "train.patience": None}
    run = cloze.train(texts / "run.yaml", {**settings, "train.learning_rate": 1e-05}, progress=steps.append)
    assert run == texts / "other" and len(steps) == 3
    assert math.isnan(steps[0].nsp_loss)
    assert max(step.learning_rate for step in steps) == pytest.approx(1e-5)


def test_false_stops_and_resume_continues_exactly(texts):
    whole = cloze.train(texts / "run.yaml", {"output": texts / "whole"}, progress=False)
    run = cloze.train(texts / "run.yaml", progress=lambda step: step.step < 5)
    assert (run / "checkpoints/step-00000005").is_dir()
    steps = []
    assert cloze.train(texts / "run.yaml", resume=True, progress=steps.append) == run
    assert steps[0].step == 6
    assert weights(run) == weights(whole)


def test_an_exception_is_raised_after_a_save(texts):
    def fail(step):
        if step.step == 4:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        cloze.train(texts / "run.yaml", progress=fail)
    assert (texts / "runs/mine/checkpoints/step-00000004").is_dir()


@pytest.fixture
def ctrl_c():
    """Python's own handling of Ctrl-C, which a process that was started in the background does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_raised_after_a_save(texts, ctrl_c):
    def press(step):
        if step.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        cloze.train(texts / "run.yaml", progress=press)
    saved = sorted(path.name for path in (texts / "runs/mine/checkpoints").glob("step-0*"))
    assert saved[-1] in ("step-00000003", "step-00000004")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_may_train(texts):
    runs = []
    thread = threading.Thread(target=lambda: runs.append(cloze.train(texts / "run.yaml", progress=False)))
    thread.start()
    thread.join()
    assert runs == [texts / "runs/mine"]


def test_errors_are_the_librarys(texts):
    with pytest.raises(cloze.Error, match="no such file|cannot|No such file") as raised:
        cloze.train(texts / "absent.yaml")
    assert raised.value.bad_input
    with pytest.raises(cloze.Error, match="train.stepz"):
        cloze.train(texts / "run.yaml", {"train.stepz": 1})
    cloze.train(texts / "run.yaml", {"train.steps": 1}, progress=False)
    with pytest.raises(cloze.Error, match="already contains a run"):
        cloze.train(texts / "run.yaml", {"train.steps": 1}, progress=False)


def test_fine_tuning(trained):
    steps = []
    settings = {"train.seeds": [7, 9], "output": trained / "seeds"}
    run = cloze.train(trained / "classification.yaml", settings, progress=steps.append)
    assert [step.seed for step in steps] == [7] * 4 + [9] * 4
    assert all(math.isnan(step.mlm_loss) for step in steps) and 0 <= steps[-1].held_out_score <= 1
    with cloze.Model.open(run) as model:
        assert model.labels == ("no", "yes")


# ---- what a person sees ----


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Notebook(io.StringIO):
    pass


Notebook.__module__ = "ipykernel.iostream"


def example(step, **values):
    numbers = {name: math.nan for name in cloze.Step._fields}
    numbers.update(step=step, steps=2000, mlm_loss=5.25, seconds_left=130, tokens_per_second=41000, evaluated=False)
    return cloze.Step(**{**numbers, **values})


@pytest.mark.parametrize("stream", [Terminal(), Notebook()])
def test_a_bar_is_rewritten(stream, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    progress = Progress(stream)
    progress.message("text        12 documents")
    progress.step(example(1000))
    progress.message(" step  MLM loss  accuracy")
    progress.message(" 1,000     5.250     6.5 %")
    progress.message("warning: look")
    progress.step(example(2000, seconds_left=0))
    progress.end()
    shown = stream.getvalue()
    assert shown.startswith("text        12 documents\n\rstep 1,000 of 2,000  2m 10s left  MLM loss 5.250  [##########....")
    assert "41,000 tokens/s" in shown and "accuracy" not in shown
    assert "\rwarning: look\n" in shown
    assert shown.endswith("tokens/s\n") and shown.count("\n") == 3


def test_a_narrow_terminal_gets_less(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    Progress(stream).step(example(1000))
    assert stream.getvalue() == "\rstep 1,000 of 2,000  2m 10s left"


def test_elsewhere_the_lines_are_those_of_the_program(texts, capfd):
    cloze.train(texts / "run.yaml")
    out, err = capfd.readouterr()
    assert out == "" and "\r" not in err
    assert "\n   12 " in err and "\nheld out at step 12" in err
    assert "\n  cloze fill " in err  # and not the path of Python


def test_without_progress_nothing_is_printed(texts, capfd):
    cloze.train(texts / "run.yaml", progress=False)
    assert capfd.readouterr() == ("", "")
