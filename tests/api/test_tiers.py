"""Tiers are half-open: an amount on a border belongs to the tier that begins there, everywhere."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi.testclient import TestClient

from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.migrate import migrate
from commenda.managed import Offer, publish_offer
from managed_world import EXPECTED, PROFILE, TERMS
from migrated import (
    NAMES,
    scratch,  # noqa: F401 - fixtures
)
from scripted import ASSET, D
from wallets import person
from world import World

SignIn = Callable[..., dict[str, str]]
MIGRATION = NAMES.index("0028_investors")


def publish(world: World, tier: str, minimum: str, maximum: str, days: int = 3) -> UUID:
    product = ids.derive("tiered", tier, days)
    bounds = D(minimum), D(maximum)
    offer = Offer(product, PROFILE, days, tier, ASSET, *bounds, False, TERMS, EXPECTED, world.now)
    with world.database.transaction() as tx:
        publish_offer(tx, offer)
    return product


@pytest.fixture
def tiered(db: Database) -> tuple[World, UUID, UUID]:
    world = World(db)
    for name in "abcdefgh":
        world.creator(name)
    silver = publish(world, "silver", "2000", "10000")
    return world, silver, publish(world, "gold", "10000", "50000")


def test_a_border_belongs_to_the_tier_that_begins_there(
    client: TestClient, tiered: tuple[World, UUID, UUID], sign_in: SignIn
) -> None:
    world, silver, gold = tiered
    ines = sign_in("investor", "ines")
    person(world, "ines", 100_000)

    def order(product: UUID, amount: str) -> Any:
        body = {"productId": str(product), "amount": amount}
        return client.post("/api/v1/managed-subscriptions", json=body, headers=ines)

    takes = {
        (silver, "1999.99999999"): 422,
        (silver, "2000"): 201,
        (silver, "9999.99999999"): 201,
        (silver, "10000"): 422,
        (gold, "9999.99999999"): 422,
        (gold, "10000"): 201,
        (gold, "49999.99999999"): 201,
        (gold, "50000"): 422,
    }
    for (product, amount), status in takes.items():
        answer = order(product, amount)
        assert answer.status_code == status, (amount, answer.text)
        if status == 422:
            assert answer.json()["code"] == "amount_outside_tier"
    refused = order(silver, "10000").json()
    assert refused["mend"] == "subscribe 2000 or more, and less than 10000"
    listed = client.get("/api/v1/managed/products", headers=ines).json()
    bounds = {one["tier"]: (one["minimum"], one["maximum"]) for one in listed}
    assert bounds == {"silver": ("2000", "10000"), "gold": ("10000", "50000")}
    world.assert_sound()


@pytest.mark.parametrize(
    ("minimum", "maximum", "code"),
    [
        ("50000.00000001", "90000", "gap_between_tiers"),
        ("60000", "90000", "gap_between_tiers"),
        ("49999.99999999", "90000", "tiers_overlap"),
        ("1000", "2000.00000001", "tiers_overlap"),
        ("1000", "1999", "gap_between_tiers"),
        ("3000", "4000", "tiers_overlap"),
        ("50000", "50000", "bad_bounds"),
        ("0", "2000", "bad_bounds"),
    ],
)
def test_tiers_with_a_gap_or_an_overlap_are_refused(
    tiered: tuple[World, UUID, UUID], minimum: str, maximum: str, code: str
) -> None:
    world, _, _ = tiered
    with pytest.raises(CommendaError) as refused:
        publish(world, "other", minimum, maximum)
    assert (refused.value.code, refused.value.field) == (code, "minimum")
    assert refused.value.hint
    # Another term is another ladder, and what fits on either end is taken.
    publish(world, "other", "60000", "90000", days=7)
    publish(world, "platinum", "50000", "100000")
    publish(world, "bronze", "100", "2000")


def test_what_was_offered_before_begins_on_the_border_after_the_migration(scratch: str) -> None:
    migrate(scratch, to=MIGRATION)
    rows = "SELECT tier, minimum, maximum FROM products ORDER BY minimum"
    with psycopg.connect(scratch) as owner:
        for number, (tier, low, high) in enumerate(
            (("silver", "2000", "10000"), ("gold", "10000.00000001", "50000"))
        ):
            owner.execute(
                "INSERT INTO products (id, profile, term_days, tier, asset, minimum, maximum)"
                " VALUES (%s, 'balanced', 7, %s, 'USDT', %s, %s)",
                (UUID(int=number), tier, low, high),
            )
        before = owner.execute(rows).fetchall()
    migrate(scratch, to=MIGRATION + 1)
    with psycopg.connect(scratch) as owner:
        assert owner.execute(rows).fetchall() == [
            ("silver", Decimal(2000), Decimal(10000)),
            ("gold", Decimal(10000), Decimal(50000)),
        ]
        with pytest.raises(psycopg.errors.CheckViolation):
            owner.execute("UPDATE products SET maximum = minimum")
    migrate(scratch, to=MIGRATION)
    with psycopg.connect(scratch) as owner:
        assert owner.execute(rows).fetchall() == before
