"""What scripts/results makes of what it measured."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import results_report as results  # noqa: E402 (a script)


def test_guessing_is_known_of_a_run_that_was_finished():
    log = "guessing    MLM loss 7.211, accuracy 5.4 % by token frequency; NSP 50 %\nthis run is finished (46,000 steps)\n"
    assert results.guessing(log) == ("7.211", "5.4 %")


def test_a_job_that_fails_does_not_lose_the_others():
    found = []
    with pytest.raises(SystemExit):
        for name, value in results.together({"bad": lambda: sys.exit("no"), "good": lambda: 1}):
            found.append((name, value))
    assert found == [("good", 1)]


def test_each_stretch_has_its_own_rate():
    steps = [{"tokens": 10 * i, "tokens_per_second": 10 if i <= 300 else 5} for i in range(1, 401)]
    assert results.training_seconds(steps) == pytest.approx(300 + 200)


def test_epochs_are_those_of_the_tokens():
    log = "text        1,682 documents, 1,000 tokens\n"
    assert results.epochs([{"step": 10, "tokens": 32 * 10 * 64}], log, 32) == pytest.approx(320 * 61 / 1000)


def test_what_is_not_defined_is_said():
    seeds = [{"seed": 1, "value": None}, {"seed": 2, "value": .5}]
    note = results.undefined_note({"CoLA": {"trained": {"seeds": []}, "random": {"seeds": seeds}}})
    assert "CoLA, random, seed 1." in note


def test_an_interrupted_command_may_save(tmp_path):
    work = 'trap "sleep 1; touch saved; exit 130" INT; touch begun; sleep 60 & wait'
    script = f"import results_report as r; r.ROOT = {str(tmp_path)!r}; r.run(['bash', '-c', {work!r}])"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT / "scripts", start_new_session=True,
                               stderr=subprocess.DEVNULL,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=30)
    assert (tmp_path / "saved").exists()
