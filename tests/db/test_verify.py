"""Every invariant can be broken, and is found broken: a check that cannot fire proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import psycopg
import pytest

from commenda.audit import run_checks
from commenda.funding import Direction, Order, request_funding
from commenda.identity import PERMISSIONS, Principal, Role
from commenda.kit.db import Database
from commenda.ledger import Owner
from commenda.managed import Door, cancel
from commenda.operations import CHECKS
from commenda.trading import post_funding
from world import ASSET, D, World, empty, in_threads, steps

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
        "DELETE FROM journals WHERE kind = 'deposit'",
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
        "nobody's spendable account is below zero",
        "ALTER TABLE accounts DROP CONSTRAINT balance_at_or_above_floor;"
        " UPDATE accounts SET balance = -0.00000001 WHERE kind = 'wallet'",
    ),
    (
        "every claimed idempotency key has its outcome",
        "UPDATE idempotency SET outcome = NULL WHERE client_key = 'open'",
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
        "settled subscriptions hold nothing",
        f"UPDATE accounts SET balance = 0.00000001 WHERE scope_id = {SETTLED}",
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
        "UPDATE settlements SET journal_id = 1",
    ),
    # --- funding
    (
        "what is set aside for withdrawals is what waits for a decision",
        "UPDATE funding_requests SET amount = amount + 0.00000001 WHERE status = 'pending'",
    ),
    (
        "what is set aside for withdrawals is what waits for a decision",
        "UPDATE accounts SET balance = balance + 1 WHERE kind = 'withdrawing'",
    ),
    (
        "funding that is done was posted, and no other",
        "UPDATE funding_requests SET status = 'done', done_at = created_at"
        " WHERE status = 'pending'",
    ),
    (
        "funding that is done was posted, and no other",
        "UPDATE funding_requests SET status = 'rejected' WHERE status = 'done'",
    ),
    # --- copies that were left
    (
        "a closed copy holds nothing",
        "UPDATE accounts a SET balance = 1 FROM scopes c"
        " WHERE c.id = a.scope_id AND c.kind = 'copy' AND c.closed_at IS NOT NULL",
    ),
    (
        "a closed copy holds nothing",
        "UPDATE positions p SET quantity = 1 FROM legs l JOIN scopes c ON c.id = l.scope_id"
        " WHERE l.id = p.leg_id AND c.kind = 'copy' AND c.closed_at IS NOT NULL",
    ),
    (
        "a copy that was left is closed, or on its way out",
        "UPDATE scopes SET closed_at = NULL WHERE kind = 'copy' AND closed_at IS NOT NULL",
    ),
    (
        "a copy that was left is closed, or on its way out",
        "UPDATE flow_subscriptions SET status = 'cancelled' WHERE is_leader",
    ),
    (
        "a copy that was left is closed, or on its way out",
        "UPDATE flow_subscriptions s SET status = 'active' FROM copy_exits x"
        " WHERE x.subscription_id = s.id",
    ),
    (
        "a copy that was left was paid what its book held",
        "UPDATE copy_exits SET paid = paid + 0.00000001",
    ),
    (
        "a copy that was left was paid what its book held",
        "UPDATE copy_exits SET journal_id = 1",
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
    for payment in world.venue.settle_funding(begin, world.now):
        with database.transaction() as tx:
            post_funding(
                tx,
                world.author,
                world.venue.name,
                payment,
                world.desk.instrument(payment.instrument_id),
            )
    world.subscribe(ines, long_one, 4_000, key="open")
    world.activate()
    world.signal(anna, "0.3")
    world.signal(bea, "0")
    cancelled = world.subscribe(ines, product, 3_000, key="cancelled")
    with database.transaction() as tx:
        cancel(tx, world.author, cancelled)
    world.advance(72).mature()
    world.ask(first, Door.INVESTOR)
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
    world.advance()
    return world


def withdraw(world: World, owner: Owner, amount: int, *, at_once: bool) -> None:
    who = Principal(owner.id, Role.INVESTOR, PERMISSIONS[Role.INVESTOR], None, True)
    order = Order(Direction.WITHDRAWAL, D(amount), ASSET, None, str(amount))
    with world.database.transaction() as tx:
        large = D(10_000 if at_once else 0)
        assert request_funding(tx, who, order, world.now, paper=True, large=large)


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
    if not tampering.startswith("ALTER"):
        assert tampered.rowcount > 0, "nothing was tampered with"
    findings = list(run_checks(owner, [check]))
    assert findings, "the check did not fire"
    for finding in findings:
        assert finding.subject
        assert finding.expected != finding.found


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
