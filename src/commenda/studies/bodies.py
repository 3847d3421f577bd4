"""Studies on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import Body, Moment, on_wire
from commenda.market import SYMBOL, VENUE
from commenda.studies.model import Sampler, StudyState, TrialState
from commenda.studies.space import Params
from commenda.studies.splits import Walk
from commenda.studies.verdict import Grade

Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_]+$")]
Dimension = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[0-9a-zA-Z.:|+-]+$")]
Number = Annotated[float, Field(allow_inf_nan=False)]


class WalkRequest(Body):
    """Where to learn and where to be tested; `embargo` in bars, beside the longest look-back."""

    kind: Walk = Walk.ROLLING
    folds: int = Field(default=5, ge=2, le=50)
    embargo: int = Field(default=0, ge=0, le=1_000_000)


class StudyRequest(Body):
    """A search over imported candles. Rates are fractions of the notional."""

    strategy: str = Field(
        min_length=1, max_length=80, pattern=r"^[^\x00]*$", examples=["sma_cross"]
    )
    space: dict[Name, Dimension] = Field(
        min_length=1, max_length=20, examples=[{"fast": "5:50", "slow": "20:200:10"}]
    )
    params: dict[Name, Number] = Field(
        default_factory=dict, max_length=50, description="Parameters that are not searched."
    )
    venue: str = Field(default="binance_usdm", max_length=40, pattern=f"^{VENUE}$")
    symbol: str = Field(max_length=40, pattern=f"^{SYMBOL}$", examples=["BTCUSDT"])
    interval: str = Field(max_length=6, examples=["5m"])
    start: Moment | None = Field(default=None, description="Bars that open from here on.")
    end: Moment | None = Field(default=None, description="Bars that open before it.")
    funding: bool = Field(default=True, description="Charge the imported funding, or none.")
    sampler: Sampler = Sampler.TPE
    trials: int = Field(default=200, ge=1, le=20_000)
    objectives: list[Name] = Field(default=["sharpe"], min_length=1, max_length=7)
    walk_forward: WalkRequest | None = Field(default_factory=WalkRequest)
    pruning: bool = False
    seed: int = Field(default=0, ge=0, lt=2**32)
    fee: Fraction = 0.0005
    slippage: Fraction = 0.0001
    cash: float = Field(default=1_000_000.0, gt=0, le=1e12, allow_inf_nan=False)


class StudyView(Body):
    """A study in short. `best` and `verdict` are null until it is complete."""

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
    """The first objective and the annual Sharpe ratio where a fold learned and was tested."""

    train: float
    test: float
    train_sharpe: float
    test_sharpe: float


@on_wire
@dataclass(frozen=True, slots=True)
class TrialView:
    """One configuration: what it came to, or why it did not. `sharpe` is of one bar."""

    number: int
    params: Params
    state: TrialState
    values: Sequence[float]
    folds: list[FoldView]
    sharpe: float | None
    bars: int
    trades: int
    reason: str | None
    seconds: float


class FindingView(Body):
    """What one test says."""

    test: str
    grade: Grade
    value: float | None
    says: str


class BestView(Body):
    number: int
    params: dict[str, float]
    values: dict[str, float]
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
