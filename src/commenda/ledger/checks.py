"""What must hold of the ledger at any moment, each check one query that returns what does not."""

from __future__ import annotations

from typing import LiteralString

from commenda.audit import Check

# Entries fall between the ends of the periods that are noted: `place` counts the ends at or before
# which they are effective. What moved up to each end, and what was noted of it, add up to the same;
# and an entry that is effective later has a version from `open_from` on.
_NOTED: LiteralString = (
    "WITH ends AS (SELECT array_agg(until ORDER BY until) AS untils FROM ledger_periods"
    "   WHERE noted_at IS NOT NULL),"
    " moved AS (SELECT e.account_id, width_bucket(j.effective_at, ends.untils) + 1 AS place,"
    "    sum(e.amount) AS amount, min(e.version) AS first"
    "  FROM ends, entries e JOIN journals j ON j.id = e.journal_id"
    "  WHERE EXISTS (SELECT FROM ledger_periods WHERE noted_at IS NOT NULL) GROUP BY 1, 2),"
    " noted AS (SELECT account_id, array_position(untils, until) AS place, until, balance,"
    "    open_from, balance - lag(balance, 1, 0::numeric) OVER"
    "     (PARTITION BY account_id ORDER BY until) AS amount"
    "  FROM period_balances, ends WHERE until = ANY (untils)),"
    " compared AS (SELECT account_id, place, noted.until, noted.open_from,"
    "    sum(moved.amount) OVER before AS derived, sum(noted.amount) OVER before AS known,"
    "    min(moved.first) OVER (PARTITION BY account_id ORDER BY place"
    "     ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS later"
    "  FROM moved FULL JOIN noted USING (account_id, place)"
    "  WINDOW before AS (PARTITION BY account_id ORDER BY place))"
    " SELECT 'account ' || account_id || ' before ' || untils[place],"
    "  coalesce(derived, 0) || ', open from ' || coalesce(later, a.version + 1) || ' at most',"
    "  coalesce(known, 0) || ', open from ' || coalesce(open_from::text, 'before')"
    " FROM ends, compared JOIN accounts a ON a.id = account_id WHERE place <= cardinality(untils)"
    "  AND (coalesce(derived, 0) <> coalesce(known, 0)"
    "   OR open_from > coalesce(later, a.version + 1))"
)

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
        "each entry is on an account of its asset",
        "SELECT 'account ' || e.account_id || ' version ' || e.version, e.asset,"
        "  coalesce(a.asset, 'no account')"
        " FROM entries e LEFT JOIN accounts a ON a.id = e.account_id"
        " WHERE a.asset IS DISTINCT FROM e.asset",
    ),
    Check(
        "all balances of an asset sum to zero",
        "SELECT asset, '0', sum(balance)::text FROM accounts"
        " GROUP BY asset HAVING sum(balance) <> 0",
    ),
    Check(
        "nobody's spendable account is below what is held on it",
        "SELECT 'account ' || id || ' (' || kind || ')', '>= ' || held, balance::text"
        " FROM accounts WHERE floored AND balance < held",
    ),
    # --- times
    Check(
        "a journal is effective when it is posted, or before",
        "SELECT 'journal ' || id, '<= ' || posted_at, effective_at::text"
        " FROM journals WHERE effective_at > posted_at",
    ),
    Check(
        "posted_at never goes back along an account",
        "SELECT 'account ' || account_id || ' version ' || version, '>= ' || before,"
        "  posted_at::text"
        " FROM (SELECT e.account_id, e.version, j.posted_at,"
        "   lag(j.posted_at) OVER (PARTITION BY e.account_id ORDER BY e.version) AS before"
        "  FROM entries e JOIN journals j ON j.id = e.journal_id) chain"
        " WHERE posted_at < before",
    ),
    Check(
        "accounts know when they were last posted to",
        "SELECT 'account ' || a.id || ' (' || a.kind || ')',"
        "  coalesce(j.posted_at::text, 'never'), coalesce(a.last_posted_at::text, 'never')"
        " FROM accounts a"
        " LEFT JOIN entries e ON e.account_id = a.id AND e.version = a.version"
        " LEFT JOIN journals j ON j.id = e.journal_id"
        " WHERE a.last_posted_at IS DISTINCT FROM j.posted_at",
    ),
    Check(
        "nothing is posted into a closed period",
        # A closing has the lock alone under which journals take their numbers.
        "SELECT 'journal ' || j.id, 'effective from ' || p.until || ' on', j.effective_at::text"
        " FROM (SELECT until, last_journal, lead(last_journal) OVER (ORDER BY until) AS next"
        "  FROM ledger_periods) p"
        " JOIN journals j ON j.id > p.last_journal AND (p.next IS NULL OR j.id <= p.next)"
        " WHERE j.effective_at < p.until",
    ),
    Check("noted balances are the sum of what is effective before", _NOTED),
    # --- corrections and holds
    Check(
        "a reversal posts the opposite of what it reverses",
        "SELECT 'journal ' || r.id || ' account ' || e.account_id,"
        "  -coalesce(sum(e.amount) FILTER (WHERE e.journal_id = r.reverses), 0) || ' in '"
        "   || count(*) FILTER (WHERE e.journal_id = r.reverses),"
        "  coalesce(sum(e.amount) FILTER (WHERE e.journal_id = r.id), 0) || ' in '"
        "   || count(*) FILTER (WHERE e.journal_id = r.id)"
        " FROM journals r JOIN entries e ON e.journal_id IN (r.id, r.reverses)"
        " WHERE r.reverses IS NOT NULL GROUP BY r.id, e.account_id"
        " HAVING sum(e.amount) <> 0 OR count(*) <> 2 * count(*) FILTER (WHERE e.journal_id = r.id)",
    ),
    Check(
        "a journal is reversed at most once",
        "SELECT 'journal ' || reverses, 'one reversal', count(*)::text FROM journals"
        " WHERE reverses IS NOT NULL GROUP BY reverses HAVING count(*) > 1",
    ),
    Check(
        "what is held on an account is the sum of its open holds",
        "SELECT 'account ' || a.id || ' (' || a.kind || ')', coalesce(h.amount, 0)::text,"
        "  a.held::text"
        " FROM accounts a LEFT JOIN (SELECT account_id, sum(amount) AS amount FROM holds"
        "  WHERE status = 'held' GROUP BY account_id) h ON h.account_id = a.id"
        " WHERE a.held <> coalesce(h.amount, 0)",
    ),
    Check(
        "holds of a group are resolved together",
        "SELECT 'hold ' || group_key, 'one outcome', count(*) || ' of them' FROM ("
        "  SELECT DISTINCT group_key, status, journal_id, resolved_at FROM holds) outcome"
        " GROUP BY group_key HAVING count(*) > 1",
    ),
    Check(
        "captured holds were spent by the journal that captured them",
        "SELECT 'hold ' || h.group_key || ' account ' || h.account_id,"
        "  greatest(0, -coalesce(sum(e.amount), 0)) || ' of ' || h.amount,"
        "  h.captured || ' of ' || h.amount || ' by journal ' || h.journal_id"
        " FROM holds h"
        " LEFT JOIN entries e ON e.journal_id = h.journal_id AND e.account_id = h.account_id"
        " WHERE h.status = 'captured' GROUP BY h.id"
        " HAVING h.captured <> greatest(0, -coalesce(sum(e.amount), 0)) OR h.captured > h.amount",
    ),
    # --- keys
    Check(
        "every claimed idempotency key has its outcome",
        "SELECT operation || ' ' || principal || ' ' || client_key, 'an outcome', 'none'"
        " FROM idempotency WHERE outcome IS NULL",
    ),
)
