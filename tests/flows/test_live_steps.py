"""Strategies on a live market of hourly bars: each once and in order, what is late, halts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from commenda.copying import (
    Flow,
    Runners,
    copy_signal,
    find_flow,
    publish_targets,
    step_flows,
)
from commenda.copying.actions import intend_parents, plan
from commenda.copying.runner import RUNNER_CASH
from commenda.execution import Broker, execute_order
from commenda.kernel import Costs, Stepper
from commenda.kit import durable, ids
from commenda.kit.db import Database
from commenda.market import Bar, StoredFeed
from commenda.market.stored import HOLE_PATIENCE
from commenda.strategies import catalogue
from commenda.venues import PaperVenue
from living import PARAMS, Live
from scripted import HOUR, SECRET, START
from world import World

D = Decimal


def by_hand(bars: list[Bar]) -> bytes:
    """The state of a stepper that was handed these bars, and nothing else."""
    stepper = Stepper(catalogue()["ema_trend"].bind(**PARAMS), cash=RUNNER_CASH, costs=Costs())
    for one in bars:
        stepper.on_bar(one.ts * 10**9, one.open, one.high, one.low, one.close, one.volume)
    return stepper.save()


@pytest.fixture
def live(db: Database, monkeypatch: pytest.MonkeyPatch) -> Live:
    durable.prepare(db.owner_url)
    monkeypatch.setattr("commenda.copying.stepping.enqueue_copy", lambda *_: None)
    return Live(World(db))


def executions(live: Live) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = live.world.rows(
        "SELECT e.status, split_part(e.error, ':', 1) FROM signal_executions e"
        " JOIN trading_signals s ON s.id = e.signal_id ORDER BY s.sequence"
    )
    return rows


def test_a_strategy_is_warmed_by_stored_bars_and_takes_each_bar_once(live: Live) -> None:
    flow = live.flow()
    bars = live.store(90, 100, 101, 102, 103)
    assert live.tick() == [D("0.5")], "the first bar after three of warm-up decides"
    assert live.state(flow) == by_hand(bars[1:]), "the fifth before is not looked at"
    assert live.again() == []
    bars += live.store(104)
    assert live.tick() == []
    assert live.again(runners=Runners(Costs())) == [], "another process finds it taken"
    assert live.taken(flow) == 6
    assert live.state(flow) == by_hand(bars[1:])
    live.world.assert_sound()


def test_without_bars_before_a_strategy_decides_once_it_has_seen_enough(live: Live) -> None:
    live.flow()
    for close in (100, 101, 102):
        live.store(close)
        assert live.tick() == []
    live.store(103)
    assert live.tick() == [D("0.5")]
    assert live.held() == D("48.543"), "half of 10,000 at 103"


def test_two_processes_at_once_take_a_bar_once(live: Live) -> None:
    live.flow()
    live.store(100, 101, 102, 103)
    live.world.now = START + timedelta(hours=live.hour)

    def step(_: int) -> None:
        broker = Broker((live.world.venue,), StoredFeed(live.world.database, HOUR), SECRET)
        runners = Runners(Costs())
        with live.world.database.transaction() as tx:
            step_flows(tx, broker, runners, live.world.now, lambda *_: None)
        with live.world.database.transaction() as tx:
            publish_targets(tx, broker, runners, live.world.now, lambda *_: None)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(step, range(4)))
    assert live.world.rows("SELECT target FROM trading_signals") == [(D("0.5"),)]


def test_bars_that_are_filled_in_are_taken_in_their_order(live: Live) -> None:
    flow = live.flow()
    bars = live.store(100, 101, 102, 103)
    live.tick()
    late = [Bar(bars[-1].ts + HOUR, 103.0, 105.0, 103.0, 105.0, 1.0)]
    after = live.store(107, after=1)
    assert live.tick() == []
    assert live.taken(flow) == 4, "what is missing may still come"
    live.keep(late)
    live.keep(after)
    live.again()
    assert live.taken(flow) == 6
    assert live.state(flow) == by_hand(bars + late + after)


def test_what_the_exchange_has_none_of_is_waited_for_no_longer(live: Live) -> None:
    flow = live.flow()
    live.store(100, 101, 102, 103)
    live.tick()
    live.store(104, after=1)
    live.tick(timedelta(seconds=HOLE_PATIENCE))
    assert live.taken(flow) == 4
    live.world.execute(
        "INSERT INTO market_quality_findings (instrument_id, kind, at, details)"
        " VALUES (%s, 'gap', %s, '1 missing')",
        live.instrument.id,
        START + timedelta(hours=4),
    )
    live.again()
    assert live.taken(flow) == 6
    live.store(105, after=1)
    live.tick(timedelta(seconds=HOLE_PATIENCE + 1))
    assert live.taken(flow) == 8, "nobody says that there is none, and stops must not be blind"


def test_a_flow_steps_on_longer_bars_than_the_markets(live: Live) -> None:
    flow = live.flow(interval=2 * HOUR)
    made = [
        Bar(one.ts, one.open, max(one.high, two.high), min(one.low, two.low), two.close, 2.0)
        for one, two in (live.store(100 + n, 101 + n) for n in range(0, 8, 2))
    ]
    assert live.tick() == [D("0.5")]
    live.store(109)
    assert live.tick() == []
    assert live.taken(flow) == 7, "the bar of two hours that opened at the seventh is the last"
    assert live.state(flow) == by_hand(made)


def test_what_was_decided_long_ago_opens_nothing_and_is_said(live: Live) -> None:
    flow = live.flow(stop=0.0)
    live.store(100, 101, 102)
    live.tick()
    bars = live.store(103, 104, 105, 106, 107)  # the worker was away
    assert live.tick() == []
    assert live.taken(flow) == 8
    assert live.held() == 0
    (said,) = live.world.column("SELECT details FROM audit_events WHERE kind = 'flow.target_late'")
    assert said == {"decided": "2026-01-05T04:00:00Z", "target": "0.5", "traded": "0"}
    assert len(bars) == 5
    live.store(90)
    assert live.tick() == [D("-0.5")], "the next decision is traded"


def test_what_was_decided_long_ago_leaves_all_the_same(live: Live) -> None:
    live.flow()
    live.store(100, 101, 102, 103)
    live.tick()
    assert live.held() > 0
    live.store(102, 100, 98.5, 98.4, 98.3, 98.2)
    assert live.tick() == [D(0)], "out of the long, and not into the short"
    assert live.held() == 0
    live.world.assert_sound()


def test_a_stop_that_fired_in_a_live_bar_leaves_at_the_market(live: Live) -> None:
    live.flow()
    live.store(100, 101, 102, 103)
    live.tick()
    live.store(90)
    assert live.tick()[0] == 0
    signal = live.world.rows(
        "SELECT trigger_price, reference_price FROM trading_signals WHERE sequence = 2"
    )
    assert signal == [(None, D(90))]
    kinds = live.world.column("SELECT DISTINCT kind FROM orders")
    assert kinds == ["market"]


def test_an_impossible_bar_is_not_stepped_on(live: Live) -> None:
    flow = live.flow()
    bars = live.store(100, 101, 102, 103)
    live.tick()
    live.keep([Bar(bars[-1].ts + HOUR, 103.0, 90.0, 104.0, 103.0, 1.0)])
    live.store(104, after=1)
    live.tick(timedelta(seconds=HOLE_PATIENCE + 1))
    assert live.taken(flow) == 6
    assert live.world.one("SELECT status FROM shared_flows WHERE id = %s", flow.id) == "active"


def test_a_flow_on_paper_trades_at_the_mark(live: Live) -> None:
    """Half of 10,000 at 103 is 48.543; slippage of 0.0002 up to the tick makes 103.03; a tenth of
    the last bar's volume is offered."""
    live.flow()
    live.broker = Broker((PaperVenue(live.world.database, live.feed),), live.feed, SECRET)
    live.store(100, 101, 102, 103, volume=1_000.0)
    assert live.tick() == [D("0.5")]
    assert live.world.rows("SELECT quantity, price FROM fills") == [(D("48.543"), D("103.03"))]
    live.store(90, volume=100.0)
    assert live.tick()[0] == 0
    assert live.held() == D("38.543"), "ten of them, and no more at once"
    live.world.assert_sound()
    live.world.now += timedelta(hours=3)
    signal = live.world.publish(flow_of(live), "0")
    copy_signal(live.world.database, live.broker, signal, live.world.now)
    assert executions(live)[-1] == ("failed", "no market"), "the mark is of three hours ago"


def flow_of(live: Live) -> Flow:
    with live.world.database.read() as tx:
        return find_flow(tx, ids.derive("test-flow", "anna", "live"))


# --- an instrument that cannot be trusted ---------------------------------------------------------


def test_nothing_is_opened_while_the_market_is_not_trusted_and_is_once_it_is(live: Live) -> None:
    live.flow()
    live.store(100, 101, 102, 103)
    live.distrust("stale: nothing was heard for 30 s")
    assert live.tick() == [D("0.5")]
    assert executions(live) == [("skipped", "market_untrusted")]
    assert live.world.one("SELECT count(*) FROM orders") == 0
    assert live.again(timedelta(seconds=1)) == [], "it is not asked again and again"
    live.distrust(None)
    assert live.again(timedelta(minutes=2)) == [D("0.5")]
    assert executions(live) == [("skipped", "market_untrusted"), ("completed", None)]
    assert live.held() > 0
    live.world.assert_sound()


def test_a_target_that_was_held_back_for_too_long_is_given_up(live: Live) -> None:
    live.flow()
    live.store(100, 101, 102, 103)
    live.distrust("stale: gone")
    live.tick()
    live.distrust(None)
    assert live.again(timedelta(hours=1, seconds=1)) == []
    assert live.held() == 0


def test_exits_go_through_and_a_turn_only_leaves(live: Live) -> None:
    live.flow(stop=0.0)
    live.store(100, 101, 102, 103)
    live.tick()
    assert live.held() > 0
    live.distrust("sequence_break: depth")
    live.store(90)
    assert live.tick() == [D("-0.5")]
    assert live.held() == 0
    assert executions(live)[-1] == ("completed", "market_untrusted")
    live.distrust(None)
    assert live.again(timedelta(seconds=30)) == [D("-0.5")]
    assert live.held() < 0
    live.distrust("stale: gone")
    live.store(200)
    live.tick()
    assert live.held() == 0
    live.world.assert_sound()


def intended(live: Live, flow: Flow, target: str) -> tuple[UUID, list[UUID]]:
    """A signal that was planned and became orders, and whose process died then."""
    signal = live.world.publish(flow, target)
    with live.world.database.transaction() as tx:
        plan(tx, live.broker, signal, live.world.now)
        orders = intend_parents(tx, live.broker, signal, live.world.now)
    return signal, orders


def test_an_order_is_judged_once_more_when_it_is_sent(live: Live) -> None:
    flow = live.flow()
    live.store(100)
    live.feed.look()
    signal, (order,) = intended(live, flow, "0.5")
    live.distrust("stale: gone")
    assert execute_order(live.world.database, live.broker, order, live.world.author)
    copy_signal(live.world.database, live.broker, signal, live.world.now)
    ended = live.world.rows("SELECT status, split_part(reason, ':', 1), sent_at FROM orders")
    assert ended == [("refused", "market_untrusted", None)]
    assert executions(live) == [("failed", "market_untrusted")]
    live.distrust(None)
    copy_signal(live.world.database, live.broker, intended(live, flow, "0.4")[0], live.world.now)
    assert live.held() > 0
    live.distrust("stale: gone")
    copy_signal(live.world.database, live.broker, intended(live, flow, "0.1")[0], live.world.now)
    assert executions(live)[-1] == ("completed", None), "what reduces is sent"
    live.world.assert_sound()


def test_an_order_that_nobody_sent_for_long_opens_nothing(live: Live) -> None:
    flow = live.flow()
    live.store(100)
    live.feed.look()
    signal, _ = intended(live, flow, "0.5")
    live.world.advance()
    copy_signal(live.world.database, live.broker, signal, live.world.now)
    assert executions(live) == [("failed", "order_late")]
    assert live.held() == 0
    live.world.assert_sound()


def test_a_signal_that_nobody_copied_for_long_opens_nothing(live: Live) -> None:
    flow = live.flow()
    live.store(100)
    live.feed.look()
    signal = live.world.publish(flow, "0.5")
    live.world.advance()
    copy_signal(live.world.database, live.broker, signal, live.world.now)
    assert executions(live) == [("skipped", "signal_late")]
    live.world.assert_sound()
