"""The progress of a training for a person, as plain text: a bar in terminals and notebooks, lines elsewhere."""

from __future__ import annotations

import math
import re
import shutil
import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ._train import Step

# The rows of the table that `cloze train` prints, and its head: the bar is there instead.
_table_row = re.compile(r" +step  | *[\d,]+  ")


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds) or seconds < 0:
        return "?"
    minutes, hours = int(seconds) // 60, int(seconds) // 3600
    if hours:
        return f"{hours}h {minutes % 60:02}m"
    return f"{minutes}m {int(seconds) % 60:02}s" if minutes else f"{int(seconds)}s"


def _line(step: Step, width: int) -> str:
    """The state of the training in at most `width` columns; what does not fit is left out."""
    loss, name = (step.loss, "loss") if math.isnan(step.mlm_loss) else (step.mlm_loss, "MLM loss")
    done = int(20 * step.step / step.steps)
    parts = [
        f"step {step.step:,} of {step.steps:,}",
        f"{_duration(step.seconds_left)} left",
        f"{name} {loss:.3f}",
        "[" + "#" * done + "." * (20 - done) + "]",
        f"{step.tokens_per_second:,.0f} tokens/s",
    ]
    while len(parts) > 1 and len("  ".join(parts)) > width:
        parts.pop()
    return "  ".join(parts)[:width]


class Progress:
    """Writes to a stream, by default stderr. Used by one training."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        notebook = type(self._stream).__module__.startswith("ipykernel")
        self._bar = notebook or self._stream.isatty()
        self._shown = 0  # columns of the bar on the screen
        self._drawn = -math.inf  # when

    def _erase(self) -> None:
        if self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
        self._shown = 0

    def step(self, step: Step) -> None:
        now = time.monotonic()
        if not self._bar or (now - self._drawn < 0.2 and step.step < step.steps):
            return
        self._drawn = now
        # Some terminals wrap the line after a character in the last column.
        line = _line(step, shutil.get_terminal_size().columns - 1)
        self._stream.write("\r" + line.ljust(self._shown))
        self._shown = max(len(line), self._shown)
        self._stream.flush()

    def message(self, line: str) -> None:
        if self._bar and _table_row.match(line):
            return
        self._erase()
        self._stream.write(line + "\n")
        self._stream.flush()

    def end(self) -> None:
        if self._shown:
            self._stream.write("\n")
        self._shown = 0
        self._stream.flush()
