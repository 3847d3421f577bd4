"""What a subscription is worth, and how far that is from what was expected of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from commenda.kit.money import quantise, scale_of
from commenda.managed.lifecycle import State
from commenda.managed.queries import Held, Trader
from commenda.managed.settlement import LEAST_DAYS_GRADED
from commenda.returns import Deviation, expected_gain, grade_deviation


@dataclass(frozen=True, slots=True)
class Progress:
    """Value and profit as of a time, and their grade against the return matrix.

    While it runs the value is before fees, and the gain is graded pro rata of the days held so
    far; once settled both are what the investor got.
    """

    value: Decimal
    profit: Decimal
    as_of: datetime
    days: int
    deviation: Deviation


def progress(held: Held, traders: Sequence[Trader], now: datetime) -> Progress:
    """How a subscription does, from its row and its creators' legs."""
    value, as_of = _worth(held, traders, now)
    profit = Decimal(0) if held.status == State.CANCELLED else value - held.amount
    days = _days(held, now)
    expected = quantise(expected_gain(held.amount, held.annual_return, days), scale_of(held.asset))
    deviation = grade_deviation(
        expected,
        profit,
        days,
        warning=held.warning_percent,
        alert=held.alert_percent,
        least_days=LEAST_DAYS_GRADED,
    )
    return Progress(value, profit, as_of, days, deviation)


def _worth(held: Held, traders: Sequence[Trader], now: datetime) -> tuple[Decimal, datetime]:
    if held.status == State.SETTLED:
        assert held.to_wallet is not None
        assert held.settled_at is not None
        return held.to_wallet, held.settled_at
    if held.status == State.CANCELLED:
        return Decimal(0), now
    if held.status == State.RESERVED:
        return held.amount, now
    value = sum((one.value for one in traders if one.value is not None), Decimal(0))
    oldest = min((one.as_of for one in traders if one.as_of is not None), default=now)
    return quantise(value, scale_of(held.asset)), oldest


def _days(held: Held, now: datetime) -> int:
    """Whole days from activation until now, or to the end of the liquidation."""
    if held.activated_at is None:
        return 0
    return max(0, ((held.liquidated_at or now) - held.activated_at).days)
