"""What must hold between the books and what moved them: allocations, dust, funding."""

from __future__ import annotations

from typing import LiteralString

from commenda.audit import Check

# What moved a leg's quantity and cost, and the order or closing that caused it: its shares of the
# venue's fills, and what the dust book took over, out of the leg and into the book's own.
_MOVES: LiteralString = (
    "(SELECT a.leg_id, o.instrument_id, o.id AS cause, o.number, a.quantity, a.notional"
    " FROM allocations a JOIN orders o ON o.id = a.order_id WHERE a.quantity <> 0"
    " UNION ALL SELECT leg_id, instrument_id, cause_id, number, -quantity, -value"
    "  FROM dust_transfers"
    " UNION ALL SELECT dust_leg_id, instrument_id, cause_id, number, quantity, value"
    "  FROM dust_transfers)"
)
# They follow each other as they were posted: of orders that work at once a later one may end first.
_POSTED: LiteralString = (
    "(SELECT c.leg_id, split_part(j.key, ':', 2) AS cause, min(j.id) AS journal"
    " FROM journals j JOIN entries e ON e.journal_id = j.id"
    " JOIN accounts c ON c.id = e.account_id AND c.leg_id IS NOT NULL"
    " WHERE j.kind IN ('allocation', 'dust') GROUP BY 1, 2)"
)

CHECKS = (
    Check(
        "positions are the sum of their allocations and of dust",
        "SELECT 'leg ' || coalesce(p.leg_id, a.leg_id) || ' instrument '"  # noqa: S608 - a constant
        "   || coalesce(p.instrument_id, a.instrument_id),"
        "  coalesce(a.quantity, 0)::text, coalesce(p.quantity, 0)::text"
        " FROM positions p FULL JOIN"
        "  (SELECT leg_id, instrument_id, sum(quantity) AS quantity FROM " + _MOVES + " m"
        "   GROUP BY leg_id, instrument_id) a"
        "  ON a.leg_id = p.leg_id AND a.instrument_id = p.instrument_id"
        " WHERE coalesce(p.quantity, 0) <> coalesce(a.quantity, 0)",
    ),
    Check(
        "position accounts hold what their open quantity cost",
        # The last move after which the leg was flat starts the position anew.
        "SELECT 'leg ' || leg_id || ' instrument ' || instrument_id,"  # noqa: S608 - a constant
        "  cost::text, balance::text"
        " FROM (SELECT p.leg_id, p.instrument_id, acc.balance,"
        "   coalesce(sum(run.notional) FILTER (WHERE run.place > run.last_flat), 0) AS cost"
        "  FROM positions p JOIN accounts acc ON acc.id = p.account_id"
        "  JOIN (SELECT *, coalesce(max(place) FILTER (WHERE running = 0)"
        "       OVER (PARTITION BY leg_id, instrument_id), 0) AS last_flat"
        "   FROM (SELECT m.leg_id, instrument_id, notional,"
        "      sum(quantity) OVER each AS running, row_number() OVER each AS place"
        "     FROM " + _MOVES + " m LEFT JOIN " + _POSTED + " posted"
        "      ON posted.leg_id = m.leg_id AND posted.cause = m.cause::text"
        "     WINDOW each AS (PARTITION BY m.leg_id, instrument_id ORDER BY journal, number"
        "       ROWS UNBOUNDED PRECEDING)) history) run"
        "  ON run.leg_id = p.leg_id AND run.instrument_id = p.instrument_id"
        "  GROUP BY p.leg_id, p.instrument_id, acc.balance) derived"
        " WHERE cost <> balance",
    ),
    Check(
        "dust was paid for at what its transfer says",
        "SELECT coalesce(d.key, j.key), concat_ws(' / ', d.value, -d.value),"
        "  concat_ws(' / ', j.paid, j.kept)"
        " FROM (SELECT concat_ws(':', 'dust', cause_id, leg_id, instrument_id) AS key, value"
        "   FROM dust_transfers) d"
        " FULL JOIN (SELECT j.key, coalesce(sum(e.amount) FILTER"
        "    (WHERE a.leg_id = split_part(j.key, ':', 3)::uuid), 0) AS paid,"
        "   coalesce(sum(e.amount) FILTER"
        "    (WHERE a.leg_id <> split_part(j.key, ':', 3)::uuid), 0) AS kept"
        "   FROM journals j JOIN entries e ON e.journal_id = j.id"
        "   JOIN accounts a ON a.id = e.account_id AND a.kind = 'scope'"
        "   WHERE j.kind = 'dust' GROUP BY j.key) j ON j.key = d.key"
        " WHERE (coalesce(j.paid, 0), coalesce(j.kept, 0)) IS DISTINCT FROM (d.value, -d.value)",
    ),
    Check(
        "funding passed on to legs equals what the venue paid",
        "SELECT f.venue || ' ' || i.symbol || ' ' || f.stamp, f.amount::text,"
        "  coalesce(e.amount, 0)::text"
        " FROM funding_payments f JOIN instruments i ON i.id = f.instrument_id"
        " LEFT JOIN (SELECT j.effective_at, named[1] AS venue, named[2] AS symbol,"
        "   sum(e.amount) AS amount FROM journals j JOIN entries e ON e.journal_id = j.id"
        # An account's name may have a colon in it.
        "   CROSS JOIN regexp_match(j.key, '^funding:(.+):([^:]+):[0-9]{4}-') named"
        "   JOIN accounts a ON a.id = e.account_id AND a.kind = 'scope'"
        "   WHERE j.kind = 'funding' GROUP BY 1, 2, 3) e"
        "  ON e.venue = f.venue AND e.symbol = i.symbol AND e.effective_at = f.stamp"
        " WHERE f.amount <> coalesce(e.amount, 0)",
    ),
    Check(
        "a closed book holds no position, and one that is paid out holds nothing",
        "SELECT 'scope ' || s.id, concat_ws(' ', c.paid_at), concat_ws(' ', s.closed_at)"
        " FROM scopes s LEFT JOIN closings c ON c.id = s.id"
        " WHERE s.closed_at IS DISTINCT FROM c.paid_at"
        " UNION ALL SELECT 'scope ' || l.scope_id, '0', p.quantity::text"
        "  FROM closings c JOIN legs l ON l.scope_id = c.scope_id"
        "  JOIN positions p ON p.leg_id = l.id"
        "  WHERE c.id = c.scope_id AND c.closed_at IS NOT NULL AND p.quantity <> 0"
        " UNION ALL SELECT 'scope ' || c.scope_id, '0', a.kind || ' ' || a.balance"
        "  FROM closings c JOIN accounts a ON a.scope_id = c.scope_id"
        "  WHERE c.id = c.scope_id AND c.paid_at IS NOT NULL AND a.balance <> 0",
    ),
    Check(
        "a book was paid out what it held",
        "SELECT 'scope ' || c.scope_id, coalesce(p.equity, 0)::text, c.equity::text"
        " FROM closings c LEFT JOIN (SELECT e.journal_id, -sum(e.amount) AS equity"
        "   FROM entries e JOIN accounts a ON a.id = e.account_id AND a.kind = 'scope'"
        "   JOIN closings x ON x.journal_id = e.journal_id AND x.scope_id = a.scope_id"
        "   GROUP BY e.journal_id) p ON p.journal_id = c.journal_id"
        " WHERE c.equity <> coalesce(p.equity, 0)",
    ),
    Check(
        "no more of a book was closed than was asked for",
        "SELECT 'closing ' || c.id || ' leg ' || a.leg_id, coalesce(max(n.quantity), 0)::text,"
        "  (-sum(a.quantity))::text"
        " FROM closings c JOIN closing_attempts t ON t.closing_id = c.id"
        " JOIN orders o ON o.cause = 'liquidation' AND o.cause_id = t.batch_id"
        " JOIN allocations a ON a.order_id = o.id AND a.quantity <> 0"
        " JOIN legs l ON l.id = a.leg_id AND l.scope_id = c.scope_id"
        " LEFT JOIN closing_lots n ON n.closing_id = c.id AND n.leg_id = a.leg_id"
        "  AND n.instrument_id = o.instrument_id"
        " WHERE c.amount IS NOT NULL GROUP BY c.id, a.leg_id, o.instrument_id"
        " HAVING -sum(a.quantity) NOT BETWEEN least(0, coalesce(max(n.quantity), 0))"
        "   AND greatest(0, coalesce(max(n.quantity), 0))",
    ),
)
