"""Copying a signal: in order, exact to the lot, fair, healing, and never twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest

from commenda.copying import CopyMode, unfinished_exits
from commenda.execution import allocate
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.venues import Fill, Side
from scripted import D, random_fills, steps
from world import World, in_threads

LOT = D("0.001")


@pytest.mark.parametrize("reverse", [False, True], ids=["in order", "reversed"])
@pytest.mark.parametrize("copies", [1, 3], ids=["once", "three times"])
def test_two_signals_at_once_end_at_the_second_target(
    db: Database, reverse: bool, copies: int
) -> None:
    """Processed together, two differences from one old position would add up."""
    world = World(db, fee=D(0))
    flow = world.creator("anna")
    legs = [
        world.follow(world.investor(f"i{n}"), flow, D(1000), mode=mode)
        for n, mode in enumerate([CopyMode.TARGET, CopyMode.PERCENTAGE] * 2)
    ]
    for first, second in (("0.5", "0.8"), ("-0.4", "0.3"), ("0.6", "-0.5")):
        world.advance()
        signals = [world.publish(flow, first), world.publish(flow, second)]
        if reverse:
            signals.reverse()
        in_threads(*[partial(world.copy, signal) for signal in signals * copies])
        for leg in legs[::2]:
            assert world.quantity(leg) == D(second) * 1000 / 100
        sequence = world.column(
            "SELECT s.sequence FROM fills f JOIN orders o ON o.id = f.order_id"
            " JOIN trading_signals s ON s.id = o.cause_id"
            " JOIN journals j ON j.key = 'fill:paper:' || f.fill_id ORDER BY j.id"
        )
        assert sequence == sorted(sequence), "the first is over before the second begins"
    assert world.column("SELECT DISTINCT status FROM trading_signals") == ["processed"]
    world.assert_sound()


def test_one_signal_copied_by_many_at_once_is_copied_once(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    legs = [world.follow(world.investor(f"i{n}"), flow, D(1000)) for n in range(5)]
    for target in ("0.7", "-0.3", "0"):
        signal = world.advance().publish(flow, target)
        in_threads(*[partial(world.copy, signal)] * 6)
    assert [world.quantity(leg) for leg in legs] == [0] * 5
    assert world.one("SELECT count(*) FROM orders") == 3
    assert world.one("SELECT count(*) FROM signal_executions") == 18
    world.assert_sound()


def test_a_signal_delivered_twice_is_stored_once(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    first = world.publish(flow, "0.5", key="bar-1")
    assert world.publish(flow, "0.9", key="bar-1") == first
    assert (
        in_threads(*[partial(world.publish, flow, "0.9", "bar-2")] * 8)
        == [world.publish(flow, "0.9", key="bar-2")] * 8
    )
    assert world.rows("SELECT sequence, target FROM trading_signals ORDER BY 1") == [
        (1, D("0.5")),
        (2, D("0.9")),
    ]
    assert world.one("SELECT last_sequence FROM shared_flows") == 2
    world.copy(first)
    world.copy(first)
    assert world.one("SELECT count(*) FROM orders") == 1


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_allocations_add_up_to_random_partial_fills_exactly(db: Database, seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    world = World(db, lot=LOT, fee=D("0.00037"))
    flow = world.creator("anna")
    for n in range(12):
        world.follow(world.investor(f"i{n}"), flow, D(rng.randint(50, 9000)), mode=rng_mode(rng))
    world.script.share_of = random_fills(rng.random, lambda: rng.randint(-30, 30), parts=4)
    for _ in range(15):
        world.advance().signal(flow, str(D(rng.randint(-150, 150)) / 100))
    rows = world.rows(
        "SELECT o.id, o.status, CASE o.side WHEN 'buy' THEN 1 ELSE -1 END,"
        " f.quantity, f.notional, f.fee, a.quantity, a.notional, a.fee"
        " FROM orders o JOIN (SELECT order_id, sum(quantity) quantity,"
        "   sum(quantity * price) notional, sum(fee) fee FROM fills GROUP BY 1) f"
        "  ON f.order_id = o.id"
        " JOIN (SELECT order_id, sum(quantity) quantity, sum(notional) notional, sum(fee) fee"
        "   FROM allocations GROUP BY 1) a ON a.order_id = o.id"
    )
    assert Counter(row[1] for row in rows)["expired"] > 5
    for _, _, sign, *sums in rows:
        assert sums[:3] == [sign * sums[3], sign * sums[4], sums[5]]
    # Within one lot of what the leg's request is of the parent.
    off = world.rows(
        "SELECT a.quantity, a.requested * t.filled / o.quantity FROM allocations a"
        " JOIN orders o ON o.id = a.order_id"
        " JOIN (SELECT order_id, sum(quantity) filled FROM fills GROUP BY 1) t"
        "  ON t.order_id = o.id WHERE abs(a.quantity - a.requested * t.filled / o.quantity) >= %s",
        LOT,
    )
    assert off == []
    assert world.one("SELECT count(*) FROM allocations WHERE mod(quantity, %s) <> 0", LOT) == 0
    world.assert_sound()


def test_every_allocation_names_the_fills_it_came_from(db: Database) -> None:
    """allocation -> order -> fills -> the venue's own fills: equal ids, quantities and prices."""
    rng = random.Random(5)
    world = World(db)
    flow = world.creator("anna")
    for n in range(4):
        world.follow(world.investor(f"i{n}"), flow, D(500 + 700 * n))
    world.script.share_of = random_fills(lambda: 0.77, lambda: rng.randint(-9, 9))
    for target in ("0.6", "1", "-0.2"):
        world.advance().signal(flow, target)
    platform = world.rows(
        "SELECT a.order_id, f.fill_id, f.quantity, f.price, f.fee, count(*)"
        " FROM allocations a JOIN orders o ON o.id = a.order_id"
        " JOIN fills f ON f.order_id = o.id GROUP BY 1, 2, 3, 4, 5 ORDER BY 2"
    )
    venue = world.rows(
        "SELECT client_order_id, id, quantity, price, fee FROM paper.fills ORDER BY id"
    )
    assert [row[:5] for row in platform] == venue
    assert len(venue) >= 9
    assert (
        world.one(
            "SELECT count(*) FROM allocations a WHERE a.quantity <> 0"
            " AND NOT EXISTS (SELECT FROM fills f WHERE f.order_id = a.order_id)"
        )
        == 0
    )


def test_the_leader_trades_with_the_followers_at_one_average_price(db: Database) -> None:
    world = World(db, tick=D("0.01"))
    flow = world.creator("anna", capital=7_777)
    followers = [world.follow(world.investor(f"i{n}"), flow, D(3_333)) for n in range(3)]
    world.script.share_of = lambda order, one: [
        (order.quantity - 7 * one.lot, D("100.03")),
        (5 * one.lot, D("100.11")),
    ]
    signal = world.signal(flow, "0.9")
    rows = world.rows(
        "SELECT s.is_leader, e.order_id, a.notional / a.quantity, a.quantity"
        " FROM signal_executions e JOIN flow_subscriptions s ON s.id = e.subscription_id"
        " JOIN allocations a ON a.order_id = e.order_id AND a.leg_id = e.leg_id"
        " WHERE e.signal_id = %s ORDER BY s.is_leader",
        signal,
    )
    assert [row[0] for row in rows] == [False] * 3 + [True]
    assert len({row[1] for row in rows}) == 1, "one parent order"
    notional, quantity = world.rows("SELECT sum(quantity * price), sum(quantity) FROM fills")[0]
    for _, _, price, got in rows:
        # Notional is split to 10^-8, which is all that can keep two prices apart.
        assert abs(price - notional / quantity) <= D("0.00000001") / got
    assert len(followers) == 3


def test_a_partial_copy_heals_at_the_next_signal(db: Database) -> None:
    world = World(db, fee=D(0))
    flow = world.creator("anna")
    leg = world.follow(world.investor("ines"), flow, D(1000))
    world.script.share_of = random_fills(lambda: 0.3, lambda: 0, parts=1)
    world.signal(flow, "0.5")
    assert world.quantity(leg) == D("1.5")
    world.script.share_of = None
    world.advance().signal(flow, "0.6")
    assert world.quantity(leg) == 6


def test_an_exit_that_the_venue_refused_is_known_until_it_is_done(db: Database) -> None:
    world = World(db, fee=D(0))
    flow = world.creator("anna")
    leg = world.follow(world.investor("ines"), flow, D(1000))
    world.signal(flow, "0.5")
    world.script.refusal = "maintenance"
    world.advance().signal(flow, "0")
    assert world.quantity(leg) == 5
    with db.transaction() as tx:
        assert unfinished_exits(tx) == [flow.id]
    world.script.refusal = None
    world.advance().signal(flow, "0")
    assert world.quantity(leg) == 0
    with db.transaction() as tx:
        assert unfinished_exits(tx) == []
    world.assert_sound()


def test_a_missed_signal_heals_at_the_next_one(db: Database) -> None:
    world = World(db, fee=D(0))
    flow = world.creator("anna")
    leg = world.follow(world.investor("ines"), flow, D(1000))
    world.script.refusal = "maintenance"
    missed = world.signal(flow, "0.5")
    assert world.quantity(leg) == 0
    assert world.rows(
        "SELECT DISTINCT status, executed_amount, error FROM signal_executions"
        " WHERE signal_id = %s",
        missed,
    ) == [("failed", 0, "maintenance")]
    world.script.refusal = None
    late = world.follow(world.investor("lara"), flow, D(500))
    world.advance().signal(flow, "0.4")
    assert (world.quantity(leg), world.quantity(late)) == (4, 2)
    world.assert_sound()


@pytest.mark.parametrize(
    ("capital", "targets", "reason"),
    [
        (1000, ["0.5", "0.5049"], "within the dead-band"),  # 4.9 of 1,000 is below 0.5 %
        (1000, ["0.5", "0.5"], "already at the target"),
        (D("0.1"), ["0.9"], "below one lot"),  # 0.09 is less than 0.001 · 100
        (1000, ["0"], "nothing to close"),
    ],
)
def test_what_is_too_small_is_skipped_with_its_reason(
    db: Database, capital: Decimal | int, targets: list[str], reason: str
) -> None:
    world = World(db, fee=D(0))
    flow = world.creator("anna")
    leg = world.follow(world.investor("ines"), flow, D(capital))
    for target in targets[:-1]:
        world.signal(flow, target)
    before = world.quantity(leg)
    signal = world.advance().signal(flow, targets[-1])
    assert world.quantity(leg) == before
    assert world.rows(
        "SELECT status, error, requested, order_id FROM signal_executions"
        " WHERE signal_id = %s AND leg_id = %s",
        signal,
        leg,
    ) == [("skipped", reason, 0, None)]


def test_just_above_the_dead_band_is_traded(db: Database) -> None:
    world = World(db, fee=D(0))
    flow = world.creator("anna")
    leg = world.follow(world.investor("ines"), flow, D(1000))
    world.signal(flow, "0.5")
    world.advance().signal(flow, "0.505")
    assert world.quantity(leg) == D("5.05")


@pytest.mark.parametrize("mode", list(CopyMode))
def test_an_exit_is_never_skipped(db: Database, mode: CopyMode) -> None:
    """One lot of 0.1 is 0.01 % of 1,000, far within the dead-band, and is closed all the same."""
    world = World(db, fee=D(0))
    flow = world.creator("anna", capital=0)
    leg = world.follow(world.investor("ines"), flow, D(1000), mode=mode)
    for sign in (1, -1):
        world.advance().signal(flow, D("0.5") * sign)
        world.script.share_of = lambda order, _: [(order.quantity - LOT, order.reference_price)]
        world.advance().signal(flow, "0")
        assert world.quantity(leg) == LOT * sign
        world.script.share_of = None
        world.advance().signal(flow, "0")
        assert world.quantity(leg) == 0
    world.assert_sound()


def test_equity_that_is_used_up_closes_what_is_held(db: Database) -> None:
    world = World(db, {"AAAUSDT": steps((0, 100), (5, 40))}, fee=D(0))
    flow = world.creator("anna")
    leg = world.follow(world.investor("ines"), flow, D(1000))
    world.signal(flow, "2")
    world.advance(5).signal(flow, "2.5")
    assert world.quantity(leg) == 0
    assert world.cash(leg) == -200
    world.assert_sound()


def test_buyers_and_sellers_of_one_signal_are_two_parents(db: Database) -> None:
    """Who is above the target sells and who is below it buys; nothing is netted inside."""
    world = World(db, {"AAAUSDT": steps((0, 100), (5, 50))}, fee=D(0))
    flow = world.creator("anna", capital=0)
    early = world.follow(world.investor("early"), flow, D(1000))
    world.signal(flow, "1.5")
    world.advance(5)
    late = world.follow(world.investor("late"), flow, D(1000))
    signal = world.signal(flow, "0.5")
    # 15 at 100 fell to 50: equity 250, half of it is 2.5. The newcomer's half is 10.
    assert (world.quantity(early), world.quantity(late)) == (D("2.5"), 10)
    assert world.rows(
        "SELECT side, quantity FROM orders WHERE cause_id = %s ORDER BY side", signal
    ) == [("buy", 10), ("sell", D("12.5"))]
    world.assert_sound()


# --- fairness --------------------------------------------------------------------------------

FOLLOWERS = 7
PARENTS = 200


def test_partial_parents_leave_no_equal_follower_behind(db: Database) -> None:
    """Seven equal requests of 3 lots and 10 lots filled: three lots are left over each time."""
    world = World(db, {"AAAUSDT": lambda _: 1.0}, lot=D(1), fee=D(0))
    flow = world.creator("anna", capital=0)
    legs = [world.follow(world.investor(f"i{n}"), flow, D(4)) for n in range(FOLLOWERS)]

    world.script.share_of = lambda order, _: [(D(10), D(1))]
    received = dict.fromkeys(legs, D(0))
    for _ in range(40):
        signal = world.signal(flow, "0.75")
        for leg, quantity in got(world, signal):
            received[leg] += quantity
        world.script.share_of = None
        world.signal(flow, "0")
        world.script.share_of = lambda order, _: [(D(10), D(1))]
    assert sum(received.values()) == 400
    assert_fair([int(quantity) for quantity in received.values()], 40)
    world.assert_sound()


@pytest.mark.parametrize("seed", range(5))
def test_two_hundred_partial_parents_leave_no_equal_follower_behind(seed: int) -> None:
    print(f"seed {seed}")
    received = share_two_hundred(seed)
    assert_fair(received, PARENTS)


@pytest.mark.parametrize("seed", range(5))
def test_ties_by_id_would_starve_the_same_followers(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation that the fairness test must catch."""

    def by_id(secret: bytes, *parts: object) -> bytes:
        return UUID(str(parts[-1])).bytes

    monkeypatch.setattr(ids, "tie_break", by_id)
    received = share_two_hundred(seed)
    with pytest.raises(AssertionError, match="starved"):
        assert_fair(received, PARENTS)


def share_two_hundred(seed: int) -> list[int]:
    rng = random.Random(seed)
    legs = sorted(UUID(int=rng.getrandbits(128)) for _ in range(FOLLOWERS))
    received = dict.fromkeys(legs, 0)
    for _parent in range(PARENTS):
        order = UUID(int=rng.getrandbits(128))
        shares = allocate(
            Side.BUY,
            [(leg, D(3)) for leg in legs],
            [Fill("f", D(10), D(1), D(0))],
            step=D(1),
            scale=8,
            secret=b"secret",
            order_id=order,
        )
        for share in shares:
            received[share.leg_id] += int(share.quantity)
    return list(received.values())


def assert_fair(received: Sequence[int], parents: int) -> None:
    """Each parent leaves 3 lots for 7: a binomial count. Five deviations off is no luck."""
    mean = parents * 10 / FOLLOWERS
    deviation = (parents * (3 / 7) * (4 / 7)) ** 0.5
    worst = max(abs(each - mean) for each in received)
    assert worst <= 5 * deviation, f"starved or favoured: {sorted(received)}"


def got(world: World, signal: UUID) -> list[tuple[UUID, Decimal]]:
    return [
        (leg, quantity)
        for leg, quantity in world.rows(
            "SELECT a.leg_id, a.quantity FROM allocations a JOIN orders o ON o.id = a.order_id"
            " WHERE o.cause_id = %s",
            signal,
        )
    ]


def rng_mode(rng: random.Random) -> CopyMode:
    return rng.choice(list(CopyMode))
