"""A tick's strategies, copies and funding: what fails, fails alone, and is made up for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any

import pytest

from commenda.books import post_funding
from commenda.copying import Flow, Runners, publish_targets, step_flows
from commenda.copying.stepping import PATIENCE
from commenda.kernel import Costs
from commenda.kit import durable
from commenda.kit.db import Database
from commenda.market import ensure_instrument
from commenda.operations import Operation
from commenda.operations.copies import wait_for_copies
from commenda.operations.jobs import charge_funding, publish_market
from scripted import START
from world import World

HOUR = timedelta(hours=1)


@pytest.fixture
def world(db: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    """A business without a queue: what is published is copied by whoever waits for it."""
    durable.prepare(db.owner_url)
    monkeypatch.setattr("commenda.copying.stepping.enqueue_copy", lambda *_: None)
    return World(db)


@pytest.fixture
def runners() -> Runners:
    return Runners(Costs())


def step(world: World, runners: Runners) -> int:
    with world.database.transaction() as tx:
        return step_flows(tx, world.broker, runners, world.now, lambda *_: None)


def last_bar(world: World, flow: Flow) -> datetime | None:
    bar: datetime | None = world.one("SELECT last_bar_at FROM shared_flows WHERE id = %s", flow.id)
    return bar


def alerts(world: World, kind: str) -> list[tuple[Any, ...]]:
    query = "SELECT subject, result FROM audit_events WHERE kind = %s ORDER BY id"
    rows: list[tuple[Any, ...]] = world.rows(query, kind)
    return rows


def test_a_flow_that_fails_fails_alone_and_is_paused_when_it_goes_on(
    world: World, runners: Runners
) -> None:
    bad, good = world.creator("bad"), world.creator("good")
    # As after an upgrade that changed the strategy: the saved state is another program's.
    world.advance()
    step(world, runners)
    world.execute("UPDATE shared_flows SET runner_state = 'no state' WHERE id = %s", bad.id)
    runners.forget()
    for _ in range(PATIENCE + 2):
        world.advance()
        step(world, runners)
        assert last_bar(world, good) == world.now - HOUR
    assert last_bar(world, bad) == START
    assert alerts(world, "alert.flow_failed") == [
        (str(bad.id), "failed"),
        (str(bad.id), "paused"),
    ]
    assert world.one("SELECT status FROM shared_flows WHERE id = %s", bad.id) == "paused"
    assert world.one("SELECT status FROM shared_flows WHERE id = %s", good.id) == "active"


def test_a_target_that_cannot_be_published_keeps_no_other_back(
    world: World, runners: Runners
) -> None:
    bad, good = world.creator("bad"), world.creator("good")
    world.execute("UPDATE shared_flows SET pending_target = 'NaN' WHERE id = %s", bad.id)
    world.execute("UPDATE shared_flows SET pending_target = 0.5 WHERE id = %s", good.id)
    world.advance()
    with world.database.transaction() as tx:
        assert publish_targets(tx, world.broker, runners, world.now, lambda *_: None) == 1
    assert world.column("SELECT flow_id FROM trading_signals") == [good.id]
    assert alerts(world, "alert.flow_failed") == [(str(bad.id), "failed")]


def test_a_target_is_published_once_by_two_at_different_ticks(
    world: World, runners: Runners
) -> None:
    flow = world.creator("anna")
    world.execute("UPDATE shared_flows SET pending_target = 0.5 WHERE id = %s", flow.id)

    def publish(now: datetime) -> int:
        with world.database.transaction() as tx:
            return publish_targets(tx, world.broker, runners, now, lambda *_: None)

    with ThreadPoolExecutor(1) as threads:
        with world.database.transaction() as tx:
            assert publish_targets(tx, world.broker, runners, world.now, lambda *_: None) == 1
            other = threads.submit(publish, world.now + HOUR)
            assert not wait([other], 0.3).done, "it waits for the first to commit"
        assert other.result(10) == 0
    assert world.one("SELECT count(*) FROM trading_signals") == 1


def test_the_first_bar_is_taken_whenever_in_the_next_one_it_is_looked_for(
    world: World, runners: Runners
) -> None:
    flow = world.creator("anna")
    world.now += HOUR + timedelta(seconds=7)
    step(world, runners)
    assert last_bar(world, flow) == START


def test_a_signal_that_cannot_be_copied_stops_its_own_flow_and_no_other(
    world: World, runners: Runners
) -> None:
    bad, good = world.creator("bad"), world.creator("good", "BBBUSDT")
    step(world, runners)
    world.advance()
    for flow in (bad, good):
        world.publish(flow, "0.5")
    operation = Operation(world.database, world.broker)

    def break_off(order: Any, instrument: Any) -> Any:
        if instrument.symbol == "AAAUSDT":
            raise RuntimeError("the venue closed the connection")
        return [(order.quantity, order.reference_price)]

    world.script.share_of = break_off
    wait_for_copies(operation, world.now)
    wait_for_copies(operation, world.now)
    (signal,) = world.column("SELECT id FROM trading_signals WHERE status <> 'processed'")
    assert alerts(world, "alert.copy_failed") == [(str(signal), "failed")]
    step(world, runners)
    assert last_bar(world, good) == START
    assert last_bar(world, bad) == START - HOUR
    world.script.share_of = None
    world.advance()
    wait_for_copies(operation, world.now)
    step(world, runners)
    assert {last_bar(world, flow) for flow in (bad, good)} == {START + HOUR}
    assert world.one("SELECT count(*) FROM trading_signals WHERE status = 'processed'") == 2
    world.assert_sound()


def test_funding_that_failed_is_passed_on_at_the_next_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = world.creator("anna")
    world.advance().signal(flow, "0.5")
    aaa = world.instruments["AAAUSDT"].id

    def fail_one(tx: Any, author: Any, venue: Any, payment: Any, instrument: Any) -> None:
        if instrument.id == aaa:
            raise ValueError("no such thing")
        post_funding(tx, author, venue, payment, instrument)

    operation = Operation(world.database, world.broker)
    for _ in range(14):
        charge_funding(operation, world.now + HOUR)
        world.advance()
    with monkeypatch.context() as patch:
        patch.setattr("commenda.books.cash.post_funding", fail_one)
        with pytest.raises(ValueError, match="no such thing"):
            charge_funding(operation, world.now + HOUR)
    assert funded(world) == [world.instruments["BBBUSDT"].id]
    world.advance()
    charge_funding(operation, world.now + HOUR)
    assert sorted(funded(world)) == sorted(one.id for one in world.feed.instruments)
    world.assert_sound()


def funded(world: World) -> list[int]:
    """The instruments whose second stamp was passed on."""
    stamp = START + timedelta(hours=16)
    query = "SELECT instrument_id FROM funding_payments WHERE stamp = %s"
    ids: list[int] = world.column(query, stamp)
    return ids


def test_a_worker_that_begins_does_not_hold_up_the_tick_of_another(world: World) -> None:
    operation = Operation(world.database, world.broker)
    with ThreadPoolExecutor(1) as threads, world.database.transaction() as tx:
        for one in reversed(world.feed.instruments):
            ensure_instrument(tx, one)
        threads.submit(publish_market, operation, world.now + HOUR).result(10)


def test_a_bar_that_closed_is_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, int]] = []
    monkeypatch.setattr(
        "commenda.operations.jobs.tell_bar",
        lambda _tx, one, _interval, bar: told.append((one.symbol, bar.ts)),
    )
    operation = Operation(world.database, world.broker)
    for _ in range(3):
        publish_market(operation, world.now + HOUR)
        world.advance()
        publish_market(operation, world.now)  # a tick that was cut is done again
    assert len(told) == len(set(told))
    first = int(START.timestamp())
    assert {ts for _, ts in told} >= {first, first + 3600, first + 7200}
