"""What a strategy's flows did over some windows, and beside each what its backtest did.

Both sides are measured alike, at the same moments: those of the daily NAVs of the creator's own
book. The backtest is the one that a flow is compared with (`actions`): over the bars that the flow
saw, under the terms that it trades by, with an account of the book's stake.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Annotated, LiteralString, NamedTuple
from uuid import UUID

from pydantic import Field

from commenda.copying import performance
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.wire import on_wire
from commenda.modes.backtest import charged_funding, seen_bars, tested
from commenda.modes.queries import book_of, decided_of, exact, find_compared, moment_of, stake_of
from commenda.modes.rules import ZERO, Traded
from commenda.modes.watch import MOST_BARS
from commenda.strategies import strategy_called

WINDOWS = {"7d": 7, "30d": 30, "90d": 90, "all": 3_660}
"""Days; all is ten years of them."""
MOST_FLOWS = 50
METHOD = (
    "Daily, of the creator's own book. Sharpe annualised by 365 days, hit rate by days; turnover"
    " and costs are what was traded and what was paid in fees, over the mean equity"
)


class Point(NamedTuple):
    """An equity, and the same in units of what it began with."""

    at: datetime
    equity: float
    units: float


class Paid(NamedTuple):
    """What was traded and paid at a moment, in quote currency."""

    at: datetime
    notional: float
    fee: float


@on_wire
@dataclass(frozen=True, slots=True)
class Measured:
    """Fractions, over so many days; null where there are too few, or nothing varied."""

    days: int
    total_return: float | None
    sharpe_ratio: float | None
    max_drawdown: float | None
    hit_rate: float | None
    turnover: float | None
    costs: float | None


@on_wire
@dataclass(frozen=True, slots=True)
class MeasuredWindow:
    """A window that ends with the latest daily NAV, on both sides."""

    window: Annotated[str, Field(examples=list(WINDOWS))]
    live: Measured
    backtest: Measured | None


@on_wire
@dataclass(frozen=True, slots=True)
class FlowMetrics:
    """One flow of a strategy that trades."""

    flow_id: UUID
    title: str
    symbol: str
    currency: str
    as_of: Annotated[datetime | None, Field(description="Of the latest daily NAV.")]
    windows: list[MeasuredWindow]
    no_backtest: Annotated[
        str | None, Field(description="The code of what keeps the backtest from being made.")
    ]


@on_wire
@dataclass(frozen=True, slots=True)
class StrategyMetrics:
    """The flows of a strategy that are open, the first shared first; fifty of them at most."""

    strategy_id: UUID
    strategy: str
    method: Annotated[str, Field(examples=[METHOD])]
    flows: list[FlowMetrics]


def strategy_metrics(tx: Tx, named: str, creator: UUID | None = None) -> StrategyMetrics:
    """The metrics of a strategy by its id or its name: of all its open flows, or of one creator's;
    code `unknown_strategy`."""
    strategy = strategy_called(tx, named)
    asked = {"strategy": strategy.name, "creator": creator, "most": MOST_FLOWS}
    flows = tx.execute(_FLOWS, asked).fetchall()
    return StrategyMetrics(strategy.id, strategy.name, METHOD, [_flow(tx, *one) for one in flows])


_FLOWS: LiteralString = (
    "SELECT f.id, f.title, i.symbol, i.quote, s.leg_id, c.opened_at FROM shared_flows f"
    " JOIN instruments i ON i.id = f.instrument_id"
    " LEFT JOIN (flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
    "  JOIN scopes c ON c.id = l.scope_id) ON s.flow_id = f.id AND s.is_leader"
    " WHERE f.strategy = %(strategy)s AND f.status <> 'closed'"
    " AND (%(creator)s::uuid IS NULL OR f.creator_id = %(creator)s)"
    " ORDER BY f.created_at, f.id LIMIT %(most)s"
)


def _flow(
    tx: Tx,
    flow_id: UUID,
    title: str,
    symbol: str,
    currency: str,
    leg: UUID | None,
    opened_at: datetime | None,
) -> FlowMetrics:
    record = _record(tx, leg, opened_at)
    backtest, missing = None, None
    if record:
        try:
            with tx.transaction():
                backtest = _backtest(tx, flow_id, [one.at for one in record])
        except CommendaError as error:
            missing = error.code
    trades = _trades(tx, leg)
    windows = []
    for name, days in WINDOWS.items():
        live = measured(record[-days - 1 :], trades)
        beside = None
        if backtest is not None:
            since = record[-days - 1 :][0].at
            beside = measured([one for one in backtest[0] if one.at >= since], backtest[1])
        windows.append(MeasuredWindow(name, live, beside))
    as_of = record[-1].at if record else None
    return FlowMetrics(flow_id, title, symbol, currency, as_of, windows, missing)


def measured(points: Sequence[Point], trades: Iterable[Paid]) -> Measured:
    """The figures of a record, and of the trades that lie within it. Pure."""
    if len(points) < 2:
        return Measured(max(0, len(points) - 1), None, None, None, None, None, None)
    first, last = points[0].at, points[-1].at
    whole = performance([one.units / points[0].units for one in points])
    mean = sum(one.equity for one in points) / len(points)
    within = [one for one in trades if first <= one.at <= last]
    return Measured(
        len(points) - 1,
        whole.total_return,
        whole.sharpe_ratio,
        whole.max_drawdown,
        whole.win_rate,
        sum(one.notional for one in within) / mean if mean > 0 else None,
        sum(one.fee for one in within) / mean if mean > 0 else None,
    )


def _record(tx: Tx, leg: UUID | None, opened_at: datetime | None) -> list[Point]:
    """The creator's own book from its opening, day by day; up to the day it was used up."""
    rows = tx.execute(
        "SELECT at, nav::float8, (nav / capital)::float8, capital::float8 FROM nav_history"
        " WHERE leg_id = %s AND capital > 0 ORDER BY at",
        (leg,),
    ).fetchall()
    if not rows or opened_at is None:
        return []
    points = [Point(opened_at, rows[0][3], 1.0), *(Point(*row[:3]) for row in rows)]
    end = next((place for place, one in enumerate(points) if one.units <= 0), len(points))
    return points[:end]


def _trades(tx: Tx, leg: UUID | None) -> list[Paid]:
    rows = tx.execute(
        "SELECT o.created_at, abs(a.notional)::float8, a.fee::float8 FROM allocations a"
        " JOIN orders o ON o.id = a.order_id WHERE a.leg_id = %s AND a.quantity <> 0"
        " ORDER BY o.number",
        (leg,),
    ).fetchall()
    return [Paid(*row) for row in rows]


def _backtest(tx: Tx, flow_id: UUID, moments: Sequence[datetime]) -> tuple[list[Point], list[Paid]]:
    """(equity at those of the moments that it covers, trades) of a flow's backtest; codes of
    `compare_flow`."""
    flow = find_compared(tx, flow_id)
    noted = [one for one, _ in decided_of(tx, flow)]
    seen = seen_bars(tx, flow, noted, most=MOST_BARS)
    funding = charged_funding(tx, flow, seen.bars)
    stake = stake_of(flow, seen.bars, book_of(tx, flow))
    trades = tested(flow, seen, funding, stake).trades
    made = sorted(((at, one) for (at, _), (one, _) in trades.items()), key=itemgetter(0))
    charged = [(moment_of(ts), rate * mark) for ts, rate, mark in funding]
    closes = [moment_of(bar.ts + flow.interval) for bar in seen.bars]
    prices = [exact(bar.close) for bar in seen.bars]
    begin = flow.began_anew_at  # before it other terms traded; before the first bar nothing did
    covered = [at for at in moments if begin is None or at >= begin]
    points = equity_at(
        covered, made, charged, stake, lambda at: prices[bisect_right(closes, at) - 1]
    )
    return points, [_paid(at, traded) for at, traded in made]


def equity_at(
    moments: Iterable[datetime],
    trades: Sequence[tuple[datetime, Traded]],
    funding: Sequence[tuple[datetime, Decimal]],
    stake: Decimal,
    price_at: Callable[[datetime], Decimal],
) -> list[Point]:
    """What an account that began with `stake` was worth at each of the moments, in their order:
    after the trades of that moment, what it holds at its price. `funding` is what one unit that is
    held pays; of the moments before it decides what is held. Pure."""
    cash, held, place, paid, points = stake, ZERO, 0, 0, []
    for at in moments:
        while place < len(trades) or paid < len(funding):
            traded_at = trades[place][0] if place < len(trades) else None
            paid_at = funding[paid][0] if paid < len(funding) else None
            if paid_at is not None and (traded_at is None or paid_at <= traded_at):
                if paid_at > at:
                    break
                cash -= held * funding[paid][1]
                paid += 1
                continue
            assert traded_at is not None, "one of the two is left"
            if traded_at > at:
                break
            one = trades[place][1]
            cash, held = cash - one.notional - one.fee, held + one.quantity
            place += 1
        equity = float(cash + held * price_at(at))
        points.append(Point(at, equity, equity / float(stake)))
    return points


def _paid(at: datetime, traded: Traded) -> Paid:
    return Paid(at, abs(float(traded.notional)), float(traded.fee))
