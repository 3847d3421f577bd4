"""Matching the paper venue's orders with bars, and storing what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from commenda.kit.db import Tx
from commenda.kit.ids import derive
from commenda.kit.money import floor_to
from commenda.market import Bar, CandleFeed, Instrument
from commenda.venues.model import Fill, OrderStatus, Why
from commenda.venues.paper_accounts import book_trade
from commenda.venues.paper_moments import moments, takes_part
from commenda.venues.paper_orders import (
    PaperOrder,
    insert_fill,
    insert_order,
    reducible,
    store_orders,
)
from commenda.venues.rules import (
    Trade,
    inside,
    left_of,
    only_closes,
    triggered,
    would_take,
)

Parts = Callable[[PaperOrder, Instrument, Trade, Decimal], Sequence[tuple[Decimal, Decimal]]]
"""(quantity, price) of what an order gets at once, of what is offered."""


@dataclass(frozen=True, slots=True)
class Matching:
    """How a market's bars fill orders; see `PaperVenue`."""

    feed: CandleFeed
    slippage: Decimal
    participation: Decimal
    parts: Parts

    def match(
        self, tx: Tx, book: Sequence[PaperOrder], now: datetime, new: PaperOrder | None = None
    ) -> None:
        """Move the orders of one instrument on to `now`, bar by bar, and store them."""
        live = [one for one in book if not one.status.is_terminal]
        for one in live:
            one.new.clear()  # stored by who matched before
        if live:
            instrument = self.feed.instrument(live[0].instrument_id)
            offered: dict[int, Decimal] = {}
            for at, bar, price_of in moments(self.feed, live, instrument.id, now):
                for order in live:
                    if takes_part(order, at, bar, self.feed.interval):
                        trade = price_of(order, bar, self.slippage, instrument.tick)
                        if triggered(order, bar, opens=price_of is not inside):
                            order.arm()
                        closes = order.reduce_only or only_closes(order, instrument)
                        if trade is not None and closes:
                            most = reducible(tx, order, live)
                            self._trade(tx, order, instrument, bar, at, trade, offered, most)
                        elif trade is not None:
                            self._trade(tx, order, instrument, bar, at, trade, offered)
        stamp = int(now.timestamp())
        for order in live:
            order.seen_ts = max(order.seen_ts, stamp)
            if order.status.is_terminal:
                continue
            if order.at_once:
                order.end(OrderStatus.EXPIRED, "nothing at its limit")
            elif order.rests_since_before:
                order.end(OrderStatus.EXPIRED, "stop not triggered")
            elif order.expires_at is not None and order.expires_at <= now:
                order.end(OrderStatus.EXPIRED, "its time was over")
        with tx.pipeline():
            if new is not None:
                insert_order(tx, new)
            store_orders(tx, [one for one in live if one is not new])
            for order in live:
                for fill, bar_ts, when in order.new:
                    insert_fill(tx, order, fill, bar_ts, max(when, order.placed_at))
                    quantity = order.side.sign * fill.quantity
                    book_trade(tx, order.account, instrument, quantity, fill.price, fill.fee)

    def _trade(
        self,
        tx: Tx,
        order: PaperOrder,
        instrument: Instrument,
        bar: Bar,
        at: int,
        trade: Trade,
        offered: dict[int, Decimal],
        most: Decimal | None = None,
    ) -> None:
        """Fill what the bar still offers, and no more than `most`. What a taker at any price does
        not get, expires."""
        if bar.ts not in offered:
            offered[bar.ts] = self._offered(tx, instrument, bar)
        rate = instrument.maker_fee if trade.maker else instrument.taker_fee
        got = order.filled
        left = offered[bar.ts] if most is None else min(most, offered[bar.ts])
        for quantity, price in self.parts(order, instrument, trade, left):
            offered[bar.ts] -= quantity
            order.filled += quantity
            order.trades += 1
            left, fee = left_of(instrument, order.side, quantity, price, rate)
            fill = Fill(str(derive("paper-fill", order.id, order.trades)), left, price, fee)
            order.new.append((fill, bar.ts, datetime.fromtimestamp(at, UTC)))
        if order.filled == order.quantity:
            order.end(OrderStatus.FILLED)
        elif most is not None and order.filled - got == most:
            order.end(OrderStatus.EXPIRED, "no more was held that it would close")
        elif not order.rests:
            order.end(
                OrderStatus.EXPIRED,
                "the bar's liquidity was used up"
                if order.filled
                else "no liquidity left in this bar",
            )
        elif order.filled:
            order.status = OrderStatus.PARTLY_FILLED

    def _offered(self, tx: Tx, instrument: Instrument, bar: Bar) -> Decimal:
        row = tx.execute(
            "SELECT coalesce(sum(quantity), 0) FROM paper.fills"
            " WHERE instrument_id = %s AND bar_ts = %s",
            (instrument.id, bar.ts),
        ).fetchone()
        assert row is not None
        volume = Decimal(str(bar.volume)) * self.participation
        return floor_to(volume - Decimal(row[0]), instrument.lot)

    def takes(self, order: PaperOrder, now: datetime) -> str | None:
        """Why what only makes cannot, at the open of the bar that begins now."""
        bar = self.feed.bar(order.instrument_id, int(now.timestamp()))
        tick = self.feed.instrument(order.instrument_id).tick
        if bar is None or not would_take(order, bar, self.slippage, tick):
            return None
        return f"{Why.WOULD_TAKE}: the market stands at its limit or beyond"
