"""What a check finds, and how it says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from commenda.kernel import Bars
from commenda.testing.bounds import beyond_bounds
from commenda.testing.subject import Subject

BOUNDS = "bounds"
"""The check that comes before all others."""


class Verdict(StrEnum):
    """`unchecked`: the check does not apply, or cannot be made here; `said` has the reason."""

    PASSED = "passed"
    FAILED = "failed"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Check:
    """A promise that a strategy must keep. `find` says what it saw, or raises `Broken`."""

    name: str
    proves: str
    find: Callable[[Subject], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: a `verdict`, in words, and the number of the bar it is about."""

    check: str
    verdict: Verdict
    said: str
    bar: int | None = None

    def __str__(self) -> str:
        return f"{self.check} {self.verdict}: {self.said}"


class Broken(Exception):
    """The promise is not kept, and at which bar that showed."""

    def __init__(self, said: str, *, bar: int | None = None, bars: Bars | None = None) -> None:
        self.bar = bar
        if bar is not None and bars is not None:
            stamp = np.datetime64(int(bars.ts[bar]), "ns").astype("datetime64[s]")
            said = f"at bar {bar} ({stamp}Z) {said}"
        super().__init__(said)


class Unchecked(Exception):
    """The check cannot be made, and why."""


def found(check: Check, subject: Subject) -> Finding:
    """Make `check` of `subject`. A strategy that raises has not kept its promise either.

    One that goes past its arrays is not run any further: compiled, it may do anything.
    """
    if check.name != BOUNDS and beyond_bounds(subject) is not None:
        return Finding(check.name, Verdict.UNCHECKED, "an index is out of bounds")
    try:
        return Finding(check.name, Verdict.PASSED, check.find(subject))
    except Broken as broken:
        return Finding(check.name, Verdict.FAILED, str(broken), broken.bar)
    except Unchecked as reason:
        return Finding(check.name, Verdict.UNCHECKED, str(reason))
    except Exception as error:
        return Finding(check.name, Verdict.FAILED, f"it raised {type(error).__name__}: {error}")
