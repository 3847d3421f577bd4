"""What must hold of funding."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "what is held for withdrawals is what waits for a decision",
        "SELECT coalesce(h.group_key, 'withdrawal:' || r.id),"
        "  coalesce(r.amount || ' ' || r.asset || ' of ' || r.user_id, 'nothing'),"
        "  coalesce(h.amount || ' ' || h.asset || ' of ' || h.owner_id, 'nothing')"
        " FROM (SELECT * FROM funding_requests"
        "   WHERE direction = 'withdrawal' AND status = 'pending') r"
        " FULL JOIN (SELECT h.group_key, h.amount, a.asset, a.owner_id FROM holds h"
        "   JOIN accounts a ON a.id = h.account_id"
        "   WHERE h.purpose = 'withdrawal' AND h.status = 'held') h"
        "  ON h.group_key = 'withdrawal:' || r.id"
        " WHERE (h.amount, h.asset, h.owner_id)"
        "  IS DISTINCT FROM (r.amount, r.asset, r.user_id)",
    ),
    Check(
        "funding that is done was posted as it was asked for, and no other",
        "SELECT request, expected::text, found::text FROM ("
        "  SELECT r.direction || ' ' || r.id AS request,"
        "   CASE r.status WHEN 'done' THEN r.amount ELSE 0 END AS expected,"
        "   CASE r.direction WHEN 'deposit' THEN 1 ELSE -1 END * coalesce(sum(e.amount)"
        "    FILTER (WHERE a.owner_id = r.user_id AND a.asset = r.asset), 0) AS found"
        "  FROM funding_requests r"
        "  LEFT JOIN journals j ON j.key = r.direction || ':' || r.id"
        "  LEFT JOIN entries e ON e.journal_id = j.id"
        "  LEFT JOIN accounts a ON a.id = e.account_id AND a.kind = 'wallet'"
        "  GROUP BY r.id) request WHERE expected <> found",
    ),
    Check(
        "what was paid in or out was asked for",
        # A replay and a demo make up people with money of their own: their clocks are not wall's.
        "SELECT 'journal ' || j.id || ' ' || j.key, 'a request', 'none' FROM journals j"
        " WHERE (j.kind = 'withdrawal' OR (j.kind = 'deposit'"
        "   AND EXISTS (SELECT FROM business_clock WHERE mode = 'wall')))"
        "  AND NOT EXISTS (SELECT FROM funding_requests r"
        "   WHERE j.key = r.direction || ':' || r.id)",
    ),
    Check(
        "requests to pay in or out are as their events say",
        "WITH derived AS (SELECT DISTINCT ON (subject) subject, split_part(kind, '.', 2) || ' of '"
        "   || (details ->> 'amount')::numeric(38,18) || ' ' || (details ->> 'asset') || ' for '"
        "   || (details ->> 'userId') || ', ' || result AS said"
        "  FROM audit_events WHERE kind IN ('funding.deposit', 'funding.withdrawal')"
        "  ORDER BY subject, id DESC),"
        " compared AS (SELECT coalesce(r.id::text, d.subject) AS id, d.said, r.direction || ' of '"
        "   || r.amount || ' ' || r.asset || ' for ' || r.user_id || ', ' || r.status AS found"
        "  FROM funding_requests r FULL JOIN derived d ON d.subject = r.id::text)"
        " SELECT 'request ' || id, coalesce(said, 'an event that asked for it'),"
        "  coalesce(found, 'no request') FROM compared WHERE said IS DISTINCT FROM found",
    ),
    Check(
        "what the bank's records are matched with is as much, the same way, and not turned down",
        "SELECT e.id, e.direction || ' ' || e.amount,"
        "  r.direction || ' ' || r.amount || ' ' || r.status"
        " FROM bank_entries e JOIN funding_requests r ON r.id = e.request_id"
        " WHERE e.amount <> r.amount OR e.reversal OR r.status = 'rejected'"
        "  OR (e.direction = 'credit') <> (r.direction = 'deposit')",
    ),
)
