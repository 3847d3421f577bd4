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
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from psycopg.rows import class_row

from commenda.kit.db import Database, Tx
from commenda.kit.money import plain
from commenda.market import CandleFeed, Instrument
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
    TimeInForce,
    VenueAccount,
    Why,
)
from commenda.venues.paper_accounts import charge, move_wallet
from commenda.venues.paper_matching import Matching
from commenda.venues.paper_orders import (
    ORDER,
    RESTING,
    PaperOrder,
    queue_anew,
    reducible,
    store_orders,
)
from commenda.venues.reach import Means
from commenda.venues.rules import Trade, before_fee, only_closes


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
        frozenset(OrderKind),
        deduplicates=True,
        settles_in=timedelta(0),
        ends_after=timedelta(0),
        times=frozenset(TimeInForce),
        limited_stops=True,
        reduces=True,
        replaces=True,
    )

    @classmethod
    def connect(cls, means: Means, name: str) -> PaperVenue:
        return cls(means.database, means.feed, name=name)

    def submit(self, order: OrderRequest, now: datetime) -> OrderView:
        with self.database.transaction() as tx:
            book = self._open_book(tx, order.instrument_id, order.id)
            known = self._mine(book, order.id)
            if order.reduce_only:  # what is held by now, before it is judged
                self._matching.match(tx, book, now)
            accepted = known or self._accept(tx, order, now)
            if known is None and accepted.status is OrderStatus.ACCEPTED:
                book.append(accepted)
            self._matching.match(tx, book, now, new=accepted if known is None else None)
            return self._view(tx, accepted)

    def cancel(self, order: OrderRequest, now: datetime) -> OrderView | None:
        with self.database.transaction() as tx:
            found = self._advanced(tx, order.id, now)
            if found is not None and not found.status.is_terminal:
                found.end(OrderStatus.CANCELLED, "cancelled")
                store_orders(tx, [found])
            return None if found is None else self._view(tx, found)

    def replace(self, order: OrderRequest, now: datetime) -> OrderView | None:
        with self.database.transaction() as tx:
            found = self._advanced(tx, order.id, now)
            if found is None:
                return None
            if not found.status.is_terminal:
                found.limit_price, found.quantity = order.limit_price, order.quantity
                found.place(int(now.timestamp()), self.feed.interval)
                refusal = self._matching.takes(found, now)
                if refusal is not None or found.quantity <= found.filled:
                    found.end(OrderStatus.CANCELLED, refusal or "no more than was filled")
                store_orders(tx, [found])
                queue_anew(tx, found)
                found = self._advanced(tx, order.id, now) or found
            return self._view(tx, found)

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
                    self._matching.match(tx, self._open_book(tx, instrument.id), stamp)
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

    @property
    def _matching(self) -> Matching:
        return Matching(self.feed, self.slippage, self.participation, self._parts)

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
        self._matching.match(tx, book, now)
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
                self._matching.match(tx, self._open_book(tx, instrument), now)

    def _accept(self, tx: Tx, order: OrderRequest, now: datetime) -> PaperOrder:
        since = int((order.active_from or now).timestamp())
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
            order.time_in_force,
            order.reduce_only,
            now,
        )
        accepted.place(since, self.feed.interval)
        refusal = self._refusal(order, self.feed.instrument(order.instrument_id), now)
        first = self.feed.bar(order.instrument_id, accepted.active_ts)
        if refusal is None and first is None and (accepted.at_once or accepted.rests_since_before):
            refusal = "no market: no bar at this time"
        if refusal is None and order.reduce_only and not reducible(tx, accepted, ()):
            refusal = f"{Why.NOTHING_TO_REDUCE}: it would close nothing that is held"
        closes = only_closes(order, self.feed.instrument(order.instrument_id))
        if refusal is None and closes and reducible(tx, accepted, ()) < order.quantity:
            refusal = f"{Why.SHORT_OF_MARGIN}: less is held than would be sold"
        refusal = refusal or self._matching.takes(accepted, now)
        if refusal is not None:
            accepted.end(OrderStatus.REFUSED, refusal)
        return accepted

    def _refusal(self, order: OrderRequest, instrument: Instrument, now: datetime) -> str | None:
        for outage in self.outages:
            if outage.covers(now, order.instrument_id):
                return outage.reason
        least = Decimal(0) if order.reduce_only else instrument.minimum_notional
        if order.quantity * order.reference_price < least:
            return f"below the minimum notional of {plain(least)}"
        return None

    def _parts(
        self, order: PaperOrder, instrument: Instrument, trade: Trade, offered: Decimal
    ) -> Sequence[tuple[Decimal, Decimal]]:
        """(quantity, price) of what an order gets at once."""
        quantity = min(order.quantity - order.filled, max(offered, Decimal(0)))
        return [(quantity, trade.price)] if quantity else []

    def _view(self, tx: Tx, order: PaperOrder) -> OrderView:
        fills = [fill for fill, _, _ in order.new]
        if len(fills) < order.trades:
            rows = tx.execute(
                "SELECT id, quantity, price, fee FROM paper.fills"
                " WHERE account = %s AND client_order_id = %s ORDER BY number",
                (order.account, order.id),
            )
            fills = [Fill(*row) for row in rows]
        instrument = self.feed.instrument(order.instrument_id)
        taken = (before_fee(instrument, order.side, one) - one.quantity for one in fills)
        return OrderView(
            order.id,
            order.status,
            order.filled - sum(taken, Decimal(0)),
            tuple(fills),
            order.reason,
            order.quantity,
            order.limit_price,
        )
