"""Open models."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy
import numpy.typing

from ._library import CWords, call, check_integer, encode, encode_all, encode_path, free, library, take_floats

Array = numpy.typing.NDArray[numpy.float32]

_poolings = {"mean": 0, "cls": 1, "pooler": 2}
tasks = (None, "classification", "regression", "tokens")


class Candidate(NamedTuple):
    """A token for a [MASK]."""

    token: str  #: the token, with "##" where it continues a word
    score: float  #: its probability
    sequence: str  #: the text with this token in place of this mask
    id: int  #: its number in the vocabulary


class Label(NamedTuple):
    """What a fine-tuned model says of a text or a word."""

    label: str
    score: float  #: its probability


class Model:
    """A model: a run of cloze, a checkpoint, or any BERT directory of Hugging Face.

    Open it with Model.open, and close it with close() or by a with statement. Several threads may call a model; they take
    turns.
    """

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Model:
        """Opens a directory; checksums are verified. Raises Error if it holds no intact model."""
        return cls(call("cloze_open", encode_path(path)))

    def close(self) -> None:
        """Frees the model's memory. A closed model cannot be used; closing it again does nothing."""
        with self._lock:
            if self._handle is not None:
                library.cloze_close(self._handle)
            self._handle = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            library.cloze_close(self._handle)

    def _open_handle(self) -> int:
        if self._handle is None:
            raise ValueError("the model is closed")
        return self._handle

    # ---- what it is ----

    @property
    def note(self) -> str:
        """Remarks about the model's files, a line each, or ""."""
        return library.cloze_note(self._open_handle()).decode("utf-8", "replace")

    @property
    def hidden_size(self) -> int:
        return library.cloze_hidden_size(self._open_handle())

    @property
    def max_length(self) -> int:
        """Tokens of the longest possible input, with [CLS] and [SEP]."""
        return library.cloze_max_length(self._open_handle())

    @property
    def trained_length(self) -> int:
        """Tokens of the longest sequences of its training; embed and predict cut texts to it."""
        return library.cloze_trained_length(self._open_handle())

    @property
    def task(self) -> str | None:
        """What it was fine-tuned for: "classification", "regression", "tokens", or None."""
        return tasks[library.cloze_task(self._open_handle())]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that a fine-tuned model chooses from."""
        handle = self._open_handle()
        if self.task == "regression":
            return ()
        return tuple(library.cloze_label_name(handle, i).decode() for i in range(library.cloze_label_count(handle)))

    # ---- a text or a pair ----

    def fill(self, text: str, top: int = 5) -> list[list[Candidate]]:
        """The `top` best tokens for each [MASK] of the text, the best first."""
        with self._lock:
            fill = call("cloze_fill", self._open_handle(), encode(text), check_integer("top", top, 2**31 - 1))
        try:
            masks = [fill.contents.masks[i] for i in range(fill.contents.mask_count)]
            return [[_candidate(mask.candidates[i]) for i in range(mask.count)] for mask in masks]
        finally:
            library.cloze_fill_free(fill)

    def nsp(self, a: str, b: str) -> float:
        """The probability that b follows a."""
        probability = ctypes.c_double()
        with self._lock:
            call("cloze_next_sentence", self._open_handle(), encode(a), encode(b), ctypes.byref(probability))
        return probability.value

    def hidden_states(self, text: str) -> Array:
        """The last layer's output for [CLS] text [SEP]: [tokens, hidden_size]."""
        rows = ctypes.c_size_t()
        with self._lock:
            width = self.hidden_size
            states = call("cloze_hidden_states", self._open_handle(), encode(text), ctypes.byref(rows))
        return take_floats(states, rows.value, width)

    # ---- many texts ----

    def embed(self, texts: Iterable[str], pooling: str = "mean", normalize: bool = False) -> Array:
        """A vector for each text: [texts, hidden_size].

        pooling is "mean" (of all tokens), "cls" (the last layer's output at [CLS]) or "pooler". With normalize, vectors have the
        length 1. Longer texts than those of the model's training are cut at their end.
        """
        if pooling not in _poolings:
            raise ValueError(f'pooling is {pooling!r}; expected "mean", "cls" or "pooler"')
        array = encode_all(texts)
        with self._lock:
            width = self.hidden_size
            vectors = call("cloze_embed", self._open_handle(), array, len(array), _poolings[pooling], normalize)
        return take_floats(vectors, len(array), width)

    def classify(self, texts: Iterable[str], pairs: Iterable[str] | None = None) -> Array:
        """The probabilities of the labels for each text or pair: [texts, labels]. Of regression the number: [texts, 1]."""
        array, second = encode_all(texts), None
        if pairs is not None:
            second = encode_all(pairs)
            if len(second) != len(array):
                raise ValueError(f"there are {len(array)} texts, but {len(second)} in pairs")
        with self._lock:
            handle = self._open_handle()
            values = call("cloze_classify", handle, array, second, len(array))
            columns = library.cloze_label_count(handle)
        return take_floats(values, len(array), columns)

    def label_words(self, texts: Iterable[Sequence[str]]) -> list[list[Label | None]]:
        """The labels of the words of each text; None for a word that was cut off or has no token."""
        arrays = [encode_all(words) for words in texts]
        words = (CWords * len(arrays))(*((array, len(array)) for array in arrays))
        names = self.labels
        with self._lock:
            found = call("cloze_label_words", self._open_handle(), words, len(arrays))
        try:
            flat = iter([(found[i].label, found[i].score) for i in range(sum(map(len, arrays)))])
        finally:
            free(found)
        return [[_label(names, *next(flat)) for _ in array] for array in arrays]

    def predict(self, texts: Iterable, pairs: Iterable[str] | None = None) -> list[Label] | list[list[Label | None]] | Array:
        """What the fine-tuned model says of each text.

        Classification: the best Label of each text, or pair. Regression: an array of numbers [texts]. Labels of words (task
        "tokens"): each text is a list of words, and its result is a list of Label or None (see label_words).
        """
        if self.task == "tokens":
            if pairs is not None:
                raise ValueError("the model labels words, and takes no pairs")
            return self.label_words(texts)
        values = self.classify(texts, pairs)
        if self.task == "regression":
            return values[:, 0]
        names = self.labels
        best = values.argmax(axis=1) if len(values) else ()
        return [Label(names[label], float(row[label])) for label, row in zip(best, values)]


def _candidate(candidate) -> Candidate:
    return Candidate(candidate.text.decode(), candidate.score, candidate.sequence.decode(), candidate.token)


def _label(names: tuple[str, ...], label: int, score: float) -> Label | None:
    return Label(names[label], score) if label >= 0 else None
