"""What must hold of managed subscriptions."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "reserved accounts hold the principals that are reserved",
        "SELECT 'investor ' || coalesce(a.owner_id, r.investor_id), coalesce(r.amount, 0)::text,"
        "  coalesce(a.balance, 0)::text"
        " FROM (SELECT owner_id, asset, balance FROM accounts WHERE kind = 'reserved') a"
        " FULL JOIN (SELECT s.investor_id, s.asset, sum(r.reserved_amount) AS amount"
        "   FROM principal_reservations r JOIN managed_subscriptions s ON s.id = r.subscription_id"
        "   WHERE r.status = 'reserved' GROUP BY s.investor_id, s.asset) r"
        "  ON r.investor_id = a.owner_id AND r.asset = a.asset"
        " WHERE coalesce(a.balance, 0) <> coalesce(r.amount, 0)",
    ),
    Check(
        "reservations follow their subscriptions",
        "SELECT 'subscription ' || s.id, s.status, r.status"
        " FROM managed_subscriptions s LEFT JOIN principal_reservations r"
        "  ON r.subscription_id = s.id"
        " WHERE r.status IS DISTINCT FROM CASE WHEN s.status = 'RESERVED' THEN 'reserved'"
        "   WHEN s.status IN ('SETTLED', 'CANCELLED') THEN 'released' ELSE 'deployed' END",
    ),
    Check(
        "legs start with what was allocated to them",
        "SELECT 'leg ' || l.id, concat_ws(' / ', a.amount, a.subscription_id, a.creator_id),"
        "  concat_ws(' / ', l.capital, l.scope_id, l.creator_id) FROM managed_allocations a"
        " JOIN legs l ON l.id = a.leg_id"
        " WHERE l.capital <> a.amount OR l.scope_id <> a.subscription_id"
        "  OR l.creator_id <> a.creator_id",
    ),
    Check(
        "allocations add up to the principal",
        "SELECT 'subscription ' || s.id, s.amount::text, coalesce(sum(a.amount), 0)::text"
        " FROM managed_subscriptions s LEFT JOIN managed_allocations a ON a.subscription_id = s.id"
        " GROUP BY s.id, s.amount HAVING s.amount <> coalesce(sum(a.amount), 0)",
    ),
    Check(
        "liquidated and settled subscriptions are those whose book is closed and paid out",
        "SELECT 'subscription ' || s.id, CASE WHEN c.paid_at IS NOT NULL THEN 'SETTLED'"
        "   WHEN c.closed_at IS NOT NULL THEN 'LIQUIDATED'"
        "   WHEN c.id IS NOT NULL THEN 'LIQUIDATING' ELSE 'not asked' END, s.status"
        " FROM managed_subscriptions s LEFT JOIN closings c ON c.id = s.id"
        " WHERE (s.status = 'SETTLED') <> (c.paid_at IS NOT NULL)"
        "  OR (s.status = 'LIQUIDATED') <> (c.closed_at IS NOT NULL AND c.paid_at IS NULL)"
        "  OR (s.status = 'LIQUIDATING') <> (c.id IS NOT NULL AND c.closed_at IS NULL)",
    ),
    Check(
        "each settled subscription has one settlement, and no other has one",
        "SELECT 'subscription ' || s.id, (s.status = 'SETTLED')::text,"
        "  (t.subscription_id IS NOT NULL)::text"
        " FROM managed_subscriptions s LEFT JOIN settlements t ON t.subscription_id = s.id"
        " WHERE (s.status = 'SETTLED') <> (t.subscription_id IS NOT NULL)",
    ),
    Check(
        "settlements are what their journals posted",
        "SELECT 'subscription ' || t.subscription_id,"
        "  concat_ws(' / ', p.equity, p.wallet, p.creators, p.referrers, p.management, p.platform),"
        "  concat_ws(' / ', t.equity, t.to_wallet, t.to_creators, t.to_referrers,"
        "   t.management_fee, t.to_platform)"
        " FROM settlements t JOIN closings c ON c.id = t.subscription_id"
        " LEFT JOIN (SELECT e.journal_id,"
        "   -coalesce(sum(e.amount) FILTER (WHERE a.kind = 'scope'), 0) AS equity,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'wallet'), 0) AS wallet,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'fee:profit_share'), 0) AS creators,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'referral_pending'), 0) AS referrers,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'fee:management'), 0) AS management,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'fee:platform'), 0) AS platform"
        "  FROM entries e JOIN accounts a ON a.id = e.account_id"
        "  JOIN journals j ON j.id = e.journal_id AND j.kind = 'settlement'"
        "  GROUP BY e.journal_id) p ON p.journal_id = c.journal_id"
        " WHERE (t.equity, t.to_wallet, t.to_creators, t.to_referrers, t.management_fee,"
        "   t.to_platform) IS DISTINCT FROM"
        "  (coalesce(p.equity, 0), coalesce(p.wallet, 0), coalesce(p.creators, 0),"
        "   coalesce(p.referrers, 0), coalesce(p.management, 0), coalesce(p.platform, 0))",
    ),
)
