"""Look-ahead: does a decision change when the bars after it are others, or are not there?

Each bar has its turn. For bar k the program is made again, once of the bars up to k alone and once
of the same bars with another future, and every decision up to k must be the one of the whole run.
That is n runs of up to n bars, which compiled code does in a moment for 2,000 bars; longer
histories are examined in windows of that length, each begun early by the warm-up and ended late by
a margin, so that its last bars too have something to look ahead to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from commenda.kernel import Array, Bars, Program
from commenda.testing.recording import Answers, first_difference, record, replay, rows_of
from commenda.testing.subject import Subject
from commenda.testing.verdict import Broken

MARGIN = 300
WINDOW, MOST_BARS = 2_000, 20_000
WINDOW_IN_PYTHON, MOST_BARS_IN_PYTHON = 1_000, 2_000
"""A plain Python step makes half a million decisions a second, a compiled one fifty million."""

Future = Callable[[Bars, int], Bars]
"""The bars given to `make` so that the first k of them, and those only, are what they were."""


def truncation(subject: Subject) -> str:
    """Take the bars after k away, for every k."""
    return _examined(subject, lambda bars, k: bars.between(0, k), "are not there")


def perturbation(subject: Subject) -> str:
    """Turn the bars after k upside down and treble their moves, for every k."""
    return _examined(subject, with_another_future, "are others")


def with_another_future(bars: Bars, k: int) -> Bars:
    """The first `k` bars, and then a future in which every rise is a fall three times as far.

    Prices p after the close c of bar k-1 become c · (p/c)^-3, volumes three times as much: no rule
    on the sign or the size of a later move can come to the same answer.
    """
    last = float(bars.close[k - 1])

    def turned(column: Array) -> Array:
        # Past a factor of e^6 a price may as well stay: it is to be another, not to overflow.
        moves = np.clip(-3.0 * np.log(column[k:] / last), -6.0, 6.0)
        return np.asarray(last * np.exp(moves))

    def joined(column: Array, later: Array) -> Array:
        return np.concatenate((column[:k], later))

    opens, closes = turned(bars.open), turned(bars.close)
    # A low becomes a high. Rounding may part two prices that were equal, so the edges are taken.
    highs = np.maximum(turned(bars.low), np.maximum(opens, closes))
    lows = np.minimum(turned(bars.high), np.minimum(opens, closes))
    return Bars(
        bars.ts,
        joined(bars.open, opens),
        joined(bars.high, highs),
        joined(bars.low, lows),
        joined(bars.close, closes),
        joined(bars.volume, 3.0 * bars.volume[k:] + 1.0),
    )


def _examined(subject: Subject, future: Future, so: str) -> str:
    whole = subject.make(subject.bars)
    steady = subject.make(subject.bars).step is whole.step
    in_python = not (steady and hasattr(whole.step, "py_func"))
    most = MOST_BARS_IN_PYTHON if in_python else MOST_BARS
    bars = subject.bars
    skipped = max(0, len(bars) - most)
    for window in _windows(skipped, len(bars), whole.warmup, in_python):
        _examine(subject, window, future, so, steady)
    first = f"the last {most:,} of {len(bars):,} bars" if skipped else f"all {len(bars):,} bars"
    return f"{first}, each one with every decision before it"


@dataclass(frozen=True, slots=True)
class _Window:
    """Bars numbered `start` to `end`; those from `first` up to `stop` have their turn."""

    start: int
    first: int
    stop: int
    end: int


def _windows(begin: int, count: int, warmup: int, in_python: bool) -> Iterator[_Window]:
    length = WINDOW_IN_PYTHON if in_python else WINDOW
    for first in range(begin, count, length):
        stop = min(first + length, count)
        yield _Window(max(0, first - warmup), first, stop, min(stop + MARGIN, count))


def _examine(subject: Subject, window: _Window, future: Future, so: str, steady: bool) -> None:
    bars = subject.bars.between(window.start, window.end)
    rows = rows_of(bars)
    whole = subject.make(bars)
    recorded = record(whole, bars)

    def step_of(program: Program) -> Any:
        # A step compiled anew for each k would take a second each time: its source runs instead.
        return program.step if steady else getattr(program.step, "py_func", program.step)

    expected = replay(whole, step_of(whole), rows, recorded)
    for k in range(window.first - window.start + 1, window.stop - window.start + 1):
        # A strategy is bound without bars, so there is nothing to make again.
        program = whole if subject.strategy else subject.make(future(bars, k))
        answers = replay(program, step_of(program), rows[:k], recorded)
        at = first_difference(answers, expected)
        if at is not None:
            raise Broken(
                f"the decision is {_said(expected, at)}, and {_said(answers, at)} where the bars"
                f" after number {window.start + k - 1} {so}",
                bar=window.start + at,
                bars=subject.bars,
            )


def _said(answers: Answers, at: int) -> str:
    return f"{answers.targets[at]:g}" + (" with its orders" if answers.orders.size else "")
