"""Every invariant can be broken, and is found broken: a check that cannot fire proves nothing."""

from __future__ import annotations

import ast
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
import typer
from psycopg.types.json import Jsonb

import commenda
from commenda.audit import Check, Finding, run_checks
from commenda.books import Trigger, post_funding
from commenda.cli import proof
from commenda.funding import Direction, FundingOrder, request_funding
from commenda.funding.actions import conclude
from commenda.identity import (
    PERMISSIONS,
    Permission,
    Principal,
    Role,
    UserStatus,
    create_user,
    set_access,
)
from commenda.identity.api_keys import create_key, revoke_key
from commenda.identity.bodies import NewKey
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.ledger import (
    AccountKey,
    Hold,
    HoldOutcome,
    Outcome,
    Owner,
    close_period,
    note_balances,
    open_accounts,
    place_holds,
    reverse,
    void_holds,
)
from commenda.managed import cancel
from commenda.operations import CHECKS
from commenda.operations.checks import NAMED, UNNAMED
from commenda.strategies import Registrar, keep_params, register_catalogue
from databases import empty
from pool import Pool
from world import ASSET, TERMS, D, World, in_threads, steps

FIRST_ENTRY = "(account_id, version) = (SELECT min(account_id), 1 FROM entries)"
SOME_POSITION = "(SELECT account_id FROM positions WHERE quantity <> 0 ORDER BY 1 LIMIT 1)"
SOME_FLAT = "(SELECT account_id FROM positions WHERE quantity = 0 ORDER BY 1 LIMIT 1)"
SOME_ALLOCATION = (
    "(order_id, leg_id) = (SELECT order_id, leg_id FROM allocations"
    " WHERE quantity <> 0 ORDER BY 1, 2 LIMIT 1)"
)
SOME_EXECUTION = (
    "(signal_id, subscription_id) = (SELECT signal_id, subscription_id FROM signal_executions"
    " WHERE status = 'completed' ORDER BY 1, 2 LIMIT 1)"
)
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
    # --- trading
    (
        "allocations add up to the venue's fills",
        f"UPDATE allocations SET quantity = quantity * 2 WHERE {SOME_ALLOCATION}",
    ),
    (
        "allocations add up to the venue's fills",
        f"UPDATE allocations SET notional = notional + 0.00000001 WHERE {SOME_ALLOCATION}",
    ),
    (
        "allocations add up to the venue's fills",
        f"UPDATE allocations SET fee = fee + 0.00000001 WHERE {SOME_ALLOCATION}",
    ),
    (
        "allocations add up to the venue's fills",
        "DELETE FROM fills WHERE fill_id = (SELECT min(fill_id) FROM fills)",
    ),
    (
        "fills belong to terminal orders and are shared out",
        "UPDATE allocations SET quantity = NULL, notional = NULL, fee = NULL"
        f" WHERE {SOME_ALLOCATION}",
    ),
    (
        "fills belong to terminal orders and are shared out",
        "UPDATE orders SET status = 'intended', terminal_at = NULL"
        " WHERE id = (SELECT order_id FROM fills LIMIT 1)",
    ),
    (
        "fills belong to terminal orders and are shared out",
        "UPDATE orders SET terminal_at = NULL WHERE id = (SELECT order_id FROM fills LIMIT 1)",
    ),
    (
        "every fill of a venue belongs to an order that waited for it",
        "INSERT INTO stray_fills SELECT o.venue, 'x' || fill_id, order_id, instrument_id, side,"
        " f.quantity, price, fee, filled_at FROM fills f JOIN orders o ON o.id = f.order_id"
        " LIMIT 1",
    ),
    (
        "no leg gets more than it asked for, nor the other side",
        f"UPDATE allocations SET requested = requested / 2 WHERE {SOME_ALLOCATION}",
    ),
    (
        "no leg gets more than it asked for, nor the other side",
        f"UPDATE allocations SET requested = -requested WHERE {SOME_ALLOCATION}",
    ),
    (
        "positions are the sum of their allocations and of dust",
        "UPDATE positions SET quantity = quantity + 0.001 WHERE quantity <> 0",
    ),
    (
        "positions are the sum of their allocations and of dust",
        "DELETE FROM positions WHERE quantity <> 0",
    ),
    (
        "positions are the sum of their allocations and of dust",
        "UPDATE dust_transfers SET quantity = quantity + 0.001",
    ),
    (
        "positions are the sum of their allocations and of dust",
        "DELETE FROM dust_transfers",
    ),
    (
        "a flat position holds no cash",
        f"UPDATE accounts SET balance = 0.00000001 WHERE id = {SOME_FLAT}",
    ),
    (
        "position accounts hold what their open quantity cost",
        f"UPDATE accounts SET balance = balance + 0.00000001 WHERE id = {SOME_POSITION}",
    ),
    (
        "position accounts hold what their open quantity cost",
        "UPDATE dust_transfers SET value = value + 0.00000001",
    ),
    (
        "dust was paid for at what its transfer says",
        "UPDATE dust_transfers SET value = value + 0.00000001",
    ),
    (
        "dust was paid for at what its transfer says",
        "DELETE FROM dust_transfers",
    ),
    (
        "dust was paid for at what its transfer says",
        "UPDATE journals SET kind = 'other' WHERE kind = 'dust'",
    ),
    (
        "transit accounts are empty between orders",
        "UPDATE accounts SET balance = 0.00000001 WHERE kind = 'unallocated'",
    ),
    (
        "transit accounts are empty between orders",
        "UPDATE accounts SET balance = 1 WHERE kind = 'position' AND owner_kind = 'platform'",
    ),
    (
        "funding passed on to legs equals what the venue paid",
        "UPDATE funding_payments SET amount = amount + 0.00000001",
    ),
    (
        "funding passed on to legs equals what the venue paid",
        "UPDATE journals SET kind = 'other' WHERE kind = 'funding'",
    ),
    # --- copying
    (
        "executions got what was allocated to them",
        f"UPDATE signal_executions SET executed_amount = 2 * executed_amount"
        f" WHERE {SOME_EXECUTION}",
    ),
    (
        "executions got what was allocated to them",
        f"UPDATE signal_executions SET gas_cost = gas_cost + 1 WHERE {SOME_EXECUTION}",
    ),
    (
        "executions got what was allocated to them",
        f"UPDATE signal_executions SET order_id = NULL WHERE {SOME_EXECUTION}",
    ),
    (
        "executions got what was allocated to them",
        "UPDATE signal_executions SET status = 'completed', executed_amount = 1"
        " WHERE status = 'skipped'",
    ),
    (
        "every allocation of a signal belongs to an execution",
        f"DELETE FROM signal_executions WHERE {SOME_EXECUTION}",
    ),
    (
        "a processed signal leaves no execution behind",
        f"UPDATE signal_executions SET status = 'pending' WHERE {SOME_EXECUTION}",
    ),
    (
        "signals of a flow are numbered without a gap",
        "UPDATE shared_flows SET last_sequence = last_sequence + 1",
    ),
    (
        "signals of a flow are numbered without a gap",
        "UPDATE trading_signals SET sequence = sequence + 10 WHERE sequence = 2",
    ),
    (
        "a leg trades only on its own flow's signals",
        "UPDATE flow_subscriptions SET flow_id = (SELECT max(id::text)::uuid FROM shared_flows)"
        " WHERE flow_id = (SELECT min(id::text)::uuid FROM shared_flows) AND NOT is_leader",
    ),
    # --- referrals
    (
        "pending commissions are what their payees' accounts hold",
        "UPDATE referral_commissions SET amount = amount + 0.00000001",
    ),
    (
        "pending commissions are what their payees' accounts hold",
        "UPDATE referral_commissions SET released_at = now()",
    ),
    # --- managed
    (
        "reserved accounts hold the principals that are reserved",
        "UPDATE accounts SET balance = balance + 1 WHERE kind = 'reserved' AND balance <> 0",
    ),
    (
        "reserved accounts hold the principals that are reserved",
        "DELETE FROM principal_reservations WHERE status = 'reserved'",
    ),
    (
        "reservations follow their subscriptions",
        "UPDATE principal_reservations SET status = 'reserved' WHERE status = 'deployed'",
    ),
    ("reservations follow their subscriptions", "DELETE FROM principal_reservations"),
    (
        "legs start with what was allocated to them",
        "UPDATE legs SET capital = capital + 0.00000001",
    ),
    (
        "legs start with what was allocated to them",
        "UPDATE managed_allocations SET creator_id = gen_random_uuid()",
    ),
    (
        "allocations add up to the principal",
        "UPDATE managed_allocations SET amount = amount + 0.00000001",
    ),
    ("allocations add up to the principal", "DELETE FROM managed_allocations"),
    (
        "liquidated and settled subscriptions are those whose book is closed and paid out",
        f"UPDATE managed_subscriptions SET status = 'LIQUIDATED' WHERE id = {SETTLED}",
    ),
    (
        "each settled subscription has one settlement, and no other has one",
        "UPDATE managed_subscriptions SET status = 'LIQUIDATED' WHERE status = 'SETTLED'",
    ),
    (
        "each settled subscription has one settlement, and no other has one",
        "DELETE FROM settlements",
    ),
    (
        "settlements are what their journals posted",
        "UPDATE settlements SET to_wallet = to_wallet + 0.00000001",
    ),
    (
        "settlements are what their journals posted",
        "UPDATE settlements SET management_fee = management_fee + 0.00000001",
    ),
    (
        "settlements are what their journals posted",
        "UPDATE settlements SET to_platform = to_platform + 0.00000001",
    ),
    (
        "settlements are what their journals posted",
        f"UPDATE closings SET journal_id = 1 WHERE id = {SETTLED}",
    ),
    # --- crystallisations
    (
        "no more of a book was closed than was asked for",
        "UPDATE closing_lots SET quantity = quantity / 2",
    ),
    (
        "no more of a book was closed than was asked for",
        "DELETE FROM closing_lots",
    ),
    (
        "crystallisations are what their journals posted",
        "UPDATE crystallisations SET to_wallet = to_wallet + 0.00000001",
    ),
    (
        "crystallisations are what their journals posted",
        "UPDATE crystallisations SET collected = collected - 0.00000001",
    ),
    (
        "crystallisations are what their journals posted",
        "UPDATE crystallisations SET profit_share = profit_share + 0.00000001",
    ),
    (
        "legs gave what their crystallisations say",
        "UPDATE crystallisation_legs SET taken = taken + 0.00000001",
    ),
    (
        "legs gave what their crystallisations say",
        "DELETE FROM crystallisation_legs",
    ),
    (
        "gains wait for a soft hurdle only, and only while it is not passed",
        "UPDATE crystallisation_legs SET unshared = 0.00000001",
    ),
    (
        "a subscription goes on with what its last crystallisation left",
        "UPDATE managed_subscriptions SET hurdle_left = hurdle_left + 0.00000001",
    ),
    (
        "a subscription goes on with what its last crystallisation left",
        "UPDATE managed_subscriptions SET mark_greatest_profit = mark_greatest_profit + 1"
        " WHERE crystallised_at IS NOT NULL",
    ),
    (
        "a subscription goes on with what its last crystallisation left",
        "UPDATE principal_reservations SET released_amount = released_amount + 0.00000001"
        " WHERE status = 'deployed'",
    ),
    (
        "a subscription goes on with what its last crystallisation left",
        "UPDATE managed_subscriptions SET accrued_until = activated_at"
        " WHERE crystallised_at IS NULL AND activated_at IS NOT NULL",
    ),
    (
        "crystallisations of a subscription follow one another",
        "UPDATE crystallisations SET number = 3 WHERE number = 2",
    ),
    (
        "crystallisations of a subscription follow one another",
        "UPDATE crystallisations SET days = days + 1",
    ),
    (
        "crystallisations of a subscription follow one another",
        "UPDATE crystallisations SET principal = principal + 0.00000001 WHERE number = 1",
    ),
    (
        "what is owed of shares is what crystallisations left and nothing has collected",
        "UPDATE crystallisations SET owed = owed + 0.00000001 WHERE number = 2",
    ),
    (
        "what is owed of shares is what crystallisations left and nothing has collected",
        "INSERT INTO accounts (kind, owner_kind, owner_id, asset, scope_id, balance)"
        " SELECT 'receivable', owner_kind, owner_id, asset, gen_random_uuid(), -1 FROM accounts"
        " WHERE kind = 'insurance'",
    ),
    (
        "a part of a book that was paid out is a crystallisation",
        "UPDATE closings SET amount = amount + 0.00000001 WHERE amount IS NOT NULL",
    ),
    (
        "a part of a book that was paid out is a crystallisation",
        "UPDATE crystallisations SET closing_id = NULL WHERE closing_id IS NOT NULL",
    ),
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


@pytest.fixture(scope="module")
def business(database: Database) -> World:
    """Something of everything: settled, cancelled, reserved, active, funded, copied, referred."""
    empty(database)
    world = World(
        database,
        {"AAAUSDT": steps((0, 100), (10, 120)), "BBBUSDT": steps((0, 50))},
        minimum_notional="5",
    )
    anna, bea = world.creator("anna"), world.creator("bea", "BBBUSDT")
    referrer = world.investor("rosa", 100)
    ines = world.investor("ines", 30_000, referrer)
    product, long_one = world.product(), world.product(days=30)
    first = world.subscribe(ines, product, 5_000, key="first")
    terms = replace(TERMS, crystallise_days=1)
    wilma = world.investor("wilma", 10_000)
    open_one = world.subscribe(wilma, world.product(30, terms, early_exit=True), 6_000)
    world.activate()
    carl = world.investor("carl")
    copied = world.follow(carl, anna, D(1000))
    world.follow(world.investor("dora"), bea, D("0.01"))  # too small for a lot: skipped
    emma = world.investor("emma", 100)
    little = world.follow(emma, anna, D(8))  # too little for the venue on its own
    for flow in (anna, bea):
        world.signal(flow, "0.6")
    begin = world.now
    world.advance(7)
    for payment in world.venue.income(begin.isoformat(), world.now)[0]:
        with database.transaction() as tx:
            post_funding(
                tx,
                world.author,
                world.venue.name,
                payment,
                world.broker.instrument(payment.instrument_id),
            )
    world.subscribe(ines, long_one, 4_000, key="open")
    world.activate()
    world.signal(anna, "0.3")
    world.signal(bea, "0")
    cancelled = world.subscribe(ines, product, 3_000, key="cancelled")
    with database.transaction() as tx:
        cancel(tx, world.author, cancelled)
    world.advance(72).mature()
    assert world.crystallise() == 1
    world.take_out(open_one, 500)
    with database.transaction() as tx:
        register_catalogue(tx, world.now)
        for fast in (24, 36):
            mine = Registrar("creator", world.now, ines.id)
            keep_params(tx, mine, "ema_trend", "calm", {"fast": fast})
    world.ask(first, Trigger.INVESTOR)
    world.liquidate()
    world.leave(copied, carl)
    world.close_copies()
    world.leave(little, emma)
    for _ in range(4):
        world.advance().close_copies()
    world.settle(first)
    world.move_cash()
    world.subscribe(ines, product, 2_000, key="reserved")
    withdraw(world, ines, 100, at_once=True)
    withdraw(world, ines, 200, at_once=False)
    for amount, approved in ((300, True), (400, False)):
        request = withdraw(world, ines, amount, at_once=False)
        with database.transaction() as tx:
            conclude(tx, world.author, request, approved=approved)
    hold_pair(world, ines, referrer)
    hire(world)
    close_books(world)
    save(world)
    world.pay_in(ines, D(7), "in error")
    with database.transaction() as tx:
        row = tx.execute("SELECT max(id) FROM journals").fetchone()
        assert row is not None
        assert reverse(tx, world.author, row[0]).outcome is Outcome.POSTED
    with database.transaction() as tx:
        open_accounts(tx, [AccountKey("wallet", Owner.platform(), ASSET)])  # of which nothing is
    world.advance()
    return world


def save(world: World) -> None:
    """Two pool holdings: both accrued and paid out; then one is redeemed, which accrues a day."""
    pool = Pool(world.database, world.now)
    ivy = pool.investor("ivy")
    terms = {"term_days": 30, "early_exit": True, "early_exit_penalty": D("0.5")}
    product = pool.product("savings", daily_rate=D("0.0001234567"), **terms)
    pool.subscribe(ivy, product, "1000.00000001", "kept")
    left = pool.subscribe(ivy, product, "2000.00000003", "left")
    pool.now = world.advance(48).now
    pool.accrue()
    pool.distribute()
    pool.now = world.advance(24).now
    pool.redeem(left)


def withdraw(world: World, owner: Owner, amount: int, *, at_once: bool) -> UUID:
    who = Principal(owner.id, Role.INVESTOR, PERMISSIONS[Role.INVESTOR], None, True)
    order = FundingOrder(direction=Direction.WITHDRAWAL, amount=D(amount), asset=ASSET)
    with world.database.transaction() as tx:
        large = D(10_000 if at_once else 0)
        funding = request_funding(tx, who, order, str(amount), world.now, paper=True, large=large)
    return funding.id


def hire(world: World) -> None:
    """An operator with a key that stands and one that was revoked, and one who is gone."""
    with world.database.transaction() as tx:
        oona = create_user(tx, "oona", "a hash", Role.OPERATOR, world.now, actor="cli")
        gone = create_user(tx, "gone", "a hash", Role.AUDITOR, world.now, actor="cli")
        set_access(tx, gone, Role.RISK, UserStatus.DISABLED, world.now, actor="cli")
        who = Principal(oona.id, oona.role, PERMISSIONS[oona.role], None, False)
        until = world.now + timedelta(days=30)
        for name in ("reports", "old"):
            made = NewKey(name=name, scopes=[Permission.OVERVIEW], expires_at=until)
            key = create_key(tx, oona, who, made, world.now)
        revoke_key(tx, oona, key.id, world.now)


def hold_pair(world: World, *owners: Owner) -> None:
    """Hold something of both, together, and set it free again."""
    with world.database.transaction() as tx:
        wallets = open_accounts(tx, [AccountKey("wallet", owner, ASSET) for owner in owners])
        holds = [
            Hold(f"pair-{n}", wallet, D(1), "test", ids.derive("pair"), group="pair")
            for n, wallet in enumerate(wallets)
        ]
        assert {one.outcome for one in place_holds(tx, world.author, holds)} == {HoldOutcome.PLACED}
    with world.database.transaction() as tx:
        assert void_holds(tx, world.author, ["pair"]) == ["pair"]


def close_books(world: World) -> None:
    """Close two periods, each with journals before and after it, and note their balances."""
    for until in (world.now - timedelta(hours=70), world.now):
        with world.database.transaction() as tx:
            assert close_period(tx, world.author, until)
        note_everything(world)


def note_everything(world: World) -> None:
    while True:
        with world.database.transaction() as tx:
            if not note_balances(tx):
                return


@pytest.fixture
def owner(business: World) -> Iterator[psycopg.Connection]:
    """The owner in a transaction that is rolled back: it may do what the application may not."""
    with psycopg.connect(business.database.owner_url) as connection:
        yield connection
        connection.rollback()


def test_an_untampered_business_breaks_no_rule(business: World) -> None:
    business.assert_sound()
    assert business.column("SELECT DISTINCT status FROM managed_subscriptions ORDER BY 1") == [
        "ACTIVE",
        "CANCELLED",
        "RESERVED",
        "SETTLED",
    ]
    assert business.one("SELECT count(*) FROM referral_commissions") == 1
    assert business.one("SELECT count(*) FROM funding_payments WHERE amount <> 0") == 2
    assert business.one("SELECT count(*) FROM dust_transfers") == 1


def test_every_check_is_tampered_with() -> None:
    assert {rule for rule, _ in TAMPERING} == {check.rule for check in CHECKS}
    assert len({check.rule for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(
    ("rule", "tampering"),
    TAMPERING,
    ids=[f"{n}: {rule}" for n, (rule, _) in enumerate(TAMPERING)],
)
def test_tampering_is_found(owner: psycopg.Connection, rule: str, tampering: str) -> None:
    (check,) = [check for check in CHECKS if check.rule == rule]
    assert list(run_checks(owner, [check])) == []
    tampered = owner.execute(tampering)
    if not tampering.startswith(("ALTER", "DROP", "TRUNCATE")):
        assert tampered.rowcount > 0, "nothing was tampered with"
    findings = list(run_checks(owner, [check]))
    assert findings, "the check did not fire"
    for finding in findings:
        assert finding.subject
        assert finding.expected != finding.found


@pytest.mark.parametrize("named", NAMED, ids=[operation for operation, *_ in NAMED])
def test_an_answer_is_found_that_names_nothing_or_what_is_anothers(
    owner: psycopg.Connection, named: tuple[LiteralString, ...]
) -> None:
    """Of each operation; one that names what is there, and one that was refused, are not."""
    operation, place, table, column, whose = named
    (check,) = [one for one in CHECKS if one.rule.startswith("what a client's key")]
    there = owner.execute(
        f"SELECT t.{column}::text, {whose}::text FROM {table} t WHERE {whose} IS NOT NULL LIMIT 1"
    ).fetchone()
    answers = {"lost": (str(ids.derive("nothing")), "somebody"), "refused": (None, "somebody")}
    if there is not None:
        answers |= {"kept": there, "anothers": (there[0], "somebody")}
    for key, (name, principal) in answers.items():
        outcome: Any = name
        for part in reversed(place.strip("{}").split(",")):
            outcome = {part: outcome}
        outcome = {"body": {"code": "not_permitted"}} if name is None else outcome
        owner.execute(
            "INSERT INTO idempotency VALUES (%s, %s, %s, '', %s, now())",
            (operation, principal, key, Jsonb(outcome)),
        )
    found = {finding.subject.rsplit(" ", 1)[1] for finding in run_checks(owner, [check])}
    assert found == answers.keys() - {"kept", "refused"}


def test_every_operation_that_is_answered_once_is_checked_or_says_why_not() -> None:
    """Whatever the code gives to `once`, by itself or through a function that hands it on."""
    used, handed_on = set(), set()
    source = Path(commenda.__file__).parent
    for file in source.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            if call.func.id in {"once", "write", "ask_once"}:
                given = [one.value for one in call.args if isinstance(one, ast.Constant)]
                used.update(given)
                if not given:
                    handed_on.add(file.relative_to(source).as_posix())
    assert handed_on == {"kit/web.py", "income/http.py"}
    named = {operation for operation, *_ in NAMED}
    assert used == named | UNNAMED.keys()
    assert not named & UNNAMED.keys()


def test_verify_runs_on_one_snapshot_beside_postings(business: World) -> None:
    """Checks that see half of another transaction would cry wolf in a living operation."""
    investor = business.investor("busy")

    def post() -> None:
        for n in range(40):
            business.pay_in(investor, D(1), f"busy-{n}")

    def prove() -> list[str]:
        return [finding for _ in range(6) for finding in business.findings()]

    results = in_threads(post, partial(post), prove)
    assert results[2] == []
    assert business.now.utcoffset() == timedelta(0)


# --- findings are told one by one ------------------------------------------------------------

MANY = Check(
    "a rule that very much breaks",
    "SELECT 'subject ' || n, 'nothing', repeat('x', 100) FROM generate_series(1, 300000) n",
)


def test_memory_stays_flat_however_much_is_found(db: Database) -> None:
    with db.transaction() as tx:
        list(run_checks(tx, [Check("warm", "SELECT 'a', 'b', 'c'")]))
        tracemalloc.start()
        try:
            found = sum(1 for _ in run_checks(tx, [MANY]))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert found == 300_000  # of some 200 bytes each, when they are kept
    assert most < 2_000_000


def test_who_stops_listening_can_go_on_in_the_same_transaction(db: Database) -> None:
    with db.transaction() as tx:
        for _ in run_checks(tx, [MANY]):
            break
    with db.transaction() as tx:
        assert tx.execute("SELECT 1").fetchone() == (1,)


def findings_in_turn(capsys: pytest.CaptureFixture[str], told: list[str]) -> Iterator[Finding]:
    """Two findings; what was printed by the time the second is found is kept in `told`."""
    yield Finding("first rule", "[red]one[/]", "1", "2")
    told.append(capsys.readouterr().out)
    yield Finding("second rule", "two", "3", "4")


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_tells_each_finding_as_it_is_found_and_exits_with_1(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    as_json: bool,
) -> None:
    told: list[str] = []
    monkeypatch.setenv("COMMENDA_DATABASE_URL", database.owner_url)
    monkeypatch.setattr(proof, "run_verify", lambda _tx: findings_in_turn(capsys, told))
    with pytest.raises(typer.Exit) as exited:
        proof.verify(tmp_path, chain=False, kept=None, as_json=as_json)
    assert exited.value.exit_code == 1
    (before,) = told
    text = before + capsys.readouterr().out
    assert "first rule: [red]one[/]: expected 1, found 2" in before
    if as_json:
        first, second = json.loads(text)["findings"]
        assert json.loads(text)["clean"] is False
    else:
        first, second = text.splitlines()
    assert first.endswith("first rule: [red]one[/]: expected 1, found 2")
    assert second.endswith("second rule: two: expected 3, found 4")


def test_the_command_says_that_a_sound_business_is_clean(
    business: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", business.database.owner_url)
    for as_json, said in ((False, f"verify: clean ({len(CHECKS)} rules)\n"), (True, None)):
        with pytest.raises(typer.Exit) as exited:
            proof.verify(tmp_path, chain=False, kept=None, as_json=as_json)
        assert exited.value.exit_code == 0
        out = capsys.readouterr().out
        assert out == said if said else json.loads(out) == {"clean": True, "findings": []}
