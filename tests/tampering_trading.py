"""What breaks each rule of trading and copying.."""

from __future__ import annotations

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

TAMPERING = [
    # --- limits of risk
    (
        "limits of risk follow one another without overlap",
        "UPDATE risk_limits SET valid_from = valid_from - interval '1 hour' WHERE version = 2",
    ),
    (
        "a limit that lets more through was approved by a second person",
        "UPDATE risk_limits SET amount = 3 * amount WHERE version = 2",
    ),
    (
        "a limit that lets more through was approved by a second person",
        "UPDATE risk_limits SET ended_at = valid_from, ended_by = 'somebody' WHERE version = 2",
    ),
    (
        "a limit takes from an execution, and turns none",
        "UPDATE signal_executions SET wanted = -2 * requested,"
        f" limit_id = (SELECT id FROM risk_limits LIMIT 1) WHERE {SOME_EXECUTION}",
    ),
    (
        "what limits left is kept beside what they are",
        "UPDATE signal_executions SET wanted = 2 * requested,"
        f" limit_id = (SELECT id FROM risk_limits LIMIT 1) WHERE {SOME_EXECUTION}",
    ),
    # --- portfolios
    (
        "a rebalance moves cash between the legs of one book, and none into or out of it",
        "UPDATE portfolio_moves SET moved = moved + 0.00000001 WHERE moved > 0",
    ),
    (
        "what a rebalance says that it moved is what was posted",
        "UPDATE portfolio_moves SET moved = 2 * moved WHERE moved <> 0",
    ),
    (
        "the rebalances of a portfolio are numbered without a gap",
        "UPDATE portfolio_rebalances SET number = number + 1 WHERE number = 2",
    ),
    (
        "a portfolio is a book of its kind, and each such book a portfolio",
        "UPDATE portfolios SET owner_id = (SELECT id FROM users WHERE username = 'ines')",
    ),
    # --- the machine's decisions
    (
        "a canary is of its incumbent's creator, strategy and instrument, and each such flow one",
        "UPDATE shared_flows SET canary_of = id WHERE id = (SELECT min(id::text)::uuid"
        " FROM shared_flows)",
    ),
    (
        "what a canary's flow traded by is what was tried, and what was promoted is what it was",
        "ALTER TABLE canaries ALTER study_id DROP NOT NULL;"
        " INSERT INTO canaries SELECT gen_random_uuid(), f.id, f.id,"
        " NULL, '{\"fast\": 1}', 1, 1, now(),"
        " (SELECT id FROM decisions LIMIT 1) FROM shared_flows f LIMIT 1",
    ),
    (
        "a decision is as far as its last step says, and its steps are numbered without a gap",
        "UPDATE decisions SET state = 'undone'",
    ),
    (
        "a decision is as far as its last step says, and its steps are numbered without a gap",
        "UPDATE decisions SET steps = steps + 1",
    ),
    (
        "what the machine did is linked to what it did it to",
        "UPDATE decision_links SET ref = 'another' WHERE kind = 'portfolio'",
    ),
    (
        "an ability acted no oftener in a day than it was let",
        "UPDATE ability_settings SET budget = 0",
    ),
    # --- copying
    (
        "the capital that follows a flow is that of its active followers",
        "UPDATE followed_capital SET amount = amount + 0.00000001",
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
]
