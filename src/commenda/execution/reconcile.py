"""Ledger against venue: two sides that share no code must tell the same story.

Cash: the venue's wallet plus its unrealised profit equals what the platform owes the scopes at the
same marks. A one-way venue nets scopes on opposite sides, so cash alone cannot agree: net
quantities are compared too. What is known to be on its way explains a difference: transfers that
are asked for and not carried out, fills that are not recorded or not allocated yet, funding that is
charged and not passed on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from commenda.execution.broker import is_met
from commenda.execution.queries import orders_by_id, read_cursor
from commenda.kit.db import Tx
from commenda.market import Instrument
from commenda.venues import (
    Clearing,
    Fill,
    FundingPayment,
    OrderRequest,
    Venue,
    VenueAccount,
    VenueBooks,
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of a reconciliation. `explained` is what is known to be on its way."""

    subject: str
    venue: Decimal
    ledger: Decimal
    explained: Decimal

    @property
    def unexplained(self) -> Decimal:
        return self.venue - self.ledger - self.explained


def clearing_key(venue: str, one: Clearing) -> str:
    """Of the first journal that passes on what a liquidation cost."""
    return f"clearing:{venue}:{one.id}:0"


@dataclass(frozen=True, slots=True)
class LiveBooks:
    """A venue that is asked now. It tells orders, not which transfers it has carried out."""

    venue: Venue
    now: datetime
    paid: Mapping[str, Decimal] = field(default_factory=dict)
    """Funding of each asset that it has charged and that is not passed on."""

    @property
    def name(self) -> str:
        return self.venue.name

    def account(self) -> VenueAccount:
        return self.venue.account(self.now)

    def fills(self, orders: Sequence[OrderRequest]) -> Mapping[UUID, Sequence[Fill]]:
        views = (self.venue.order(one, self.now) for one in orders)
        return {view.id: view.fills for view in views if view is not None}

    def moved(self, transfers: Sequence[UUID]) -> set[UUID]:
        return set()

    def charged(self) -> Mapping[str, Decimal]:
        return self.paid


def ask_books(tx: Tx, venue: Venue, quotes: Mapping[int, str], now: datetime) -> LiveBooks:
    """The books of a venue that is asked now, with its funding since it was last passed on; raises
    `VenueUnavailable`. `quotes` are the instruments' assets."""
    cursor = read_cursor(tx, venue.name, "income")
    paid: dict[str, Decimal] = {}
    if cursor is not None and is_met(venue.name):
        payments, _ = venue.income(cursor, now)
        known = tx.execute(
            "SELECT instrument_id, stamp FROM funding_payments"
            " WHERE venue = %s AND stamp = ANY(%s)",
            (venue.name, [one.stamp for one in payments if isinstance(one, FundingPayment)]),
        )
        posted: set[object] = set(known)
        keys = {clearing_key(venue.name, one) for one in payments if isinstance(one, Clearing)}
        posted.update(
            row[0]
            for row in tx.execute("SELECT key FROM journals WHERE key = ANY (%s)", (list(keys),))
        )
        for one in payments:
            key: object = (
                clearing_key(venue.name, one)
                if isinstance(one, Clearing)
                else (one.instrument_id, one.stamp)
            )
            if key not in posted:
                asset = quotes[one.instrument_id]
                paid[asset] = paid.get(asset, Decimal(0)) + one.amount
    return LiveBooks(venue, now, paid)


def reconcile(
    tx: Tx,
    venue: Venue,
    instruments: Sequence[Instrument],
    marks: Mapping[int, Decimal],
    now: datetime,
) -> list[Difference]:
    """Compare each asset's equity and each instrument's net quantity, as of `now`."""
    return compare(tx, LiveBooks(venue, now), instruments, marks, now)


def compare(
    tx: Tx,
    books: VenueBooks,
    instruments: Sequence[Instrument],
    marks: Mapping[int, Decimal],
    at: datetime,
    *,
    past: bool = False,
) -> list[Difference]:
    """Compare an account at a venue, as its `books` tell it, with the legs that trade there.

    In the `past`, what came after `at` is left out of both sides and of what is on its way.
    """
    moment = at if past else None
    account = books.account()
    held = _net_quantities(tx, books.name, moment)
    cash = _cash(tx, books.name, moment)
    quote = {one.id: one.quote for one in instruments}
    explained: dict[str, Decimal] = dict(books.charged())
    on_its_way: dict[int, Decimal] = {}
    nothing = Decimal(0)
    # Recorded and not allocated: its cash is in transit, its quantity is nobody's yet.
    for one in in_transit(tx, at):
        if one.venue == books.name:
            here = on_its_way.get(one.instrument_id, nothing)
            on_its_way[one.instrument_id] = here + one.quantity
            value = one.quantity * marks[one.instrument_id]
            explained[one.asset] = explained.get(one.asset, nothing) + value
        else:  # one transit account serves all venues
            cash[one.asset] = cash.get(one.asset, nothing) + one.notional + one.fee
    # Filled and not recorded: nothing of it is in the ledger.
    for instrument, quantity, cost in _unrecorded(tx, books, at):
        on_its_way[instrument] = on_its_way.get(instrument, nothing) + quantity
        value = quantity * marks[instrument] - cost
        explained[quote[instrument]] = explained.get(quote[instrument], nothing) + value
    # Closed by the venue itself, and in no book yet.
    for instrument, quantity, cost in _forced(tx, books.name, at):
        on_its_way[instrument] = on_its_way.get(instrument, nothing) + quantity
        value = quantity * marks[instrument] - cost
        explained[quote[instrument]] = explained.get(quote[instrument], nothing) + value
    lines = []
    for asset in sorted({*quote.values(), *cash, *account.wallets}):
        of_asset = [one.id for one in instruments if one.quote == asset]
        equity = account.wallets.get(asset, nothing)
        equity += sum((account.unrealised_at(one, marks[one]) for one in of_asset), nothing)
        owed = cash.get(asset, nothing)
        owed += sum((held[one] * marks[one] for one in of_asset if held.get(one)), nothing)
        waiting = _pending_transfers(tx, books, asset, moment)
        lines.append(Difference(asset, equity, owed, explained.get(asset, nothing) - waiting))
    strange = dict(account.strange)  # and what is known and was never traded here
    never = [one for one, quantity in account.quantities.items() if quantity and one not in quote]
    symbols = tx.execute("SELECT id, symbol FROM instruments WHERE id = ANY (%s)", (never,))
    strange |= {symbol: account.quantities[one] for one, symbol in symbols}
    lines += [Difference(one, there, nothing, nothing) for one, there in strange.items()]
    return lines + [
        Difference(
            one.symbol,
            account.quantities.get(one.id, nothing),
            held.get(one.id, nothing),
            on_its_way.get(one.id, nothing),
        )
        for one in instruments
    ]


def _cash(tx: Tx, venue: str, moment: datetime | None) -> dict[str, Decimal]:
    """Cash of the legs there and in transit, by asset: now, less what was posted after a moment."""
    return dict(
        tx.execute(
            "WITH counted AS MATERIALIZED (SELECT a.id, a.asset, a.balance FROM legs l"
            "   JOIN accounts a ON a.id = l.account_id WHERE l.venue = %(venue)s"
            "  UNION ALL SELECT id, asset, balance FROM accounts WHERE kind = 'unallocated')"
            " SELECT asset, sum(amount) FROM (SELECT asset, balance AS amount FROM counted"
            "  UNION ALL SELECT c.asset, -e.amount FROM journals j"
            "   JOIN entries e ON e.journal_id = j.id JOIN counted c ON c.id = e.account_id"
            "   WHERE j.posted_at > %(moment)s) moves GROUP BY asset",
            {"venue": venue, "moment": moment},
        ).fetchall()
    )


def _unrecorded(tx: Tx, books: VenueBooks, at: datetime) -> Iterator[tuple[int, Decimal, Decimal]]:
    """(instrument, quantity, cost with fees) of each fill that the venue has and no order of ours
    had recorded by then. Only orders that were sent and not terminal then can have any."""
    recorded = {
        order: set(known)
        for order, known in tx.execute(
            "SELECT o.id, ARRAY(SELECT fill_id FROM fills f"
            "   WHERE f.order_id = o.id AND f.filled_at <= %(at)s)"
            " FROM orders o WHERE o.venue = %(venue)s AND o.sent_at <= %(at)s"
            "  AND (o.allocated_at IS NULL OR o.allocated_at > %(at)s)"
            "  AND (o.terminal_at IS NULL OR o.terminal_at > %(at)s) ORDER BY o.number",
            {"venue": books.name, "at": at},
        ).fetchall()
    }
    orders = {one.id: one.request() for one in orders_by_id(tx, list(recorded))}
    for order, fills in (books.fills(list(orders.values())) if orders else {}).items():
        for fill in fills:
            if fill.id not in recorded[order]:
                quantity = orders[order].side.sign * fill.quantity
                yield orders[order].instrument_id, quantity, quantity * fill.price + fill.fee


def _forced(tx: Tx, venue: str, at: datetime) -> list[tuple[int, Decimal, Decimal]]:
    """(instrument, quantity, cost with fees) of each fill that the venue made by itself and that
    was seen by then and posted to no leg."""
    return tx.execute(
        "SELECT s.instrument_id, n.signed, n.signed * s.price + s.fee FROM stray_fills s"
        " CROSS JOIN LATERAL (SELECT CASE s.side WHEN 'buy' THEN s.quantity ELSE -s.quantity END"
        "   AS signed) n"
        " WHERE s.forced IS NOT NULL AND s.venue = %(venue)s AND s.seen_at <= %(at)s"
        " AND NOT EXISTS (SELECT FROM fills f"
        "  WHERE (f.venue, f.fill_id) = (s.venue, s.fill_id) AND f.filled_at <= %(at)s)",
        {"venue": venue, "at": at},
    ).fetchall()


class InTransit(NamedTuple):
    """Fills of an instrument that are recorded and not allocated: signed (buy +), fee paid."""

    venue: str
    instrument_id: int
    asset: str
    quantity: Decimal
    notional: Decimal
    fee: Decimal


def in_transit(tx: Tx, at: datetime) -> list[InTransit]:
    """What was recorded at `at` and waited to be allocated."""
    rows = tx.execute(
        "SELECT o.venue, o.instrument_id, i.quote, sum(o.sign * f.quantity - a.quantity),"
        "  sum(o.sign * f.notional - a.notional), sum(f.fee - a.fee)"
        " FROM (SELECT id, venue, instrument_id, allocated_at,"
        "   CASE side WHEN 'buy' THEN 1 ELSE -1 END AS sign"
        "  FROM orders WHERE allocated_at IS NULL OR allocated_at > %(at)s) o"
        " JOIN instruments i ON i.id = o.instrument_id"
        " CROSS JOIN LATERAL (SELECT coalesce(sum(quantity), 0) AS quantity,"
        "   coalesce(sum(notional), 0) AS notional, coalesce(sum(fee), 0) AS fee"
        "  FROM allocations WHERE order_id = o.id AND o.allocated_at IS NULL) a"
        " CROSS JOIN LATERAL (SELECT coalesce(sum(quantity), 0) AS quantity,"
        "   coalesce(sum(quantity * price), 0) AS notional, coalesce(sum(fee), 0) AS fee"
        "  FROM fills WHERE order_id = o.id AND filled_at <= %(at)s) f"
        " GROUP BY 1, 2, 3 ORDER BY 1, 2",
        {"at": at},
    )
    return [InTransit._make(row) for row in rows if any(row[3:])]


def pending_transfers(
    tx: Tx, venue: str, asset: str, moment: datetime | None
) -> list[tuple[UUID, Decimal]]:
    """Transfers asked for and not posted, now or at a moment: (reference, amount to the venue)."""
    return tx.execute(
        "SELECT id, amount FROM transfers WHERE venue = %(venue)s AND asset = %(asset)s"
        " AND (done_at IS NULL OR done_at > %(moment)s)"
        " AND (%(moment)s::timestamptz IS NULL OR requested_at <= %(moment)s)",
        {"venue": venue, "asset": asset, "moment": moment},
    ).fetchall()


def _pending_transfers(tx: Tx, books: VenueBooks, asset: str, moment: datetime | None) -> Decimal:
    """What the scopes count as theirs and the venue has not got: what it has already is no part."""
    pending = pending_transfers(tx, books.name, asset, moment)
    there = books.moved([reference for reference, _ in pending])
    return sum((amount for one, amount in pending if one not in there), Decimal(0))


def _net_quantities(tx: Tx, venue: str, moment: datetime | None) -> dict[int, Decimal]:
    """The net quantity of each instrument: what the legs hold, less what was allocated later."""
    return dict(
        tx.execute(
            "SELECT instrument_id, sum(quantity) FROM ("
            " SELECT p.instrument_id, p.quantity FROM positions p JOIN legs l ON l.id = p.leg_id"
            "  WHERE p.quantity <> 0 AND l.venue = %(venue)s"
            " UNION ALL SELECT o.instrument_id, -a.quantity FROM orders o"
            "  JOIN allocations a ON a.order_id = o.id"
            "  WHERE o.allocated_at > %(moment)s AND o.venue = %(venue)s AND a.quantity <> 0"
            ") moves GROUP BY 1",
            {"venue": venue, "moment": moment},
        ).fetchall()
    )


def marks_known(tx: Tx, moment: datetime | None = None) -> dict[int, Decimal]:
    """A price of each instrument that was ever traded, for a process without a feed.

    The latest mark of the living market, now; the last close, at a moment. Where there is neither,
    the price of the last fill. Both sides are valued at it, so where their quantities agree it
    makes no difference between them.
    """
    rows = tx.execute(
        "SELECT i.id, coalesce("
        " CASE WHEN %(moment)s::timestamptz IS NULL THEN"
        "  (SELECT price FROM market_marks m WHERE m.instrument_id = i.id)"
        " ELSE (SELECT b.close::numeric FROM market_bars b WHERE b.instrument_id = i.id"
        "   AND b.ts <= %(moment)s - b.interval_seconds * interval '1 second'"
        "   ORDER BY b.ts DESC LIMIT 1) END,"
        " (SELECT f.price FROM fills f JOIN orders o ON o.id = f.order_id"
        "  WHERE o.instrument_id = i.id"
        "   AND (%(moment)s::timestamptz IS NULL OR f.filled_at <= %(moment)s)"
        "  ORDER BY f.filled_at DESC, f.fill_id LIMIT 1),"
        " (SELECT o.reference_price FROM orders o WHERE o.instrument_id = i.id"
        "  ORDER BY o.number DESC LIMIT 1))"
        " FROM instruments i"
        " WHERE EXISTS (SELECT FROM orders o WHERE o.instrument_id = i.id)",
        {"moment": moment},
    ).fetchall()
    return {instrument: price for instrument, price in rows if price is not None}
