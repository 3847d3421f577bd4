"""An outage of one instrument is one alert that counts, however many books wait for its end."""

from __future__ import annotations

from typing import Any

import pytest

from commenda.kit.db import Database
from commenda.managed import alert_overdue
from scripted import D, ScriptedVenue, steps
from world import World

PRICES = {"AAAUSDT": steps((0, 100)), "BBBUSDT": steps((0, 50))}


@pytest.fixture
def world(db: Database) -> World:
    """Five subscriptions and a copy, of which each holds both instruments."""
    world = World(db, PRICES, fee=D(0))
    flows = [world.creator("anna", capital=0), world.creator("bea", "BBBUSDT", capital=0)]
    product = world.product(3)
    world.subscriptions = [  # type: ignore[attr-defined]
        world.subscribe(world.investor(f"ines {number}"), product) for number in range(5)
    ]
    world.activate()
    for flow in flows:
        world.signal(flow, "0.5")
    world.advance(72).mature()
    return world


def alerts(world: World) -> list[tuple[Any, ...]]:
    return world.rows(
        "SELECT subject, count, details ->> 'books', closed_at IS NULL FROM alerts"
        " WHERE kind = 'liquidation.failed' ORDER BY id"
    )


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The instruments of which the venue takes no orders."""
    symbols: set[str] = set()
    taken = ScriptedVenue._refusal

    def refusal(self: Any, order: Any, instrument: Any, now: Any) -> str | None:
        return (
            "maintenance" if instrument.symbol in symbols else taken(self, order, instrument, now)
        )

    monkeypatch.setattr(ScriptedVenue, "_refusal", refusal)
    return symbols


def test_an_outage_is_one_alert_and_ends_with_it(world: World, out: set[str]) -> None:
    for subscription in world.subscriptions:  # type: ignore[attr-defined]
        world.ask(subscription)
    out.add("AAAUSDT")
    for tries in range(1, 6):
        assert world.liquidate() == 0
        assert alerts(world) == [("AAAUSDT", tries, "5", True)]
        world.advance()
    # Each book's own trail still has every try of its own.
    of = "SELECT count(*) FROM audit_events WHERE subject = %s AND kind = 'liquidation.failed'"
    for subscription in world.subscriptions:  # type: ignore[attr-defined]
        assert world.one(of, str(subscription)) == 5
    assert world.one(of, "AAAUSDT") == 1
    out.clear()
    assert world.liquidate() == 5
    assert alerts(world) == [("AAAUSDT", 5, "5", False)]
    assert world.one("SELECT details FROM audit_events WHERE kind = 'alerts.ended'")["count"] == 5
    world.assert_sound()


def test_deadlines_that_are_met_late_end_their_alerts(world: World) -> None:
    open_now = "SELECT count(*) FROM alerts WHERE closed_at IS NULL AND kind LIKE 'alert.%%'"
    for _ in range(3):
        world.advance(6)
        with world.database.transaction() as tx:
            alert_overdue(tx, world.author)
    late = world.one(open_now)
    assert late >= 5
    counts = set(world.column("SELECT count FROM alerts WHERE kind LIKE 'alert.matured%%'"))
    assert max(counts) == 3
    for subscription in world.subscriptions:  # type: ignore[attr-defined]
        world.ask(subscription)
    assert world.liquidate() == 5
    world.settle(*world.subscriptions)  # type: ignore[attr-defined]
    world.move_cash()
    with world.database.transaction() as tx:
        assert alert_overdue(tx, world.author) == 0
    assert world.one(open_now) == 0
