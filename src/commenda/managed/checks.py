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
        # What it was worth after its last crystallisation, if there was one.
        "SELECT 'leg ' || l.id, concat_ws(' / ', c.capital, a.subscription_id, a.creator_id),"
        "  concat_ws(' / ', l.capital, l.scope_id, l.creator_id) FROM managed_allocations a"
        " JOIN legs l ON l.id = a.leg_id"
        " CROSS JOIN LATERAL (SELECT coalesce((SELECT g.equity - g.taken"
        "   FROM crystallisation_legs g JOIN crystallisations k ON k.id = g.crystallisation_id"
        "   WHERE g.leg_id = l.id ORDER BY k.number DESC LIMIT 1), a.amount) AS capital) c"
        " WHERE l.capital <> c.capital OR l.scope_id <> a.subscription_id"
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
        "  concat_ws(' / ', p.equity, p.wallet, p.creators, p.referrers, p.management, p.platform,"
        "   p.collected),"
        "  concat_ws(' / ', t.equity, t.to_wallet, t.to_creators, t.to_referrers,"
        "   t.management_fee, t.to_platform, t.collected)"
        " FROM settlements t JOIN closings c ON c.id = t.subscription_id"
        " LEFT JOIN (SELECT e.journal_id,"
        "   -coalesce(sum(e.amount) FILTER (WHERE a.kind = 'scope'), 0) AS equity,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'wallet'), 0) AS wallet,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'fee:profit_share'), 0) AS creators,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'referral_pending'), 0) AS referrers,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'fee:management'), 0) AS management,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'fee:platform'), 0) AS platform,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'receivable'), 0) AS collected"
        "  FROM entries e JOIN accounts a ON a.id = e.account_id"
        "  JOIN journals j ON j.id = e.journal_id AND j.kind = 'settlement'"
        "  GROUP BY e.journal_id) p ON p.journal_id = c.journal_id"
        " WHERE (t.equity, t.to_wallet, t.to_creators, t.to_referrers, t.management_fee,"
        "   t.to_platform, t.collected) IS DISTINCT FROM"
        "  (coalesce(p.equity, 0), coalesce(p.wallet, 0), coalesce(p.creators, 0),"
        "   coalesce(p.referrers, 0), coalesce(p.management, 0), coalesce(p.platform, 0),"
        "   coalesce(p.collected, 0))",
    ),
    Check(
        "crystallisations are what their journals posted",
        "SELECT 'crystallisation ' || k.id,"
        "  concat_ws(' / ', p.wallet, p.creators, p.referrers, p.management, p.platform,"
        "   p.collected),"
        "  concat_ws(' / ', k.to_wallet, k.to_creators, k.to_referrers, k.management_fee,"
        "   k.to_platform, k.collected)"
        " FROM crystallisations k"
        " LEFT JOIN (SELECT e.journal_id,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'wallet'), 0) AS wallet,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'fee:profit_share'), 0) AS creators,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'referral_pending'), 0) AS referrers,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'fee:management'), 0) AS management,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'fee:platform'), 0) AS platform,"
        "   coalesce(sum(e.amount) FILTER (WHERE a.kind = 'receivable'), 0) AS collected"
        "  FROM entries e JOIN accounts a ON a.id = e.account_id"
        "  JOIN journals j ON j.id = e.journal_id"
        "   AND j.kind IN ('crystallisation', 'partial_withdrawal')"
        "  GROUP BY e.journal_id) p ON p.journal_id = k.journal_id"
        " WHERE (k.to_wallet, k.to_creators, k.to_referrers, k.management_fee, k.to_platform,"
        "   k.collected) IS DISTINCT FROM"
        "  (coalesce(p.wallet, 0), coalesce(p.creators, 0), coalesce(p.referrers, 0),"
        "   coalesce(p.management, 0), coalesce(p.platform, 0), coalesce(p.collected, 0))"
        "  OR k.profit_share <> k.to_creators + k.to_referrers + k.to_platform",
    ),
    Check(
        "legs gave what their crystallisations say",
        "SELECT 'leg ' || g.leg_id || ' crystallisation ' || k.id, coalesce(-e.amount, 0)::text,"
        "  g.taken::text"
        " FROM crystallisation_legs g JOIN crystallisations k ON k.id = g.crystallisation_id"
        " JOIN legs l ON l.id = g.leg_id"
        " LEFT JOIN entries e ON e.journal_id = k.journal_id AND e.account_id = l.account_id"
        " WHERE g.taken <> coalesce(-e.amount, 0)"
        " UNION ALL SELECT 'crystallisation ' || k.id, concat_ws(' / ', k.equity, k.to_creators),"
        "  concat_ws(' / ', sum(g.equity), sum(g.to_creator)) FROM crystallisations k"
        "  LEFT JOIN crystallisation_legs g ON g.crystallisation_id = k.id GROUP BY k.id"
        "  HAVING (k.equity, k.to_creators) IS DISTINCT FROM (sum(g.equity), sum(g.to_creator))",
    ),
    Check(
        "gains wait for a soft hurdle only, and only while it is not passed",
        "SELECT 'leg ' || g.leg_id || ' crystallisation ' || k.id, '0', g.unshared::text"
        " FROM crystallisation_legs g JOIN crystallisations k ON k.id = g.crystallisation_id"
        " JOIN managed_subscriptions s ON s.id = k.subscription_id"
        " JOIN product_terms t ON (t.product_id, t.valid_from) = (s.product_id, s.terms_valid_from)"
        " WHERE g.unshared <> 0"
        "  AND (t.hurdle_kind <> 'soft' OR k.hurdle_left = 0 OR k.profit_share <> 0)",
    ),
    Check(
        "a subscription goes on with what its last crystallisation left",
        "SELECT 'subscription ' || s.id,"
        "  concat_ws(' / ', k.mark_net_deposits, k.mark_greatest_profit, k.hurdle_left,"
        "   k.accrued_until, k.principal_left),"
        "  concat_ws(' / ', s.mark_net_deposits, s.mark_greatest_profit, s.hurdle_left,"
        "   s.accrued_until, coalesce(t.principal, r.reserved_amount - r.released_amount))"
        " FROM managed_subscriptions s JOIN principal_reservations r ON r.subscription_id = s.id"
        " LEFT JOIN settlements t ON t.subscription_id = s.id"
        " LEFT JOIN LATERAL (SELECT * FROM crystallisations WHERE subscription_id = s.id"
        "   ORDER BY number DESC LIMIT 1) k ON true"
        " WHERE (s.accrued_until, s.hurdle_left) IS DISTINCT FROM"
        "   (k.accrued_until, coalesce(k.hurdle_left, 0))"
        "  OR (s.mark_net_deposits, s.mark_greatest_profit) IS DISTINCT FROM"
        "   (coalesce(k.mark_net_deposits, s.mark_net_deposits),"
        "    coalesce(k.mark_greatest_profit, s.mark_greatest_profit))"
        "  OR (s.status <> 'CANCELLED' AND coalesce(k.principal_left, s.amount)"
        "   <> coalesce(t.principal, r.reserved_amount - r.released_amount))",
    ),
    Check(
        "crystallisations of a subscription follow one another",
        "SELECT 'crystallisation ' || id, concat_ws(' / ', place, begun, before),"
        "  concat_ws(' / ', number, accrued_until - make_interval(days => days), principal)"
        " FROM (SELECT k.id, k.number, k.accrued_until, k.days, k.principal,"
        "   row_number() OVER each AS place,"
        "   coalesce(lag(k.accrued_until) OVER each, s.activated_at) AS begun,"
        "   coalesce(lag(k.principal_left) OVER each, s.amount) AS before"
        "  FROM crystallisations k JOIN managed_subscriptions s ON s.id = k.subscription_id"
        "  WINDOW each AS (PARTITION BY k.subscription_id ORDER BY k.number)) c"
        " WHERE (number, accrued_until - make_interval(days => days), principal)"
        "  IS DISTINCT FROM (place, begun, before)",
    ),
    Check(
        "what is owed of shares is what crystallisations left and nothing has collected",
        "SELECT 'subscription ' || coalesce(a.scope_id, k.subscription_id),"
        "  coalesce(k.owed, 0)::text, coalesce(a.owed, 0)::text"
        " FROM (SELECT scope_id, -sum(balance) AS owed FROM accounts WHERE kind = 'receivable'"
        "   GROUP BY scope_id) a"
        " FULL JOIN (SELECT DISTINCT ON (k.subscription_id) k.subscription_id,"
        "    k.owed - coalesce(t.collected, 0) AS owed FROM crystallisations k"
        "   LEFT JOIN settlements t ON t.subscription_id = k.subscription_id"
        "   ORDER BY k.subscription_id, k.number DESC) k ON k.subscription_id = a.scope_id"
        " WHERE coalesce(a.owed, 0) <> coalesce(k.owed, 0)",
    ),
    Check(
        "a part of a book that was paid out is a crystallisation",
        "SELECT 'closing ' || coalesce(c.id, k.closing_id),"
        "  concat_ws(' / ', c.scope_id, c.amount, c.paid_at, c.journal_id),"
        "  concat_ws(' / ', k.subscription_id, k.to_wallet, k.at, k.journal_id)"
        " FROM (SELECT * FROM closings WHERE amount IS NOT NULL AND paid_at IS NOT NULL) c"
        " FULL JOIN (SELECT * FROM crystallisations WHERE closing_id IS NOT NULL) k"
        "  ON k.closing_id = c.id"
        " WHERE (c.scope_id, c.amount, c.paid_at, c.journal_id) IS DISTINCT FROM"
        "  (k.subscription_id, k.to_wallet, k.at, k.journal_id)",
    ),
)
