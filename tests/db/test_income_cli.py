"""`commenda income`: products, holdings, estimates, and accruing and distributing by hand."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from commenda.cli import app
from commenda.income import (
    Cadence,
    ProductKind,
    Terms,
    accrue_due,
    create_product,
    product_named,
    subscribe,
)
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from scripted import ASSET, D
from world import World, in_threads


@pytest.fixture
def world(db: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world on whose database the commands work."""
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    return World(db, hours=48)


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["income", *arguments])


def told(*arguments: str) -> Any:
    result = command(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def offer(world: World, name: str, cadence: Cadence = Cadence.DAILY) -> UUID:
    terms = Terms(
        name=name,
        asset=ASSET,
        type=ProductKind.FLEXIBLE,
        cadence=cadence,
        total_quota=D(100_000),
        minimum=D(10),
        daily_rate=D("0.0002"),
    )
    with world.database.transaction() as tx:
        return create_product(tx, world.author, terms).id


def hold(world: World, name: str, product: UUID, amount: int) -> None:
    with world.database.transaction() as tx:
        owner = world.investor(f"{name}-{amount}", amount).id
        subscribe(tx, world.author, owner, product, D(amount), "one")


def test_missed_days_are_accrued_and_then_paid_out(world: World) -> None:
    daily, weekly = offer(world, "Savings"), offer(world, "Weekly", Cadence.WEEKLY)
    hold(world, "ines", daily, 1000)
    hold(world, "jon", weekly, 500)
    world.advance(24 * 4)
    assert told("accrue") == {
        "through": "2026-01-08",
        "days": 6,  # three of each product
        "holdings": 6,
        "amount": "0.9",
    }
    assert told("accrue")["days"] == 0
    assert told("distribute", "--cadence", "weekly") == {"payments": 1, "amount": "0.3"}
    assert told("distribute") == {"payments": 1, "amount": "0.6"}
    assert told("distribute") == {"payments": 0, "amount": "0"}
    world.assert_sound()


def test_accruing_by_hand_beside_a_worker_pays_nothing_twice(world: World) -> None:
    savings = offer(world, "Savings")
    for amount in range(1000, 1030):
        hold(world, "one", savings, amount)
    world.advance(24 * 5)
    by_hand, by_worker = in_threads(
        lambda: command("accrue"), lambda: accrue_due(world.database, world.author, chunk=7)
    )
    assert by_hand.exit_code == 0
    income_of = sum(range(1000, 1030)) * D("0.0002") * 4
    assert world.one("SELECT sum(total_income) FROM pool_holdings") == income_of
    assert by_worker.amount <= income_of
    world.assert_sound()


def test_a_person_reads_products_holdings_and_estimates(world: World) -> None:
    hold(world, "ines", offer(world, "Savings"), 1000)
    (product,) = told("products")
    assert (product["name"], product["soldAmount"], product["dailyRate"]) == (
        "Savings",
        "1000",
        "0.0002",
    )
    (holding,) = told("holdings", "ines-1000")
    assert (holding["amount"], holding["status"]) == ("1000", "held")
    assert told("holdings", "ines-1000", "--status", "redeemed") == []
    estimate = told("estimate", "Savings", "1000")
    assert (estimate["daily"], estimate["yearly"], estimate["apr"]) == ("0.2", "73", "0.073")
    assert told("estimate", product["id"].upper(), "1000") == estimate
    for arguments, shown in (
        (["products"], "Savings"),
        (["holdings", "ines-1000"], "1000 USDT"),
        (["estimate", "Savings", "1000"], "7.3000%"),
        (["accrue"], "accrued through 2026-01-04"),
        (["distribute"], "0 payments"),
        (["accruals"], "day"),
    ):
        result = command(*arguments)
        assert result.exit_code == 0, result.output
        assert shown in result.stdout


def test_the_days_that_were_accrued_are_listed(world: World) -> None:
    hold(world, "ines", offer(world, "Savings"), 1000)
    world.advance(24 * 3)
    assert told("accrue")["days"] == 2
    listed = told("accruals")
    assert [(one["day"], one["holdings"], one["amount"]) for one in listed] == [
        ("2026-01-07", 1, "0.2"),
        ("2026-01-06", 1, "0.2"),
    ]
    assert {one["productName"] for one in listed} == {"Savings"}
    (latest,) = told("accruals", "--limit", "1")
    assert latest == listed[0]
    assert "2026-01-07" in command("accruals").stdout


def test_a_product_is_found_by_its_name_or_else_by_its_id(world: World) -> None:
    first = offer(world, "Savings [red]")
    second = offer(world, str(first))  # named as the other's id
    with world.database.transaction() as tx:
        assert product_named(tx, "Savings [red]", world.now).id == first
        assert product_named(tx, str(first), world.now).id == second
        assert product_named(tx, str(second), world.now).id == second
    assert "Savings [red]" in command("products").stdout
    assert "100 USDT in Savings [red]" in command("estimate", "Savings [red]", "100").stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["holdings", "nobody"], "unknown_user"),
        (["estimate", "Nothing", "100"], "unknown_product"),
        (["estimate", "Savings", "much"], "not_a_number"),
        (["estimate", "Savings", "NaN"], "not_finite"),
        (["estimate", "Savings", "0"], "not_positive"),
        (["estimate", "--", "Savings", "-5"], "not_positive"),
    ],
)
def test_what_is_not_there_is_a_clear_refusal(
    world: World, arguments: list[str], code: str
) -> None:
    offer(world, "Savings")
    refused = command(*arguments)
    assert isinstance(refused.exception, CommendaError)
    assert refused.exception.code == code
