"""When a flow's parameters are due for another search: pure, from its own daily record.

A record is the NAV of the creator's own book over its capital, [when, units] day by day. Each rule
gives a reason code with its figures, or nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from commenda.returns import max_drawdown, period_returns, sharpe
from commenda.risk import WARM, regimes

Reason = dict[str, Any]
DAYS_PER_YEAR = 365


class Thresholds(Protocol):
    """Where a record is weak; see `optimising.OptimiseTerms`."""

    sharpe: float
    drawdown: float
    high_days: int
    quantile: float
    span_days: int
    least_days: int


def weaknesses(record: Sequence[Sequence[Any]], terms: Thresholds) -> Iterator[Reason]:
    """What of a record is weak; nothing of one that is shorter than `least_days`."""
    units = [float(one[1]) for one in record]
    if len(units) <= terms.least_days:
        return
    ratio = None
    if min(units) > 0:
        ratio = sharpe(period_returns(units), periods_per_year=DAYS_PER_YEAR)
    if ratio is not None and ratio < terms.sharpe:
        yield {"code": "low_sharpe", "sharpe": ratio, "below": terms.sharpe}
    depth = max_drawdown(units)
    if depth > terms.drawdown:
        yield {"code": "deep_drawdown", "drawdown": depth, "above": terms.drawdown}
    last, high = _moment(record[-1][0]), _moment(record[int(np.argmax(units))][0])
    if (waited := (last - high).days) >= terms.high_days:
        yield {"code": "no_new_high", "days": waited, "from": terms.high_days}
    place = place_of_last(units, terms.span_days)
    if place is not None and place[0] < terms.quantile:
        yield {
            "code": "weak_return",
            "quantile": place[0],
            "return": place[1],
            "days": terms.span_days,
            "below": terms.quantile,
        }


def place_of_last(units: Sequence[float], span: int) -> tuple[float, float] | None:
    """(the part of the earlier returns over `span` days that were lower than the last one, that
    last one); None where there are fewer than two spans.

    The empirical quantile of the last in the earlier ones; spans overlap by all days but one.
    """
    if len(units) <= 2 * span or min(units) <= 0:
        return None
    earned = [units[at + span] / units[at] - 1.0 for at in range(len(units) - span)]
    last, earlier = earned[-1], earned[:-1]
    return sum(one < last for one in earlier) / len(earlier), last


def regime_changed(closes: Sequence[float]) -> Reason | None:
    """Whether the market's volatility has been in another state since the last of its daily closes
    (`risk.regimes`); None of a history that is too short to tell."""
    if len(closes) <= WARM + 1:
        return None
    before, now = regimes(closes)[-2:]
    if now.volatility is before.volatility:
        return None
    return {
        "code": "regime_changed",
        "from": before.volatility,
        "to": now.volatility,
        "ratio": now.ratio,
    }


def space_around(
    ranges: Sequence[Mapping[str, Any]], params: Mapping[str, float], spread: float
) -> dict[str, str]:
    """A search space about the present parameters: from one part in `spread` of each to `spread`
    times it, within what its strategy allows; a parameter that is 0 has no neighbours of that
    kind and stays."""
    found = {}
    for one in ranges:
        value = params[one["name"]]
        low, high = max(one["low"], value / spread), min(one["high"], value * spread)
        if one["whole"]:
            low, high = float(-(-low // 1)), float(high // 1)
        if low < high:
            found[one["name"]] = f"{_written(low)}:{_written(high)}"
    return found


def seed_of(*about: object) -> int:
    """A seed of 32 bits that the same search has again."""
    return zlib.crc32(":".join(map(str, about)).encode())


def due_by_calendar(rhythm: str, weekday: int, now: datetime) -> str | None:
    """The name of the day, week or month that a rhythm is due in by now; None where its day has not
    come yet. 0 is Monday."""
    if rhythm == "daily":
        return f"daily:{now:%Y-%m-%d}"
    if rhythm == "weekly" and now.weekday() >= weekday:
        return f"weekly:{now:%G-W%V}"
    return f"monthly:{now:%Y-%m}" if rhythm == "monthly" else None


def _moment(said: object) -> datetime:
    return said if isinstance(said, datetime) else datetime.fromisoformat(str(said))


def _written(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
