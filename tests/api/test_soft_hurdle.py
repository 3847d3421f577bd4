"""A product with a soft hurdle, from its offer over periods to the trace of its settlement."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from commenda.kit.db import Database
from commenda.managed import FeeTerms, HurdleKind
from scripted import D, steps
from wallets import person
from world import World

SignIn = Callable[..., dict[str, str]]
DAY = D("27.39726028")
"""10,000 · 100 % / 365, rounded up: a hurdle that is felt within days."""
PRICES = {"AAAUSDT": steps((0, 100), (10, 100.5), (30, 101.2), (60, 102.2))}


@pytest.mark.parametrize(
    ("kind", "shares", "last", "wallet"),
    [
        # 50 units earn 25, 60 in all, and 50 more. Soft: 25 do not pass 27.40 and wait; 60 pass
        # 54.79, 20 % of 60 = 12; at the end 50 pass 27.40, 20 % of 50 = 10.
        (HurdleKind.SOFT, [D(0), D(12)], D(10), D(10_088)),
        # Hard: the mark rises to 10,025 and 2.39726028 of the hurdle are left; 20 % of
        # 10,060 - 10,025 - 2.39726028 - 27.39726028 = 5.20547944; then of 50 - 27.39726028.
        (HurdleKind.HARD, [D(0), D("1.04109588")], D("4.52054794"), D("10104.43835618")),
    ],
)
def test_periods_and_settlement_by_the_kind_of_the_hurdle(
    client: TestClient,
    db: Database,
    sign_in: SignIn,
    kind: HurdleKind,
    shares: list[D],
    last: D,
    wallet: D,
) -> None:
    world = World(db, PRICES, fee=D(0))
    flow = world.creator("anna", capital=0)
    ines = sign_in("investor", "ines")
    owner = person(world, "ines", 10_000)
    terms = FeeTerms(hurdle=D(1), profit_share=D("0.2"), crystallise_days=1, hurdle_kind=kind)
    subscription = world.subscribe(owner, world.product(3, terms))
    (offered,) = client.get("/api/v1/managed/products", headers=ines).json()
    assert offered["fees"]["hurdleKind"] == kind
    world.activate()
    world.signal(flow, "0.5")
    for _ in range(2):
        world.advance(24)
        assert world.crystallise() == 1
        world.assert_sound()
    found = world.column("SELECT profit_share FROM crystallisations ORDER BY number")
    assert found == shares
    world.advance(25).mature()
    world.ask(subscription)
    world.liquidate()
    world.settle(subscription)
    world.move_cash()
    world.assert_sound()
    assert world.wallet(owner) == wallet
    trace = client.get(f"/api/v1/managed-subscriptions/{subscription}/trace", headers=ines).json()
    assert {one["hurdleKind"] for one in trace["crystallisations"]} == {kind}
    (settled,) = trace["settlement"]
    assert (settled["hurdleKind"], settled["hurdlePassed"]) == (kind, True)
    assert (D(settled["hurdle"]), D(settled["aboveMark"])) == (DAY, 50)
    assert D(settled["profitShare"]) == last
