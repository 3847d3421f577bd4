"""What each leg holds of each instrument, and the accounts that hold what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.kit.db import Tx
from commenda.ledger import AccountKey, Owner, open_accounts
from commenda.market import Instrument


def position_accounts(
    tx: Tx, leg_ids: Sequence[UUID], instrument: Instrument
) -> dict[UUID, tuple[int, int]]:
    """Cash and position accounts of legs, opening the position accounts that are missing."""
    books = books_of(tx, leg_ids, instrument.id)
    missing = [leg for leg in leg_ids if books[leg][1] is None]
    if missing:
        rows = tx.execute(
            "SELECT l.id, s.owner_kind, s.owner_id, s.id, s.asset"
            " FROM legs l JOIN scopes s ON s.id = l.scope_id WHERE l.id = ANY (%s) ORDER BY l.id",
            (missing,),
        ).fetchall()
        accounts = open_accounts(
            tx,
            [
                AccountKey("position", Owner(kind, owner), asset, scope, leg, instrument.id)
                for leg, kind, owner, scope, asset in rows
            ],
        )
        # Whoever opens one at the same time opens the same: an account has one key.
        opened = [(row[0], account) for row, account in zip(rows, accounts, strict=True)]
        insert_positions(tx, instrument.id, opened)
        books |= {leg: (books[leg][0], account) for leg, account in opened}
    return {leg: (cash, position) for leg, (cash, position) in books.items() if position}


def books_of(
    tx: Tx, leg_ids: Sequence[UUID], instrument_id: int
) -> dict[UUID, tuple[int, int | None]]:
    """For each leg its cash account and, where it has one, its position account."""
    rows = tx.execute(
        "SELECT l.id, l.account_id, p.account_id FROM legs l"
        " LEFT JOIN positions p ON p.leg_id = l.id AND p.instrument_id = %s"
        " WHERE l.id = ANY (%s)",
        (instrument_id, list(leg_ids)),
    )
    return {leg: (cash, position) for leg, cash, position in rows}


def venues_of(tx: Tx, leg_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The venue at which each leg trades."""
    rows = tx.execute("SELECT id, venue FROM legs WHERE id = ANY (%s)", (list(leg_ids),))
    return dict(rows.fetchall())


def venues_in_use(tx: Tx) -> list[str]:
    """The accounts at venues at which any leg ever traded, and those whose key counts: what is
    found there is told of before anything trades."""
    rows = tx.execute(
        "SELECT venue FROM legs UNION SELECT account FROM venue_keys WHERE state = 'active'"
        " ORDER BY 1"
    )
    return [row[0] for row in rows]


def insert_positions(tx: Tx, instrument_id: int, rows: Sequence[tuple[UUID, int]]) -> None:
    tx.execute(
        "INSERT INTO positions (leg_id, instrument_id, account_id)"
        " SELECT leg, %s, account FROM unnest(%s::uuid[], %s::bigint[]) AS n (leg, account)"
        " ON CONFLICT DO NOTHING",
        (instrument_id, [leg for leg, _ in rows], [account for _, account in rows]),
    )


def move_quantities(tx: Tx, instrument_id: int, moves: Sequence[tuple[UUID, Decimal]]) -> None:
    """Set the new quantities of legs, whose position accounts the caller has locked."""
    tx.execute(
        "UPDATE positions p SET quantity = m.quantity"
        " FROM unnest(%s::uuid[], %s::numeric[]) AS m (leg_id, quantity)"
        " WHERE p.leg_id = m.leg_id AND p.instrument_id = %s",
        ([leg for leg, _ in moves], [quantity for _, quantity in moves], instrument_id),
    )


def holders(
    tx: Tx, venue: str, instrument_id: int, at: datetime | None = None
) -> list[tuple[UUID, int, Decimal]]:
    """Every leg with an open quantity there, also in an order that works: (leg, cash account,
    quantity), by leg id. At a moment of the venue's own clock: less what was traded later."""
    return tx.execute(
        "SELECT l.id, l.account_id, h.quantity FROM ("
        "  SELECT leg_id, sum(quantity) AS quantity FROM ("
        "   SELECT leg_id, quantity FROM positions"
        "    WHERE instrument_id = %(instrument)s AND quantity <> 0"
        "   UNION ALL SELECT leg_id, quantity FROM working_fills"
        "    WHERE instrument_id = %(instrument)s"
        "   UNION ALL SELECT a.leg_id, CASE WHEN a.quantity IS NULL"
        "     THEN -later.part * a.requested / o.quantity"
        "     ELSE -later.part * a.quantity / later.whole END"
        "    FROM (SELECT order_id, sum(quantity) AS whole,"
        "      sum(quantity) FILTER (WHERE traded_at > %(at)s::timestamptz) AS part"
        "     FROM fills WHERE order_id IN (SELECT order_id FROM fills"
        "      WHERE venue = %(venue)s AND traded_at > %(at)s::timestamptz) GROUP BY 1) later"
        "    JOIN orders o ON o.id = later.order_id AND o.instrument_id = %(instrument)s"
        "    JOIN allocations a ON a.order_id = o.id"
        "  ) both_of GROUP BY leg_id) h"
        " JOIN legs l ON l.id = h.leg_id"
        " WHERE h.quantity <> 0 AND l.venue = %(venue)s ORDER BY l.id",
        {"instrument": instrument_id, "venue": venue, "at": at},
    ).fetchall()


def open_quantities(tx: Tx, scope_ids: Sequence[UUID]) -> list[tuple[UUID, UUID, int, Decimal]]:
    """(scope, leg, instrument, quantity) of everything these scopes hold."""
    return tx.execute(
        "SELECT l.scope_id, l.id, p.instrument_id, p.quantity"
        " FROM legs l JOIN positions p ON p.leg_id = l.id"
        " WHERE l.scope_id = ANY (%s) AND p.quantity <> 0 ORDER BY p.instrument_id, l.id",
        (list(scope_ids),),
    ).fetchall()
