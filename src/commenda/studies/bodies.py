"""Studies on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import Body, Real, Whole, derived, on_wire
from commenda.returns import Calendar
from commenda.strategies import RunCosts, RunRequest, RunTerms
from commenda.studies.measures import OBJECTIVES, is_number
from commenda.studies.model import Fold, Outcome, Sampler, StudyState, Trial, TrialState
from commenda.studies.plain import plain
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


def mean_sharpes(folds: Sequence[Fold | FoldView]) -> tuple[float | None, float | None]:
    """In sample and out of sample; an undefined ratio counts as 0, of all ruin is left: None."""
    over = OBJECTIVES["sharpe"].over
    inside = over([one.train_sharpe for one in folds])
    outside = over([one.test_sharpe for one in folds])
    return (
        inside if is_number(inside) else None,
        outside if is_number(outside) else None,
    )


@on_wire
@dataclass(frozen=True, slots=True)
class TriedView:
    """One configuration: what it came to, or why it did not. Values are null where undefined, and
    of a run that was `ruined`; Sharpe ratios are annual, the means of its folds."""

    number: int
    params: Params
    state: TrialState
    values: Sequence[float | None]
    train_sharpe: float | None
    test_sharpe: float | None
    trades: int
    reason: str | None
    seconds: float
    ruined: bool

    @staticmethod
    def figures(trial: Trial) -> dict[str, Any]:
        """Its fields, of a trial."""
        outcome = trial.outcome or Outcome(TrialState.RUNNING)
        train, test = mean_sharpes(outcome.folds)
        return {
            "number": trial.number,
            "params": trial.params,
            "state": outcome.state,
            "values": plain(outcome.values),
            "train_sharpe": train,
            "test_sharpe": test,
            "trades": outcome.trades,
            "reason": outcome.reason,
            "seconds": outcome.seconds,
            "ruined": outcome.ruined,
        }


@on_wire
@dataclass(frozen=True, slots=True)
class TrialView(TriedView):
    """A configuration with all of its folds. `sharpe` is of one bar."""

    folds: list[FoldView]
    sharpe: float | None
    bars: int


class FindingView(Body):
    """What one test says. `reason` names the sentence that `says` is in English, `values` are its
    figures; a study of an older version has neither."""

    test: str
    grade: Grade
    value: float | None
    says: str
    reason: str | None = None
    values: dict[str, float | None] = Field(default={})


class BestView(Body):
    """The best, with its annual Sharpe ratios: the means of its folds, null without any."""

    number: int
    params: dict[str, float]
    values: dict[str, float | None]
    trades: int
    folds: list[FoldView]

    @derived
    def train_sharpe(self) -> float | None:
        return mean_sharpes(self.folds)[0]

    @derived
    def test_sharpe(self) -> float | None:
        return mean_sharpes(self.folds)[1]


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


class InputsView(Body):
    """What a study can be repeated from."""

    reference: str
    source_hash: str
    data_hash: str
    funding_hash: str | None
    interval_seconds: int
    purge: int
    space: dict[str, str]
    fixed: dict[str, float]
    walk: WalkRequest | None
    costs: RunCosts
    terms: RunTerms
    cash: float
    seed: int


class StudyReport(Body):
    """A study with all that is drawn of it; `result` is null until it is complete.

    `trials` are at most a thousand of those that were `tried`, chosen evenly by number: the best,
    the front and what the folds chose are always among them.
    """

    study: StudyView
    inputs: InputsView
    result: ResultView | None
    tried: int
    trials: list[TriedView]
