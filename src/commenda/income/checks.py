"""What must hold of pool income."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "a product has sold what its holdings hold, within its quota",
        "SELECT 'pool product ' || p.id, coalesce(h.amount, 0) || ' of ' || p.total_quota,"
        "  p.sold_amount::text"
        " FROM pool_products p LEFT JOIN (SELECT product_id, sum(amount) AS amount"
        "   FROM pool_holdings WHERE status = 'held' GROUP BY product_id) h ON h.product_id = p.id"
        " WHERE p.sold_amount <> coalesce(h.amount, 0) OR p.sold_amount > p.total_quota",
    ),
    Check(
        "a holding's account has its principal and the income that was not paid out",
        "SELECT 'account ' || a.id || ' of holding ' || coalesce(h.id::text, 'none'),"
        "  coalesce(h.due, 0)::text, a.balance::text"
        " FROM (SELECT h.id, h.account_id, CASE WHEN h.status = 'held'"
        "    THEN h.amount + h.total_income + coalesce(paid.amount, 0) ELSE 0 END AS due"
        "   FROM pool_holdings h LEFT JOIN"
        "    (SELECT e.account_id, sum(e.amount) AS amount"
        "     FROM journals j JOIN entries e ON e.journal_id = j.id AND e.amount < 0"
        "     WHERE j.kind = 'income' GROUP BY e.account_id) paid"
        "    ON paid.account_id = h.account_id) h"
        " FULL JOIN (SELECT id, balance FROM accounts WHERE kind = 'holding') a"
        "  ON a.id = h.account_id"
        " WHERE a.balance IS DISTINCT FROM coalesce(h.due, 0)",
    ),
    Check(
        "a holding's income is what was accrued for it",
        "SELECT 'holding ' || h.id, coalesce(e.amount, 0)::text, h.total_income::text"
        " FROM pool_holdings h LEFT JOIN"
        "  (SELECT e.account_id, sum(e.amount) AS amount"
        "   FROM journals j JOIN entries e ON e.journal_id = j.id AND e.amount > 0"
        "   WHERE j.kind = 'income_accrual' GROUP BY e.account_id) e"
        "  ON e.account_id = h.account_id"
        " WHERE h.total_income <> coalesce(e.amount, 0)",
    ),
    Check(
        "a holding's income and carry are its amount times the rates of its days",
        "WITH days AS"
        "  (SELECT p.id, day::date AS day, sum(r.daily_rate) OVER (PARTITION BY p.id ORDER BY day)"
        "     AS rates"
        "   FROM (SELECT p.id, (p.created_at AT TIME ZONE 'UTC')::date AS since,"
        "      max(h.accrued_through) AS until"
        "     FROM pool_products p JOIN pool_holdings h ON h.product_id = p.id GROUP BY p.id) p"
        "   CROSS JOIN generate_series(p.since, p.until, interval '1 day') AS day"
        "   LEFT JOIN LATERAL (SELECT daily_rate FROM pool_rates WHERE product_id = p.id"
        "     AND from_day <= day ORDER BY from_day DESC LIMIT 1) r ON true)"
        " SELECT 'holding ' || h.id, (h.amount * (upto.rates - before.rates))::text,"
        "  h.total_income || ' and ' || h.carry"
        " FROM pool_holdings h"
        " LEFT JOIN days upto ON upto.id = h.product_id AND upto.day = h.accrued_through"
        " LEFT JOIN days before ON before.id = h.product_id"
        "  AND before.day = (h.start_at AT TIME ZONE 'UTC')::date - 1"
        " WHERE h.total_income + h.carry"
        "  IS DISTINCT FROM h.amount * (upto.rates - before.rates)",
    ),
    Check(
        "what a holding carries is too little to be paid",
        "SELECT 'holding ' || h.id, '0 to less than 1e-' || p.scale, h.carry::text"
        " FROM pool_holdings h JOIN pool_products p ON p.id = h.product_id"
        " WHERE h.carry < 0 OR trunc(h.carry, p.scale) <> 0",
    ),
    Check(
        "a holding is accrued through the days that are over for it",
        # Held: as far as its product, or one day further while that day is in progress.
        "SELECT 'holding ' || id, lower(days) || ' to ' || upper(days) - 1, accrued_through::text"
        " FROM (SELECT h.id, h.accrued_through, daterange("
        "    greatest(first - 1, least(last, CASE WHEN h.status = 'held' THEN p.accrued_through"
        "      ELSE (h.redeemed_at AT TIME ZONE 'UTC')::date - 1 END)),"
        "    greatest(first - 1, least(last, CASE WHEN h.status = 'held' THEN p.accrued_through"
        "      + (b.key IS NOT NULL)::integer ELSE 'infinity' END)), '[]') AS days"
        "  FROM pool_holdings h JOIN pool_products p ON p.id = h.product_id"
        "  CROSS JOIN LATERAL (SELECT (h.start_at AT TIME ZONE 'UTC')::date AS first,"
        "    (h.end_at AT TIME ZONE 'UTC')::date - 1 AS last) term"
        "  LEFT JOIN posting_batches b ON b.finished_at IS NULL AND b.key"
        "   = format('income:%s:%s', p.id, to_char(p.accrued_through + 1, 'YYYY-MM-DD'))) h"
        " WHERE NOT accrued_through <@ days",
    ),
    Check(
        "a product's days are finished one after the other",
        "SELECT b.key, 'finished through ' || p.accrued_through,"
        "  CASE WHEN b.finished_at IS NULL THEN 'unfinished' ELSE 'finished' END"
        " FROM (SELECT key, finished_at, split_part(key, ':', 2)::uuid AS product_id,"
        "   split_part(key, ':', 3)::date AS day"
        "  FROM posting_batches WHERE kind = 'income_accrual') b"
        " JOIN pool_products p ON p.id = b.product_id"
        " WHERE CASE WHEN b.finished_at IS NULL THEN b.day <> p.accrued_through + 1"
        "  ELSE b.day > p.accrued_through END",
    ),
    Check(
        "a holding is accrued once for a day",
        "SELECT 'account ' || e.account_id || ' ' || j.day, '1', count(*)::text"
        " FROM (SELECT id, split_part(key, ':', 3)::date AS day FROM journals"
        "   WHERE kind = 'income_accrual' OFFSET 0) j"  # parsed once for each journal
        " JOIN entries e ON e.journal_id = j.id AND e.amount > 0"
        " GROUP BY e.account_id, j.day HAVING count(*) > 1",
    ),
    Check(
        "batches of income are what they posted",
        # What a redemption accrues and pays is correlated to the holding, not to the product.
        "SELECT coalesce(b.key, j.key), coalesce(j.amount, 0) || ' to ' || coalesce(j.holdings, 0),"
        "  coalesce(b.amount, 0) || ' to ' || coalesce(b.rows_done, 0)"
        " FROM (SELECT key, amount, rows_done FROM posting_batches"
        "   WHERE kind IN ('income_accrual', 'income_distribution')) b"
        " FULL JOIN (SELECT substring(key from '^[^:]+:[^:]+:[^:]+') AS key,"
        "    sum(amount) AS amount, sum(holdings) AS holdings"
        "   FROM (SELECT j.key, sum(e.amount) AS amount, count(*) AS holdings"
        "    FROM journals j JOIN pool_products p ON p.id = j.correlation_id"
        "    JOIN entries e ON e.journal_id = j.id AND e.amount > 0"
        "    WHERE j.kind IN ('income_accrual', 'income') GROUP BY j.id) chunk GROUP BY 1) j"
        "  ON j.key = b.key"
        " WHERE coalesce(b.amount, 0) <> coalesce(j.amount, 0)"
        "  OR coalesce(b.rows_done, 0) <> coalesce(j.holdings, 0)",
    ),
)
