"""Each trigger of a breaker, caused in a running business: what it does, and what is kept of it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from commenda.kit.db import Database
from commenda.kit.times import iso
from commenda.market import Bar, Mark, write_bars, write_marks
from commenda.operations import Operation, reconcile_books
from commenda.operations.breaking import heed_breakers, sweep_breakers
from commenda.risk import Breaker, LimitOrder, all_breakers, tighten
from scripted import HOUR, START, flat, steps
from stopped import resumed
from world import World

D = Decimal


def limit(world: World, measure: str, amount: str, level: str = "platform", **more: Any) -> None:
    order = LimitOrder.model_validate(
        {"level": level, "measure": measure, "amount": amount, "effect": "no_entries"}
        | {"reason": "a test", **more}
    )
    with world.database.transaction() as tx:
        tighten(tx, world.author, order)


def swept(world: World) -> list[Breaker]:
    """The breakers after what a tick does about them."""
    operation = Operation(world.database, world.broker)
    sweep_breakers(operation, world.now)
    heed_breakers(operation, world.now)
    with world.database.read() as tx:
        return all_breakers(tx)


def opened(world: World) -> Breaker:
    """The only breaker, which opened just now and is kept with its evidence."""
    (one,) = swept(world)
    assert (one.state, one.opened_at, one.opened_by) == ("open", world.now, "risk")
    assert one.evidence["limit"] == str(one.limit_id)
    assert one.evidence["measured"] == iso(world.now)
    kept = world.rows("SELECT state, evidence FROM risk_breaker_changes")
    assert kept == [("open", one.evidence)]
    trail = world.one("SELECT details FROM audit_events WHERE kind = 'risk.open'")
    assert trail["evidence"] == one.evidence
    assert world.one("SELECT subject FROM alerts WHERE closed_at IS NULL") == str(one.id)
    return one


def nothing_opens(world: World, *flows: Any) -> None:
    before = world.rows("SELECT leg_id, instrument_id, quantity FROM positions ORDER BY 1, 2")
    for flow in flows:
        world.signal(flow, "0.9")
    after = world.rows("SELECT leg_id, instrument_id, quantity FROM positions ORDER BY 1, 2")
    assert [one for one in after if one[2]] == [one for one in before if one[2]]


def test_a_drawdown_from_the_best_day_opens_and_closes_what_is_held(db: Database) -> None:
    """Half of 10,000 at 100 is 50; at 120 it has earned 1,000, at 110 500: 500 of 11,000."""
    world = World(db, {"AAAUSDT": steps((0, 100), (24, 120), (48, 110))}, fee="0")
    flow = world.creator("anna")
    limit(world, "drawdown", "0.045", "flow", subject=str(flow.id), effect="flatten")
    world.signal(flow, "0.5")
    assert swept(world) == []
    world.advance(24).value_books()
    assert swept(world) == []
    world.advance(24).mark()
    one = opened(world)
    assert (one.level, one.subject, one.called) == ("flow", str(flow.id), "anna")
    assert one.evidence["value"] == "0.045454545455"
    details = {name: D(value) for name, value in one.evidence["details"].items()}
    assert details == {"best": 1000, "earned": 500, "capital": 10000}
    assert world.one("SELECT sum(quantity) FROM positions") == 0, "and it is flat"
    nothing_opens(world, flow)
    world.assert_sound()


def test_an_error_rate_counts_what_venues_refuse_of_what_was_sent(db: Database) -> None:
    """Two of six are a third; below five orders nothing is said."""
    world = World(db, fee="0")
    flows = [world.creator(name) for name in ("anna", "ben", "cora", "dora", "emil", "fay")]
    limit(world, "error_rate", "0.3", "venue", subject="*")
    for flow in flows[:2]:
        world.script.refusal = "rejected by the exchange"
        world.signal(flow, "0.5")
    assert swept(world) == []
    world.script.refusal = None
    for flow in flows[2:]:
        world.signal(flow, "0.1")
    one = opened(world)
    assert (one.level, one.subject, one.measure) == ("venue", "paper", "error_rate")
    assert one.evidence["value"] == "0.333333333333"
    assert one.evidence["details"]["bad"] == 2
    assert one.evidence["details"]["reason"] == "rejected by the exchange"
    nothing_opens(world, *flows[2:])


def test_a_burst_of_signals_stops_the_flow_that_sends_them(db: Database) -> None:
    world = World(db, fee="0")
    wild, calm = world.creator("anna"), world.creator("ben", "BBBUSDT")
    limit(world, "order_burst", "3", "flow", subject="*", effect="cancel")
    for target in ("0.1", "0.2", "0.1"):
        world.signal(wild, target)
    world.signal(calm, "0.2")
    assert swept(world) == [], "three are as many as may be"
    world.signal(wild, "0.2")
    one = opened(world)
    assert (one.level, one.subject, one.evidence["value"]) == ("flow", str(wild.id), "4")
    nothing_opens(world, wild)
    world.signal(calm, "0.3")
    assert world.one("SELECT sum(quantity) FROM positions WHERE quantity > 50") == 60


def test_a_price_jump_halves_what_is_held_of_the_instrument(db: Database) -> None:
    """From 100 to 88 in a bar: 12 %. The other instrument goes on."""
    world = World(db, fee="0")
    anna, ben = world.creator("anna"), world.creator("ben", "BBBUSDT")
    limit(world, "price_jump", "0.1", "instrument", subject="*", effect="reduce")
    world.signal(anna, "0.5")
    world.signal(ben, "0.5")
    store(world, (100, 100, 100, 100), (100, 101, 91, 92))
    assert swept(world) == []
    store(world, (92, 100, 80.96, 85))
    one = opened(world)
    assert (one.level, one.called) == ("instrument", "AAAUSDT")
    assert one.evidence["value"] == "0.12", "80.96 is 12 % below 92"
    held = dict(world.rows("SELECT instrument_id, quantity FROM positions"))
    assert held == {anna.instrument_id: D(25), ben.instrument_id: D(100)}
    nothing_opens(world, anna)
    world.signal(ben, "0.6")
    assert world.one("SELECT max(quantity) FROM positions") == 120


def store(world: World, *bars: tuple[float, float, float, float]) -> None:
    """Hours that have closed, as a feed stores them; time goes on with them."""
    instrument = world.instruments["AAAUSDT"]
    for bar in bars:
        ts = int(world.now.timestamp())
        world.advance()
        with world.database.transaction() as tx:
            write_bars(tx, HOUR, [(instrument, Bar(ts, *bar, 1.0))])
            as_of = datetime.fromtimestamp(ts + HOUR, UTC)
            write_marks(tx, [(instrument, Mark(instrument.to_tick(bar[3]), as_of, "mark"))])


def test_prices_that_are_too_old_stop_their_instrument(db: Database) -> None:
    world = World(db, fee="0")
    anna, ben = world.creator("anna"), world.creator("ben", "BBBUSDT")
    limit(world, "feed_age", "7200", "instrument", subject="*")
    world.mark()
    world.advance(2)
    assert swept(world) == [], "two hours are as old as may be"
    world.advance()
    both = swept(world)
    assert {(one.called, one.evidence["value"]) for one in both} == {
        ("AAAUSDT", "10800"),
        ("BBBUSDT", "10800"),
    }
    nothing_opens(world, anna, ben)


def test_a_feed_that_is_wrong_stops_its_instrument_however_new_the_price(db: Database) -> None:
    world = World(db, fee="0")
    anna = world.creator("anna")
    world.mark()
    world.execute(
        "INSERT INTO market_feeds (name, instrument_id, seen_at, book_right, messages, losses,"
        "  resyncs, distrust, distrusted_at) VALUES ('feed', %s, clock_timestamp(), false, 1, 0, 0,"
        "  'sequence_break: depth', clock_timestamp() - interval '90 seconds')",
        anna.instrument_id,
    )
    limit(world, "feed_age", "60")
    one = opened(world)
    assert one.level == "platform"
    assert 90 <= D(one.evidence["value"]) < 120
    assert one.evidence["details"]["feed"] == "feed: sequence_break: depth"
    nothing_opens(world, anna)


def test_a_difference_that_nobody_can_explain_stops_everything(db: Database) -> None:
    world = World(db, fee="0")
    anna = world.creator("anna")
    limit(world, "difference", "0.01", "platform")
    operation = Operation(world.database, world.broker)
    reconcile_books(operation, world.now)
    assert swept(world) == []
    world.advance()
    world.execute("UPDATE paper.wallets SET balance = balance - 0.02")
    reconcile_books(operation, world.now)
    found = swept(world)
    (one,) = found
    assert (one.state, one.measure, one.evidence["value"]) == ("open", "difference", "0.02")
    assert one.evidence["details"]["part"] == "venue"
    assert one.evidence["details"]["subject"] == "paper USDT"
    nothing_opens(world, anna)


# --- And back ------------------------------------------------------------------------------------


def test_what_has_calmed_down_is_tried_and_then_let_through(db: Database) -> None:
    """A jump that is past is none: after a cooldown of one hour a quarter of an entry is let
    through, after another one all of it."""
    world = World(db, fee="0")
    flow = world.creator("anna")
    limit(world, "price_jump", "0.1", resets_at="0.05", cooldown_seconds=3600)
    store(world, (100, 100, 100, 100), (100, 120, 100, 100))
    assert swept(world)[0].state == "open"
    world.signal(flow, "0.4")
    assert world.one("SELECT count(*) FROM positions WHERE quantity <> 0") == 0
    store(world, (100, 107, 100, 100))
    assert swept(world)[0].state == "open", "between the edges is not calm"
    for state in ("open", "half_open"):
        store(world, (100, 100, 100, 100))
        assert swept(world)[0].state == state
    signal = world.signal(flow, "0.8")
    assert world.one("SELECT quantity FROM positions") == 20, "a quarter of 80"
    status, error = world.rows(
        "SELECT status, error FROM signal_executions WHERE signal_id = %s", signal
    )[0]
    assert status == "partial"
    assert error.startswith("breaker_open: price_jump of platform")
    for state in ("half_open", "closed"):
        store(world, (100, 100, 100, 100))
        assert swept(world)[0].state == state
    assert world.one("SELECT count(*) FROM alerts WHERE closed_at IS NULL") == 0
    world.signal(flow, "0.7")
    assert world.one("SELECT quantity FROM positions") == 70
    world.assert_sound()


def test_a_restart_forgets_no_breaker_and_two_people_close_one_that_is_still_breached(
    db: Database,
) -> None:
    """Closed while it is breached it opens again at the next look."""
    world = World(db, fee="0")
    flow = world.creator("anna")
    limit(world, "order_burst", "1", "flow", subject=str(flow.id))
    world.signal(flow, "0.1")
    world.signal(flow, "0.2")
    one = opened(world)
    db.forget()
    again = World(db, fee="0", taken_up=True)
    assert [(b.id, b.state, b.version) for b in swept(again)] == [(one.id, "open", 1)]
    nothing_opens(again, flow)
    resumed(again, one)
    assert swept(again)[0].openings == 2
    again.advance()
    resumed(again, one)
    assert swept(again)[0].state == "closed"


def test_a_limit_that_has_ended_lets_its_breaker_calm_down(db: Database) -> None:
    world = World(db, fee="0")
    flow = world.creator("anna")
    limit(world, "order_burst", "1", "flow", subject=str(flow.id))
    world.signal(flow, "0.1")
    world.signal(flow, "0.2")
    opened(world)
    world.execute("UPDATE risk_limits SET ended_at = valid_from, ended_by = 'test'")
    states = []
    for _ in range(4):
        states.append(swept(world)[0].state)
        world.advance()
    assert states == ["open", "half_open", "half_open", "closed"]


@pytest.mark.parametrize(
    ("level", "subject", "measure", "effect", "code"),
    [
        ("scope", "*", "error_rate", "cancel", "bad_measure"),
        ("flow", "*", "price_jump", "cancel", "bad_measure"),
        ("instrument", "*", "difference", "cancel", "bad_measure"),
        ("platform", "", "order_burst", None, "bad_breaker"),
        ("platform", "", "drawdown", "sell", None),
    ],
)
def test_what_no_breaker_can_go_by_is_refused(
    db: Database, level: str, subject: str, measure: str, effect: str | None, code: str | None
) -> None:
    world = World(db)
    with pytest.raises(Exception) as refused:  # noqa: PT011 - its code is looked at
        limit(world, measure, "0.5", level, subject=subject, effect=effect)
    assert getattr(refused.value, "code", None) == code


def test_sweeping_begins_at_the_start_of_the_business(db: Database) -> None:
    """Nothing is stored yet, and nothing is breached."""
    world = World(db)
    assert world.now == START
    for measure in ("feed_age", "price_jump", "difference", "order_burst", "drawdown"):
        limit(world, measure, "0.5" if measure == "drawdown" else "1")
    limit(world, "error_rate", "0.5", "strategy", subject="*")
    assert swept(world) == []


# --- What limits hold each order against, and prices change --------------------------------------


def test_a_daily_loss_stops_what_has_lost_it(db: Database) -> None:
    """Half of 10,000 at 100 is 50; at 90 they have lost 500, five per cent of the day's NAV."""
    world = World(db, {"AAAUSDT": steps((0, 100), (30, 90)), "BBBUSDT": flat(50.0)}, fee="0")
    anna, ben = world.creator("anna"), world.creator("ben", "BBBUSDT")
    limit(world, "daily_loss", "0.04", "creator", subject="*", effect="flatten")
    world.signal(anna, "0.5")
    world.advance(24).value_books()
    assert swept(world) == []
    world.advance(6).mark()
    one = opened(world)
    assert (one.level, one.subject) == ("creator", str(anna.creator_id))
    assert one.evidence["value"] == "0.05"
    assert world.one("SELECT sum(quantity) FROM positions") == 0
    world.signal(ben, "0.5")
    assert world.one("SELECT sum(quantity) FROM positions") == 100
    world.assert_sound()


def test_margin_use_grows_as_prices_fall_and_is_reduced(db: Database) -> None:
    """100 at 100 of 10,000: a tenth. At 60 equity is 6,000 and gross 6,000, still a tenth; short
    100 at 100, at 140 equity is 6,000 and gross 14,000: 0.2333."""
    world = World(db, {"AAAUSDT": steps((0, 100), (5, 140))}, fee="0")
    flow = world.creator("anna")
    limit(world, "margin_use", "0.2", effect="reduce")
    world.mark()
    world.signal(flow, "-1")
    assert world.one("SELECT quantity FROM positions") == -100
    assert swept(world) == []
    world.advance(5).mark()
    one = opened(world)
    assert one.evidence["value"] == "0.233333333333"
    assert one.evidence["details"] == {
        "asset": "USDT",
        "gross": "14000.00000000",
        "equity": "6000.00000000",
    }
    assert world.one("SELECT quantity FROM positions") == -50
    nothing_opens(world)
    world.assert_sound()


def test_what_is_held_of_each_instrument_and_what_works_open_breakers_too(db: Database) -> None:
    world = World(db, {"AAAUSDT": steps((0, 100), (5, 130)), "BBBUSDT": flat(50.0)}, fee="0")
    anna, ben = world.creator("anna"), world.creator("ben", "BBBUSDT")
    limit(world, "gross_notional", "6000", "flow", subject="*", asset="USDT", effect="no_entries")
    limit(world, "leverage", "0.6", "flow", subject="*", effect="no_entries")
    world.mark()
    world.signal(anna, "0.5")
    world.signal(ben, "0.5")
    assert swept(world) == []
    world.advance(5).mark()
    found = {(one.measure, one.called): one.evidence["value"] for one in swept(world)}
    assert found == {("gross_notional", "anna"): "6500"}, "6,500 of 11,500 is 0.565"
    world.assert_sound()


def test_what_only_breakers_go_by_holds_up_no_order(db: Database) -> None:
    world = World(db, fee="0")
    flow = world.creator("anna")
    for measure in ("feed_age", "price_jump", "difference", "order_burst", "drawdown"):
        limit(world, measure, "0.001")
    world.signal(flow, "0.5")
    assert world.one("SELECT quantity FROM positions") == 50


def test_of_several_limits_of_one_place_the_strongest_that_is_breached_acts(db: Database) -> None:
    """A small limit of each flow that lets nothing in, and a large one of this flow that closes it:
    neither keeps the other from acting, nor lets through what the other still holds."""
    world = World(db, fee="0")
    flow = world.creator("anna")
    limit(world, "gross_notional", "1000", "flow", subject="*", cooldown_seconds=60)
    world.signal(flow, "0.1")
    world.mark()
    assert swept(world) == []
    limit(world, "gross_notional", "6000", "flow", subject=str(flow.id), effect="flatten")
    world.execute("UPDATE positions SET quantity = 50 WHERE quantity <> 0")  # as a jump would
    one = opened(world)
    assert (one.effect, one.evidence["amount"]) == ("no_entries", "1000")
    world.execute("UPDATE positions SET quantity = 70 WHERE quantity <> 0")
    (one,) = swept(world)
    assert (one.state, one.effect, one.version) == ("open", "flatten", 2)
    assert (one.evidence["amount"], one.evidence["limit"]) == ("6000", str(one.limit_id))
    assert world.one("SELECT sum(quantity) FROM positions") == 0, "and it is flat"


def test_it_is_calm_once_all_limits_of_the_place_are_for_as_long_as_each_asks(
    db: Database,
) -> None:
    """10,000 held: beyond both. 6,000 is below the amounts, and above where the first resets."""
    world = World(db, fee="0")
    flow = world.creator("anna")
    world.signal(flow, "1")
    world.mark()
    of = {"subject": str(flow.id), "resets_at": "5000", "cooldown_seconds": 7200}
    limit(world, "gross_notional", "9000", "flow", **of)
    limit(world, "gross_notional", "8000", "flow", subject="*", cooldown_seconds=60)
    assert opened(world).state == "open"
    world.execute("UPDATE positions SET quantity = 60 WHERE quantity <> 0")
    (one,) = swept(world.advance())
    assert (one.state, one.calm_since) == ("open", None)
    world.execute("UPDATE positions SET quantity = 40 WHERE quantity <> 0")
    (one,) = swept(world.advance())
    assert (one.state, one.calm_since) == ("open", world.now)
    (one,) = swept(world.advance())
    assert one.state == "open", "the other asks for two hours"
    (one,) = swept(world.advance())
    assert one.state == "half_open"
