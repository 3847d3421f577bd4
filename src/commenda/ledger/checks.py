"""What must hold of the ledger at any moment, each check one query that returns what does not."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "journals sum to zero for each asset",
        "SELECT 'journal ' || journal_id || ' ' || asset, '0', sum(amount)::text FROM entries"
        " GROUP BY journal_id, asset HAVING sum(amount) <> 0",
    ),
    Check(
        "journals have the entries they were posted with",
        "SELECT 'journal ' || j.id, j.entry_count::text, coalesce(e.written, 0)::text"
        " FROM journals j LEFT JOIN"
        "  (SELECT journal_id, count(*) AS written FROM entries GROUP BY journal_id) e"
        "  ON e.journal_id = j.id WHERE j.entry_count <> coalesce(e.written, 0)"
        " UNION ALL SELECT 'entries without a journal', '0', count(*)::text FROM entries e"
        "  WHERE NOT EXISTS (SELECT FROM journals j WHERE j.id = e.journal_id)"
        "  HAVING count(*) > 0",
    ),
    Check(
        "each entry starts where the one before it ended",
        "SELECT 'account ' || account_id || ' version ' || version,"
        "  expected || ' at version ' || place, balance_before || ' at version ' || version"
        " FROM (SELECT account_id, version, balance_before,"
        "   coalesce(lag(balance_after) OVER each_account, 0) AS expected,"
        "   row_number() OVER each_account AS place"
        "  FROM entries WINDOW each_account AS (PARTITION BY account_id ORDER BY version)) chain"
        " WHERE balance_before <> expected OR version <> place",
    ),
    Check(
        "balances are the sum of their entries",
        "SELECT 'account ' || a.id || ' (' || a.kind || ')',"
        "  coalesce(e.total, 0) || ' at version ' || coalesce(e.entries, 0),"
        "  a.balance || ' at version ' || a.version"
        " FROM accounts a LEFT JOIN (SELECT account_id, sum(amount) AS total, count(*) AS entries"
        "  FROM entries GROUP BY account_id) e ON e.account_id = a.id"
        " WHERE a.balance <> coalesce(e.total, 0) OR a.version <> coalesce(e.entries, 0)",
    ),
    Check(
        "all balances of an asset sum to zero",
        "SELECT asset, '0', sum(balance)::text FROM accounts"
        " GROUP BY asset HAVING sum(balance) <> 0",
    ),
    Check(
        "nobody's spendable account is below zero",
        "SELECT 'account ' || id || ' (' || kind || ')', '>= 0', balance::text"
        " FROM accounts WHERE floored AND balance < 0",
    ),
    Check(
        "every claimed idempotency key has its outcome",
        "SELECT operation || ' ' || principal || ' ' || client_key, 'an outcome', 'none'"
        " FROM idempotency WHERE outcome IS NULL",
    ),
)
