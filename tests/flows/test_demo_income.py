"""The living demo's savers: their transfers are decided, they earn and leave, each time in the same
way."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from commenda.demo import open_demo, people
from commenda.demo.transfers import operators
from commenda.income import Cadence, accrue_due, distribute_due
from commenda.income import products as read_products
from commenda.kit import clock
from commenda.kit.db import Database
from commenda.ledger import Author
from commenda.operations import Operation, approve_and_carry_out, expire_approvals, verify
from databases import empty
from scripted import D

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
        with db.transaction() as tx:
            expire_approvals(tx, now)
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


def test_two_operators_or_one_and_the_bank_decide_what_customers_transfer(db: Database) -> None:
    live(db, twice=False)
    with db.transaction() as tx:
        asked = tx.execute(
            "SELECT r.status, a.status, bool_or(v.basis = 'bank_record'),"
            " array_agg(u.username::text ORDER BY v.given_at),"
            " a.decided_at::date - r.created_at::date"
            " FROM funding_requests r JOIN approvals a ON a.id = r.approval_id"
            " LEFT JOIN approval_votes v ON v.approval_id = a.id"
            " LEFT JOIN users u ON u.id = v.user_id GROUP BY r.id, a.id"
        ).fetchall()
        entries = tx.execute(
            "SELECT e.status, e.currency, e.amount = r.amount, u.username FROM bank_entries e"
            " JOIN users u ON u.id = e.imported_by"
            " LEFT JOIN funding_requests r ON r.id = e.request_id"
        ).fetchall()
        own = tx.execute(
            "SELECT r.status, r.amount, e.status, e.counterparty FROM funding_requests r"
            " JOIN users u ON u.id = r.user_id LEFT JOIN bank_entries e ON e.request_id = r.id"
            " WHERE u.username = 'demo-investor'"
        ).fetchall()
    with db.transaction() as tx:
        assert [str(one) for one in verify(tx)] == []
    assert {(funding, approval) for funding, approval, *_ in asked} == {
        ("done", "approved"),  # by two words
        ("pending", "requested"),  # for whoever tries the demo
        ("rejected", "expired"),  # of those who sent nothing
    }
    assert {tuple(map(str, row[2:])) for row in asked if row[0] == "done"} == {
        ("True", "['demo-operator', 'demo-operator-2']", "2"),
        ("False", "['demo-operator', 'demo-operator-2']", "2"),
    }
    assert {row[:4] for row in entries} == {
        ("matched", "USD", True, "demo-operator"),
        ("open", "USD", None, "demo-operator"),
        ("reversed", "USD", True, "demo-operator"),  # credited, and taken back
        ("reversed", "USD", None, "demo-operator"),  # what took it back
    }
    assert [row[0] for row in entries].count("open") == 1, "12 days have one seventh day"
    assert own == [("done", 15_000, "matched", "demo-investor")]


def test_what_somebody_who_tries_the_demo_decides_counts(db: Database) -> None:
    """Their word is one of the two, and the other operator gives the other one."""
    demo = open_demo(db, b"the demo's secret, 32 bytes long")
    operation, step = Operation(db, demo.broker), people(demo.scenario)
    noon = demo.scenario.start + timedelta(hours=12)
    step.act(operation, noon)
    with db.transaction() as tx:
        clock.advance(tx, noon)
        waiting = [row[0] for row in tx.execute("SELECT id FROM approvals").fetchall()]
        for one in waiting:
            assert approve_and_carry_out(tx, one, operators(tx)[1], noon).needed == 2
    for days in (1, 2):
        step.act(operation, demo.scenario.start + timedelta(days=days))
        with db.transaction() as tx:
            clock.advance(tx, demo.scenario.start + timedelta(days=days))
    with db.transaction() as tx:
        words = tx.execute(
            "SELECT status, needed, (SELECT count(DISTINCT v.user_id) FROM approval_votes v"
            "  WHERE v.approval_id = approvals.id) FROM approvals WHERE id = ANY (%s)",
            (waiting,),
        ).fetchall()
    assert set(words) >= {("approved", 2, 2)}
    assert set(words) <= {("approved", 2, 2), ("requested", 2, 1)}, "some never send their money"
    with db.transaction() as tx:
        assert [str(one) for one in verify(tx)] == []
