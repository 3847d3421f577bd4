"""What a study is asked, what its trials are, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np

from commenda.kernel import Array, Costs, Terms
from commenda.kit.errors import CommendaError
from commenda.returns import Calendar, Year, year_of
from commenda.studies.measures import OBJECTIVES, Objective
from commenda.studies.space import Params
from commenda.studies.splits import WalkForward

MOST_TRIALS = 100_000


class Sampler(StrEnum):
    """How the next configurations are chosen."""

    GRID = "grid"
    TPE = "tpe"
    GP = "gp"
    CMAES = "cmaes"
    NSGA2 = "nsga2"


SEVERAL = (Sampler.GRID, Sampler.TPE, Sampler.NSGA2)
"""Samplers that can aim at several things at once."""


class StudyState(StrEnum):
    """`running` is also what a killed study is left as: resume it."""

    RUNNING = "running"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    FAILED = "failed"


class TrialState(StrEnum):
    """A trial that is refused never ran, one that was pruned ran over a part of the history."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to search. The same plan on the same data gives the same trials, however many jobs.

    `trials` counts those that ran; `batch` trials are chosen at once, before any of them is known.
    `walk` None aims at the whole history and leaves nothing to test on. `pruning` looks at the
    first quarter and half of the history and gives up what is worse than the median there.
    """

    sampler: Sampler = Sampler.TPE
    trials: int = 200
    objectives: tuple[str, ...] = ("sharpe",)
    walk: WalkForward | None = field(default_factory=WalkForward)
    pruning: bool = False
    seed: int = 0
    batch: int = 8
    cash: float = 10_000.0
    costs: Costs = field(default_factory=Costs)
    terms: Terms = field(default_factory=Terms)

    def __post_init__(self) -> None:
        bounds = {"trials": (1, MOST_TRIALS), "batch": (1, 1_000), "seed": (0, 2**32 - 1)}
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise _bad(name, getattr(self, name), f"from {least} to {most:,}")
        if not 0.0 < self.cash < float("inf"):
            raise _bad("cash", self.cash, "more than 0")
        unknown = [name for name in self.objectives if name not in OBJECTIVES]
        if unknown or not self.objectives or len(set(self.objectives)) < len(self.objectives):
            value = unknown[0] if unknown else ",".join(self.objectives)
            raise _bad("objectives", value, f"one or more of {', '.join(OBJECTIVES)}, each once")
        if len(self.objectives) > 1 and self.sampler not in SEVERAL:
            raise _bad(
                "sampler", self.sampler.value, f"for several objectives {', '.join(SEVERAL)}"
            )
        if len(self.objectives) > 1 and self.pruning:
            raise _bad("pruning", True, "prune by one objective only")

    @property
    def aims(self) -> tuple[Objective, ...]:
        return tuple(OBJECTIVES[name] for name in self.objectives)


def _bad(name: str, value: object, hint: str) -> CommendaError:
    return CommendaError("bad_study", "Not a study").at(name, value, hint)


class Fold(NamedTuple):
    """One split of one trial: the first objective and the annual Sharpe ratio, both sides.

    None is undefined; an infinite figure is of a run that was ruined there, or before.
    """

    train: float | None
    test: float | None
    train_sharpe: float | None
    test_sharpe: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a trial came to.

    `values` are the objectives: their mean over the folds' training ranges, or over the whole
    history without a walk; None where undefined, and infinitely bad of a run that was `ruined`
    anywhere, so that no such trial is the best of anything. `rungs` are the first objective over
    the parts that pruning looked at. `sharpe` (of one bar), `skew`, `kurtosis` are of the bars
    that ran; None where returns did not vary. `periods` are the returns of the whole run,
    compounded into at most 1,024.
    """

    state: TrialState
    values: tuple[float | None, ...] = ()
    rungs: tuple[float | None, ...] = ()
    folds: tuple[Fold, ...] = ()
    sharpe: float | None = None
    skew: float | None = None
    kurtosis: float | None = None
    bars: int = 0
    trades: int = 0
    periods: Array | None = None
    reason: str | None = None
    seconds: float = 0.0

    @property
    def ruined(self) -> bool:
        """Whether the run ended with nothing left."""
        return any(one is not None and math.isinf(one) for one in self.values)


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One configuration of a study and what it came to; None while it runs."""

    number: int
    params: Params
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Study:
    """A study as it is stored."""

    id: UUID
    strategy: str
    version: str
    reference: str
    source_hash: str
    data_name: str
    data_hash: str
    funding_hash: str | None
    data: dict[str, Any]
    interval_seconds: int
    bars: int
    purge: int
    space: dict[str, str]
    fixed: dict[str, float]
    plan: dict[str, Any]
    asked_by: str
    created_at: datetime
    state: StudyState = StudyState.RUNNING
    reason: str | None = None
    finished_at: datetime | None = None
    result: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", StudyState(self.state))  # a row has it as text

    @property
    def year(self) -> Year:
        """What its ratios are annualised by; of a study stored without it, 365 days."""
        known = self.plan.get("year")
        if known is None:
            return year_of(np.empty(0, np.int64), timedelta(seconds=self.interval_seconds))
        return Year(known["periods"], Calendar(known["calendar"]))
