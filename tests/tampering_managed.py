"""What breaks each rule of managed wealth and referrals.."""

from __future__ import annotations

SETTLED = "(SELECT id FROM managed_subscriptions WHERE status = 'SETTLED' LIMIT 1)"

TAMPERING = [
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
]
