"""What is said of a live flow that was held against a backtest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import Amount, on_wire, one_of


class Cause(StrEnum):
    """Why a live flow and a backtest differ. The list is closed; the last is the honest rest."""

    PRICE = "price"
    """Filled at another distance from the market's price than the backtest assumes."""
    LATENCY = "latency"
    """The market had moved when the order was sent."""
    FEE = "fee"
    """Another rate than the backtest's; at spot, what was taken of a purchase is not held."""
    FUNDING = "funding"
    """Other stamps, rates or marks, or a position that was there at another moment."""
    ROUNDING = "rounding"
    """Whole lots, ticks and units of money."""
    SIZE = "size"
    """The book's equity was another when its target was sized; or the backtest took what a trade of
    all its equity costs off what it bought."""
    DEAD_BAND = "dead_band"
    """The change was too small to be worth its costs."""
    MINIMUM_NOTIONAL = "minimum_notional"
    PARTIAL = "partial"
    """Its order ended before all of it was filled, or any."""
    REFUSED = "refused"
    HALTED = "halted"
    """Nothing was opened while the market could not be trusted."""
    LIMITED = "limited"
    """A limit of risk left less of it, or nothing."""
    LATE = "late"
    """Decided or sent too late to open anything."""
    PAUSED = "paused"
    """The flow or its creator's copy was paused."""
    MISSING_BAR = "missing_bar"
    """The strategy never saw a bar that the backtest has."""
    OTHER_DATA = "other_data"
    """A bar that is stored is not the one that the strategy saw."""
    CARRIED = "carried"
    """Held from the terms before, when the strategy was begun anew; or not traded for its sake."""
    WORKING = "working"
    """Something of it still works at the venue."""
    CLOSED = "closed"
    """The book was closed, or money was taken out of it."""
    FORCED = "forced"
    """The venue closed it by itself."""
    UNEXPLAINED = "unexplained"


CauseName = Annotated[str, one_of(Cause)]
Count = Annotated[int, Field(ge=0, examples=[12])]


@on_wire
@dataclass(frozen=True, slots=True)
class CauseAmount:
    """What a cause made the live result differ by."""

    cause: CauseName
    amount: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class CauseTotal:
    """What a cause made over the whole time, and in how many moments."""

    cause: CauseName
    amount: Amount
    moments: Count


@on_wire
@dataclass(frozen=True, slots=True)
class SideOfMoment:
    """What one side did. A buy is positive; null: it decided, or traded, nothing."""

    target: Annotated[Amount | None, Field(description="Decided: a fraction of equity.")]
    quantity: Amount
    price: Annotated[Amount | None, Field(description="The average of what was filled.")]
    fee: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class ComparedMoment:
    """A decision or a trade of either side, and by which causes they differ until the next."""

    at: datetime
    kind: Annotated[str, Field(examples=["target", "stop", "funding"])]
    price: Annotated[Amount | None, Field(description="The market's, for both.")]
    backtest: SideOfMoment
    live: SideOfMoment
    agrees: Annotated[
        bool | None, Field(description="Whether both decided the same; null where nobody decided.")
    ]
    why: Annotated[CauseName | None, Field(description="Where they decided otherwise.")]
    difference: Amount
    causes: list[CauseAmount]
    order_id: Annotated[UUID | None, Field(description="Of the live trade.")]


@on_wire
@dataclass(frozen=True, slots=True)
class ComparedDecisions:
    """How many decisions each side took, and how many both took alike."""

    backtest: Count
    live: Count
    agreeing: Count


@on_wire
@dataclass(frozen=True, slots=True)
class ComparedResult:
    """What each side earned with the creator's own stake, open positions at the last close."""

    stake: Amount
    backtest: Amount
    live: Amount
    difference: Annotated[Amount, Field(description="The causes add up to it exactly.")]


@on_wire
@dataclass(frozen=True, slots=True)
class AssumedCosts:
    """What the backtest pays, as fractions: what the strategy's own account pays."""

    fee: Amount
    slippage: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class ComparedTerms:
    """A version of a flow's terms, and when the first bar closed that was taken under it."""

    version: int
    began_at: datetime | None
    own_stops: Annotated[bool, Field(description="Whether its stops are not the strategy's.")]


@on_wire
@dataclass(frozen=True, slots=True)
class FlowComparison:
    """A live flow against a backtest over the bars that it saw."""

    flow_id: UUID
    strategy: str
    symbol: str
    currency: str
    venue: str
    mode: Annotated[Literal["paper", "exchange"], Field(description="Where the flow trades.")]
    interval_seconds: int
    begins: datetime
    ends: Annotated[datetime, Field(description="The close of the last bar: the results' as-of.")]
    bars: Count
    one_sided_bars: Annotated[Count, Field(description="Bars that only one side has.")]
    changed_bars: Annotated[Count, Field(description="Bars that are others on the two sides.")]
    decisions: ComparedDecisions
    result: ComparedResult
    assumed: AssumedCosts
    causes: Annotated[list[CauseTotal], Field(description="The greatest first.")]
    moments: Annotated[list[ComparedMoment], Field(description="The latest first.")]
    all_moments: Annotated[Count, Field(description="How many there are in all.")]
    terms: Annotated[
        list[ComparedTerms],
        Field(
            description="The flow's terms that are compared: since other parameters began its"
            " strategy anew, and each change of its stops since, which the backtest makes too."
        ),
    ]
