"""The paper venue: real market data, accounts of its own, no money.

It knows bars and nothing inside them. A market order trades at the open of the bar that begins now;
a stop or a limit rests, and is matched with every open and every closed bar since, whenever the
venue is next asked for anything of its instrument. All take part in a share of a bar's volume that
is consumed once. It is a one-way venue: all orders of an account and instrument net into one
position, whose cost is kept at average price. Its books live in the schema `paper` and share no
code with the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import ClassVar
from uuid import UUID

from psycopg.rows import class_row

from commenda.kit.db import Database, Tx
from commenda.kit.ids import derive
from commenda.kit.money import floor_to, plain, quantise, scale_of
from commenda.market import Bar, CandleFeed, Instrument
from commenda.venues.model import (
    Capabilities,
    Execution,
    Fill,
    FundingPayment,
    OrderKind,
    OrderRequest,
    OrderStatus,
    OrderView,
    Side,
    VenueAccount,
)
from commenda.venues.paper_accounts import book_trade, charge, move_wallet
from commenda.venues.paper_moments import moments, takes_part
from commenda.venues.paper_orders import (
    ORDER,
    RESTING,
    PaperOrder,
    insert_fill,
    insert_order,
    store_orders,
)
from commenda.venues.reach import Means
from commenda.venues.rules import Trade


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
    """Implements `Venue` on a candle feed; `name` is the account's.

    `slippage` is a fraction of the price against the trader; `participation` the largest share
    of a bar's volume that all orders together can take.
    """

    database: Database
    feed: CandleFeed
    slippage: Decimal = Decimal("0.0002")
    participation: Decimal = Decimal("0.1")
    outages: tuple[Outage, ...] = ()
    name: str = "paper"

    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(OrderKind), expires=True, deduplicates=True, settles_in=timedelta(0)
    )

    @classmethod
    def connect(cls, means: Means, name: str) -> PaperVenue:
        return cls(means.database, means.feed, name=name)

    def submit(self, order: OrderRequest, now: datetime) -> OrderView:
        with self.database.transaction() as tx:
            book = self._open_book(tx, order.instrument_id, order.id)
            known = self._mine(book, order.id)
            accepted = known or self._accept(order, now)
            if known is None and accepted.status is OrderStatus.ACCEPTED:
                book.append(accepted)
            self._match(tx, book, now, new=accepted if known is None else None)
            return self._view(tx, accepted)

    def cancel(self, order: OrderRequest, now: datetime) -> OrderView | None:
        with self.database.transaction() as tx:
            found = self._advanced(tx, order.id, now)
            if found is not None and not found.status.is_terminal:
                found.end(OrderStatus.CANCELLED, "cancelled")
                store_orders(tx, [found])
            return None if found is None else self._view(tx, found)

    def order(self, order: OrderRequest, now: datetime) -> OrderView | None:
        with self.database.transaction() as tx:
            found = self._advanced(tx, order.id, now)
            return None if found is None else self._view(tx, found)

    def open_orders(self, now: datetime) -> Sequence[OrderView]:
        self._advance_all(now)
        with self.database.transaction() as tx:
            with tx.cursor(row_factory=class_row(PaperOrder)) as cursor:
                found = cursor.execute(
                    ORDER + "WHERE account = %s AND " + RESTING + " ORDER BY number", (self.name,)
                ).fetchall()
            return [self._view(tx, one) for one in found]

    def resting(self, now: datetime) -> Sequence[tuple[UUID | None, str]]:
        return ()

    def begin(self, now: datetime) -> Mapping[str, str]:
        return {}

    def executions(
        self, cursor: str | None, now: datetime
    ) -> tuple[Sequence[Execution], str | None]:
        self._advance_all(now)
        with self.database.transaction() as tx:
            # Whoever is just matching has numbers that are not seen yet: wait for them.
            tx.execute("SELECT pg_advisory_xact_lock(8, 0)")
            rows = tx.execute(
                "SELECT f.number, f.client_order_id, f.instrument_id, o.side, f.id, f.quantity,"
                " f.price, f.fee FROM paper.fills f"
                " JOIN paper.orders o USING (account, client_order_id)"
                " WHERE f.account = %s AND f.number > %s ORDER BY f.number",
                (self.name, int(cursor or 0)),
            ).fetchall()
        found = [
            Execution(order, instrument, Side(side), Fill(*fill))
            for _, order, instrument, side, *fill in rows
        ]
        return found, str(rows[-1][0]) if rows else cursor

    def transfer(self, reference: UUID, asset: str, amount: Decimal, now: datetime) -> None:
        with self.database.transaction() as tx:
            new = tx.execute(
                "INSERT INTO paper.transfers (account, reference, asset, amount, done_at)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (self.name, reference, asset, amount, now),
            ).rowcount
            if new:
                move_wallet(tx, self.name, asset, amount)

    def income(
        self, cursor: str | None, now: datetime
    ) -> tuple[Sequence[FundingPayment], str | None]:
        """Charges the stamps since the cursor, each once; without one those of the last bar."""
        after = now - timedelta(seconds=self.feed.interval)
        if cursor is not None:
            after = datetime.fromisoformat(cursor)
        payments: list[FundingPayment] = []
        for instrument in self.feed.instruments:
            for funding in self.feed.funding_between(
                instrument.id, int(after.timestamp()), int(now.timestamp())
            ):
                stamp = datetime.fromtimestamp(funding.ts, now.tzinfo)
                with self.database.transaction() as tx:
                    self._match(tx, self._open_book(tx, instrument.id), stamp)
                    mark = funding.mark
                    payments.append(
                        charge(
                            tx, self.name, instrument, stamp, funding.rate, mark.price, mark.source
                        )
                    )
        return payments, max(after, now).astimezone(UTC).isoformat()

    def account(self, now: datetime) -> VenueAccount:
        self._advance_all(now)
        with self.database.transaction() as tx:
            wallets = tx.execute(
                "SELECT asset, balance FROM paper.wallets WHERE account = %s", (self.name,)
            ).fetchall()
            rows = tx.execute(
                "SELECT instrument_id, quantity, cost FROM paper.positions WHERE account = %s"
                " ORDER BY instrument_id",
                (self.name,),
            ).fetchall()
        stamp = int(now.timestamp())
        unrealised = {
            instrument: quantity * self.feed.mark_at(instrument, stamp).price - cost
            if quantity
            else -cost
            for instrument, quantity, cost in rows
        }
        return VenueAccount(dict(wallets), {row[0]: row[1] for row in rows}, unrealised)

    # --- the book of an instrument --------------------------------------------------------------

    def _open_book(
        self, tx: Tx, instrument_id: int, order_id: UUID | None = None
    ) -> list[PaperOrder]:
        """All that rests of an instrument, of every account, and the order of that id.

        One writer for each instrument, as in any matching engine; also what makes the second of
        two equal calls see the first.
        """
        tx.execute(
            "SELECT pg_advisory_xact_lock_shared(8, 0), pg_advisory_xact_lock(7, %s)",
            (instrument_id,),
        )
        with tx.cursor(row_factory=class_row(PaperOrder)) as cursor:
            return cursor.execute(
                ORDER + "WHERE (instrument_id = %s AND " + RESTING + ")"
                " OR (account = %s AND client_order_id = %s) ORDER BY number",
                (instrument_id, self.name, order_id),
            ).fetchall()

    def _mine(self, book: Sequence[PaperOrder], order_id: UUID) -> PaperOrder | None:
        mine = (one for one in book if (one.account, one.id) == (self.name, order_id))
        return next(mine, None)

    def _advanced(self, tx: Tx, order_id: UUID, now: datetime) -> PaperOrder | None:
        row = tx.execute(
            "SELECT instrument_id FROM paper.orders WHERE account = %s AND client_order_id = %s",
            (self.name, order_id),
        ).fetchone()
        if row is None:
            return None
        book = self._open_book(tx, row[0], order_id)
        self._match(tx, book, now)
        return self._mine(book, order_id)

    def _advance_all(self, now: datetime) -> None:
        """Each instrument on its own: its book and then the wallets are locked, never two books."""
        with self.database.transaction() as tx:
            resting = tx.execute(
                "SELECT DISTINCT instrument_id FROM paper.orders"  # noqa: S608 - constants
                " WHERE instrument_id = ANY (%s) AND " + RESTING,
                ([one.id for one in self.feed.instruments],),
            ).fetchall()
        for (instrument,) in resting:
            with self.database.transaction() as tx:
                self._match(tx, self._open_book(tx, instrument), now)

    def _accept(self, order: OrderRequest, now: datetime) -> PaperOrder:
        interval, stamp = self.feed.interval, int(now.timestamp())
        since = stamp if order.active_from is None else int(order.active_from.timestamp())
        # A bar that has begun is not known any more; a market order takes the present or nothing.
        first = since if order.kind is OrderKind.MARKET else -(-since // interval) * interval
        accepted = PaperOrder(
            self.name,
            order.id,
            order.instrument_id,
            order.side,
            order.kind,
            order.quantity,
            order.limit_price,
            order.trigger_price,
            order.expires_at,
            active_ts=first,
            seen_ts=first - 1,
            placed_at=now,
        )
        refusal = self._refusal(order, self.feed.instrument(order.instrument_id), now)
        needs_bar = order.kind is OrderKind.MARKET or accepted.rests_since_before
        if refusal is None and needs_bar and self.feed.bar(order.instrument_id, first) is None:
            refusal = "no market: no bar at this time"
        if refusal is not None:
            accepted.end(OrderStatus.REFUSED, refusal)
        return accepted

    def _refusal(self, order: OrderRequest, instrument: Instrument, now: datetime) -> str | None:
        for outage in self.outages:
            if outage.covers(now, order.instrument_id):
                return outage.reason
        if order.quantity * order.reference_price < instrument.minimum_notional:
            return f"below the minimum notional of {plain(instrument.minimum_notional)}"
        return None

    def _match(
        self, tx: Tx, book: Sequence[PaperOrder], now: datetime, new: PaperOrder | None = None
    ) -> None:
        """Move the orders of one instrument on to `now`, bar by bar, and store them."""
        live = [one for one in book if not one.status.is_terminal]
        if live:
            instrument = self.feed.instrument(live[0].instrument_id)
            offered: dict[int, Decimal] = {}
            for at, bar, price_of in moments(self.feed, live, instrument.id, now):
                for order in live:
                    if takes_part(order, at, bar, self.feed.interval):
                        trade = price_of(order, bar, self.slippage, instrument.tick)
                        if trade is not None:
                            self._trade(tx, order, instrument, bar, at, trade, offered)
        stamp = int(now.timestamp())
        for order in live:
            order.seen_ts = max(order.seen_ts, stamp)
            if order.status.is_terminal:
                continue
            if order.rests_since_before:
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
    ) -> None:
        """Fill what the bar still offers. What a taker at any price does not get, expires."""
        if bar.ts not in offered:
            offered[bar.ts] = self._offered(tx, instrument, bar)
        rate = instrument.maker_fee if trade.maker else instrument.taker_fee
        for quantity, price in self._parts(order, instrument, trade, offered[bar.ts]):
            offered[bar.ts] -= quantity
            order.filled += quantity
            order.trades += 1
            fee = quantise(quantity * price * rate, scale_of(instrument.quote), ROUND_UP)
            fill = Fill(str(derive("paper-fill", order.id, order.trades)), quantity, price, fee)
            order.new.append((fill, bar.ts, datetime.fromtimestamp(at, UTC)))
        if order.filled == order.quantity:
            order.end(OrderStatus.FILLED)
        elif order.kind is not OrderKind.LIMIT:
            order.end(
                OrderStatus.EXPIRED,
                "the bar's liquidity was used up"
                if order.filled
                else "no liquidity left in this bar",
            )
        elif order.filled:
            order.status = OrderStatus.PARTLY_FILLED

    def _parts(
        self, order: PaperOrder, instrument: Instrument, trade: Trade, offered: Decimal
    ) -> Sequence[tuple[Decimal, Decimal]]:
        """(quantity, price) of what an order gets at once."""
        quantity = min(order.quantity - order.filled, max(offered, Decimal(0)))
        return [(quantity, trade.price)] if quantity else []

    def _offered(self, tx: Tx, instrument: Instrument, bar: Bar) -> Decimal:
        row = tx.execute(
            "SELECT coalesce(sum(quantity), 0) FROM paper.fills"
            " WHERE instrument_id = %s AND bar_ts = %s",
            (instrument.id, bar.ts),
        ).fetchone()
        assert row is not None
        volume = Decimal(str(bar.volume)) * self.participation
        return floor_to(volume, instrument.lot) - Decimal(row[0])

    def _view(self, tx: Tx, order: PaperOrder) -> OrderView:
        fills = [fill for fill, _, _ in order.new]
        if len(fills) < order.trades:
            rows = tx.execute(
                "SELECT id, quantity, price, fee FROM paper.fills"
                " WHERE account = %s AND client_order_id = %s ORDER BY number",
                (order.account, order.id),
            )
            fills = [Fill(*row) for row in rows]
        return OrderView(order.id, order.status, order.filled, tuple(fills), order.reason)
