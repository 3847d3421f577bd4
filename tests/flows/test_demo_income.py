"""The living demo's pool products: people save, earn and leave, each time in the same way."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from commenda.demo import open_demo, people
from commenda.income import Cadence, accrue_due, distribute_due
from commenda.income import products as read_products
from commenda.kit import clock
from commenda.kit.db import Database
from commenda.ledger import Author
from commenda.operations import Operation, verify
from databases import empty
from world import D

STEP = timedelta(hours=12)
DAYS = 12


def live(db: Database, *, twice: bool) -> datetime:
    """Twelve days of the demo, each tick once or twice; when they end."""
    demo = open_demo(db, b"the demo's secret, 32 bytes long")
    operation, step = Operation(db, demo.broker), people(demo.scenario)
    now = demo.scenario.start
    while now < demo.scenario.start + timedelta(days=DAYS):
        now += STEP
        for _ in range(1 + twice):
            step.act(operation, now)
        author = Author("test", "test/1", now)
        accrue_due(db, author)
        for cadence in Cadence:
            distribute_due(db, author, cadence)
        with db.transaction() as tx:
            clock.advance(tx, now)
    return now


def holdings(db: Database) -> list[tuple[Any, ...]]:
    with db.transaction() as tx:
        return tx.execute(
            "SELECT h.id, p.kind, h.amount, h.total_income, h.carry, h.status, h.redeemed_at,"
            " h.end_at FROM pool_holdings h JOIN pool_products p ON p.id = h.product_id"
            " ORDER BY h.id"
        ).fetchall()


def test_people_save_in_the_demo_and_it_is_the_same_when_its_ticks_are_repeated(
    db: Database,
) -> None:
    now = live(db, twice=False)
    first = holdings(db)
    with db.transaction() as tx:
        offered = read_products(tx, now)
    kinds = sorted(one.kind for one in offered)
    assert kinds == ["fixed", "fixed", "flexible", "flexible"]
    assert any(one.next_rate is not None for one in offered), "a change is announced"
    assert {(kind, status) for _, kind, *_, status, _, _ in first} == {
        ("fixed", "held"),
        ("fixed", "redeemed"),
        ("flexible", "held"),
        ("flexible", "redeemed"),
    }
    assert sum(row[3] for row in first) > D(100), "they earned something"
    early = [row for row in first if row[6] is not None and row[7] and row[6] < row[7]]
    assert early, "somebody left a fixed product before its end"
    with db.transaction() as tx:
        assert [str(one) for one in verify(tx)] == []
    empty(db)
    live(db, twice=True)
    assert holdings(db) == first
    with db.transaction() as tx:
        assert [str(one) for one in verify(tx)] == []
