"""Life of an order: whatever is lost, late, twice or in another order, books and venue agree."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from commenda.books import record_nav, scope_equity
from commenda.execution import (
    working,
)
from commenda.execution.rules import collared, may_become, status_after
from commenda.kit.db import Database
from commenda.operations import verify
from commenda.venues import VENUES, Execution, Fill, OrderStatus, OrderView, Side
from commenda.venues import rows as venue_rows
from lives import LOT, Life
from scripted import D
from venues import SETTLES_IN

STEPS = 60
TERMINAL = {one for one in OrderStatus if one.is_terminal}


@pytest.fixture(autouse=True)
def other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow may trade at the other venue; each life connects to it by hand."""
    monkeypatch.setattr(venue_rows, "VENUES", (*VENUES, VENUES[0]._replace(name="other")))


def check(life: Life, before: dict[tuple[UUID, UUID], tuple[Decimal, ...]]) -> None:
    """What holds after every step."""
    assert life.unexplained() == {}
    with life.world.database.transaction() as tx:
        assert [str(one) for one in verify(tx)] == []
    received = life.exchange.received
    if not life.exchange.deduplicates:
        assert set(received.values()) <= {1}, "sent twice"
    now = life.allocated()
    assert {key: now[key] for key in before} == before, "allocated again"
    terminal = life.world.column("SELECT id FROM orders WHERE terminal_at IS NOT NULL")
    assert {order for order, _ in now} <= set(terminal)


@pytest.mark.parametrize("deduplicates", [True, False])
@pytest.mark.parametrize("run", range(3))
def test_random_lives_end_as_the_venue_has_them(
    db: Database, seed: int, run: int, deduplicates: bool
) -> None:
    rng = random.Random(f"{seed}:{run}:{deduplicates}")
    life = Life(db, deduplicates=deduplicates)
    exchange = life.exchange

    def lots(most: int) -> Decimal:
        return LOT * rng.randint(-most, most)

    def ask() -> None:
        terms: dict[str, Any] = {}
        if rng.random() < 0.5:
            terms["collar"] = D(rng.randint(0, 300)) / 10_000
        if rng.random() < 0.5:
            terms["expires_at"] = life.world.now + timedelta(minutes=rng.randint(0, 30))
        life.ask(lots(3_000), lots(2_000), lots(7), **terms)

    def trade() -> None:
        if held := exchange.working():
            one = rng.choice(held)
            left = int((one.request.quantity - one.filled) / LOT)
            exchange.trade(one.request.id, LOT * rng.randint(1, left), D(rng.randint(95, 105)))

    def end() -> None:
        if held := exchange.working():
            status = rng.choice([OrderStatus.CANCELLED, OrderStatus.EXPIRED])
            exchange.end(rng.choice(held).request.id, status)

    def fault() -> None:
        exchange.faults.append(rng.choice(["down", "slow", "lost", "died", "none"]))

    def mood() -> None:
        exchange.late, exchange.garbled = rng.random() < 0.5, rng.random() < 0.5

    def wait() -> None:
        # What is under way arrives before the venue's "I do not know it" is its last word.
        if rng.random() < 0.5:
            exchange.deliver()
        minutes = rng.randint(1, 8)
        if exchange.post:
            minutes = 0
        life.wait(minutes)

    steps: list[Callable[[], object]] = [
        ask, life.work, life.work, life.work, life.listen, trade, trade, trade,
        end, fault, fault, mood, exchange.show, exchange.deliver, wait, life.restart,
    ]  # fmt: skip
    ask()
    for _ in range(STEPS):
        before = life.allocated()
        rng.choice(steps)()
        check(life, before)
    # All is over in the end.
    exchange.faults.clear()
    exchange.deliver()
    exchange.late = exchange.garbled = False
    exchange.show()
    for _ in range(4):
        life.work()
        for held in exchange.working():
            exchange.trade(held.request.id, held.request.quantity - held.filled, D(101))
        life.wait(int(SETTLES_IN.total_seconds() // 60) + 1)
        check(life, {})
    assert {life.status(one) for one in life.orders} <= {str(one) for one in TERMINAL}
    assert life.world.one("SELECT count(*) FROM orders WHERE allocated_at IS NULL") == 0
    with db.transaction() as tx:
        (net,) = tx.execute("SELECT coalesce(sum(quantity), 0) FROM positions").fetchone() or (0,)
    assert net == exchange.net.get(life.instrument, D(0))


# --- one by one --------------------------------------------------------------------------------


def test_an_order_works_until_the_venue_ends_it_and_is_then_allocated_once(db: Database) -> None:
    life = Life(db)
    (order,) = life.ask(D(6), D(4))
    assert life.status(order) == "intended"
    life.work()
    assert life.status(order) == "accepted"
    life.exchange.trade(order.id, D(5), D(90))
    life.work()
    assert (life.status(order), life.allocated()) == ("partly_filled", {})
    with db.transaction() as tx:
        assert working(tx, order.cause, order.cause_id)
    life.exchange.end(order.id, OrderStatus.CANCELLED)
    life.work()
    assert life.status(order) == "cancelled"
    # 5 of 10: 3 and 2, each at 90.
    got = {leg: got[:2] for (_, leg), got in life.allocated().items()}
    assert got == {life.legs[0]: (3, 270), life.legs[1]: (2, 180)}
    assert life.exchange.received[order.id] == 1


def test_a_late_fill_holds_an_order_open_that_the_venue_has_ended(db: Database) -> None:
    life = Life(db)
    (order,) = life.ask(D(10))
    life.work()
    life.exchange.late = True
    life.exchange.trade(order.id, D(4), D(100))
    life.exchange.end(order.id, OrderStatus.CANCELLED)
    life.work()
    assert life.status(order) == "accepted", "4 are filled, and not shown"
    assert life.unexplained() == {}
    life.exchange.show()
    life.work()
    assert (life.status(order), len(life.allocated())) == ("cancelled", 1)


@pytest.mark.parametrize("deduplicates", [True, False])
def test_what_is_unknown_is_asked_for_and_concluded_after_the_venues_time(
    db: Database, deduplicates: bool
) -> None:
    life = Life(db, deduplicates=deduplicates)
    (order,) = life.ask(D(10))
    life.exchange.faults.append("down")
    life.work()
    assert life.status(order) == "unknown"
    life.wait(9)
    life.work()
    if deduplicates:  # submitting the same id is the venue's own way of asking
        assert (life.status(order), life.exchange.received[order.id]) == ("accepted", 1)
        return
    assert (life.status(order), life.exchange.received[order.id]) == ("unknown", 0)
    life.wait(1)
    life.work()
    assert life.status(order) == "unknown", "it is asked more than twice"
    life.work()
    assert (life.status(order), life.exchange.received[order.id]) == ("refused", 0)
    reason = life.world.one("SELECT reason FROM orders WHERE id = %s", order.id)
    assert reason == "the venue never had it"
    assert [got[0] for got in life.allocated().values()] == [0]


def test_a_lost_answer_is_found_by_asking(db: Database) -> None:
    life = Life(db, deduplicates=False)
    (order,) = life.ask(D(10))
    life.exchange.faults.append("lost")
    life.work()
    life.exchange.trade(order.id, D(10), D(100))
    life.work()
    assert (life.status(order), life.exchange.received[order.id]) == ("filled", 1)


def test_what_is_over_time_is_cancelled_or_never_sent(db: Database) -> None:
    life = Life(db)
    soon = life.world.now + timedelta(minutes=5)
    (sent,) = life.ask(D(10), expires_at=soon)
    life.work()
    life.exchange.trade(sent.id, D(4), D(100))
    (never,) = life.ask(D(1), expires_at=soon)
    life.wait(5)
    life.work()
    assert (life.status(sent), life.status(never)) == ("cancelled", "expired")
    assert life.exchange.received[never.id] == 0
    assert sum(got[0] for got in life.allocated().values()) == 4


def test_fills_that_nobody_waits_for_are_kept_and_named(db: Database) -> None:
    """One of an order that is over, one that was never ordered here: facts, in no book."""
    life = Life(db)
    (order,) = life.ask(D(10))
    life.work()
    life.exchange.trade(order.id, D(10), D(100))
    life.work()
    life.exchange.trade(order.id, D(2), D(100))
    stranger = Execution(None, life.instrument, Side.SELL, Fill("x", D(3), D(100), D(0)))
    life.exchange.book(stranger)
    life.listen()
    life.listen()
    found = life.world.findings()
    assert len(found) == 2
    assert all("belongs to an order that waited for it" in one for one in found)
    assert life.unexplained()["AAAUSDT"] == D(2) - D(3)


def test_equity_counts_what_a_working_parent_has_filled(db: Database) -> None:
    """5 of 10 are filled at 90 and worth 100: the leg that asked 6 has 3, 30 up, less its fee."""
    life = Life(db)
    (order,) = life.ask(D(6), D(4))
    life.work()
    life.exchange.trade(order.id, D(5), D(90))
    life.work()
    fee = 5 * 90 * D("0.0003")
    expected = {
        life.legs[0]: 5_000 + 30 - fee * D("0.6"),
        life.legs[1]: 5_000 + 20 - fee * D("0.4"),
        life.legs[2]: D(5_000),
    }
    scopes = dict(life.world.rows("SELECT scope_id, id FROM legs WHERE id = ANY (%s)", life.legs))
    with db.transaction() as tx:
        equity = scope_equity(tx, list(scopes), life.marks())
        record_nav(tx, life.world.now, life.marks())
    assert {scopes[scope]: value for scope, value in equity.items()} == expected
    assert dict(life.world.rows("SELECT leg_id, nav FROM nav_history WHERE leg_id = ANY (%s)",
                                life.legs)) == expected  # fmt: skip


def test_a_collar_is_a_limit_within_it(db: Database) -> None:
    life = Life(db)
    buy, sell = life.ask(D(6), D(-4), collar=D("0.00123"))
    assert (buy.limit_price, sell.limit_price) == (D("100.12"), D("99.88"))
    life.work()
    held = life.exchange.orders[buy.id].request
    assert (held.limit_price, held.kind) == (D("100.12"), "limit")


# --- rules -------------------------------------------------------------------------------------


def test_a_status_never_goes_back() -> None:
    """Whatever follows what may follow, no status comes a second time."""

    def after(status: OrderStatus, seen: tuple[OrderStatus, ...]) -> None:
        assert status not in seen
        for one in OrderStatus:
            if may_become(status, one):
                after(one, (*seen, status))
        if status.is_terminal:
            assert not any(may_become(status, one) for one in OrderStatus)

    after(OrderStatus.INTENDED, ())


@pytest.mark.parametrize(
    ("status", "shown", "filled", "recorded", "expected"),
    [
        ("sent", None, 0, 0, "unknown"),
        ("accepted", None, 0, 0, "accepted"),
        ("unknown", "accepted", 0, 0, "accepted"),
        ("sent", "filled", 10, 10, "filled"),
        ("sent", "filled", 10, 4, "partly_filled"),
        ("accepted", "cancelled", 4, 0, "accepted"),
        ("partly_filled", "cancelled", 4, 4, "cancelled"),
        ("partly_filled", "accepted", 0, 4, "partly_filled"),
        ("filled", "cancelled", 10, 10, "filled"),
        ("intended", "expired", 0, 0, "expired"),
    ],
)
def test_the_status_that_follows_a_view(
    status: str, shown: str | None, filled: int, recorded: int, expected: str
) -> None:
    view = None
    if shown is not None:
        view = OrderView(UUID(int=1), OrderStatus(shown), D(filled), ())
    assert status_after(OrderStatus(status), view, D(recorded)) == expected


def test_the_limit_of_a_collar_is_rounded_into_it() -> None:
    assert collared(Side.BUY, D("99.97"), D("0.01"), D("0.05")) == D("100.95")  # of 100.9697
    assert collared(Side.SELL, D("99.97"), D("0.01"), D("0.05")) == D("99.00")  # of 98.9703
