"""What must hold of funding."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "what is set aside for withdrawals is what waits for a decision",
        "SELECT 'user ' || coalesce(a.owner_id, r.user_id), coalesce(r.amount, 0)::text,"
        "  coalesce(a.balance, 0)::text"
        " FROM (SELECT owner_id, asset, balance FROM accounts WHERE kind = 'withdrawing') a"
        " FULL JOIN (SELECT user_id, asset, sum(amount) AS amount FROM funding_requests"
        "   WHERE direction = 'withdrawal' AND status = 'pending' GROUP BY user_id, asset) r"
        "  ON r.user_id = a.owner_id AND r.asset = a.asset"
        " WHERE coalesce(a.balance, 0) <> coalesce(r.amount, 0)",
    ),
    Check(
        "funding that is done was posted, and no other",
        "SELECT r.direction || ' ' || r.id, (r.status = 'done')::text, (j.id IS NOT NULL)::text"
        " FROM funding_requests r LEFT JOIN journals j ON j.key = r.direction || ':' || r.id"
        " WHERE (r.status = 'done') <> (j.id IS NOT NULL)",
    ),
)
