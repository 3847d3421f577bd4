"""A flow's terms change while it trades: other parameters begin it anew, other stops go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from commenda.copying import OWN, Flow, Runners, change_terms, restore_terms, versions_of
from commenda.copying.runner import RUNNER_CASH
from commenda.kernel import Costs, Stepper, Stops, with_stops
from commenda.kit import durable, ids
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import Author
from commenda.market import Bar
from commenda.strategies import catalogue
from living import PARAMS, Live
from world import World

D = Decimal
HOUR = timedelta(hours=1)
EMA = catalogue()["ema_trend"]


@pytest.fixture
def live(db: Database, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A market without costs, so that an entry price is the price."""
    durable.prepare(db.owner_url)
    monkeypatch.setattr("commenda.copying.stepping.enqueue_copy", lambda *_: None)
    return Live(World(db), Costs(fee_bps=0.0, slippage_bps=0.0))


def change(live: Live, flow: Flow, **terms: Any) -> int:
    author = Author("officer", "test/1", live.world.now)
    with live.world.database.transaction() as tx:
        return change_terms(tx, author, flow.id, **{"reason": "a test", **terms})


def restore(live: Live, flow: Flow, version: int) -> int:
    author = Author("officer", "test/1", live.world.now)
    with live.world.database.transaction() as tx:
        return restore_terms(tx, author, flow.id, version, reason="it was better")


def fed(stepper: Stepper, bars: Sequence[Bar]) -> Stepper:
    for one in bars:
        stepper.on_bar(one.ts * 10**9, one.open, one.high, one.low, one.close, one.volume)
    return stepper


def new_stepper(**params: float) -> Stepper:
    costs = Costs(fee_bps=0.0, slippage_bps=0.0)
    return Stepper(EMA.bind(**PARAMS | params), cash=RUNNER_CASH, costs=costs)


def columns(bars: Sequence[Bar]) -> list[tuple[float, float, float, float, float]]:
    return [(one.open, one.high, one.low, one.close, one.volume) for one in bars]


def signals(live: Live) -> list[tuple[Any, ...]]:
    """(target, layer of the stop that it carries out, its level) of each signal."""
    rows: list[tuple[Any, ...]] = live.world.rows(
        "SELECT target, stop ->> 'layer', (stop ->> 'level')::numeric FROM trading_signals"
        " ORDER BY sequence"
    )
    return rows


def rising(live: Live) -> tuple[Flow, list[Bar]]:
    """A flow that went long, half of it, at 103."""
    flow = live.flow()
    bars = live.store(100, 101, 102, 103)
    assert live.tick() == [D("0.5")]
    return flow, bars


def test_other_parameters_begin_the_strategy_anew_and_trade_what_they_want_otherwise(
    live: Live,
) -> None:
    flow, bars = rising(live)
    assert change(live, flow, params=PARAMS | {"exposure": 0.25}) == 2
    assert live.again() == [], "nothing before the next bar"
    bars += live.store(104)
    assert live.tick() == [D("0.25")]
    anew = new_stepper(exposure=0.25)
    # Three bars of warm-up before the one that it begins at; version 2 lies at a desk.
    begun = with_stops(anew, anew._program.stops, cash=RUNNER_CASH)
    assert live.state(flow) == fed(begun, bars[1:]).save()
    assert live.world.rows(
        "SELECT version, began_at FROM flow_terms WHERE flow_id = %s ORDER BY version", flow.id
    ) == [(1, live.world.now - 1 * HOUR), (2, live.world.now)]
    live.world.assert_sound()


def test_no_trade_where_both_versions_want_the_same(live: Live) -> None:
    flow, _ = rising(live)
    held = live.held()
    change(live, flow, params=PARAMS | {"stop": 0.1})
    live.store(104, 105)
    assert live.tick() == []
    assert live.held() == held
    assert len(signals(live)) == 1


def test_a_version_that_wants_nothing_leaves_the_market(live: Live) -> None:
    flow, _ = rising(live)
    # A crossing of less than the half of the price is none to it.
    change(live, flow, params=PARAMS | {"band": 0.05})
    live.store(103.1)
    assert live.tick() == [D(0)]
    assert live.held() == 0


def test_other_stops_carry_the_position_and_never_loosen_it(live: Live) -> None:
    flow, bars = rising(live)
    bars += live.store(104)
    live.tick()
    twin = fed(new_stepper(), bars)
    # The strategy's own stop lies at 103 less 5 %; 20 % would be looser.
    assert change(live, flow, stops=Stops(fraction=0.2)) == 2
    twin = with_stops(twin, Stops(fraction=0.2), columns(bars), cash=RUNNER_CASH)
    more = live.store(103.9)
    live.tick()
    assert live.state(flow) == fed(twin, more).save()
    live.store(97)
    live.tick()
    assert signals(live)[1] == (0, "fraction", D("97.85")), "103 less 5 %, by hand"


def test_who_says_so_may_loosen_a_stop(live: Live) -> None:
    flow, _ = rising(live)
    live.store(104)
    live.tick()
    change(live, flow, stops=Stops(fraction=0.2), loosen=True)
    live.store(97)
    assert live.tick() == [D("-0.5")], "the strategy turns; no stop came before it"
    assert signals(live) == [(D("0.5"), None, None), (D("-0.5"), None, None)]


def test_a_worker_that_begins_again_at_each_bar_comes_to_the_same_bit(live: Live) -> None:
    flow, bars = rising(live)
    twin = fed(new_stepper(), bars)
    chandelier = Stops(chandelier=2.0, chandelier_length=3, atr_length=2)
    change(live, flow, stops=chandelier)
    twin = with_stops(twin, chandelier, columns(bars), cash=RUNNER_CASH)
    for close in (104, 105, 106, 105):
        more = live.store(close)
        live.world.now = live.world.now + HOUR
        live.again(runners=Runners(live.runners.costs))
        assert live.state(flow) == fed(twin, more).save()
    # Highest of three 106, true ranges all 1: 106 - 2 * 1.
    (more,) = live.store(103.5)
    live.tick()
    assert signals(live)[1] == (0, "chandelier", D(104))
    assert live.state(flow) == fed(twin, [more]).save()


def test_the_way_back_is_another_version(live: Live) -> None:
    flow, _ = rising(live)
    change(live, flow, params=PARAMS | {"exposure": 0.25})
    assert change(live, flow, stops=Stops(bars=7)) == 3
    assert restore(live, flow, 1) == 4
    with live.world.database.transaction() as tx:
        latest, *_, first = versions_of(tx, flow.id)
    assert (latest.params, latest.stops) == (first.params, first.stops)
    assert latest.reason == "it was better"
    assert change(live, flow, stops=OWN) == 4, "the same again is no version"
    with pytest.raises(CommendaError, match="version"):
        restore(live, flow, 9)


def test_followers_and_the_trail_are_told_and_the_cause_is_kept(live: Live) -> None:
    flow, _ = rising(live)
    cause = ids.derive("decision", 1)
    fred = live.world.investor("fred", 10_000)
    live.world.follow(fred, flow, D(1000))
    change(live, flow, stops=Stops(atr=2.0), cause=cause)
    assert live.world.rows(
        "SELECT result, details -> 'changed', details ? 'after' FROM audit_events"
        " WHERE kind = 'copy.flow_changed'"
    ) == [("version 2", ["stops"], False)], "that it changed, and not its creator's parameters"
    (event,) = live.world.rows(
        "SELECT result, details ->> 'cause', details -> 'after' -> 'stops' FROM audit_events"
        " WHERE kind = 'flow.terms_changed'"
    )
    assert event == ("version 2", str(cause), {"atr": 2.0})


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"params": PARAMS | {"fast": 9}}, "bad_parameter"),
        ({"params": PARAMS | {"nothing": 9}}, "unknown_parameter"),
    ],
)
def test_terms_that_cannot_be_are_refused(live: Live, terms: dict[str, Any], code: str) -> None:
    flow, _ = rising(live)
    with pytest.raises(CommendaError) as refused:
        change(live, flow, **terms)
    assert refused.value.code == code
    live.world.execute("UPDATE shared_flows SET status = 'closed' WHERE id = %s", flow.id)
    with pytest.raises(CommendaError) as refused:
        change(live, flow, params=PARAMS)
    assert refused.value.code == "flow_closed"
