"""A journal is undone by its opposite: linked to it, once, and only where nothing else follows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from commenda.books import post_funding
from commenda.identity import PERMISSIONS, Approval, Principal, Role, register_users
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import (
    AccountKey,
    Hold,
    Journal,
    Line,
    Outcome,
    Owner,
    OwnerKind,
    Posted,
    Refusal,
    close_period,
    is_reversed,
    open_accounts,
    place_holds,
    post,
    reverse,
)
from commenda.ledger.decisions import REVERSIBLE, ask_to_reverse
from commenda.managed import cancel
from commenda.operations import approve_and_carry_out, reconcile_all
from scripted import ASSET, D, flat, steps
from world import World, in_threads

INES = Owner(OwnerKind.INVESTOR, ids.derive("test-user", "investor", "ines"))


def journal_of(world: World, kind: str) -> int:
    """The first journal of a kind."""
    return int(world.one("SELECT min(id) FROM journals WHERE kind = %s", kind))


def undo(world: World, journal_id: int) -> Posted:
    with world.database.transaction() as tx:
        return reverse(tx, world.author, journal_id)


def entries(world: World, journal_id: int) -> list[tuple[Any, ...]]:
    return world.rows(
        "SELECT account_id, amount FROM entries WHERE journal_id = %s ORDER BY 1, 2", journal_id
    )


def code_of(act: Callable[[], object]) -> CommendaError:
    with pytest.raises(CommendaError) as caught:
        act()
    return caught.value


def spent(db: Database) -> tuple[World, int]:
    """A deposit of which a part is reserved for a subscription."""
    world = World(db)
    world.creator("anna")
    otto = world.investor("otto", 10_000)
    world.subscribe(otto, world.product(), 4_000)
    key = f"deposit:{otto.id}:otto"
    return world, int(world.one("SELECT id FROM journals WHERE key = %s", key))


def test_a_reversal_is_the_opposite_and_says_what_it_undoes(db: Database) -> None:
    world = World(db)
    world.pay_in(INES, D("12.5"), "one")
    world.advance()
    deposit = journal_of(world, "deposit")
    undone = undo(world, deposit)
    assert undone.outcome is Outcome.POSTED
    assert undone.journal_id is not None
    opposite = [(account, -amount) for account, amount in entries(world, deposit)]
    assert entries(world, undone.journal_id) == sorted(opposite)
    assert world.rows(
        "SELECT kind, reverses, posted_at, effective_at, actor FROM journals WHERE id = %s",
        undone.journal_id,
    ) == [("reversal", deposit, world.now, world.now, "test")]
    assert world.wallet(INES) == 0
    with db.transaction() as tx:
        assert is_reversed(tx, f"deposit:{INES.id}:one")
    world.assert_sound()


def test_a_journal_is_reversed_once(db: Database) -> None:
    world = World(db)
    world.pay_in(INES, D(10), "one")
    world.pay_in(INES, D(10), "two")
    deposit = journal_of(world, "deposit")
    first = undo(world, deposit)
    again = undo(world, deposit)
    assert (again.outcome, again.journal_id) == (Outcome.REPLAYED, first.journal_id)
    assert world.wallet(INES) == 10


def test_of_reversals_at_the_same_time_one_is_posted(db: Database) -> None:
    world = World(db)
    world.pay_in(INES, D(10), "one")
    world.pay_in(INES, D(100), "two")
    deposit = journal_of(world, "deposit")
    outcomes = [one.outcome for one in in_threads(*[partial(undo, world, deposit)] * 6)]
    assert sorted(outcomes) == [Outcome.POSTED, *[Outcome.REPLAYED] * 5]
    assert world.wallet(INES) == 100
    world.assert_sound()


def test_what_is_spent_already_is_not_taken_back(db: Database) -> None:
    world, deposit = spent(db)
    before = world.one("SELECT count(*) FROM entries")
    refused = undo(world, deposit)
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, Refusal.BELOW_FLOOR)
    assert refused.journal_id is None
    assert world.one("SELECT count(*) FROM entries") == before
    assert world.one("SELECT count(*) FROM journals WHERE reverses IS NOT NULL") == 0
    world.assert_sound()


def test_what_is_held_is_not_taken_back_either(db: Database) -> None:
    world = World(db)
    world.pay_in(INES, D(10), "one")
    with db.transaction() as tx:
        (wallet,) = open_accounts(tx, [AccountKey("wallet", INES, ASSET)])
        place_holds(
            tx, world.author, [Hold("freeze", wallet, D("0.01"), "freeze", ids.derive("freeze"))]
        )
    assert undo(world, journal_of(world, "deposit")).reason is Refusal.BELOW_FLOOR
    assert world.wallet(INES) == 10


def test_a_reversal_and_what_captured_a_hold_are_final(db: Database) -> None:
    world = World(db)
    world.pay_in(INES, D(10), "one")
    with db.transaction() as tx:
        wallet, external = open_accounts(
            tx,
            [AccountKey("wallet", INES, ASSET), AccountKey("external", Owner.platform(), ASSET)],
        )
        place_holds(tx, world.author, [Hold("w", wallet, D(4), "withdrawal", ids.derive("w"))])
        captured = post(
            tx,
            world.author,
            Journal(
                "withdrawal:w",
                "withdrawal",
                ids.derive("w"),
                [Line(wallet, D(-4)), Line(external, D(4))],
                captures="w",
            ),
        ).journal_id
    world.pay_in(INES, D(1), "two")
    reversal = undo(
        world, int(world.one("SELECT max(id) FROM journals WHERE kind = 'deposit'"))
    ).journal_id
    for final in (captured, reversal):
        assert final is not None
        error = code_of(partial(undo, world, final))
        assert (error.code, bool(error.hint)) == ("not_reversible", True)
    assert code_of(partial(undo, world, 10**9)).code == "unknown_journal"


def test_what_is_in_a_closed_period_is_undone_in_the_open_one(db: Database) -> None:
    world = World(db)
    world.pay_in(INES, D(10), "one")
    world.advance(48)
    with db.transaction() as tx:
        assert close_period(tx, world.author, world.now - timedelta(hours=1))
    assert undo(world, journal_of(world, "deposit")).outcome is Outcome.POSTED
    assert world.findings() == []


# --- By two people ---------------------------------------------------------------------------


def clerk(name: str) -> Principal:
    user = ids.derive("test-user", "operator", name)
    return Principal(user, Role.OPERATOR, PERMISSIONS[Role.OPERATOR], None, True)


def ask(world: World, journal_id: int) -> Approval:
    with world.database.transaction() as tx:
        register_users(tx, [(clerk("clerk").user_id, "clerk")], "operator", world.now)
        return ask_to_reverse(tx, clerk("clerk"), journal_id, "credited twice", world.now)


def decide(world: World, approval: Approval) -> Approval:
    with world.database.transaction() as tx:
        register_users(tx, [(clerk("other").user_id, "other")], "operator", world.now)
        return approve_and_carry_out(tx, approval.id, clerk("other"), world.now)


def outcome_of(approval: Approval) -> dict[str, Any]:
    assert approval.outcome is not None
    return dict(approval.outcome)


def business(db: Database) -> World:
    """Journals of every kind that a small business posts."""
    world = World(db, {"AAAUSDT": steps((0, 100.0), (30, 120.0)), "BBBUSDT": flat(50.0)})
    anna, ines = world.creator("anna"), world.investor("ines", 20_000)
    first = world.subscribe(ines, world.product(), 5_000, key="first")
    world.activate()
    world.signal(anna, "0.5")
    begin = world.now
    world.advance(8)
    for payment in world.venue.income(begin.isoformat(), world.now)[0]:
        with db.transaction() as tx:
            instrument = world.broker.instrument(payment.instrument_id)
            post_funding(tx, world.author, world.venue.name, payment, instrument)
    carl = world.investor("carl")
    copied = world.follow(carl, anna, D(1000))
    cancelled = world.subscribe(ines, world.product(), 2_000, key="cancelled")
    with db.transaction() as tx:
        cancel(tx, world.author, cancelled)
    world.advance(72).mature()
    world.ask(first)
    world.liquidate()
    world.settle(first)
    world.leave(copied, carl)
    world.close_copies()
    world.pay_in(ines, D(77), "spare")
    world.advance()
    return world


def test_what_may_be_undone_leaves_the_business_sound_and_the_rest_is_refused(
    db: Database,
) -> None:
    world = business(db)
    kinds = world.column("SELECT DISTINCT kind FROM journals ORDER BY 1")
    assert set(kinds) >= REVERSIBLE | {"reserve", "cancel", "activate", "fill", "allocation"}
    assert set(kinds) >= {"follow", "leave", "settlement", "transfer", "funding"}
    for kind in kinds:
        # The last one, whose money is still there.
        journal = int(world.one("SELECT max(id) FROM journals WHERE kind = %s", kind))
        if kind in REVERSIBLE:
            outcome = outcome_of(decide(world, ask(world, journal)))
            assert outcome["outcome"] == "posted", (kind, outcome)
        else:
            error = code_of(partial(ask, world, journal))
            assert (error.code, error.value) == ("not_reversible", kind)
            assert error.hint
    world.assert_sound()
    with db.transaction() as tx:
        assert reconcile_all(tx).unexplained == []


def test_two_people_undo_a_deposit_and_the_owner_reads_it_as_one(db: Database) -> None:
    world = World(db)
    world.pay_in(INES, D(10), "one")
    world.advance()
    deposit = journal_of(world, "deposit")
    done = decide(world, ask(world, deposit))
    assert done.status == "approved"
    reversal = world.one("SELECT id FROM journals WHERE reverses = %s", deposit)
    assert outcome_of(done) == {"outcome": "posted", "journalId": reversal}
    assert world.rows("SELECT type, amount, remark FROM asset_log ORDER BY version") == [
        ("recharge", D(10), "deposit"),
        ("recharge", D(-10), "reversal"),
    ]
    assert world.rows(
        "SELECT result, details ->> 'reason' FROM audit_events WHERE kind = 'ledger.reversal'"
    ) == [("posted", "credited twice")]
    assert world.one("SELECT rule_version FROM journals WHERE id = %s", reversal) == "ledger/1"


def test_that_the_money_is_spent_is_kept_as_the_outcome(db: Database) -> None:
    world, deposit = spent(db)
    before = world.one("SELECT count(*) FROM entries")
    refused = decide(world, ask(world, deposit))
    wallet = world.one(
        "SELECT a.id FROM entries e JOIN accounts a ON a.id = e.account_id AND a.kind = 'wallet'"
        " WHERE e.journal_id = %s",
        deposit,
    )
    assert refused.status == "approved", "it was decided, and then could not be done"
    assert outcome_of(refused) == {
        "outcome": "refused",
        "reason": "below_floor",
        "accountId": wallet,
    }
    assert world.one("SELECT count(*) FROM entries") == before
    assert world.column("SELECT result FROM audit_events WHERE kind = 'ledger.reversal'") == [
        "refused"
    ]
    world.assert_sound()


def test_a_reversal_that_was_asked_for_twice_is_posted_once(db: Database) -> None:
    world = World(db)
    world.pay_in(INES, D(10), "one")
    world.pay_in(INES, D(10), "two")
    deposit = journal_of(world, "deposit")
    asked = [ask(world, deposit), ask(world, deposit)]
    outcomes = [outcome_of(decide(world, one)) for one in asked]
    assert [one["outcome"] for one in outcomes] == ["posted", "replayed"]
    assert outcomes[0]["journalId"] == outcomes[1]["journalId"]
    assert world.wallet(INES) == 10
    assert code_of(partial(ask, world, deposit)).code == "already_reversed"
    assert code_of(partial(ask, world, 10**9)).code == "unknown_journal"
