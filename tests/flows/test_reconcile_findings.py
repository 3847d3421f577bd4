"""What is wrong is found by a reconciliation, named, kept and told."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import pytest
from typer.testing import CliRunner

from commenda.cli import app
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import (
    AccountKey,
    Hold,
    Journal,
    Line,
    Owner,
    asset_totals,
    close_period,
    open_accounts,
    place_holds,
    post,
    trial_balance,
)
from commenda.ledger.trial import is_owed
from commenda.managed import activate_due
from commenda.operations import (
    Operation,
    Part,
    Reconciliation,
    note_closed_periods,
    reconcile_books,
)
from commenda.operations.reconciliation import keep, kept
from reconciled import PRICES, figures, live, now, tamper, then, unexplained
from scripted import ASSET, D
from world import World


@pytest.fixture
def world(db: Database) -> World:
    return World(db, PRICES)


def test_a_tampered_balance_is_found_and_named(world: World) -> None:
    live(world)
    tamper(world, "UPDATE accounts SET balance = balance + 5 WHERE kind = 'insurance'")
    assert unexplained(now(world)) == {("liabilities", "USDT"): D(-5)}
    tamper(world, "UPDATE accounts SET balance = balance - 5 WHERE kind = 'insurance'")
    one = world.one("SELECT min(account_id) FROM legs")
    tamper(world, "UPDATE accounts SET balance = balance + 5 WHERE id = %s", one)
    assert unexplained(now(world)) == {
        ("venue", "paper USDT"): D(-5),
        ("books", "USDT"): D(-5),
        ("liabilities", "USDT"): D(-5),
    }


def test_a_lost_fill_is_found_and_named(db: Database) -> None:
    """The venue has filled more of an order than it told."""
    world = World(db)
    world.signal(world.creator("anna"), "0.5")
    world.advance(2)
    order, instrument = world.rows(
        "SELECT o.id, i.id FROM orders o JOIN instruments i ON i.id = o.instrument_id"
        " WHERE i.symbol = 'AAAUSDT'"
    )[0]
    tamper(
        world,
        "INSERT INTO paper.fills (account, id, client_order_id, instrument_id, bar_ts, quantity,"
        " price, fee, filled_at) VALUES ('paper', 'lost', %s, %s, 0, 2, 99, 0.1, %s)",
        order,
        instrument,
        world.now - timedelta(hours=1),
    )
    tamper(
        world,
        "UPDATE paper.positions SET quantity = quantity + 2, cost = cost + 198"
        " WHERE instrument_id = %s",
        instrument,
    )
    tamper(world, "UPDATE paper.wallets SET balance = balance - 0.1")
    # Two more at 100 that cost 99, less the fee.
    lost = {("venue", "paper USDT"): D("1.9"), ("venue", "paper AAAUSDT"): D(2)}
    assert unexplained(now(world)) == lost
    assert unexplained(then(world, world.now)) == lost
    assert unexplained(then(world, world.now - timedelta(hours=1, minutes=1))) == {}


def test_money_moved_at_the_venue_is_found_and_named(world: World) -> None:
    live(world)
    tamper(world, "UPDATE paper.wallets SET balance = balance - 123.45")
    assert unexplained(now(world)) == {("venue", "paper USDT"): D("-123.45")}
    tamper(world, "UPDATE paper.wallets SET balance = balance + 123.45")
    tamper(
        world,
        "INSERT INTO paper.transfers VALUES (%s, 'USDT', -10, %s, 'paper')",
        ids.derive("theft"),
        world.now,
    )
    assert unexplained(then(world, world.now)) == {("venue", "paper USDT"): D(-10)}


def test_a_quantity_that_the_venue_does_not_have_is_found_and_named(world: World) -> None:
    live(world)
    tamper(
        world,
        "UPDATE positions SET quantity = quantity + 1 WHERE (leg_id, instrument_id) ="
        " (SELECT leg_id, instrument_id FROM positions WHERE quantity <> 0 ORDER BY 1, 2 LIMIT 1)",
    )
    found = unexplained(now(world))
    assert {part for part, _ in found} == {"venue"}
    (symbol,) = {subject for _, subject in found} - {"paper USDT"}
    assert found["venue", symbol] == -1


def test_a_transfer_that_was_never_asked_for_is_found_in_the_books(world: World) -> None:
    """The scopes were paid and their cash was left at the venue."""
    live(world)
    tamper(world, "DELETE FROM transfers WHERE amount < 0")
    assert unexplained(now(world)) == {}, "it was carried out: nothing waits for it"
    world.activate()
    ines = world.investor("otto", 20_000)
    world.subscribe(ines, world.product(), 5_000, key="late")
    world.advance()
    with world.database.transaction() as tx:
        activate_due(tx, world.author)
    tamper(world, "DELETE FROM transfers WHERE done_at IS NULL")
    assert unexplained(now(world)) == {
        ("venue", "paper USDT"): D(-5_000),
        ("books", "USDT"): D(-5_000),
    }


def test_what_is_counted_as_held_agrees_with_the_open_holds(world: World) -> None:
    ines = world.investor("ines", 100)
    with world.database.transaction() as tx:
        (wallet,) = open_accounts(tx, [AccountKey("wallet", ines, ASSET)])
        place_holds(
            tx, world.author, [Hold("freeze", wallet, D(40), "freeze", ids.derive("freeze"))]
        )
    found = now(world)
    assert figures(found, Part.HOLDS) == {("holds", "USDT"): (D(40), D(40), D(0))}
    tamper(world, "UPDATE accounts SET held = 30 WHERE id = %s", wallet)
    assert unexplained(now(world)) == {("holds", "USDT"): D(10)}


def test_an_account_of_an_unknown_kind_is_named(world: World) -> None:
    with world.database.transaction() as tx:
        external, strange = open_accounts(
            tx,
            [
                AccountKey("external", Owner.platform(), ASSET),
                AccountKey("suspense", Owner.platform(), ASSET),
            ],
        )
        lines = [Line(external, D(-7)), Line(strange, D(7))]
        post(tx, world.author, Journal("strange", "strange", ids.derive("strange"), lines))
    assert unexplained(now(world)) == {
        ("liabilities", "USDT"): D(7),
        ("liabilities", "USDT suspense"): D(-7),
    }


def test_every_kind_of_account_is_owed_or_had(world: World) -> None:
    live(world)
    kinds = world.column("SELECT DISTINCT kind FROM accounts")
    assert {kind for kind in kinds if is_owed(kind) is None} == set()
    with world.database.transaction() as tx:
        for debit, credit, balance in asset_totals(trial_balance(tx)).values():
            assert (balance, debit) == (0, credit)


def test_a_scheduled_reconciliation_is_kept_and_tells_what_it_cannot_explain(
    world: World,
) -> None:
    live(world)
    operation = Operation(world.database, world.broker)
    first = world.now
    reconcile_books(operation, first)
    reconcile_books(operation, first)  # cut short, and repeated
    assert world.one("SELECT count(*) FROM audit_events WHERE kind = 'alert.unreconciled'") == 0
    tamper(world, "UPDATE paper.wallets SET balance = balance - 5")
    world.advance(24)
    reconcile_books(operation, world.now)
    reconcile_books(operation, world.now)
    assert world.rows(
        "SELECT subject, result, details ->> 'part' FROM audit_events"
        " WHERE kind = 'alert.unreconciled'"
    ) == [("venue: paper USDT", "-5 unexplained", "venue")]
    with world.database.transaction() as tx:
        later, earlier = kept(tx, None, 10)
        assert kept(tx, world.now, 1) == [earlier]
    assert (later.as_of, earlier.as_of) == (world.now, first)
    assert unexplained(later) == {("venue", "paper USDT"): D(-5)}
    assert unexplained(earlier) == {}
    assert len(earlier.lines) == len(later.lines) >= 8
    assert world.one("SELECT sum(unexplained) FROM reconciliation_lines") == -5


def test_a_reconciliation_that_is_repeated_is_the_first_of_its_moment(world: World) -> None:
    """A run that was cut short is done again, when the same moment may look otherwise."""
    live(world)
    operation = Operation(world.database, world.broker)
    reconcile_books(operation, world.now)
    tamper(world, "UPDATE paper.wallets SET balance = balance - 5")
    reconcile_books(operation, world.now)
    with world.database.transaction() as tx:
        (only,) = kept(tx, None, 10)
    assert unexplained(only) == {}
    assert world.one("SELECT count(*) FROM audit_events WHERE kind = 'alert.unreconciled'") == 0


def test_what_was_left_out_of_a_reconciliation_is_kept_although_nothing_else_was_in_it(
    world: World,
) -> None:
    found = Reconciliation(world.now, [], ["venue moon: it cannot be asked"])
    with world.database.transaction() as tx:
        keep(tx, world.author, found)
        assert kept(tx, None, 10) == [found]


def test_balances_of_closed_periods_are_noted_by_a_job(world: World) -> None:
    live(world)
    with world.database.transaction() as tx:
        close_period(tx, world.author, world.now - timedelta(hours=1))
    operation = Operation(world.database, world.broker)
    note_closed_periods(operation, world.now)
    assert world.one("SELECT count(*) FROM ledger_periods WHERE noted_at IS NULL") == 0
    assert world.one("SELECT count(*) FROM period_balances") > 5
    assert world.findings() == []


def test_what_has_not_come_cannot_be_reconciled(world: World) -> None:
    with pytest.raises(CommendaError) as caught:
        then(world, world.now + timedelta(seconds=1))
    assert caught.value.code == "bad_moment"
    assert caught.value.hint


def test_the_command_exits_with_one_when_something_is_unexplained(
    world: World, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    live(world)
    monkeypatch.setenv("COMMENDA_DATABASE_URL", database.owner_url)
    monkeypatch.setenv("COMMENDA_MASTER_KEY", "the tests' own master key, 32 characters or more")
    command = partial(CliRunner().invoke, app)
    sound = command(["reconcile", "--json"])
    assert sound.exit_code == 0, sound.output
    assert json.loads(sound.stdout)["reconciled"] is True
    past = command(["reconcile", "--as-of", (world.now - timedelta(hours=20)).isoformat()])
    assert past.exit_code == 0, past.output
    assert "nothing unexplained" in past.stdout
    tamper(world, "UPDATE paper.wallets SET balance = balance - 5")
    wrong = command(["reconcile", "--json"])
    assert wrong.exit_code == 1
    (line,) = [one for one in json.loads(wrong.stdout)["lines"] if one["unexplained"] != "0"]
    assert (line["subject"], line["unexplained"]) == ("paper USDT", "-5")
    table = command(["reconcile"])
    assert (table.exit_code, "1 unexplained" in table.stdout) == (1, True)
