"""Where a study learns and where it is tested: ranges of bars, by their numbers.

- `rolling`: a window that learns, then the bars after it; both move on by one test.
- `anchored`: the same, but what learns always begins with the first bar.
- `purged`: every bar is tested once, and what learns lies on both sides of it (purged k-fold with
  embargo: López de Prado, "Advances in Financial Machine Learning", 2018, chapter 7).

A step's decision looks back over `purge` bars. So many bars are left out between what learns and
what is tested, or the one would have seen the other; `embargo` leaves out more, for what is
correlated beyond that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from commenda.kit.errors import CommendaError

LEARNS = 3
"""A rolling window learns on so many times the bars that it is tested on: 75 to 25."""

LEAST = 20
"""Bars of a range: fewer returns say nothing of a ratio."""


class Walk(StrEnum):
    """How the windows move."""

    ROLLING = "rolling"
    ANCHORED = "anchored"
    PURGED = "purged"


class Range(NamedTuple):
    """Bars `start` to `stop`, the last excluded."""

    start: int
    stop: int


class Split(NamedTuple):
    """Learn on `train` (one range or two), be tested on `test`."""

    train: tuple[Range, ...]
    test: Range


@dataclass(frozen=True, slots=True)
class WalkForward:
    """How a history is split. `embargo` is in bars, beside the purge by the longest look-back."""

    kind: Walk = Walk.ROLLING
    folds: int = 5
    embargo: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.folds <= 50:
            raise _refuse("folds", self.folds, "from 2 to 50 folds")
        if self.embargo < 0:
            raise _refuse("embargo", self.embargo, "0 bars or more")


def walk_of(text: str, embargo: int = 0) -> WalkForward:
    """`rolling:6` as a walk; code `bad_walk_forward`."""
    kind, _, folds = text.partition(":")
    try:
        return WalkForward(Walk(kind), int(folds) if folds else 5, embargo)
    except ValueError:
        hint = f"one of {', '.join(Walk)} and the number of folds, such as rolling:6"
        raise _refuse("walk_forward", text, hint) from None


def splits(bars: int, walk: WalkForward, purge: int) -> tuple[Split, ...]:
    """The splits of a history of `bars`, in order of their tests; code `short_history`."""
    cut = _purged if walk.kind is Walk.PURGED else _forward
    found = cut(bars, walk, purge)
    for split in found:
        # The first bars decide nothing: what learns or is tested on those alone says nothing.
        sizes = [one.stop - max(one.start, purge) for one in (split.test, *split.train)]
        if not split.train or min(sizes) < LEAST:
            raise CommendaError(
                "short_history",
                f"{bars:,} bars are too few for {walk.folds} folds {purge + walk.embargo:,} bars"
                f" apart, of a strategy that decides nothing in its first {purge:,} bars: a window"
                f" has {max(0, min(sizes)):,} left, and {LEAST} are needed",
            ).at(
                "walk_forward",
                f"{walk.kind}:{walk.folds}",
                "take a longer history, fewer folds, or a space that looks back less far",
            )
    return found


def _forward(bars: int, walk: WalkForward, purge: int) -> tuple[Split, ...]:
    piece = bars // (walk.folds + LEARNS)
    first = bars - walk.folds * piece  # what does not divide is learned on
    found = []
    for number in range(walk.folds):
        test = Range(first + number * piece, first + (number + 1) * piece)
        start = 0 if walk.kind is Walk.ANCHORED else test.start - LEARNS * piece
        found.append(Split((Range(start, test.start - purge - walk.embargo),), test))
    return tuple(found)


def _purged(bars: int, walk: WalkForward, purge: int) -> tuple[Split, ...]:
    found = []
    for number in range(walk.folds):
        test = Range(number * bars // walk.folds, (number + 1) * bars // walk.folds)
        before = Range(0, test.start - purge)
        after = Range(test.stop + purge + walk.embargo, bars)
        found.append(Split(tuple(one for one in (before, after) if one.start < one.stop), test))
    return tuple(found)


def _refuse(field: str, value: object, hint: str) -> CommendaError:
    return CommendaError("bad_walk_forward", "Not a walk").at(field, value, hint)
