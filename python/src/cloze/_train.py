"""Training."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy

from ._library import CStep, CWatcher, MessageFunction, StepFunction, call, encode_all, encode_path, free
from ._progress import Progress


class Step(NamedTuple):
    """What is known after a step of training; NaN stands for a number that does not apply."""

    step: int  #: counted from 1
    steps: int  #: the last one
    seed: int  #: of the run; fine-tuning with several seeds is a run for each
    loss: float  #: of this step's batch, before the update
    mlm_loss: float  #: of pre-training
    nsp_loss: float  #: of batches with sentence pairs
    mlm_accuracy: float
    nsp_accuracy: float
    accuracy: float  #: of fine-tuning
    learning_rate: float
    grad_norm: float  #: before clipping
    tokens_per_second: float
    seconds: float  #: of training since step 1
    seconds_left: float  #: an estimate
    evaluated: bool  #: whether the held-out examples were evaluated after this step
    held_out_loss: float
    held_out_score: float  #: what the best checkpoint is chosen by: the MLM loss, or the metric of the task


class _Watcher:
    """Passes what happens on to Python. An exception or Ctrl-C ends the training after a save, and is raised then."""

    def __init__(self, on_step: Callable[[Step], object] | None, on_message: Callable[[str], object] | None) -> None:
        self._on_step, self._on_message = on_step, on_message
        self.raised: BaseException | None = None
        # These objects must live as long as the library may call them.
        self.c = CWatcher(StepFunction(self._step), MessageFunction(self._message), None)

    def interrupt(self, *_: object) -> None:
        self.raised = self.raised or KeyboardInterrupt()

    def _step(self, _, step) -> bool:
        try:
            values = Step(*(getattr(step.contents, name) for name, _ in CStep._fields_))
            answer = None if self._on_step is None else self._on_step(values)
            stops = isinstance(answer, (bool, numpy.bool_)) and not answer
            return not stops and self.raised is None
        except BaseException as exception:
            self.raised = exception
            return False

    def _message(self, _, line: bytes) -> None:
        try:
            if self._on_message is not None:
                self._on_message(line.decode("utf-8", "replace"))
        except BaseException as exception:
            self.raised = self.raised or exception


@contextmanager
def _catching_interrupts(watcher: _Watcher):
    """Lets Ctrl-C end the training after a save, where it would raise KeyboardInterrupt otherwise."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, watcher.interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _plain(value: object) -> object:
    """What JSON has for a path, or for a number of NumPy."""
    return value.item() if isinstance(value, numpy.generic) else os.fspath(value)


def _setting(key: str, value: object) -> str:
    """KEY=VALUE; numbers, lists and None are written as JSON, which is YAML."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_plain)}"


def train(
    config: str | os.PathLike[str],
    settings: Mapping[str, object] | None = None,
    *,
    resume: bool = False,
    progress: bool | Callable[[Step], object] = True,
    message: Callable[[str], object] | None = None,
) -> Path:
    """Trains as a configuration file says, and returns the run directory, which Model.open takes; that of several seeds when
    the last one has ended.

    A file with a section `task` is fine-tuning, as `cloze finetune` does it; another one pre-training, as `cloze train`.

    settings    keys that replace those of the file: {"train.steps": 500, "data.train": ["a.txt"]}
    resume      go on after the run's latest checkpoint; without it a run that has begun is refused
    progress    True shows it on stderr: a bar in terminals and notebooks, lines elsewhere. A function is called with the Step
                after each one; if it returns False, the run is saved and ends. False: nothing is shown
    message     called with each line that `cloze train` would print: what is done, the table of steps, and warnings, which
                are on stderr otherwise where progress is True

    Ctrl-C, or an exception in a function that is called, saves the run and is raised then; resume=True continues such a run.
    While text is prepared, before the first step, neither is noticed.
    """
    shown = Progress() if progress is True else None
    on_step = shown.step if shown else progress if callable(progress) else None
    watcher = _Watcher(on_step, message or (shown.message if shown else None))
    texts = encode_all(_setting(key, value) for key, value in (settings or {}).items())
    path = encode_path(config)
    try:
        with _catching_interrupts(watcher):
            run = call("cloze_train", path, texts, len(texts), resume, ctypes.byref(watcher.c))
    finally:
        if shown:
            shown.end()
    directory = Path(os.fsdecode(ctypes.string_at(run)))
    free(run)
    if watcher.raised is not None:
        raise watcher.raised
    return directory
