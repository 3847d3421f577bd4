"""What a run was given and what it came to, as it is stored, answered and drawn.

Plain JSON with names in camelCase, whose shapes stand here; `plan.py`, `report.py` and their
likes for legs and order books build it. What may be left out belongs to another kind of run, or was
not known yet when a run was kept. Ratios are fractions, money is in quote currency, moments are
ISO 8601 in UTC, stamps of series in epoch seconds.

Annotations are not put off here: what is `NotRequired` is not seen in a text.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from commenda.kernel import FillKind
from commenda.kit.wire import one_of
from commenda.returns import Calendar

partly = ConfigDict(json_schema_serialization_defaults_required=False)
_partly = with_config(partly)
"""Marks a row of which something may be left out, so that the API's document says so."""


class RunStrategy(TypedDict):
    name: str
    version: str
    codeHash: str
    params: dict[str, float]


@_partly
class RunSource(TypedDict):
    """Bars, or the events of an order book. `first` and `last` are opens, or moments of events."""

    name: str
    venue: str | None
    symbol: str | None
    first: str
    last: str
    sha256: str
    intervalSeconds: NotRequired[int]
    bars: NotRequired[int]
    missing: NotRequired[int]
    zone: NotRequired[str | None]
    events: NotRequired[int]
    tick: NotRequired[float]
    lot: NotRequired[float]


class RunFunding(TypedDict):
    name: str
    sha256: str
    stamps: int
    estimated: int


class RunBook(TypedDict):
    name: str
    sha256: str
    everySeconds: float
    levels: int


@_partly
class RunCosts(TypedDict, total=False):
    """`kernel.Costs`, in basis points of the notional."""

    feeBps: float
    makerBps: float | None
    slippageBps: float
    spreadBps: float
    impactBps: float
    tiers: list[list[float]]


class RunMargin(TypedDict):
    leverage: float
    isolated: bool
    tiers: list[list[float]]
    feeBps: float


@_partly
class RunTerms(TypedDict, total=False):
    """`kernel.Terms`; a latency in seconds."""

    participation: float | None
    lot: float
    latency: dict[str, float]
    margin: RunMargin | None
    spot: bool


@_partly
class RunRules(TypedDict, total=False):
    """`kernel.L2Rules`; spans of time in nanoseconds."""

    interval: int
    everyEvents: int
    feedLatency: int
    orderLatency: int
    responseLatency: int
    makerBps: float
    takerBps: float
    queue: str
    exponent: float
    depth: int
    mostOrders: int


class RunLeg(TypedDict):
    name: str
    params: dict[str, float]
    data: RunSource
    funding: RunFunding | None
    finer: RunSource | None
    share: float
    size: float | None
    lot: float
    side: int


@_partly
class RunInputs(TypedDict):
    """Everything that a result depends on."""

    strategy: RunStrategy
    data: RunSource
    funding: RunFunding | None
    finer: RunSource | None
    book: NotRequired[RunBook | None]
    costs: NotRequired[RunCosts]
    terms: NotRequired[RunTerms]
    depth: NotRequired[RunRules]
    cash: float
    size: float | None
    seed: int | None
    periodsPerYear: NotRequired[float | None]
    engineHash: str
    legs: NotRequired[list[RunLeg]]


class RunWarmup(TypedDict):
    warmup: int
    bars: int


@_partly
class RunMetrics(TypedDict):
    finalEquity: float
    profit: float
    totalReturn: float
    days: float
    annualReturn: float | None
    maxDrawdown: float
    drawdownFrom: str | None
    drawdownTo: str | None
    recoveredAt: str | None
    ruinedAt: NotRequired[str | None]
    sharpe: float | None
    sortino: float | None
    barsPerYear: float | None
    calendar: NotRequired[Annotated[str, one_of(Calendar)] | None]
    steps: NotRequired[int]
    targetChanges: int | None
    fundingCharged: bool
    fundingEstimated: int
    missingBars: int
    trades: int
    openTrades: int
    winRate: float | None
    profitFactor: float | None
    averageGain: float | None
    averageLoss: float | None
    averageTrade: float | None
    bestTrade: float | None
    worstTrade: float | None
    averageBarsHeld: float | None
    timeInMarket: float
    averageExposure: float
    greatestExposure: float
    turnover: float
    turnoverOfEquity: float | None
    undecided: NotRequired[RunWarmup | None]


@_partly
class RunBreakdown(TypedDict):
    """From the result before costs to the one after them; funding None: not charged."""

    gross: float
    fees: float
    slippage: float
    funding: float | None
    shortfall: NotRequired[float]
    net: float


class RunBenchmark(TypedDict):
    """Buying and holding the same."""

    name: str
    finalEquity: float
    totalReturn: float
    maxDrawdown: float
    sharpe: float | None
    sortino: float | None


@_partly
class RunExecution(TypedDict):
    """How the fills came about. Of a run in an order book also what became of its orders, and how
    far its record can be trusted."""

    fills: int
    makerFills: int
    shortfall: NotRequired[float]
    byKind: dict[str, int]
    ambiguousBars: int
    refused: NotRequired[int]
    refinedBars: NotRequired[int]
    shortFilled: NotRequired[int]
    clamped: NotRequired[int]
    greatestShareOfVolume: NotRequired[float | None]
    meanShareOfVolume: NotRequired[float | None]
    barsWithoutVolume: NotRequired[int]
    orders: NotRequired[int]
    filled: NotRequired[int]
    rejected: NotRequired[int]
    cancelled: NotRequired[int]
    expired: NotRequired[int]
    open: NotRequired[int]
    missedCancels: NotRequired[int]
    selfCrosses: NotRequired[int]
    takerFills: NotRequired[int]
    offered: NotRequired[int]
    taken: NotRequired[int]
    ambiguous: NotRequired[int]
    quality: NotRequired[dict[str, Any]]


RunMonth = TypedDict("RunMonth", {"month": str, "return": float | None, "partial": bool})
"""A return None: there was nothing left to earn it on."""

ProfitClass = TypedDict("ProfitClass", {"from": float, "to": float, "count": int})


class LegOutcome(TypedDict):
    """What one leg contributed; the profits of all add up to the run's."""

    name: str
    profit: float
    trades: int
    winRate: float | None
    fills: int
    fees: float
    slippage: float
    funding: float | None


class EquityCurve(TypedDict):
    """Equity of the strategy and of holding, at the moments at which either is the least or the
    greatest of one of a thousand columns of time."""

    ts: list[int]
    strategy: list[float]
    benchmark: list[float]


class PriceCurve(TypedDict):
    ts: list[int]
    close: list[float]


class DrawdownCurve(TypedDict):
    ts: list[int]
    drawdown: list[float]


class ExposureCurve(TypedDict):
    ts: list[int]
    exposure: list[float]


@_partly
class RunSeries(TypedDict):
    """Short enough to be drawn. Several instruments have no price in common."""

    equity: EquityCurve
    drawdown: DrawdownCurve
    exposure: ExposureCurve
    price: NotRequired[PriceCurve]


class FillMarker(TypedDict):
    """Fills of one side and kind that lie close together, at their mean price."""

    at: str
    until: str
    side: Literal["buy", "sell"]
    kind: Annotated[str, one_of(FillKind)]
    price: float
    quantity: float
    fills: int


@_partly
class RunReport(TypedDict):
    """Everything that is shown of a run."""

    inputs: RunInputs
    metrics: RunMetrics
    costs: RunBreakdown
    benchmark: RunBenchmark
    execution: RunExecution
    months: list[RunMonth]
    tradeProfits: list[ProfitClass]
    series: RunSeries
    markers: list[FillMarker]
    legs: NotRequired[list[LegOutcome]]
