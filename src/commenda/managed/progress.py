"""What a subscription is worth, and how far that is from what was expected of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field

from commenda.kit.money import quantise, scale_of
from commenda.kit.rows import extended
from commenda.kit.wire import Amount, on_wire, one_of
from commenda.managed.lifecycle import State
from commenda.managed.queries import (
    AllocatedTrader,
    AllocationPart,
    Held,
    LiquidationPart,
    ReservationPart,
    SettlementPart,
)
from commenda.managed.settlement import LEAST_DAYS_GRADED
from commenda.managed.waiting import Waits, waits_of
from commenda.returns import Advice, Level, expected_gain, grade_deviation


@on_wire
@dataclass(frozen=True, slots=True)
class Performance:
    """Value and profit as of a time, against what the matrix in force at subscription expected.

    While it runs: before fees, pro rata of the days held. Once settled: what came to the wallet.
    """

    current_value: Amount
    profit: Amount
    as_of: datetime
    days_held: int
    annual_return: Amount
    expected_gain: Amount
    deviation: Amount
    deviation_rate: Annotated[Amount | None, Field(description="Percent of the expected gain.")]
    deviation_level: Annotated[str, one_of(Level)]
    advice: Annotated[str, one_of(Advice)]


@on_wire
@dataclass(frozen=True, slots=True)
class SubscriptionSummary(Held):
    """A subscription in a list."""

    performance: Performance
    waits: Waits | None


@on_wire
@dataclass(frozen=True, slots=True)
class SubscriptionDetail(SubscriptionSummary):
    """Everything of a subscription but its executions, NAV and trace, which have their own paths.

    `executionScopeId` is its isolated book.
    """

    matured_at: datetime | None
    allocation: AllocationPart
    reservation: ReservationPart
    liquidation: LiquidationPart | None
    settlement: SettlementPart | None
    execution_scope_id: UUID


def summary(held: Held, traders: Sequence[AllocatedTrader]) -> SubscriptionSummary:
    """A subscription in a list, with the traders' legs valued."""
    return extended(
        held, SubscriptionSummary, performance=progress(held, traders), waits=waits_of(held)
    )


def detail(held: Held, traders: list[AllocatedTrader]) -> SubscriptionDetail:
    """One subscription with everything that is read at once."""
    return extended(
        held,
        SubscriptionDetail,
        allocation=replace(held.allocation, traders=traders),
        execution_scope_id=held.subscription_id,
        performance=progress(held, traders),
        waits=waits_of(held),
    )


def progress(held: Held, traders: Sequence[AllocatedTrader]) -> Performance:
    """How a subscription does, from its row and its creators' legs.

    While it runs the gain is graded pro rata of the days held so far.
    """
    value, as_of = _worth(held, traders)
    paid = value + held.withdrawn
    profit = Decimal(0) if held.status == State.CANCELLED else paid - held.amount
    days, wanted = _days(held, held.activated_at), held.expected
    open_days = _days(held, held.accrued_until)
    expected = expected_gain(held.principal, wanted.annual_return, open_days)
    deviation = grade_deviation(
        held.expected_before + quantise(expected, scale_of(held.asset)),
        profit,
        days,
        warning=wanted.warning_percent,
        alert=wanted.alert_percent,
        least_days=LEAST_DAYS_GRADED,
    )
    return Performance(
        value,
        profit,
        as_of,
        days,
        wanted.annual_return,
        deviation.expected,
        deviation.difference,
        None if deviation.rate is None else round(deviation.rate, 4),
        deviation.level,
        deviation.advice,
    )


def _worth(held: Held, traders: Sequence[AllocatedTrader]) -> tuple[Decimal, datetime]:
    if held.settlement is not None:
        return held.settlement.to_wallet, held.settlement.settled_at
    if held.status == State.CANCELLED:
        return Decimal(0), held.now
    if held.status == State.RESERVED:
        return held.amount, held.now
    values = [one.current_value for one in traders if one.current_value is not None]
    oldest = min((one.as_of for one in traders if one.as_of is not None), default=held.now)
    return quantise(sum(values, Decimal(0)), scale_of(held.asset)), oldest


def _days(held: Held, since: datetime | None) -> int:
    """Whole days until now, or to the end of the liquidation; 0 before activation."""
    if since is None:
        return 0
    end = held.liquidation.liquidated_at if held.liquidation is not None else None
    return max(0, ((end or held.now) - since).days)
