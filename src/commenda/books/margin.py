"""Every book is margined on its own: it is closed before its equity is gone."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from commenda.books.closing import Products, request_closing
from commenda.books.model import Trigger
from commenda.books.rules import MAINTENANCE
from commenda.kit.db import Tx
from commenda.ledger import Author


def guard_margins(tx: Tx, author: Author, marks: Mapping[int, Decimal], products: Products) -> int:
    """Ask for the closing of books whose equity is below maintenance; how many.

    What is missing after it is paid by insurance, never by another scope.
    """
    guarded = {kind: product for product in products if product.margined for kind in product.kinds}
    rows = tx.execute(
        "WITH held AS (SELECT l.scope_id, sum(abs(p.quantity) * m.price) AS gross,"
        "   sum(p.quantity * m.price + p.cash) AS net"
        "  FROM (SELECT leg_id, instrument_id, sum(quantity) AS quantity, sum(cash) AS cash FROM ("
        "    SELECT leg_id, instrument_id, quantity, 0 AS cash FROM positions WHERE quantity <> 0"
        "    UNION ALL SELECT leg_id, instrument_id, quantity, cash FROM working_fills) parts"
        "    GROUP BY leg_id, instrument_id) p"
        "  JOIN legs l ON l.id = p.leg_id"
        "  JOIN unnest(%s::smallint[], %s::numeric[]) AS m (instrument_id, price)"
        "    USING (instrument_id)"
        "  GROUP BY l.scope_id)"
        " SELECT s.id, s.kind FROM scopes s JOIN held h ON h.scope_id = s.id"
        " JOIN (SELECT l.scope_id, sum(a.balance) AS cash"
        "   FROM legs l JOIN accounts a ON a.id = l.account_id"
        "   WHERE l.scope_id IN (SELECT scope_id FROM held) GROUP BY l.scope_id) c"
        "  ON c.scope_id = s.id"
        " WHERE s.kind = ANY (%s) AND c.cash + h.net < %s * h.gross"
        "  AND NOT EXISTS (SELECT FROM closings WHERE id = s.id) ORDER BY s.id",
        (list(marks), list(marks.values()), list(guarded), MAINTENANCE),
    ).fetchall()
    for product in products:
        scopes = {scope: scope for scope, kind in rows if guarded[kind] is product}
        if scopes:
            request_closing(tx, author, product, scopes, Trigger.MARGIN)
    return len(rows)
