"""Ledger against venue: two sides that share no code must tell the same story.

Cash: the venue's wallet plus its unrealised profit equals what the platform owes the scopes at the
same marks. A one-way venue nets scopes on opposite sides, so cash alone cannot agree: net
quantities are compared too. What is known to be on its way explains a difference: transfers that
are asked for and not carried out, fills that are not recorded or not allocated yet, funding that is
charged and not passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from commenda.kit.db import Tx
from commenda.ledger import TrialLine, trial_balance
from commenda.market import Instrument
from commenda.venues import Report, Side, Venue, VenueAccount, VenueBooks

ON_ITS_WAY = timedelta(hours=1)
"""For how long an order that is sent and not recorded, or not allocated, explains a difference.
After that it is one."""


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


@dataclass(frozen=True, slots=True)
class LiveBooks:
    """A venue that is asked now. It tells orders, not which transfers it has carried out."""

    venue: Venue
    now: datetime

    @property
    def name(self) -> str:
        return self.venue.name

    def account(self) -> VenueAccount:
        return self.venue.account(self.now)

    def report(self, order_id: UUID) -> Report | None:
        return self.venue.lookup(order_id)

    def moved(self, transfers: Sequence[UUID]) -> set[UUID]:
        return set()

    def charged(self) -> Mapping[str, Decimal]:
        return {}


def reconcile(
    tx: Tx,
    venue: Venue,
    instruments: Sequence[Instrument],
    marks: Mapping[int, Decimal],
    now: datetime,
) -> list[Difference]:
    """Compare each asset's equity and each instrument's net quantity, as of `now`."""
    return compare(tx, LiveBooks(venue, now), instruments, marks, now, trial_balance(tx))


def compare(
    tx: Tx,
    books: VenueBooks,
    instruments: Sequence[Instrument],
    marks: Mapping[int, Decimal],
    at: datetime,
    trial: Iterable[TrialLine],
    *,
    past: bool = False,
) -> list[Difference]:
    """Compare a venue's books with the ledger's `trial` balance of the same moment.

    In the `past`, what came after `at` is left out of the quantities and of what is on its way.
    """
    account = books.account()
    held = _net_quantities(tx, at if past else None)
    cash: dict[str, Decimal] = {}
    for line in trial:
        if line.kind in ("scope", "unallocated"):
            cash[line.asset] = cash.get(line.asset, Decimal(0)) + line.balance
    on_its_way = _on_its_way(tx, books, {one.id: one for one in instruments}, marks, at, past)
    nothing = Decimal(0)
    lines = []
    for asset in sorted({one.quote for one in instruments} | set(cash) | set(account.wallets)):
        of_asset = [one.id for one in instruments if one.quote == asset]
        equity = account.wallets.get(asset, nothing)
        equity += sum((account.unrealised.get(one, nothing) for one in of_asset), nothing)
        owed = cash.get(asset, nothing)
        owed += sum((held[one] * marks[one] for one in of_asset if held.get(one)), nothing)
        explained = on_its_way.cash.get(asset, nothing)
        explained -= _pending_transfers(tx, books, asset, at if past else None)
        explained += books.charged().get(asset, nothing)
        lines.append(Difference(asset, equity, owed, explained))
    return lines + [
        Difference(
            one.symbol,
            account.quantities.get(one.id, nothing),
            held.get(one.id, nothing),
            on_its_way.quantities.get(one.id, nothing),
        )
        for one in instruments
    ]


@dataclass(frozen=True, slots=True)
class _OnItsWay:
    """What fills that are in no leg yet add to the venue's equity and quantities."""

    cash: Mapping[str, Decimal]
    quantities: Mapping[int, Decimal]


def _on_its_way(
    tx: Tx,
    books: VenueBooks,
    instruments: Mapping[int, Instrument],
    marks: Mapping[int, Decimal],
    at: datetime,
    past: bool,
) -> _OnItsWay:
    cash: dict[str, Decimal] = {}
    quantities: dict[int, Decimal] = {}

    def add(instrument: int, quantity: Decimal, amount: Decimal) -> None:
        asset = instruments[instrument].quote
        cash[asset] = cash.get(asset, Decimal(0)) + amount
        quantities[instrument] = quantities.get(instrument, Decimal(0)) + quantity

    # Filled and not recorded: nothing of it is in the ledger.
    for order, instrument, side in tx.execute(
        "SELECT id, instrument_id, side FROM orders"
        " WHERE venue = %(venue)s AND created_at > %(at)s - %(window)s"
        " AND (NOT %(past)s OR created_at <= %(at)s)"
        " AND (terminal_at IS NULL OR (%(past)s AND terminal_at > %(at)s)) ORDER BY number",
        {"venue": books.name, "at": at, "window": ON_ITS_WAY, "past": past},
    ).fetchall():
        report = books.report(order)
        for fill in report.fills if report else ():
            quantity = Side(side).sign * fill.quantity
            add(instrument, quantity, quantity * (marks[instrument] - fill.price) - fill.fee)
    # Recorded and not allocated: its cash is in `unallocated`, its quantity is nobody's yet.
    for one in in_transit(tx, at):
        add(one.instrument_id, one.quantity, one.quantity * marks[one.instrument_id])
    return _OnItsWay(cash, quantities)


class InTransit(NamedTuple):
    """Fills of an instrument that are recorded and not allocated: signed (buy +), fee paid."""

    instrument_id: int
    asset: str
    quantity: Decimal
    notional: Decimal
    fee: Decimal


def in_transit(tx: Tx, at: datetime) -> list[InTransit]:
    """What waits to be allocated, of orders of the last hour up to `at`."""
    rows = tx.execute(
        "SELECT o.instrument_id, i.quote, sum(o.sign * f.quantity - a.quantity),"
        "  sum(o.sign * f.notional - a.notional), sum(f.fee - a.fee)"
        " FROM (SELECT id, instrument_id, CASE side WHEN 'buy' THEN 1 ELSE -1 END AS sign"
        "   FROM orders WHERE created_at > %(at)s - %(window)s AND terminal_at <= %(at)s) o"
        " JOIN instruments i ON i.id = o.instrument_id"
        " CROSS JOIN LATERAL (SELECT coalesce(sum(quantity), 0) AS quantity,"
        "   coalesce(sum(notional), 0) AS notional, coalesce(sum(fee), 0) AS fee,"
        "   count(*) - count(quantity) AS waiting FROM allocations WHERE order_id = o.id) a"
        " CROSS JOIN LATERAL (SELECT coalesce(sum(quantity), 0) AS quantity,"
        "   coalesce(sum(quantity * price), 0) AS notional, coalesce(sum(fee), 0) AS fee"
        "  FROM fills WHERE order_id = o.id) f"
        " WHERE a.waiting > 0 GROUP BY o.instrument_id, i.quote ORDER BY o.instrument_id",
        {"window": ON_ITS_WAY, "at": at},
    )
    return [InTransit._make(row) for row in rows]


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


def _net_quantities(tx: Tx, moment: datetime | None) -> dict[int, Decimal]:
    """The net quantity of each instrument: what the legs hold, less what was allocated later."""
    return dict(
        tx.execute(
            "SELECT instrument_id, sum(quantity) FROM ("
            " SELECT instrument_id, quantity FROM positions WHERE quantity <> 0"
            " UNION ALL SELECT o.instrument_id, -a.quantity FROM orders o"
            "  JOIN allocations a ON a.order_id = o.id"
            "  WHERE o.terminal_at > %(moment)s AND a.quantity <> 0"
            ") moves GROUP BY 1",
            {"moment": moment},
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
