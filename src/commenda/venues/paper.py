"""The paper venue: real market data, an account of its own, no money.

It fills market orders at the open of the bar that begins now and stop orders inside the bar that
just closed, with slippage against the trader, up to a share of the bar's volume that is consumed
once. It is a one-way venue: all orders of an instrument net into one position, whose cost is kept
at average price. Its books live in the schema `paper` and share no code with the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_UP, Decimal
from uuid import UUID

from commenda.kit.db import Database, Tx
from commenda.kit.ids import derive
from commenda.kit.money import floor_to, plain, quantise, scale_of
from commenda.market import CandleFeed, Instrument
from commenda.venues.model import (
    Fill,
    FundingPayment,
    Order,
    OrderKind,
    OrderStatus,
    Report,
    Side,
    VenueAccount,
)


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the venue refuses orders, for one instrument or for all.

    With `every`, it comes back that long after it began, again and again.
    """

    begins: datetime
    ends: datetime
    instrument_id: int | None
    reason: str
    every: timedelta | None = None

    def covers(self, now: datetime, instrument_id: int) -> bool:
        if self.instrument_id not in (None, instrument_id) or now < self.begins:
            return False
        since = now - self.begins
        if self.every is not None:
            since %= self.every
        return since < self.ends - self.begins


@dataclass(frozen=True, slots=True)
class PaperVenue:
    """Implements `Venue` on a candle feed.

    `slippage` is a fraction of the price against the trader; `participation` the largest share
    of a bar's volume that all orders together can take.
    """

    database: Database
    feed: CandleFeed
    slippage: Decimal = Decimal("0.0002")
    participation: Decimal = Decimal("0.1")
    outages: tuple[Outage, ...] = ()
    name: str = "paper"

    @classmethod
    def connect(cls, database: Database, feed: CandleFeed, name: str) -> PaperVenue:
        return cls(database, feed, name=name)

    def place(self, order: Order, now: datetime) -> Report:
        with self.database.transaction() as tx:
            # One writer for each instrument, as in any matching engine; also what makes the
            # second of two equal calls see the first.
            tx.execute("SELECT pg_advisory_xact_lock(7, %s)", (order.instrument_id,))
            known = _read_report(tx, order.id)
            if known is not None:
                return known
            report = self._match(tx, order, now)
            instrument = self.feed.instrument(order.instrument_id)
            _write_report(tx, order, instrument, report, now, self._bar_ts(order, now))
            return report

    def lookup(self, order_id: UUID) -> Report | None:
        with self.database.transaction() as tx:
            return _read_report(tx, order_id)

    def transfer(self, reference: UUID, asset: str, amount: Decimal, now: datetime) -> None:
        with self.database.transaction() as tx:
            new = tx.execute(
                "INSERT INTO paper.transfers (reference, asset, amount, done_at)"
                " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (reference, asset, amount, now),
            ).rowcount
            if new:
                _move_wallet(tx, asset, amount)

    def settle_funding(self, after: datetime, until: datetime) -> Sequence[FundingPayment]:
        payments: list[FundingPayment] = []
        for instrument in self.feed.instruments:
            for funding in self.feed.funding_between(
                instrument.id, int(after.timestamp()), int(until.timestamp())
            ):
                stamp = datetime.fromtimestamp(funding.ts, until.tzinfo)
                with self.database.transaction() as tx:
                    tx.execute("SELECT pg_advisory_xact_lock(7, %s)", (instrument.id,))
                    payments.append(
                        _charge(
                            tx,
                            instrument,
                            stamp,
                            funding.rate,
                            funding.mark.price,
                            funding.mark.source,
                        )
                    )
        return payments

    def account(self, now: datetime) -> VenueAccount:
        with self.database.transaction() as tx:
            wallets = dict(tx.execute("SELECT asset, balance FROM paper.wallets").fetchall())
            rows = tx.execute(
                "SELECT instrument_id, quantity, cost FROM paper.positions ORDER BY instrument_id"
            ).fetchall()
        stamp = int(now.timestamp())
        unrealised = {
            instrument: quantity * self.feed.mark_at(instrument, stamp).price - cost
            if quantity
            else -cost
            for instrument, quantity, cost in rows
        }
        return VenueAccount(wallets, {row[0]: row[1] for row in rows}, unrealised)

    def _bar_ts(self, order: Order, now: datetime) -> int:
        """The bar whose liquidity an order takes: the one that opens now, or for a stop the one
        that just closed."""
        stamp = int(now.timestamp())
        return stamp - self.feed.interval if order.kind is OrderKind.STOP else stamp

    def _match(self, tx: Tx, order: Order, now: datetime) -> Report:
        instrument = self.feed.instrument(order.instrument_id)
        refusal = self._refusal(order, instrument, now)
        if refusal is not None:
            return Report(OrderStatus.REFUSED, (), refusal)
        bar_ts = self._bar_ts(order, now)
        bar = self.feed.bar(order.instrument_id, bar_ts)
        if bar is None:
            return Report(OrderStatus.REFUSED, (), "no market: no bar at this time")
        price = _trade_price(order, bar.open, bar.high, bar.low)
        if price is None:
            return Report(OrderStatus.REFUSED, (), "stop not triggered")
        row = tx.execute(
            "SELECT coalesce(sum(quantity), 0) FROM paper.fills"
            " WHERE instrument_id = %s AND bar_ts = %s",
            (order.instrument_id, bar_ts),
        ).fetchone()
        assert row is not None
        offered = floor_to(Decimal(str(bar.volume)) * self.participation, instrument.lot) - row[0]
        quantity = min(order.quantity, max(offered, Decimal(0)))
        if not quantity:
            return Report(OrderStatus.REFUSED, (), "no liquidity left in this bar")
        slipped = _slip(order.side, price, self.slippage, instrument.tick)
        fee = quantise(
            quantity * slipped * instrument.taker_fee, scale_of(instrument.quote), ROUND_UP
        )
        fill = Fill(str(derive("paper-fill", order.id, 1)), quantity, slipped, fee)
        whole = quantity == order.quantity
        return Report(
            OrderStatus.FILLED if whole else OrderStatus.PARTIAL,
            (fill,),
            None if whole else "the bar's liquidity was used up",
        )

    def _refusal(self, order: Order, instrument: Instrument, now: datetime) -> str | None:
        for outage in self.outages:
            if outage.covers(now, order.instrument_id):
                return outage.reason
        if order.quantity * order.reference_price < instrument.minimum_notional:
            return f"below the minimum notional of {plain(instrument.minimum_notional)}"
        return None


def _trade_price(order: Order, open_: float, high: float, low: float) -> Decimal | None:
    """The price before slippage: the open, or for a stop its trigger unless the bar opened
    beyond it; None when a stop's trigger did not trade."""
    opened = Decimal(str(open_))
    if order.trigger_price is None:
        return opened
    if order.side is Side.SELL:
        touched = Decimal(str(low)) <= order.trigger_price
        return min(opened, order.trigger_price) if touched else None
    touched = Decimal(str(high)) >= order.trigger_price
    return max(opened, order.trigger_price) if touched else None


def _slip(side: Side, price: Decimal, slippage: Decimal, tick: Decimal) -> Decimal:
    """The price moved against the trader and rounded to the worse tick."""
    moved = price * (1 + side.sign * slippage)
    rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
    return (moved / tick).to_integral_value(rounding=rounding) * tick


def _read_report(tx: Tx, order_id: UUID) -> Report | None:
    row = tx.execute(
        "SELECT status, reason FROM paper.orders WHERE client_order_id = %s", (order_id,)
    ).fetchone()
    if row is None:
        return None
    fills = tx.execute(
        "SELECT id, quantity, price, fee FROM paper.fills WHERE client_order_id = %s ORDER BY id",
        (order_id,),
    ).fetchall()
    return Report(OrderStatus(row[0]), tuple(Fill(*fill) for fill in fills), row[1])


def _write_report(
    tx: Tx, order: Order, instrument: Instrument, report: Report, now: datetime, bar_ts: int
) -> None:
    tx.execute(
        "INSERT INTO paper.orders"
        " (client_order_id, instrument_id, side, quantity, status, reason, placed_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            order.id,
            order.instrument_id,
            order.side,
            order.quantity,
            report.status,
            report.reason,
            now,
        ),
    )
    for fill in report.fills:
        tx.execute(
            "INSERT INTO paper.fills (id, client_order_id, instrument_id, bar_ts,"
            " quantity, price, fee, filled_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                fill.id,
                order.id,
                order.instrument_id,
                bar_ts,
                fill.quantity,
                fill.price,
                fill.fee,
                now,
            ),
        )
        _book(tx, instrument, order.side.sign * fill.quantity, fill.price, fill.fee)


def _book(tx: Tx, instrument: Instrument, quantity: Decimal, price: Decimal, fee: Decimal) -> None:
    """Net a trade into the position at average cost; what it realises goes to the wallet."""
    row = tx.execute(
        "SELECT quantity, cost FROM paper.positions WHERE instrument_id = %s", (instrument.id,)
    ).fetchone()
    held, cost = row if row else (Decimal(0), Decimal(0))
    opposite = held * quantity < 0
    closing = (
        min(abs(held), abs(quantity)) * (1 if quantity > 0 else -1) if opposite else Decimal(0)
    )
    # Cost leaves in proportion and is rounded once; what is kept is the exact rest.
    released = cost if closing == -held else quantise(cost * -closing / held, 8)
    realised = -closing * price - released
    cost += (quantity - closing) * price - released
    tx.execute(
        "INSERT INTO paper.positions (instrument_id, quantity, cost) VALUES (%s, %s, %s)"
        " ON CONFLICT (instrument_id)"
        " DO UPDATE SET quantity = excluded.quantity, cost = excluded.cost",
        (instrument.id, held + quantity, cost),
    )
    _move_wallet(tx, instrument.quote, realised - fee)


def _charge(
    tx: Tx, instrument: Instrument, stamp: datetime, rate: Decimal, mark: Decimal, source: str
) -> FundingPayment:
    """Longs pay a positive rate. Charged once for each stamp."""
    row = tx.execute(
        "SELECT instrument_id, stamp, rate, mark, mark_source, quantity, amount"
        " FROM paper.funding WHERE instrument_id = %s AND stamp = %s",
        (instrument.id, stamp),
    ).fetchone()
    if row:
        return FundingPayment(*row)
    held = tx.execute(
        "SELECT quantity FROM paper.positions WHERE instrument_id = %s", (instrument.id,)
    ).fetchone()
    quantity = held[0] if held else Decimal(0)
    amount = quantise(-quantity * mark * rate, scale_of(instrument.quote), ROUND_FLOOR)
    tx.execute(
        "INSERT INTO paper.funding VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (instrument.id, stamp, rate, mark, source, quantity, amount),
    )
    _move_wallet(tx, instrument.quote, amount)
    return FundingPayment(instrument.id, stamp, rate, mark, source, quantity, amount)


def _move_wallet(tx: Tx, asset: str, amount: Decimal) -> None:
    tx.execute(
        "INSERT INTO paper.wallets (asset, balance) VALUES (%s, %s)"
        " ON CONFLICT (asset) DO UPDATE SET balance = paper.wallets.balance + excluded.balance",
        (asset, amount),
    )
