"""Replay of recorded depth and trades, event by event, with a strategy that quotes into them.

`run_l2` rebuilds the exchange's book in one compiled loop. At fixed intervals, or after every n-th
event it sees, the strategy's step is called with the book as it was one feed latency ago; what it
places or cancels reaches the exchange one order latency later, and what becomes of it is known to
the strategy one response latency after that. `l2_queue` says what fills an order and how much of
it; own orders never move the recorded market.

Of one moment, events come first, then orders that arrive, then the step; and nothing happens
between two rows of one depth message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from commenda.kernel import l2_loop as loop
from commenda.kernel import l2_queue as queue
from commenda.kernel.bars import Array, Stamps
from commenda.kernel.l2_book import BID, Integers, L2Events, new_book
from commenda.kernel.l2_orders import REFUSED
from commenda.kernel.l2_queue import new_exchange
from commenda.kernel.l2_trader import (
    CASH,
    HELD,
    MAKER,
    MAKER_RATE,
    MONEY_SIZE,
    NOTIONAL,
    PLACED,
    RUIN,
    STEPS,
    TAKER,
    TAKER_RATE,
    UNIT,
    Trader,
    new_trader,
)
from commenda.kernel.terms import BASIS_POINT


class QueueModel(StrEnum):
    """Where a cancelled quantity stood: behind own orders, or ahead in proportion to f."""

    PESSIMISTIC = "pessimistic"
    POWER = "power"
    LOG = "log"


_MODELS = {
    QueueModel.PESSIMISTIC: queue.PESSIMISTIC,
    QueueModel.POWER: queue.POWER,
    QueueModel.LOG: queue.LOG,
}


@dataclass(frozen=True, slots=True)
class L2Rules:
    """How a replay treats a strategy. Latencies and intervals in nanoseconds, fees in basis points
    of the notional (negative is a rebate).

    The step is called every `interval`, or after every `every_events` events it sees, one of the
    two. `exponent` belongs to the power model: 1 is proportional, more lets orders at the back
    of the queue advance faster than those at its front. `depth` levels are shown to the step,
    which may have `most_orders` open or ended orders in its table.
    """

    interval: int = 0
    every_events: int = 0
    feed_latency: int = 0
    order_latency: int = 0
    response_latency: int = 0
    maker_bps: float = 2.0
    taker_bps: float = 5.0
    queue: QueueModel = QueueModel.PESSIMISTIC
    exponent: float = 1.0
    depth: int = 5
    most_orders: int = 32

    def __post_init__(self) -> None:
        if (self.interval > 0) == (self.every_events > 0):
            raise ValueError("L2 rules: give a positive interval or every_events, one of the two")
        whole = ("interval", "every_events", "feed_latency", "order_latency", "response_latency")
        for name in whole:
            if getattr(self, name) < 0:
                raise ValueError(f"L2 rules: {name} = {getattr(self, name)!r} is negative")
        for name in ("depth", "most_orders"):
            if not 1 <= getattr(self, name) <= 10_000:
                raise ValueError(f"L2 rules: {name} = {getattr(self, name)!r} is not 1 to 10,000")
        for name in ("maker_bps", "taker_bps"):
            if not -10_000.0 < getattr(self, name) < 10_000.0:
                raise ValueError(f"L2 rules: {name} = {getattr(self, name)!r} is no fee")
        if not 0.0 < self.exponent <= 100.0:
            raise ValueError(f"L2 rules: exponent = {self.exponent!r} is not within 0 to 100")


@dataclass(frozen=True, slots=True, eq=False)
class L2Program:
    """A compiled step with its parameters and the size of its memory, which begins with zeros."""

    step: Callable[[Array, Array, Array, Array, Array], None]
    params: Array
    state_size: int = 0

    def __post_init__(self) -> None:
        if not hasattr(self.step, "py_func"):
            raise ValueError(f"L2 program: the step {self.step!r} is not compiled; decorate it")
        if self.state_size < 0:
            raise ValueError(f"L2 program: state_size = {self.state_size!r} is negative")
        object.__setattr__(self, "params", np.array(self.params, dtype=np.float64))


class FillSource(StrEnum):
    """What filled an order: a trade, the opposite side reaching it, or its own crossing."""

    TRADE = "trade"
    BOOK = "book"
    TAKING = "taking"


_SOURCES = {
    queue.BY_TRADE: FillSource.TRADE,
    queue.BY_BOOK: FillSource.BOOK,
    queue.BY_TAKING: FillSource.TAKING,
}


class L2Fill(NamedTuple):
    """One fill. `lots` is signed; `price` and `level` in ticks.

    `order` is the id that the step was given. Its proof: after event number `event` (for a trade,
    that event itself) the level `level` (the trade's price) had `offered` lots left for this
    order, and `lots` is no more than that.
    """

    ts: int
    event: int
    order: int
    lots: int
    price: int
    source: FillSource
    level: int
    offered: int


class L2Counts(NamedTuple):
    """What happened to orders, by number; and to lots, offered to and taken by the fills.

    `orders` left the strategy and are filled, rejected, cancelled, expired or `open`; `refused`
    never left it (no order, or no room); `rejected` were post-only and would have taken;
    `missed_cancels` found their order at its end; `self_crosses` were cut short by an own order;
    `ambiguous` counts decreases of a queue that the model had to divide between ahead and behind.
    `taken` lots were filled, as maker or taker, of those `offered` at that moment.
    """

    orders: int
    refused: int
    filled: int
    rejected: int
    cancelled: int
    expired: int
    open: int
    missed_cancels: int
    self_crosses: int
    maker_fills: int
    taker_fills: int
    offered: int
    taken: int
    ambiguous: int


@dataclass(frozen=True, slots=True, eq=False)
class L2Result:
    """What a replay left behind. Money in quote currency, `held` in lots.

    `ts`, `equity` and `held` are sampled at each step, before it: cash and position at the
    exchange, marked to the mid of its book. `cash`, `quantity` (units) and `final_equity` are the
    account after the last event; `fees` are what was paid, rebates negative; `state` is the step's
    memory at the end.

    `ruined_at` is the sample at which the equity was gone (None: it never was): the one of the fill
    or of the message that moved the mid, wherever between two steps that was. The replay ends
    there, the position is taken over at the mid, and `shortfall` is what was missing.
    """

    ts: Stamps
    equity: Array
    held: Integers
    fills: tuple[L2Fill, ...]
    counts: L2Counts
    cash: float
    quantity: float
    fees: float
    final_equity: float
    state: Array
    ruined_at: int | None
    shortfall: float


def run_l2(program: L2Program | None, events: L2Events, rules: L2Rules, *, cash: float) -> L2Result:
    """Replay `events`; with a program, let it trade by `rules` from an account holding `cash`.

    Without one the book is rebuilt and nothing else happens.
    """
    if not 0.0 < cash < np.inf:
        raise ValueError(f"cash = {cash!r} is not a positive amount")
    interval, every = (rules.interval, rules.every_events) if program else (0, 0)
    exchange = new_exchange(
        *new_book(events.span),
        rules.most_orders + 1,
        events.base,
        _MODELS[rules.queue],
        float(rules.exponent),
    )
    money = np.zeros(MONEY_SIZE)
    money[CASH], money[UNIT] = cash, events.tick * events.lot
    money[MAKER_RATE] = rules.maker_bps * BASIS_POINT
    money[TAKER_RATE] = rules.taker_bps * BASIS_POINT
    trader = new_trader(
        program.params if program else np.zeros(0),
        program.state_size if program else 0,
        rules.most_orders,
        rules.depth,
        events.span,
        clock=loop.new_clock(events, interval, every, rules.feed_latency),
        latency=np.array([rules.feed_latency, rules.order_latency, rules.response_latency]),
        money=money,
    )
    samples = loop.new_samples(events, interval, every)
    step = program.step if program else loop.idle
    replay = loop.compiled_replay()
    log, worth = replay(step, exchange, trader, loop.columns_of(events), samples)
    reports = log[: exchange.counters[queue.REPORTS]]
    steps, account = int(trader.clock[STEPS]), trader.account
    ruined = int(trader.clock[RUIN])
    traded = rules.maker_bps * account[MAKER] + rules.taker_bps * account[TAKER]
    fees = float(money[UNIT] * BASIS_POINT * traded)
    return L2Result(
        ts=samples.ts[:steps],
        equity=samples.equity[:steps],
        held=samples.held[:steps],
        fills=_fills(reports, rules.most_orders + 1),
        counts=_counts(reports, exchange, trader),
        cash=0.0 if ruined else cash - float(money[UNIT] * account[NOTIONAL]) - fees,
        quantity=0.0 if ruined else float(account[HELD] * events.lot),
        fees=fees,
        final_equity=max(0.0, worth),
        state=trader.state,
        ruined_at=ruined - 1 if ruined else None,
        shortfall=max(0.0, -worth),
    )


def _fills(reports: Integers, names: int) -> tuple[L2Fill, ...]:
    kinds = reports[:, queue.REPORT_KIND]
    rows = reports[(kinds >= queue.BY_TRADE) & (kinds <= queue.BY_TAKING)]
    return tuple(
        L2Fill(
            ts=ts,
            event=event,
            order=serial * names + row,
            lots=lots if side == BID else -lots,
            price=price,
            source=_SOURCES[kind],
            level=level,
            offered=offered,
        )
        for ts, event, row, serial, kind, side, price, lots, level, offered in rows.tolist()
    )


def _counts(reports: Integers, exchange: queue.Exchange, trader: Trader) -> L2Counts:
    kinds, lots = reports[:, queue.REPORT_KIND], reports[:, queue.REPORT_LOTS]
    by_kind = np.bincount(kinds, minlength=queue.REFUSAL + 1).tolist()
    filled = (kinds >= queue.BY_TRADE) & (kinds <= queue.BY_TAKING)
    # An order is filled when its fills add up to what was accepted.
    serials, signed = reports[:, queue.REPORT_SERIAL], np.where(filled, -lots, lots)
    matters = filled | (kinds == queue.ACCEPTED)
    left = np.bincount(serials[matters], weights=signed[matters])
    accepted = np.bincount(serials[kinds == queue.ACCEPTED], minlength=left.size)
    complete = int(np.count_nonzero((left == 0.0) & (accepted > 0)))
    rejected, cancelled, expired = (by_kind[k] for k in (queue.REFUSAL, queue.ENDED, queue.LAPSED))
    placed = int(trader.clock[PLACED])
    return L2Counts(
        orders=placed,
        refused=int(trader.orders[0, REFUSED]),
        filled=complete,
        rejected=rejected,
        cancelled=cancelled,
        expired=expired,
        open=placed - complete - rejected - cancelled - expired,
        missed_cancels=int(exchange.counters[queue.MISSED_CANCELS]),
        self_crosses=int(exchange.counters[queue.SELF_CROSSES]),
        maker_fills=by_kind[queue.BY_TRADE] + by_kind[queue.BY_BOOK],
        taker_fills=by_kind[queue.BY_TAKING],
        offered=int(reports[filled, queue.REPORT_OFFERED].sum()),
        taken=int(lots[filled].sum()),
        ambiguous=int(exchange.counters[queue.AMBIGUOUS]),
    )
