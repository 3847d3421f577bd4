"""What must hold of commissions."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "pending commissions are what their payees' accounts hold",
        "SELECT 'payee ' || coalesce(a.owner_id, c.payee_id), coalesce(c.amount, 0)::text,"
        "  coalesce(a.balance, 0)::text"
        " FROM (SELECT owner_id, asset, balance FROM accounts WHERE kind = 'referral_pending') a"
        " FULL JOIN (SELECT payee_id, asset, sum(amount) AS amount FROM referral_commissions"
        "   WHERE released_at IS NULL GROUP BY payee_id, asset) c"
        "  ON c.payee_id = a.owner_id AND c.asset = a.asset"
        " WHERE coalesce(a.balance, 0) <> coalesce(c.amount, 0)",
    ),
)
