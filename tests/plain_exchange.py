"""An exchange of plain dictionaries, and the proof that fills were offered.

It follows the rules as `kernel/l2_queue.py` states them and shares no code with the kernel.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from commenda.kernel import (
    L2_IOC,
    L2_POST_ONLY,
    FillSource,
    L2Events,
    L2Fill,
    L2Kind,
)

BID, ASK, SOLD, BOUGHT, CLEAR = L2Kind
LIMIT, MARKET, CANCEL = range(3)

Rows = Sequence[tuple[int, int, int, int]]


@dataclass
class Resting:
    number: int
    side: int
    price: int
    left: int
    ahead: Fraction


@dataclass
class PlainExchange:
    """The rules of `l2_queue`, with dictionaries; proportional (`n` = 1) or pessimistic (None)."""

    n: int | None
    shown: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))
    gone: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    resting: list[Resting] = field(default_factory=list)
    fills: list[tuple[int, int, int, int]] = field(default_factory=list)
    now: int = 0

    def left(self, side: int, price: int) -> int:
        return max(0, self.shown[side].get(price, 0) - self.gone[side, price])

    def mine(self, side: int) -> list[Resting]:
        """Own orders of a side, best price first; `resting` is in order of arrival."""
        own = [order for order in self.resting if order.side == side and order.left > 0]
        return sorted(own, key=lambda order: -order.price if side == BID else order.price)

    def fill(self, number: int, side: int, lots: int, price: int) -> None:
        if lots:
            self.fills.append((self.now, number, lots if side == BID else -lots, price))

    def message(self, rows: Rows) -> None:
        emptied = False
        for _, kind, price, lots in rows:
            if kind == CLEAR:
                self.shown[BID].clear()
                self.shown[ASK].clear()
                emptied = True
                continue
            was = self.left(kind, price)
            for order in self.resting:
                if (order.side, order.price) == (kind, price):
                    cancelled, behind = was - lots, max(Fraction(0), was - order.ahead)
                    if cancelled > 0 and self.n is not None and order.ahead > 0:
                        order.ahead -= cancelled * order.ahead / (order.ahead + behind)
                    order.ahead = max(Fraction(0), min(order.ahead, Fraction(lots)))
            self.gone[kind, price] = 0
            self.shown[kind].pop(price, None)
            if lots:
                self.shown[kind][price] = lots
        for order in self.resting if emptied else []:
            order.ahead = min(order.ahead, Fraction(self.left(order.side, order.price)))
        for side in (BID, ASK):
            for order in self.mine(side):
                self.take(1 - side, order.price, order.left, order, at_limit=True)

    def take(self, side: int, limit: float, lots: int, order: Resting, *, at_limit: bool) -> None:
        """Take up to `lots` of what `side` displays within `limit`."""
        for price in sorted(self.shown[side], reverse=side == BID):
            if (price > limit) if side == ASK else (price < limit):
                break
            taken = min(self.left(side, price), order.left)
            self.gone[side, price] += taken
            order.left -= taken
            self.fill(order.number, order.side, taken, order.price if at_limit else price)

    def trade(self, kind: int, price: int, lots: int) -> None:
        side = BID if kind == SOLD else ASK
        left, queued = Fraction(lots), Fraction(0)
        for order in self.mine(side):
            if order.price == price:
                waits = min(left, max(Fraction(0), order.ahead - queued))
                queued, left = queued + waits, left - waits
            elif (order.price < price) if side == BID else (order.price > price):
                continue
            else:
                order.ahead = Fraction(0)
            taken = min(math.floor(left + Fraction(1, 10**9)), order.left)
            order.left -= taken
            left -= taken
            self.fill(order.number, side, taken, order.price)
        for order in self.resting:
            if (order.side, order.price) == (side, price):
                order.ahead = max(Fraction(0), order.ahead - queued)
        self.gone[side, price] += lots
        for better in self.shown[side]:
            if (better > price) if side == BID else (better < price):
                self.gone[side, better] = self.shown[side][better]

    def arrive(self, number: int, what: int, lots: int, price: int, flags: float) -> None:
        side = BID if lots > 0 else ASK
        limit = float(price) if what == LIMIT else (math.inf if side == BID else -math.inf)
        own = [order.price for order in self.mine(1 - side)]
        meets = [p for p in own if (p <= limit if side == BID else p >= limit)]
        reach = limit
        if meets:  # only what is better than the own order may be taken
            reach = min(meets) - 1 if side == BID else max(meets) + 1
        crosses = any(
            self.left(1 - side, p) and (p <= limit if side == BID else p >= limit)
            for p in self.shown[1 - side]
        )
        if flags == L2_POST_ONLY and (crosses or meets):
            return
        order = Resting(number, side, price, abs(lots), Fraction(0))
        self.take(1 - side, reach, order.left, order, at_limit=False)
        if order.left and what == LIMIT and flags != L2_IOC and not meets:
            order.ahead = Fraction(self.left(side, price))
            self.resting.append(order)


Act = tuple[int, int, int, int, float]


def plain_replay(
    rows: Rows, acts: Sequence[Act], n: int | None, latency: int, every: int
) -> PlainExchange:
    """A step every `every`, whose requests arrive `latency` later; events first, then arrivals."""
    exchange = PlainExchange(n)
    heap: list[tuple[int, int, int, Any]] = []
    messages: list[list[tuple[int, int, int, int]]] = []
    for row in rows:
        is_trade = row[1] in (SOLD, BOUGHT)
        fits = messages and not is_trade and messages[-1][0][1] not in (SOLD, BOUGHT)
        if fits and messages[-1][0][0] == row[0]:
            messages[-1].append(row)
        else:
            messages.append([row])
    for i, message in enumerate(messages):
        heapq.heappush(heap, (message[0][0], 0, i, message))
    for step in range((rows[-1][0] - rows[0][0]) // every):
        at = rows[0][0] + (step + 1) * every
        now = [(i, act) for i, act in enumerate(acts) if act[0] == step]
        # An order that is cancelled in the step that places it is never sent.
        void = {int(c[3]) for i, c in now if c[1] == CANCEL and int(c[3]) < i}
        sent = [(i, c) for i, c in now if c[1] == CANCEL]
        sent += [(i, c) for i, c in now if c[1] != CANCEL and i not in void]
        for k, (i, act) in enumerate(sent):
            heapq.heappush(heap, (at + latency, 1, step * 1000 + k, (i, act)))
    while heap and heap[0][0] <= rows[-1][0]:
        exchange.now, phase, _, what = heapq.heappop(heap)
        if phase == 0 and what[0][1] in (SOLD, BOUGHT):
            exchange.trade(*what[0][1:])
        elif phase == 0:
            exchange.message(what)
        elif what[1][1] == CANCEL:
            exchange.resting = [o for o in exchange.resting if o.number != int(what[1][3])]
        else:
            exchange.arrive(what[0], *what[1][1:])
    return exchange


def assert_offered(events: L2Events, fills: Sequence[L2Fill]) -> None:
    """Every fill is covered: of each trade, and of each displayed level between two updates, no
    more was taken than was there; and `offered` says how much that was.
    """
    budget: dict[tuple[int, int], int] = defaultdict(int)
    due = list(reversed(fills))
    columns = zip(events.kind.tolist(), events.price.tolist(), events.lots.tolist(), strict=True)
    for i, (kind, price, lots) in enumerate(columns):
        if kind == CLEAR:
            budget.clear()
        elif kind <= ASK:
            budget[kind, price] = lots
        left = lots
        while due and due[-1].event == i and due[-1].source is FillSource.TRADE:
            fill = due.pop()
            assert kind == (SOLD if fill.lots > 0 else BOUGHT)
            assert fill.level == price
            assert fill.price >= price if fill.lots > 0 else fill.price <= price
            assert 0 < abs(fill.lots) <= fill.offered <= left
            left -= abs(fill.lots)
        if kind in (SOLD, BOUGHT):
            side = BID if kind == SOLD else ASK
            budget[side, price] = max(0, budget[side, price] - lots)
        while due and due[-1].event == i:
            fill = due.pop()
            of = ASK if fill.lots > 0 else BID
            assert fill.price >= fill.level if fill.lots > 0 else fill.price <= fill.level
            assert 0 < abs(fill.lots) <= fill.offered <= budget[of, fill.level]
            budget[of, fill.level] -= abs(fill.lots)
    assert not due
