"""libcloze by ctypes: its structures and functions as cloze.h declares them."""

from __future__ import annotations

import ctypes
import operator
import os
from ctypes import (
    POINTER,
    Structure,
    c_bool,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint64,
    c_void_p,
)
from pathlib import Path

import numpy

from ._version import __version__


class Error(Exception):
    """What the library says of a failure.

    ``bad_input`` is true if an argument or a file is wrong, and false if the work failed (no memory, no space on the disk).
    """

    def __init__(self, message: str, bad_input: bool = True) -> None:
        super().__init__(message)
        self.bad_input = bad_input


class CError(Structure):
    _fields_ = [("bad_input", c_bool), ("message", c_char * 2048)]


class CCandidate(Structure):
    _fields_ = [("token", c_int32), ("score", c_double), ("text", c_char_p), ("sequence", c_char_p)]


class CMask(Structure):
    _fields_ = [("count", c_size_t), ("candidates", POINTER(CCandidate))]


class CFill(Structure):
    _fields_ = [("mask_count", c_size_t), ("masks", POINTER(CMask))]


class CWords(Structure):
    _fields_ = [("words", POINTER(c_char_p)), ("count", c_size_t)]


class CWordLabel(Structure):
    _fields_ = [("label", c_int), ("score", c_float)]


class CStep(Structure):
    _fields_ = [
        ("step", c_int64),
        ("steps", c_int64),
        ("seed", c_int64),
        ("loss", c_double),
        ("mlm_loss", c_double),
        ("nsp_loss", c_double),
        ("mlm_accuracy", c_double),
        ("nsp_accuracy", c_double),
        ("accuracy", c_double),
        ("learning_rate", c_double),
        ("grad_norm", c_double),
        ("tokens_per_second", c_double),
        ("seconds", c_double),
        ("seconds_left", c_double),
        ("evaluated", c_bool),
        ("held_out_loss", c_double),
        ("held_out_score", c_double),
    ]


StepFunction = ctypes.CFUNCTYPE(c_bool, c_void_p, POINTER(CStep))
MessageFunction = ctypes.CFUNCTYPE(None, c_void_p, c_char_p)


class CWatcher(Structure):
    _fields_ = [("step", StepFunction), ("message", MessageFunction), ("context", c_void_p)]


class CAdam(Structure):
    _fields_ = [
        ("beta1", c_double),
        ("beta2", c_double),
        ("epsilon", c_double),
        ("weight_decay", c_double),
        ("max_grad_norm", c_double),
        ("bias_correction", c_bool),
    ]


class CBatch(Structure):
    _fields_ = [
        ("rows", c_size_t),
        ("length", c_size_t),
        ("input_ids", c_void_p),
        ("attention_mask", c_void_p),
        ("token_type_ids", c_void_p),
        ("labels", c_void_p),
        ("next_sentence_label", c_void_p),
        ("values", c_void_p),
    ]


class CLosses(Structure):
    _fields_ = [("loss", c_double), ("mlm_loss", c_double), ("nsp_loss", c_double), ("grad_norm", c_double)]


_texts, _error, _floats = POINTER(c_char_p), POINTER(CError), POINTER(c_float)

# Each function's result and arguments; of those that can fail the last argument is the error.
_functions: dict = {
    "cloze_version": (c_char_p, []),
    "cloze_open": (c_void_p, [c_char_p, _error]),
    "cloze_close": (None, [c_void_p]),
    "cloze_note": (c_char_p, [c_void_p]),
    "cloze_hidden_size": (c_int, [c_void_p]),
    "cloze_max_length": (c_int, [c_void_p]),
    "cloze_trained_length": (c_int, [c_void_p]),
    "cloze_fill": (POINTER(CFill), [c_void_p, c_char_p, c_int, _error]),
    "cloze_fill_free": (None, [POINTER(CFill)]),
    "cloze_next_sentence": (c_bool, [c_void_p, c_char_p, c_char_p, POINTER(c_double), _error]),
    "cloze_hidden_states": (_floats, [c_void_p, c_char_p, POINTER(c_size_t), _error]),
    "cloze_embed": (_floats, [c_void_p, _texts, c_size_t, c_int, c_bool, _error]),
    "cloze_task": (c_int, [c_void_p]),
    "cloze_label_count": (c_int, [c_void_p]),
    "cloze_label_name": (c_char_p, [c_void_p, c_int]),
    "cloze_classify": (_floats, [c_void_p, _texts, _texts, c_size_t, _error]),
    "cloze_label_words": (POINTER(CWordLabel), [c_void_p, POINTER(CWords), c_size_t, _error]),
    "cloze_trainer_open": (c_void_p, [c_char_p, POINTER(CAdam), c_uint64, _error]),
    "cloze_trainer_task": (c_int, [c_void_p]),
    "cloze_trainer_note": (c_char_p, [c_void_p]),
    "cloze_trainer_close": (None, [c_void_p]),
    "cloze_trainer_step": (c_bool, [c_void_p, POINTER(CBatch), c_double, POINTER(CLosses), _error]),
    "cloze_trainer_save": (c_bool, [c_void_p, c_char_p, _error]),
    "cloze_train": (c_void_p, [c_char_p, _texts, c_size_t, c_bool, POINTER(CWatcher), _error]),
}


def _load() -> ctypes.CDLL:
    """Loads the library of the wheel or, where the package was installed without one, that of the system."""
    abi = ".".join(__version__.split(".")[:2])
    packaged = Path(__file__).with_name("libcloze.so")
    name = str(packaged) if packaged.exists() else f"libcloze.so.{abi}"
    try:
        library = ctypes.CDLL(name)
    except OSError as failure:
        raise ImportError(f"libcloze cannot be loaded: {failure}") from failure
    for function, (result, arguments) in _functions.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    found = library.cloze_version().decode()
    if found.rsplit(".", 1)[0] != abi:
        raise ImportError(f"{name} is version {found}; expected {abi}")
    return library


library = _load()
free = ctypes.CDLL(None).free
free.restype, free.argtypes = None, [c_void_p]

_used = False  # whether a function has been called that may have started threads
_forked = False  # whether that was in the process that this one was forked from


def _after_fork() -> None:
    global _forked
    _forked = _used


os.register_at_fork(after_in_child=_after_fork)


def check_process() -> None:
    """Refuses a process in which OpenMP's threads are missing: a call would wait for them for ever."""
    global _used
    if _forked:
        raise RuntimeError(
            "libcloze was used before this process was forked; start processes by multiprocessing.get_context('spawn')"
        )
    _used = True


def call(function: str, *arguments):
    """Calls a function that can fail, and raises its error. Its result is false only on failure."""
    check_process()
    error = CError()
    result = getattr(library, function)(*arguments, ctypes.byref(error))
    if not result:
        raise Error(error.message.decode("utf-8", "replace"), error.bad_input)
    return result


def encode(text: str) -> bytes:
    """The text as the library takes it, which ends at a zero byte."""
    if not isinstance(text, str):
        raise TypeError(f"found {type(text).__name__}; expected str")
    if "\0" in text:
        raise ValueError(f"the text has a zero byte at position {text.index(chr(0))}")
    return text.encode()


def check_integer(name: str, value: int, limit: int) -> int:
    """The integer, which ctypes would cut to the C type without a word where it is too large or negative."""
    number = operator.index(value)
    if not 0 <= number <= limit:
        raise ValueError(f"{name} is {number}; expected 0 to {limit}")
    return number


def encode_path(path: str | bytes | os.PathLike) -> bytes:
    """The path as the library takes it."""
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError(f"the path {path!r} has a zero byte")
    return name


def encode_all(texts) -> ctypes.Array:
    """An array of texts; it keeps them alive."""
    if isinstance(texts, (str, bytes)):
        raise TypeError("found a single text; expected a list of texts")
    encoded = [encode(text) for text in texts]
    return (c_char_p * len(encoded))(*encoded)


def take_floats(pointer, *shape: int) -> numpy.ndarray:
    """Copies a result into an array and frees it."""
    array = numpy.empty(shape, numpy.float32)
    if array.size:
        ctypes.memmove(array.ctypes.data, pointer, array.nbytes)
    free(pointer)
    return array
