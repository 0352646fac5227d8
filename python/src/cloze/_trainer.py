"""Training on the caller's batches."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Mapping
from typing import NamedTuple

import numpy
import numpy.typing

from ._library import CAdam, CBatch, CLosses, call, check_integer, encode_path, library
from ._model import tasks


class Losses(NamedTuple):
    """The losses of a batch before the update, with dropout; 0 where nothing of this kind is predicted."""

    loss: float  #: mlm_loss + nsp_loss, or the loss of a task
    mlm_loss: float
    nsp_loss: float
    grad_norm: float  #: before clipping


_axes = {"input_ids": 2, "attention_mask": 2, "token_type_ids": 2, "labels": 2, "next_sentence_label": 1}


class Trainer:
    """A model in training: one step of Adam for each batch. Open it with Trainer.open, and close it as a Model."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        seed: int = 1,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-6,
        weight_decay: float = 0.01,
        max_grad_norm: float = 1.0,
        bias_correction: bool = True,
    ) -> Trainer:
        """Opens a model for training. Heads that its directory lacks, and dropout, are drawn with the seed."""
        try:
            beta1, beta2 = betas
        except (TypeError, ValueError):
            raise ValueError(f"betas is {betas!r}; expected two numbers such as (0.9, 0.999)") from None
        adam = CAdam(beta1, beta2, epsilon, weight_decay, max_grad_norm, bias_correction)
        return cls(call("cloze_trainer_open", encode_path(path), ctypes.byref(adam), check_integer("seed", seed, 2**64 - 1)))

    def close(self) -> None:
        """Frees the memory, without saving. Closing again does nothing."""
        with self._lock:
            if self._handle is not None:
                library.cloze_trainer_close(self._handle)
            self._handle = None

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            library.cloze_trainer_close(self._handle)

    def _open_handle(self) -> int:
        if self._handle is None:
            raise ValueError("the trainer is closed")
        return self._handle

    @property
    def task(self) -> str | None:
        """What the model is trained for: "classification", "regression", "tokens", or None for pre-training."""
        return tasks[library.cloze_trainer_task(self._open_handle())]

    @property
    def note(self) -> str:
        """Remarks about the model's files, a line each, or ""."""
        return library.cloze_trainer_note(self._open_handle()).decode("utf-8", "replace")

    def step(self, batch: Mapping[str, numpy.typing.ArrayLike], learning_rate: float) -> Losses:
        """Takes one step on a batch as the model's class in transformers takes it.

        input_ids, attention_mask, token_type_ids   [rows, length]; the last two may be absent
        labels                                      tokens or labels of words [rows, length]; classes [rows]; -100: not
                                                    predicted. Numbers [rows], all of which are predicted
        next_sentence_label                         [rows]; 0: the second text follows, 1: it does not, -100: not predicted

        On failure, which is an Error, the parameters are as they were.
        """
        losses = CLosses()
        arrays = _arrays(batch, self.task)
        rows, length = arrays["input_ids"].shape
        pointers = {name: array.ctypes.data for name, array in arrays.items()}
        packed = CBatch(rows, length, **pointers)
        with self._lock:
            call("cloze_trainer_step", self._open_handle(), ctypes.byref(packed), learning_rate, ctypes.byref(losses))
        return Losses(losses.loss, losses.mlm_loss, losses.nsp_loss, losses.grad_norm)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Saves the model as a Hugging Face directory, which must not exist. Adam's moments are not saved."""
        with self._lock:
            call("cloze_trainer_save", self._open_handle(), encode_path(directory))


def _arrays(batch: Mapping[str, numpy.typing.ArrayLike], task: str | None) -> dict[str, numpy.ndarray]:
    """The batch as contiguous arrays of the library's types, under the names of its structure; shapes are checked."""
    unknown = sorted(str(name) for name in batch if name not in _axes)
    if unknown:
        raise ValueError(f"the batch has {', '.join(unknown)}; expected {', '.join(_axes)}")
    if "input_ids" not in batch:
        raise ValueError("the batch has no input_ids")
    arrays = {}
    shape = numpy.shape(batch["input_ids"])
    for name, values in batch.items():
        array = numpy.asarray(values)
        axes = 1 if name == "labels" and task in ("classification", "regression") else _axes[name]
        if len(shape) != 2 or array.shape != shape[:axes]:
            raise ValueError(f"{name} has the shape {list(array.shape)}, and input_ids {list(shape)}")
        numbers = name == "labels" and numpy.issubdtype(array.dtype, numpy.floating)
        if not numbers and not numpy.issubdtype(array.dtype, numpy.integer):
            raise TypeError(f"{name} is an array of {array.dtype}; expected integers")
        arrays["values" if numbers else name] = numpy.ascontiguousarray(array, numpy.float32 if numbers else numpy.int64)
    return arrays
