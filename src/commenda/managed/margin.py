"""Every scope is margined on its own: it is closed before its equity is gone."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from commenda.kit.db import Tx
from commenda.ledger import Author
from commenda.managed.liquidation import request_liquidation
from commenda.managed.model import Door

MAINTENANCE = Decimal("0.05")
"""Least equity, as a fraction of the gross value of what the scope holds."""


def guard_margins(tx: Tx, author: Author, marks: Mapping[int, Decimal]) -> int:
    """Ask for the liquidation of active subscriptions whose equity is below maintenance; how many.

    What is missing after liquidation is paid by insurance, never by another scope.
    """
    rows = tx.execute(
        "WITH held AS (SELECT l.scope_id, sum(abs(p.quantity) * m.price) AS gross,"
        "   sum(p.quantity * m.price) AS net"
        "  FROM positions p JOIN legs l ON l.id = p.leg_id"
        "  JOIN unnest(%s::smallint[], %s::numeric[]) AS m (instrument_id, price)"
        "    USING (instrument_id)"
        "  WHERE p.quantity <> 0 GROUP BY l.scope_id)"
        " SELECT s.id FROM managed_subscriptions s JOIN held h ON h.scope_id = s.id"
        " JOIN (SELECT l.scope_id, sum(a.balance) AS cash"
        "   FROM legs l JOIN accounts a ON a.id = l.account_id GROUP BY l.scope_id) c"
        "  ON c.scope_id = s.id"
        " WHERE s.status IN ('ACTIVE', 'MATURED') AND c.cash + h.net < %s * h.gross ORDER BY s.id",
        (list(marks), list(marks.values()), MAINTENANCE),
    ).fetchall()
    if rows:
        request_liquidation(tx, author, [row[0] for row in rows], Door.MARGIN)
    return len(rows)
