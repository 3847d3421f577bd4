"""Studies on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import Body, Real, Whole, on_wire
from commenda.returns import Calendar
from commenda.strategies import RunRequest
from commenda.studies.model import Sampler, StudyState, TrialState
from commenda.studies.space import Params
from commenda.studies.splits import Walk
from commenda.studies.verdict import Grade

Fraction = Annotated[Real, Field(ge=0, lt=1)]
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_]+$")]
Dimension = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[0-9a-zA-Z.:|+-]+$")]


class WalkRequest(Body):
    """Where to learn and where to be tested; `embargo` in bars, beside the longest look-back."""

    kind: Walk = Walk.ROLLING
    folds: Whole = Field(default=5, ge=2, le=50)
    embargo: Whole = Field(default=0, ge=0, le=1_000_000)


class StudyRequest(RunRequest):
    """A search over imported candles. Rates are fractions of the notional."""

    space: dict[Name, Dimension] = Field(
        min_length=1, max_length=20, examples=[{"fast": "5:50", "slow": "20:200:10"}]
    )
    sampler: Sampler = Sampler.TPE
    trials: Whole = Field(default=200, ge=1, le=20_000)
    objectives: list[Name] = Field(default=["sharpe"], min_length=1, max_length=7)
    walk_forward: WalkRequest | None = Field(default_factory=WalkRequest)
    pruning: bool = False
    seed: Whole = Field(default=0, ge=0, lt=2**32)
    slippage: Fraction = 0.0001


class StudyView(Body):
    """A study in short. `best` and `verdict` are null until it is complete.

    `refused` counts the trials that the strategy refused or that failed, `ruined` those that ended
    with nothing left; they are among those that `ran`, and never the best of anything.
    """

    id: UUID
    strategy: str
    version: str
    data: str
    bars: int
    sampler: Sampler
    objectives: list[str]
    trials: int
    ran: int
    refused: int
    ruined: int
    periods_per_year: float
    calendar: Calendar
    state: StudyState
    reason: str | None
    verdict: Grade | None
    best: dict[str, float] | None
    value: float | None
    asked_by: str
    created_at: datetime
    finished_at: datetime | None


@on_wire
@dataclass(frozen=True, slots=True)
class FoldView:
    """The first objective and the annual Sharpe ratio where a fold learned and was tested; null
    where undefined, or of a run that was ruined there."""

    train: float | None
    test: float | None
    train_sharpe: float | None
    test_sharpe: float | None


@on_wire
@dataclass(frozen=True, slots=True)
class TrialView:
    """One configuration: what it came to, or why it did not. `sharpe` is of one bar. Values are
    null where undefined, and of a run that was `ruined`."""

    number: int
    params: Params
    state: TrialState
    values: Sequence[float | None]
    folds: list[FoldView]
    sharpe: float | None
    bars: int
    trades: int
    reason: str | None
    seconds: float
    ruined: bool


class FindingView(Body):
    """What one test says."""

    test: str
    grade: Grade
    value: float | None
    says: str


class BestView(Body):
    number: int
    params: dict[str, float]
    values: dict[str, float | None]
    trades: int
    folds: list[FoldView]


class PickedView(Body):
    """The trial that a fold chose where it learned."""

    number: int
    fold: FoldView


class HeatMapView(Body):
    """The first objective's mean over two parameters: `cells[row][column]` of `ys` and `xs`."""

    x: str
    y: str
    xs: list[float]
    ys: list[float]
    cells: list[list[float | None]]
    counts: list[list[int]]


class ResultView(Body):
    """What came of a study. `front` has the trials that no other beats, of several objectives."""

    verdict: Grade
    reasons: list[str]
    findings: list[FindingView]
    best: BestView
    front: list[int]
    walked: list[PickedView]
    evidence: dict[str, Any]
    limits: dict[str, Any]
    heat_maps: list[HeatMapView]
