"""What breaks each rule of the ledger and its closed books.."""

from __future__ import annotations

FIRST_ENTRY = "(account_id, version) = (SELECT min(account_id), 1 FROM entries)"
CLOSED = "(SELECT max(until) FROM ledger_periods)"
FIRST_CLOSED = "(SELECT min(until) FROM ledger_periods)"
REVERSAL = "(SELECT id FROM journals WHERE reverses IS NOT NULL)"
SETTLED = "(SELECT id FROM managed_subscriptions WHERE status = 'SETTLED' LIMIT 1)"

TAMPERING = [
    # --- the ledger
    (
        "journals sum to zero for each asset",
        f"UPDATE entries SET amount = amount + 1, balance_after = balance_after + 1"
        f" WHERE {FIRST_ENTRY}",
    ),
    (
        "journals have the entries they were posted with",
        "UPDATE journals SET entry_count = entry_count + 1 WHERE id = 1",
    ),
    (
        "journals have the entries they were posted with",
        "DELETE FROM journals WHERE kind = 'cancel'",
    ),
    ("journals have the entries they were posted with", f"DELETE FROM entries WHERE {FIRST_ENTRY}"),
    (
        "each entry starts where the one before it ended",
        "UPDATE entries SET balance_before = balance_before + 1, balance_after = balance_after + 1"
        f" WHERE {FIRST_ENTRY}",
    ),
    (
        "each entry starts where the one before it ended",
        f"UPDATE entries SET version = 1000000 WHERE {FIRST_ENTRY}",
    ),
    (
        "balances are the sum of their entries",
        "UPDATE accounts SET balance = balance + 1 WHERE kind = 'fee:platform'",
    ),
    (
        "balances are the sum of their entries",
        "UPDATE accounts SET version = version + 1 WHERE kind = 'fee:platform'",
    ),
    (
        "all balances of an asset sum to zero",
        "UPDATE accounts SET balance = balance + 0.00000001 WHERE kind = 'insurance'",
    ),
    (
        "each entry is on an account of its asset",
        "UPDATE accounts SET asset = 'BTC' WHERE kind = 'fee:platform'",
    ),
    (
        "each entry is on an account of its asset",
        f"UPDATE entries SET account_id = 1000000 WHERE {FIRST_ENTRY}",
    ),
    (
        "nobody's spendable account is below what is held on it",
        "ALTER TABLE accounts DROP CONSTRAINT balance_at_or_above_floor;"
        " UPDATE accounts SET balance = -0.00000001 WHERE kind = 'wallet'",
    ),
    (
        "nobody's spendable account is below what is held on it",
        "ALTER TABLE accounts DROP CONSTRAINT balance_at_or_above_floor;"
        " UPDATE accounts SET balance = held - 0.00000001 WHERE held > 0",
    ),
    (
        "a journal is effective when it is posted, or before",
        "UPDATE journals SET effective_at = posted_at + interval '1 second' WHERE id = 2",
    ),
    (
        "posted_at never goes back along an account",
        "UPDATE journals SET posted_at = posted_at + interval '1000 days' WHERE id = 1",
    ),
    (
        "accounts know when they were last posted to",
        "UPDATE accounts SET last_posted_at = last_posted_at - interval '1 second'"
        " WHERE kind = 'fee:platform'",
    ),
    (
        "accounts know when they were last posted to",
        "UPDATE accounts SET last_posted_at = NULL WHERE kind = 'fee:platform'",
    ),
    (
        "accounts know when they were last posted to",
        "UPDATE accounts SET last_posted_at = now() WHERE version = 0",
    ),
    (
        "nothing is posted into a closed period",
        f"UPDATE journals SET effective_at = {CLOSED} - interval '1 second'"
        " WHERE id = (SELECT max(id) FROM journals)",
    ),
    (
        "nothing is posted into a closed period",
        "UPDATE ledger_periods SET last_journal = 1 WHERE until = (SELECT min(until)"
        " FROM ledger_periods)",
    ),
    (
        "noted balances are the sum of what is effective before",
        "UPDATE period_balances SET balance = balance + 0.00000001 WHERE balance > 0",
    ),
    (
        "noted balances are the sum of what is effective before",
        f"DELETE FROM period_balances WHERE until = {CLOSED} AND balance <> 0",
    ),
    (
        "noted balances are the sum of what is effective before",
        f"DELETE FROM period_balances WHERE until = {FIRST_CLOSED} AND balance <> 0",
    ),
    (
        "noted balances are the sum of what is effective before",
        "UPDATE period_balances SET open_from = open_from + 1",
    ),
    (
        "noted balances are the sum of what is effective before",
        "INSERT INTO period_balances SELECT id, until, 1, 1 FROM accounts, ledger_periods"
        " WHERE version = 0",
    ),
    (
        "noted balances are the sum of what is effective before",
        f"UPDATE journals SET effective_at = {FIRST_CLOSED} - interval '1 second'"
        " WHERE id = (SELECT max(id) FROM journals)",
    ),
    (
        "a reversal posts the opposite of what it reverses",
        "UPDATE entries SET amount = 2 * amount, balance_after = balance_before + 2 * amount"
        f" WHERE journal_id = {REVERSAL}",
    ),
    (
        "a reversal posts the opposite of what it reverses",
        f"UPDATE journals SET reverses = 1 WHERE id = {REVERSAL}",
    ),
    (
        "a reversal posts the opposite of what it reverses",
        f"DELETE FROM entries WHERE journal_id = {REVERSAL}",
    ),
    (
        "a journal is reversed at most once",
        "DROP INDEX journals_reversed_once;"
        f" UPDATE journals SET reverses = (SELECT reverses FROM journals WHERE id = {REVERSAL})"
        " WHERE id = 2",
    ),
    (
        "what is held on an account is the sum of its open holds",
        "UPDATE accounts SET held = held - 0.00000001 WHERE held > 0",
    ),
    (
        "what is held on an account is the sum of its open holds",
        "UPDATE holds SET amount = amount + 0.00000001 WHERE status = 'held'",
    ),
    (
        "what is held on an account is the sum of its open holds",
        "UPDATE holds SET status = 'held', resolved_at = NULL, resolved_by = NULL"
        " WHERE status = 'voided'",
    ),
    (
        "holds of a group are resolved together",
        "UPDATE holds SET status = 'held', resolved_at = NULL, resolved_by = NULL"
        " WHERE id = (SELECT max(id) FROM holds WHERE group_key = 'pair')",
    ),
    (
        "holds of a group are resolved together",
        "UPDATE holds SET status = 'expired'"
        " WHERE id = (SELECT max(id) FROM holds WHERE group_key = 'pair')",
    ),
    (
        "captured holds were spent by the journal that captured them",
        "UPDATE holds SET captured = captured - 0.00000001 WHERE status = 'captured'",
    ),
    (
        "captured holds were spent by the journal that captured them",
        "UPDATE holds SET journal_id = 1 WHERE status = 'captured'",
    ),
    (
        "captured holds were spent by the journal that captured them",
        "UPDATE holds SET status = 'captured', captured = amount, journal_id = 1"
        " WHERE status = 'voided'",
    ),
    (
        "every claimed idempotency key has its outcome",
        "UPDATE idempotency SET outcome = NULL WHERE client_key = 'open'",
    ),
    (
        "what a client's key was answered with is there",
        "UPDATE idempotency SET outcome = jsonb_set(outcome, '{body,subscriptionId}',"
        "  to_jsonb(gen_random_uuid())) WHERE client_key = 'open'",
    ),
    (
        "what a client's key was answered with is there",
        "UPDATE idempotency SET outcome = '{}' WHERE client_key = 'open'",
    ),
    (
        "what a client's key was answered with is there",
        "UPDATE idempotency SET principal = 'somebody else' WHERE client_key = 'open'",
    ),
    # --- closed books
    (
        "a closed book holds no position, and one that is paid out holds nothing",
        "UPDATE accounts a SET balance = 1 FROM scopes c"
        " WHERE c.id = a.scope_id AND c.kind = 'copy' AND c.closed_at IS NOT NULL",
    ),
    (
        "a closed book holds no position, and one that is paid out holds nothing",
        f"UPDATE accounts SET balance = 0.00000001 WHERE scope_id = {SETTLED}",
    ),
    (
        "a closed book holds no position, and one that is paid out holds nothing",
        "UPDATE positions p SET quantity = 1 FROM legs l JOIN scopes c ON c.id = l.scope_id"
        " WHERE l.id = p.leg_id AND c.kind = 'copy' AND c.closed_at IS NOT NULL",
    ),
    (
        "a closed book holds no position, and one that is paid out holds nothing",
        "UPDATE scopes SET closed_at = NULL WHERE kind = 'copy' AND closed_at IS NOT NULL",
    ),
    (
        "a copy is cancelled when its book is asked to close",
        "UPDATE flow_subscriptions SET status = 'cancelled' WHERE is_leader",
    ),
    (
        "a copy is cancelled when its book is asked to close",
        "UPDATE flow_subscriptions s SET status = 'active' FROM closings c WHERE c.subject = s.id",
    ),
    (
        "a book was paid out what it held",
        "UPDATE closings SET equity = equity + 0.00000001",
    ),
    (
        "a book was paid out what it held",
        "UPDATE closings SET journal_id = 1",
    ),
]
