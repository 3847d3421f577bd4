"""Breakers: nothing that they cover opens, by any door, and exits always go on."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID

import pytest

from commenda.books import carry_reductions
from commenda.copying import Flow, planned
from commenda.copying.actions import intend_parents, plan
from commenda.execution import Broker, ask_price, execute_order
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.risk import Effect, Level, all_breakers, changes_of
from extent import up_to
from scripted import SECRET, flat
from stopped import HangingVenue, resumed, stopped
from venues import Exchange, OtherVenue
from world import World

D = Decimal


def intended(world: World, flow: Flow, target: str) -> tuple[UUID, list[UUID]]:
    """A signal that became orders, and whose process died then."""
    signal = world.publish(flow, target)
    with world.database.transaction() as tx:
        plan(tx, world.broker, signal, world.now)
        return signal, intend_parents(tx, world.broker, signal, world.now)


def held(world: World, leg: UUID | None = None) -> Decimal:
    query = "SELECT coalesce(sum(quantity), 0) FROM positions WHERE leg_id = coalesce(%s, leg_id)"
    return D(world.one(query, leg))


def outcomes(world: World, signal: UUID) -> list[tuple[str, str | None]]:
    return [
        (str(status), why)
        for status, why in world.rows(
            "SELECT status, split_part(error, ':', 1) FROM signal_executions WHERE signal_id = %s"
            " ORDER BY status, leg_id",
            signal,
        )
    ]


def test_what_is_stopped_opens_nothing_and_says_why(db: Database) -> None:
    world = World(db, fee="0")
    flow = world.creator("anna")
    done = stopped(world)
    assert (done.sending, done.unanswered, done.ending) == ([], [], 0)
    signal = world.signal(flow, "0.5")
    assert held(world) == 0
    assert [status for status, _ in outcomes(world, signal)] in (["failed"], ["skipped"])
    said = world.one("SELECT error FROM signal_executions WHERE signal_id = %s", signal)
    assert said.startswith("breaker_open: kill of platform, a test (breaker ")
    resumed(world, done.breaker)
    world.signal(flow, "0.5")
    assert held(world) == 50, "half of 10,000 at 100"
    world.assert_sound()


@pytest.mark.parametrize("level", list(Level))
def test_a_breaker_covers_its_own_level_and_nothing_beside(db: Database, level: Level) -> None:
    world = World(db, fee="0")
    anna, ben = world.creator("anna"), world.creator("ben", "BBBUSDT")
    of_anna = world.one("SELECT leg_id FROM flow_subscriptions WHERE flow_id = %s", anna.id)
    world.execute("UPDATE shared_flows SET strategy = 'other' WHERE id = %s", ben.id)
    subject = {
        Level.PLATFORM: "",
        Level.VENUE: "paper",
        Level.INSTRUMENT: anna.instrument_id,
        Level.STRATEGY: "ema_trend",
        Level.FLOW: anna.id,
        Level.CREATOR: anna.creator_id,
        Level.SCOPE: world.one("SELECT scope_id FROM legs WHERE id = %s", of_anna),
    }[level]
    stopped(world, level, subject)
    world.signal(anna, "0.5")
    world.signal(ben, "0.5")
    everybody = level in (Level.PLATFORM, Level.VENUE)
    assert held(world, of_anna) == 0
    assert (held(world) == 0) is everybody
    world.assert_sound()


def test_a_subject_that_is_not_there_stops_nothing(db: Database) -> None:
    world = World(db, fee="0")
    for level, subject, code in (
        (Level.FLOW, "nobody", "unknown_flow"),
        (Level.INSTRUMENT, "*", "bad_subject"),
        (Level.PLATFORM, "paper", "bad_subject"),
        (Level.VENUE, "", "bad_subject"),
        (Level.VENUE, "elsewhere", "unknown_venue"),
    ):
        with pytest.raises(CommendaError) as refused:
            stopped(world, level, subject)
        assert refused.value.code == code
    with db.read() as tx:
        assert all_breakers(tx) == []


def test_an_order_that_is_shared_is_cut_to_the_exits_of_those_who_leave(db: Database) -> None:
    """Anna's leg holds 50 and turns to -50; ben follows her since, and holds nothing."""
    world = World(db, fee="0")
    flow = world.creator("anna")
    world.signal(flow, "0.5")
    leader = world.one("SELECT leg_id FROM flow_subscriptions WHERE flow_id = %s", flow.id)
    new = world.follow(world.investor("ben"), flow, D(10_000))
    signal, (order,) = intended(world, flow, "-0.5")
    before = world.rows("SELECT quantity FROM orders WHERE id = %s", order)
    stopped(world)
    execute_order(world.database, world.broker, order, world.author)
    world.copy(signal)
    assert before == [(D(150),)]
    assert world.rows("SELECT quantity, status FROM orders WHERE id = %s", order) == [
        (D(50), "filled")
    ]
    assert (held(world, leader), held(world, new)) == (0, 0)
    assert outcomes(world, signal) == [("failed", "breaker_open"), ("partial", "breaker_open")]
    world.assert_sound()


def test_what_died_before_it_reached_the_venue_is_not_sent_after_the_switch(db: Database) -> None:
    """Its id a second time would be asking, at a venue that knows it; and a first order at this
    one."""
    world = World(db, fee="0")
    flow = world.creator("anna")
    signal, (order,) = intended(world, flow, "0.5")
    sent = "UPDATE orders SET status = 'sent', sent_at = %s WHERE id = %s"
    world.execute(sent, world.now, order)
    done = stopped(world)
    assert [one.id for one in done.unanswered] == [order]
    for _ in range(3):
        execute_order(world.database, world.broker, order, world.author)
    world.copy(signal)
    assert world.rows("SELECT status, reason FROM orders") == [
        ("refused", "the venue never had it")
    ]
    assert world.one("SELECT count(*) FROM paper.orders") == 0
    assert held(world) == 0
    world.assert_sound()


def test_a_worker_that_hangs_holds_up_the_switch_no_longer_than_that(db: Database) -> None:
    world = World(db, fee="0")
    flow = world.creator("anna")
    _, (order,) = intended(world, flow, "0.5")
    venue = HangingVenue(db, world.feed, slippage=D(0), participation=D(1))
    broker = Broker((venue,), world.feed, SECRET)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(execute_order, db, broker, order, world.author)
        assert venue.called.wait(10)
        began = time.monotonic()
        done = stopped(world, effect=Effect.CANCEL, patience=0.5)
        took = time.monotonic() - began
        venue.heard.set()
        assert sending.result(10)
    assert 0.5 <= took < 5
    assert [(one.id, one.status) for one in done.sending] == [(order, "sent")]
    assert done.ending == 1, "its end is asked for, wherever it is"
    assert stopped(world).sending == []


def test_a_sender_that_is_under_way_is_waited_for(db: Database) -> None:
    world = World(db, fee="0")
    flow = world.creator("anna")
    _, (order,) = intended(world, flow, "0.5")
    venue = HangingVenue(db, world.feed, slippage=D(0), participation=D(1))
    broker = Broker((venue,), world.feed, SECRET)
    with ThreadPoolExecutor(2) as pool:
        sending = pool.submit(execute_order, db, broker, order, world.author)
        assert venue.called.wait(10)
        stopping = pool.submit(stopped, world)
        time.sleep(0.3)
        assert not stopping.done()
        venue.heard.set()
        assert sending.result(10)
        done = stopping.result(10)
    assert done.sending == []
    assert done.waited_ms >= 200
    assert held(world) == 50, "it came first"


def test_stronger_is_made_stronger_and_never_weaker_and_each_change_is_kept(db: Database) -> None:
    world = World(db, fee="0")
    first = stopped(world).breaker
    assert stopped(world, effect=Effect.FLATTEN).breaker.effect == "flatten"
    again = stopped(world, effect=Effect.CANCEL).breaker
    assert (again.id, again.effect, again.openings, again.version) == (
        first.id,
        "flatten",
        1,
        2,
    )
    resumed(world, again)
    assert stopped(world).breaker.openings == 2
    with db.read() as tx:
        kept = [(one.state, one.effect) for one in changes_of(tx, None, 10)]
    assert kept == [
        ("open", "no_entries"),
        ("closed", "flatten"),
        ("open", "flatten"),
        ("open", "no_entries"),
    ]
    assert world.one("SELECT count(*) FROM alerts WHERE closed_at IS NULL") == 1


# --- Effects -------------------------------------------------------------------------------------


def reduce(world: World) -> None:
    carry_reductions(world.database, world.broker, world.author, planned)


def test_flatten_closes_what_is_held_and_the_books_go_on(db: Database) -> None:
    world = World(db, fee="0")
    anna, ben = world.creator("anna"), world.creator("ben", "BBBUSDT")
    world.follow(world.investor("ines"), anna, D(10_000))
    world.signal(anna, "0.5")
    world.signal(ben, "-0.5")
    done = stopped(world, Level.INSTRUMENT, anna.instrument_id, Effect.FLATTEN)
    reduce(world)
    left = world.rows("SELECT instrument_id, sum(quantity) FROM positions GROUP BY instrument_id")
    assert dict(left) == {anna.instrument_id: D(0), ben.instrument_id: D(-100)}
    assert world.one("SELECT count(*) FROM closings") == 0
    assert world.one("SELECT count(*) FROM flow_subscriptions WHERE status = 'active'") == 3
    reduce(world)
    assert world.one("SELECT count(*) FROM risk_reduction_tries") == 1, "there is nothing to sell"
    resumed(world, done.breaker)
    world.signal(anna, "0.4")
    assert held(world) == D(-100) + 40 + 40
    world.assert_sound()


def test_reduce_halves_once_and_keeps_the_rest(db: Database) -> None:
    world = World(db, lot="1", fee="0")
    flow = world.creator("anna", capital=10_100)
    world.signal(flow, "0.5")
    assert held(world) == 50
    world.signal(flow, "-0.51")
    assert held(world) == -51
    stopped(world, effect=Effect.REDUCE)
    for _ in range(3):
        reduce(world)
        world.advance()
    assert held(world) == -25, "half of 51, in whole lots"
    stopped(world, effect=Effect.FLATTEN)
    reduce(world)
    assert held(world) == 0
    world.assert_sound()


def test_what_the_venue_refuses_is_tried_again_later(db: Database) -> None:
    world = World(db, fee="0")
    flow = world.creator("anna")
    world.signal(flow, "0.5")
    stopped(world, effect=Effect.FLATTEN)
    world.script.refusal = "halted"
    reduce(world)
    assert held(world) == 50
    reduce(world)
    assert world.one("SELECT count(*) FROM risk_reduction_tries") == 1, "half a minute later"
    world.script.refusal = None
    world.advance()
    reduce(world)
    assert held(world) == 0
    world.assert_sound()


def test_a_reduction_that_was_cut_short_is_taken_up(db: Database) -> None:
    world = World(db, fee="0")
    flow = world.creator("anna")
    world.signal(flow, "0.5")
    stopped(world, effect=Effect.FLATTEN)
    hanging = HangingVenue(db, world.feed)
    hanging.heard.set()

    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    object.__setattr__(hanging, "called", type("Dies", (), {"set": die})())
    with pytest.raises(Died):
        carry_reductions(db, Broker((hanging,), world.feed, SECRET), world.author, planned)
    assert held(world) == 50
    reduce(world)
    assert held(world) == 0
    assert world.one("SELECT count(*) FROM orders WHERE cause = 'reduction'") == 1
    world.assert_sound()


def an_entry_that_waits(world: World) -> tuple[Flow, UUID]:
    """A flow whose entry works at a venue, and the signal."""
    exchange = Exchange(tuple(world.instruments.values()))
    world.trade_at(OtherVenue(exchange, world.broker.marks, "paper:other"))
    flow = world.creator("anna", venue="paper:other")
    world.execute("UPDATE shared_flows SET entry = 'post_only' WHERE id = %s", flow.id)
    signal = world.signal(flow, "0.5")
    assert world.rows("SELECT status FROM orders") == [("accepted",)]
    return flow, signal


def test_an_entry_that_waits_at_the_venue_is_ended(db: Database) -> None:
    world = World(db, fee="0")
    _, signal = an_entry_that_waits(world)
    assert stopped(world).ending == 0
    done = stopped(world, effect=Effect.CANCEL)
    assert done.ending == 1
    world.copy(signal)
    assert world.rows("SELECT status FROM orders") == [("cancelled",)]


def test_staff_move_no_entry_while_it_is_stopped(db: Database) -> None:
    world = World(db, fee="0")
    flow, signal = an_entry_that_waits(world)
    order = world.one("SELECT id FROM orders")
    done = stopped(world, Level.FLOW, flow.id)
    with pytest.raises(CommendaError) as refused, db.transaction() as tx:
        ask_price(tx, world.author, order, D("99.5"), "closer")
    assert refused.value.code == "breaker_open"
    world.execute("UPDATE orders SET asked_price = 99.5 WHERE id = %s", order)
    world.copy(signal)
    waits = "SELECT limit_price, asked_price FROM orders"
    assert world.rows(waits) == [(100, D("99.5"))], "nor what was asked before is done"
    resumed(world, done.breaker)
    world.copy(signal)
    assert world.rows(waits) == [(100, None)], "the venue is asked, and has no such thing"


# --- Any door, in any order ----------------------------------------------------------------------


def test_no_sequence_of_doors_lets_anything_open_under_an_open_breaker(
    db: Database, seed: int
) -> None:
    draw = random.Random(seed)
    world = World(db, {"AAAUSDT": flat(), "BBBUSDT": flat(50.0)}, fee="0")
    flows = [world.creator("anna"), world.creator("ben", "BBBUSDT"), world.creator("cora")]
    legs: dict[UUID, tuple[Flow, str]] = {
        world.one("SELECT leg_id FROM flow_subscriptions WHERE flow_id = %s", one.id): (one, "")
        for one in flows
    }
    waiting: list[UUID] = []
    standing: dict[UUID, tuple[Level, str]] = {}
    tried = followers = 0

    def covered(flow: Flow, scope: UUID) -> bool:
        names = {
            Level.PLATFORM: "",
            Level.INSTRUMENT: str(flow.instrument_id),
            Level.FLOW: str(flow.id),
            Level.CREATOR: str(flow.creator_id),
            Level.SCOPE: str(scope),
            Level.VENUE: "paper",
        }
        return any(names[level] == subject for level, subject in standing.values())

    scopes = dict(world.rows("SELECT id, scope_id FROM legs"))
    for _ in range(up_to(60, 400)):
        before = dict(world.rows("SELECT leg_id, sum(quantity) FROM positions GROUP BY leg_id"))
        flow = draw.choice(flows)
        door = draw.choice(["signal", "signal", "intend", "replay", "follow", "stop", "resume"])
        if door == "signal":
            world.signal(flow, draw.choice(["-0.6", "-0.2", "0", "0.3", "0.7"]))
        elif door == "intend":
            waiting += [intended(world, flow, draw.choice(["-0.4", "0", "0.5"]))[0]]
        elif door == "replay" and waiting:
            world.copy(waiting.pop())
        elif door == "follow" and followers < 6:
            followers += 1
            leg = world.follow(world.investor(f"f{followers}"), flow, D(5_000))
            legs[leg] = flow, ""
            scopes[leg] = world.one("SELECT scope_id FROM legs WHERE id = %s", leg)
        elif door == "stop" and len(standing) < 3:
            leg = draw.choice(list(legs))
            level, subject = draw.choice(
                [
                    (Level.PLATFORM, ""),
                    (Level.INSTRUMENT, str(flow.instrument_id)),
                    (Level.FLOW, str(flow.id)),
                    (Level.CREATOR, str(flow.creator_id)),
                    (Level.SCOPE, str(scopes[leg])),
                ]
            )
            effect = draw.choice([Effect.NO_ENTRIES, Effect.NO_ENTRIES, Effect.CANCEL])
            standing[stopped(world, level, subject, effect).breaker.id] = level, subject
        elif door == "resume" and standing:
            with db.read() as tx:
                one = next(b for b in all_breakers(tx, standing=True) if b.id in standing)
            standing.pop(one.id)
            resumed(world, one)
        after = dict(world.rows("SELECT leg_id, sum(quantity) FROM positions GROUP BY leg_id"))
        for leg, (of, _) in legs.items():
            if covered(of, scopes[leg]):
                tried += 1
                was, now = before.get(leg, D(0)), after.get(leg, D(0))
                assert abs(now) <= abs(was), f"{door}: {was} became {now}"
                assert was * now >= 0, "nor is it turned"
        world.advance()
    assert tried > 20
    # Exits: whatever stands, everybody gets out.
    stopped(world)
    for signal in waiting:
        world.copy(signal)
    for flow in flows:
        world.signal(flow, "0")
    assert world.rows("SELECT * FROM positions WHERE quantity <> 0") == []
    world.assert_sound()


def test_what_was_resumed_meanwhile_is_not_sold(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker has read that a breaker flattens, and two people close it before it sells."""
    world = World(db, fee="0")
    world.signal(world.creator("anna"), "0.5")
    breaker = stopped(world, effect=Effect.FLATTEN).breaker
    with db.read() as tx:
        read = all_breakers(tx, standing=True)
    resumed(world, breaker)
    monkeypatch.setattr("commenda.books.reductions.all_breakers", lambda *_, **__: read)
    carry_reductions(world.database, world.broker, world.author, planned)
    assert held(world) == 50
    assert world.rows("SELECT id FROM risk_reduction_tries") == []
