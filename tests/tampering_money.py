"""What breaks each rule of income, strategies, funding and accounts.."""

from __future__ import annotations

TAMPERING = [
    # --- identity
    (
        "who stands behind an account is what the audit trail says",
        "INSERT INTO ties SELECT a.id, b.id, 'invited', now() FROM users a, users b"
        " WHERE a.id < b.id LIMIT 1",
    ),
    # --- funding
    (
        "what the bank's records are matched with is as much, the same way, and not turned down",
        "INSERT INTO bank_entries (id, account, entry_ref, booked_on, direction, amount, currency,"
        " reference, counterparty, reversal, status, request_id, imported_at)"
        " SELECT id, 'DE1', 'B-1', '2026-01-17', 'credit', amount + 1, asset, '', '', false,"
        " 'matched', id, now() FROM funding_requests LIMIT 1",
    ),
    (
        "what is held for withdrawals is what waits for a decision",
        "UPDATE funding_requests SET amount = amount + 0.00000001 WHERE status = 'pending'",
    ),
    (
        "what is held for withdrawals is what waits for a decision",
        "UPDATE holds SET amount = amount + 1 WHERE purpose = 'withdrawal' AND status = 'held'",
    ),
    (
        "what is held for withdrawals is what waits for a decision",
        "DELETE FROM holds WHERE purpose = 'withdrawal' AND status = 'held'",
    ),
    (
        "what is held for withdrawals is what waits for a decision",
        "UPDATE funding_requests SET status = 'rejected', done_at = created_at"
        " WHERE status = 'pending'",
    ),
    (
        "what is held for withdrawals is what waits for a decision",
        "UPDATE funding_requests SET user_id = (SELECT id FROM users WHERE username = 'carl')"
        " WHERE status = 'pending'",
    ),
    (
        "funding that is done was posted as it was asked for, and no other",
        "UPDATE funding_requests SET status = 'done', done_at = created_at"
        " WHERE status = 'pending'",
    ),
    (
        "funding that is done was posted as it was asked for, and no other",
        "UPDATE funding_requests SET status = 'rejected' WHERE status = 'done'",
    ),
    (
        "funding that is done was posted as it was asked for, and no other",
        "UPDATE funding_requests SET amount = amount + 0.00000001 WHERE status = 'done'",
    ),
    (
        "funding that is done was posted as it was asked for, and no other",
        "UPDATE funding_requests SET user_id = (SELECT id FROM users WHERE username = 'carl')"
        " WHERE status = 'done'",
    ),
    # --- income
    (
        "a product has sold what its holdings hold, within its quota",
        "UPDATE pool_products SET sold_amount = sold_amount + 0.00000001 WHERE sold_amount > 0",
    ),
    (
        "a product has sold what its holdings hold, within its quota",
        "UPDATE pool_holdings SET status = 'redeemed', redeemed_at = created_at",
    ),
    (
        "a product has sold what its holdings hold, within its quota",
        "ALTER TABLE pool_products DROP CONSTRAINT quota_is_kept;"
        " UPDATE pool_products SET total_quota = 1",
    ),
    (
        "a holding's account has its principal and the income that was not paid out",
        "UPDATE accounts SET balance = balance - 0.00000001 WHERE kind = 'holding' AND balance > 0",
    ),
    (
        "a holding's account has its principal and the income that was not paid out",
        "UPDATE accounts SET balance = 0.00000001 WHERE kind = 'holding' AND balance = 0",
    ),
    (
        "a holding's account has its principal and the income that was not paid out",
        "UPDATE journals SET kind = 'other' WHERE kind = 'income'",
    ),
    (
        "a holding's account has its principal and the income that was not paid out",
        "DELETE FROM pool_holdings WHERE status = 'held'",
    ),
    (
        "a holding's income is what was accrued for it",
        "UPDATE pool_holdings SET total_income = total_income + 0.00000001",
    ),
    (
        "a holding's income is what was accrued for it",
        "UPDATE journals SET kind = 'other' WHERE kind = 'income_accrual'",
    ),
    (
        "a holding's income and carry are its amount times the rates of its days",
        "UPDATE pool_holdings SET carry = 0",
    ),
    (
        "a holding's income and carry are its amount times the rates of its days",
        "UPDATE pool_rates SET daily_rate = daily_rate + 0.0000000001",
    ),
    (
        "a holding's income and carry are its amount times the rates of its days",
        "DELETE FROM pool_rates",
    ),
    (
        "a holding's income and carry are its amount times the rates of its days",
        "UPDATE pool_holdings SET amount = amount + 0.00000001 WHERE status = 'redeemed'",
    ),
    (
        "what a holding carries is too little to be paid",
        "UPDATE pool_holdings SET carry = 0.00000001",
    ),
    (
        "what a holding carries is too little to be paid",
        "ALTER TABLE pool_holdings DROP CONSTRAINT pool_holdings_carry_check;"
        " UPDATE pool_holdings SET carry = -1e-18",
    ),
    (
        "a holding is accrued through the days that are over for it",
        "UPDATE pool_holdings SET accrued_through = accrued_through - 1 WHERE status = 'held'",
    ),
    (
        "a holding is accrued through the days that are over for it",
        "UPDATE pool_holdings SET accrued_through = accrued_through + 1 WHERE status = 'held'",
    ),
    (
        "a holding is accrued through the days that are over for it",
        "UPDATE pool_holdings SET accrued_through = accrued_through - 1 WHERE status = 'redeemed'",
    ),
    (
        "a holding is accrued through the days that are over for it",
        "UPDATE pool_products SET accrued_through = accrued_through + 1",
    ),
    (
        "a product's days are finished one after the other",
        "UPDATE posting_batches SET finished_at = NULL WHERE kind = 'income_accrual'",
    ),
    (
        "a product's days are finished one after the other",
        "UPDATE pool_products SET accrued_through = accrued_through - 1",
    ),
    (
        "a holding is accrued once for a day",
        "UPDATE journals SET key = (SELECT substring(min(key) from '^[^:]+:[^:]+:[^:]+')"
        "   || ':again' FROM journals WHERE kind = 'income_accrual')"
        " WHERE id = (SELECT max(id) FROM journals WHERE kind = 'income_accrual')",
    ),
    (
        "batches of income are what they posted",
        "UPDATE posting_batches SET amount = amount + 0.00000001 WHERE kind = 'income_accrual'",
    ),
    (
        "batches of income are what they posted",
        "UPDATE posting_batches SET rows_done = rows_done - 1 WHERE kind = 'income_distribution'",
    ),
    (
        "batches of income are what they posted",
        "DELETE FROM posting_batches WHERE kind = 'income_distribution'",
    ),
    # --- strategies
    (
        "revisions of a parameter set are numbered from 1 without gaps",
        "UPDATE strategy_params SET revision = 3 WHERE revision = 2",
    ),
    (
        "a parameter set has every declared parameter, within its range",
        "UPDATE strategy_params SET params = params - 'fast'",
    ),
    (
        "a parameter set has every declared parameter, within its range",
        "UPDATE strategy_params SET params = jsonb_set(params, '{fast}', '1')",
    ),
    (
        "a published strategy has a version",
        "INSERT INTO strategies (id, name, status, created_by, created_at)"
        " VALUES (gen_random_uuid(), 'empty', 'published', 'somebody', now())",
    ),
    # --- accounts, keys and decisions, as somebody would lift them who owns the database
    (
        "users have the role that they were given",
        "UPDATE users SET role = 'admin' WHERE username = 'oona'",
    ),
    (
        "users have the role that they were given",
        "UPDATE users SET role = 'operator' WHERE username = 'ines'",  # who came without an event
    ),
    (
        "users have the role that they were given",
        "INSERT INTO users (id, username, role, created_at)"
        " VALUES (gen_random_uuid(), 'mallory', 'risk', now())",
    ),
    (
        "users have the role that they were given",
        "TRUNCATE users CASCADE",
    ),
    (
        "users have the status that they were given",
        "UPDATE users SET status = 'active' WHERE username = 'gone'",
    ),
    (
        "users have the status that they were given",
        "UPDATE users SET status = 'disabled' WHERE username = 'ines'",
    ),
    (
        "a second factor counts once it was confirmed",
        "UPDATE users SET totp_confirmed = true WHERE username = 'oona'",
    ),
    (
        "who can sign in was given a password",
        "UPDATE users SET password_hash = 'of somebody else' WHERE username = 'ines'",
    ),
    (
        "API keys are as they were made, until they are revoked",
        "UPDATE api_keys SET scopes = scopes || '{withdraw}' WHERE name = 'reports'",
    ),
    (
        "API keys are as they were made, until they are revoked",
        "UPDATE api_keys SET revoked_at = NULL WHERE name = 'old'",
    ),
    (
        "API keys are as they were made, until they are revoked",
        "UPDATE api_keys SET expires_at = expires_at + interval '1 year' WHERE name = 'reports'",
    ),
    (
        "API keys are as they were made, until they are revoked",
        "UPDATE api_keys SET second_factor = true WHERE name = 'reports'",
    ),
    (
        "API keys are as they were made, until they are revoked",
        "UPDATE api_keys SET user_id = (SELECT id FROM users WHERE username = 'ines')"
        " WHERE name = 'reports'",
    ),
    (
        "API keys are as they were made, until they are revoked",
        "INSERT INTO api_keys SELECT gen_random_uuid(), user_id, 'mine', 'secret', scopes, true,"
        " now() FROM api_keys WHERE name = 'reports'",
    ),
    (
        "API keys are as they were made, until they are revoked",
        "DELETE FROM api_keys WHERE name = 'old'",
    ),
    (
        "requests for a second person are decided as their events say",
        "UPDATE approvals SET status = 'approved', decided_at = now(),"
        " decided_by = (SELECT id FROM users WHERE username = 'oona') WHERE status = 'requested'",
    ),
    (
        "requests for a second person are decided as their events say",
        "TRUNCATE approvals CASCADE",
    ),
    (
        "what was paid in or out was asked for",
        "UPDATE business_clock SET mode = 'wall'",  # the scene's own people never asked
    ),
    (
        "what was paid in or out was asked for",
        "DELETE FROM funding_requests WHERE direction = 'withdrawal' AND status = 'done'",
    ),
    (
        "requests to pay in or out are as their events say",
        "UPDATE funding_requests SET amount = amount + 1 WHERE status = 'done'",
    ),
    (
        "requests to pay in or out are as their events say",
        "INSERT INTO funding_requests (id, user_id, asset, direction, amount, status, created_at,"
        " done_at) SELECT gen_random_uuid(), user_id, asset, 'deposit', 1000000, 'done', now(),"
        " now() FROM funding_requests LIMIT 1",
    ),
]
