"""What is asked beyond a limit is cut before it is ordered: figures worked out by hand.

In these worlds a unit costs 100, so a target of 1 on an equity of 10,000 is 100 units; there is no
fee unless a test says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from commenda.copying import CopyMode, Flow
from commenda.copying.actions import intend_parents, plan
from commenda.kit.db import Database
from commenda.ledger import Author
from commenda.risk import Limit, LimitOrder, tighten
from commenda.risk.exposure import GROUPS, values_of
from scripted import D, steps
from world import World


class Limited(World):
    """A business with limits."""

    def limit(self, measure: str, amount: str, level: str = "flow", subject: Any = "*") -> Limit:
        order = LimitOrder.model_validate(
            {"level": level, "subject": "" if level == "platform" else str(subject)}
            | {"measure": measure, "amount": amount, "reason": "a test"}
        )
        with self.database.transaction() as tx:
            return tighten(tx, Author("test", "test/1", self.now), order)

    def end_limits(self) -> None:
        self.execute(
            "UPDATE risk_limits SET ended_at = %s, ended_by = 'test' WHERE ended_at IS NULL",
            self.now,
        )

    def intend(self, flow: Flow, target: str) -> UUID:
        """Publish a signal and store its orders; they are in flight until it is copied."""
        signal = self.publish(flow, target)
        with self.database.transaction() as tx:
            plan(tx, self.broker, signal, self.now)
            intend_parents(tx, self.broker, signal, self.now)
        return signal

    def said(self, signal: UUID) -> list[Any]:
        """(status, wanted, requested, limit) of its executions, the leader's first."""
        return self.rows(
            "SELECT e.status, e.wanted, e.requested, e.limit_id FROM signal_executions e"
            " JOIN flow_subscriptions s ON s.id = e.subscription_id"
            " WHERE e.signal_id = %s ORDER BY s.is_leader DESC, s.investment_amount DESC",
            signal,
        )

    def gross(self) -> D:
        return self.one("SELECT coalesce(sum(abs(quantity)), 0) * 100 FROM positions")


@pytest.fixture
def world(db: Database) -> Limited:
    return Limited(db, fee=D(0))


def three(world: Limited) -> tuple[Flow, list[UUID]]:
    """A flow with a leader of 10,000 and followers of 3,000 and 1,000."""
    flow = world.creator("anna")
    legs = [world.follow(world.investor(f"i{n}"), flow, D(n)) for n in (3000, 1000)]
    (leader,) = world.column("SELECT leg_id FROM flow_subscriptions WHERE is_leader")
    return flow, [leader, *legs]


def held(world: Limited, legs: list[UUID]) -> list[D]:
    return [world.quantity(leg) for leg in legs]


# --- Everybody alike, and what it says -------------------------------------------------------


def test_all_followers_of_a_group_are_cut_alike_down_to_lots(world: Limited) -> None:
    flow, legs = three(world)
    limit = world.limit("gross_notional", "7000")
    signal = world.advance().signal(flow, "1")  # wants 14,000: half of it is left
    assert held(world, legs) == [50, 15, 5]
    assert world.said(signal) == [
        ("partial", 100, 50, limit.id),
        ("partial", 30, 15, limit.id),
        ("partial", 10, 5, limit.id),
    ]
    (error,) = world.column("SELECT DISTINCT error FROM signal_executions")
    assert error == f"risk_limit: gross_notional of each flow (limit {limit.id})"
    assert world.rows("SELECT limit_id, cut, refused, wanted, granted FROM risk_findings") == [
        (limit.id, 3, 0, 14000, 7000)
    ]
    alert = "SELECT kind, subject, count FROM alerts WHERE closed_at IS NULL"
    assert world.rows(alert) == [("alert.risk_limit", str(limit.id), 1)]

    again = world.advance().signal(flow, "1")  # nothing is left, and nothing is lost
    assert held(world, legs) == [50, 15, 5]
    assert [row[0] for row in world.said(again)] == ["skipped"] * 3
    world.assert_sound()
    world.end_limits()
    world.advance().signal(flow, "1")
    assert held(world, legs) == [100, 30, 10], "it heals at the next one"


def test_a_third_of_odd_lots_is_cut_down_for_each_and_never_up(world: Limited) -> None:
    flow, legs = three(world)
    world.limit("gross_notional", "4666.5")  # of 14,000: 0.33332...
    world.advance().signal(flow, "1")
    factor = D("4666.5") / D(14000)
    lots = [int(units * 1000 * factor) for units in (100, 30, 10)]
    assert held(world, legs) == [D(lot) / 1000 for lot in lots]


def test_room_that_fits_exactly_loses_no_lot(world: Limited) -> None:
    flow, legs = three(world)
    world.limit("gross_notional", "9333.8")  # 2/3 of 14,000 and a bit, which is no binary number
    world.advance().signal(flow, "1")
    assert held(world, legs) == [D("66.67"), D("20.001"), D("6.667")]
    assert world.gross() == D("9333.8")


def test_without_limits_nothing_is_judged(world: Limited) -> None:
    flow, legs = three(world)
    world.advance().signal(flow, "1")
    assert held(world, legs) == [100, 30, 10]
    assert world.one("SELECT count(*) FROM risk_findings") == 0
    assert world.column("SELECT DISTINCT status FROM signal_executions") == ["completed"]


# --- Exits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["gross_notional", "leverage", "order_rate", "open_orders"])
@pytest.mark.parametrize("target", ["0", "0.2"])
def test_an_exit_is_never_cut(world: Limited, measure: str, target: str) -> None:
    flow, legs = three(world)
    world.advance().signal(flow, "1")
    world.limit(measure, "1" if measure in ("order_rate", "open_orders") else "0.01")
    signal = world.advance().signal(flow, target)
    assert held(world, legs) == [D(target) * n for n in (100, 30, 10)]
    assert {row[0] for row in world.said(signal)} == {"completed"}
    world.assert_sound()


def test_a_turn_closes_whole_and_opens_what_is_left(world: Limited) -> None:
    flow, legs = three(world)
    world.advance().signal(flow, "1")
    world.limit("net_notional", "7000")
    world.advance().signal(flow, "-1")  # closes 14,000, and of 14,000 opens the half
    assert held(world, legs) == [-50, -15, -5]


def test_a_turn_beyond_a_limit_that_is_passed_only_closes(world: Limited) -> None:
    flow, legs = three(world)
    world.advance().signal(flow, "1")
    world.limit("gross_notional", "13999")
    signal = world.advance().signal(flow, "-1")
    assert held(world, legs) == [0, 0, 0]
    assert [row[2] for row in world.said(signal)] == [-100, -30, -10]


def test_a_turn_that_does_not_grow_needs_no_room(world: Limited) -> None:
    flow, legs = three(world)
    world.advance().signal(flow, "1")
    world.limit("gross_notional", "14000")
    world.advance().signal(flow, "-1")
    assert held(world, legs) == [-100, -30, -10]


# --- Each measure ----------------------------------------------------------------------------


def test_net_counts_both_sides_against_each_other(world: Limited) -> None:
    anna, bert = world.creator("anna"), world.creator("bert")
    world.limit("net_notional", "6000", "platform")
    world.advance().signal(anna, "0.5")  # 5,000 long
    world.advance().signal(bert, "-1")  # 10,000 short: net 5,000 short
    assert world.gross() == 15000
    world.advance().signal(bert, "-2")  # of 10,000 more, 1,000 are left
    assert world.gross() == 16000
    world.advance().signal(anna, "1")  # another 5,000 long is nearer to nothing
    assert world.gross() == 21000


def test_a_position_is_of_each_instrument_alone(world: Limited) -> None:
    anna, bert = world.creator("anna"), world.creator("bert", "BBBUSDT")
    world.limit("position", "6000", "platform")
    world.advance().signal(anna, "1")
    world.advance().signal(bert, "1")
    assert world.column("SELECT quantity FROM positions ORDER BY instrument_id") == [60, 120]


def test_leverage_is_gross_over_the_equity_of_the_group(world: Limited) -> None:
    flow, legs = three(world)
    world.limit("leverage", "1.5")  # 1.5 · 14,000 = 21,000, of 28,000
    world.advance().signal(flow, "2")
    assert held(world, legs) == [150, 45, 15]


def test_leverage_of_each_book_is_its_own(world: Limited) -> None:
    flow, legs = three(world)
    (book,) = world.column("SELECT scope_id FROM legs WHERE id = %s", legs[1])
    world.limit("leverage", "0.5", "scope", book)
    signal = world.advance().signal(flow, "1")
    assert held(world, legs) == [100, 15, 10], "only that book is cut"
    assert [row[0] for row in world.said(signal)] == ["completed", "partial", "completed"]
    world.limit("leverage", "0.6", "scope")
    world.advance().signal(flow, "2")
    assert held(world, legs) == [100, 15, 10], "two are past theirs, and the third has none left"


def test_concentration_is_one_instrument_over_all_equity(world: Limited) -> None:
    anna, bert = world.creator("anna"), world.creator("bert", "BBBUSDT")
    world.limit("concentration", "0.4", "platform")  # 0.4 · 20,000 = 8,000 in each
    world.advance().signal(anna, "1")
    world.advance().signal(bert, "0.7")
    assert world.column("SELECT quantity FROM positions ORDER BY instrument_id") == [80, 140]


def test_margin_use_is_a_tenth_of_gross_over_equity(world: Limited) -> None:
    flow, legs = three(world)
    world.limit("margin_use", "0.12")  # gross of 1.2 · equity
    world.advance().signal(flow, "2")
    assert held(world, legs) == [120, 36, 12]


def test_an_order_is_no_larger_than_its_limit(world: Limited) -> None:
    flow, legs = three(world)
    world.limit("order_notional", "7000")
    world.advance().signal(flow, "1")
    world.advance().signal(flow, "1")
    assert held(world, legs) == [100, 30, 10], "in two orders of 7,000 each"
    assert world.column("SELECT quantity FROM orders ORDER BY number") == [70, 70]


def test_of_an_order_that_turns_the_closing_part_counts_and_passes(world: Limited) -> None:
    flow, legs = three(world)
    world.advance().signal(flow, "1")
    world.limit("order_notional", "21000")
    world.advance().signal(flow, "-1")  # 14,000 close, 7,000 of 14,000 open
    assert held(world, legs) == [-50, -15, -5]


def test_orders_in_a_minute_are_counted(world: Limited) -> None:
    anna, bert = world.creator("anna"), world.creator("bert")
    world.limit("order_rate", "1", "platform")
    world.advance().signal(anna, "0.5")
    refused = world.signal(bert, "0.5")
    assert [row[:3] for row in world.said(refused)] == [("skipped", 50, 0)]
    world.signal(anna, "0.2")
    assert world.gross() == 2000, "an exit goes through"
    world.advance().signal(bert, "0.5")
    assert world.gross() == 7000, "and an hour later the next one"


def test_orders_that_are_not_over_are_counted(world: Limited) -> None:
    anna, bert = world.creator("anna"), world.creator("bert")
    world.limit("open_orders", "1", "venue", "paper")
    under_way = world.advance().intend(anna, "0.5")
    assert world.said(world.signal(bert, "0.5"))[0][:3] == ("skipped", 50, 0)
    world.copy(under_way)
    world.signal(bert, "0.5")
    assert world.gross() == 10000, "the one is over, so the other is let through"


def test_what_is_in_flight_has_taken_its_room(world: Limited) -> None:
    anna, bert = world.creator("anna"), world.creator("bert")
    world.limit("gross_notional", "15000", "platform")
    under_way = world.advance().intend(anna, "1")
    world.signal(bert, "1")
    assert world.gross() == 5000
    world.copy(under_way)
    assert world.gross() == 15000


def test_an_exit_that_is_in_flight_has_given_nothing_back_yet(world: Limited) -> None:
    anna, bert = world.creator("anna"), world.creator("bert")
    world.advance().signal(anna, "1")
    world.limit("gross_notional", "15000", "platform")
    under_way = world.advance().intend(anna, "0")
    world.signal(bert, "1")
    assert world.gross() == 15000
    world.copy(under_way)
    world.signal(bert, "1")
    assert world.gross() == 10000


def test_a_loss_since_the_last_daily_nav_stops_entries(db: Database) -> None:
    world = Limited(db, {"AAAUSDT": steps((0, 100), (30, 94), (60, 97))}, fee=D(0))
    flow = world.creator("anna")
    world.advance().signal(flow, "1")
    world.advance(1)
    world.value_books()
    world.limit("daily_loss", "0.05")
    world.advance(48)
    assert world.price("AAAUSDT") == 94
    signal = world.signal(flow, "1.5")  # 9,400 of 10,000 are left: lost 6 %
    assert [row[0] for row in world.said(signal)] == ["skipped"]
    world.value_books()
    world.advance(1)
    world.signal(flow, "1.5")
    assert world.quantity(*held_legs(world)) == D("150"), "a new day, from 9,400"


def held_legs(world: Limited) -> list[UUID]:
    return world.column("SELECT leg_id FROM flow_subscriptions WHERE is_leader")


# --- Levels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "subject"),
    [
        ("platform", ""),
        ("venue", "paper"),
        ("instrument", "{instrument}"),
        ("strategy", "ema_trend"),
        ("flow", "{flow}"),
        ("creator", "{creator}"),
    ],
)
def test_each_level_takes_its_books_together(world: Limited, level: str, subject: str) -> None:
    flow, legs = three(world)
    named = {"instrument": flow.instrument_id, "flow": flow.id, "creator": flow.creator_id}
    limit = world.limit("gross_notional", "7000", level, subject.format(**named))
    world.advance().signal(flow, "1")
    assert held(world, legs) == [50, 15, 5]
    assert world.column("SELECT DISTINCT limit_id FROM signal_executions") == [limit.id]


@pytest.mark.parametrize("level", ["instrument", "strategy", "flow", "creator"])
def test_another_subject_is_not_bound(world: Limited, level: str) -> None:
    flow, legs = three(world)
    other = world.creator("bert", "BBBUSDT", capital=0)
    named = {
        "instrument": other.instrument_id,
        "strategy": "zscore_reversion",
        "flow": other.id,
        "creator": other.creator_id,
    }
    world.execute("UPDATE shared_flows SET strategy = 'zscore_reversion' WHERE id = %s", other.id)
    world.limit("gross_notional", "7000", level, named[level])
    world.advance().signal(flow, "1")
    assert held(world, legs) == [100, 30, 10]


def test_the_tightest_of_several_limits_binds(world: Limited) -> None:
    flow, legs = three(world)
    world.limit("gross_notional", "10000", "platform")
    tightest = world.limit("leverage", "0.25", "flow", flow.id)
    world.limit("position", "7000", "creator")
    world.limit("leverage", "0.2", "scope")
    world.advance().signal(flow, "1")
    assert held(world, legs) == [20, 6, 2]
    assert tightest.id not in world.column("SELECT DISTINCT limit_id FROM signal_executions")


def test_two_flows_share_the_room_of_the_platform(world: Limited) -> None:
    anna, bert = world.creator("anna"), world.creator("bert")
    world.limit("gross_notional", "15000", "platform")
    world.advance().signal(anna, "1")
    world.signal(bert, "1")
    assert world.gross() == 15000
    world.advance().signal(anna, "0")
    world.signal(bert, "1")
    assert world.gross() == 10000


def test_copies_of_the_trade_are_cut_too(world: Limited) -> None:
    flow = world.creator("anna", capital=0)
    leg = world.follow(world.investor("ines"), flow, D(1000), mode=CopyMode.PERCENTAGE)
    world.limit("gross_notional", "300")
    world.advance().signal(flow, "0.5")
    assert world.quantity(leg) == 3


def in_another_asset(world: Limited, flow: Flow) -> None:
    """As if this flow's instrument and its books were of another money."""
    with psycopg.connect(world.database.owner_url) as owner:
        owner.execute("UPDATE instruments SET quote = 'USDC' WHERE id = %s", (flow.instrument_id,))
        owner.execute(
            "UPDATE scopes SET asset = 'USDC' WHERE id IN (SELECT scope_id FROM legs l"
            " JOIN flow_subscriptions s ON s.leg_id = l.id WHERE s.flow_id = %s)",
            (flow.id,),
        )


def test_a_share_is_of_the_equity_in_the_asset_that_is_traded(world: Limited) -> None:
    """A million in one money gives no room to 10,000 in another: half of that is 50 units."""
    flow, rich = world.creator("anna"), world.creator("ben", "BBBUSDT", 1_000_000)
    in_another_asset(world, rich)
    world.limit("leverage", "0.5", "platform")
    world.advance().signal(flow, "1")
    assert world.gross() == 5000


def test_orders_are_counted_together_whatever_they_are_paid_in(world: Limited) -> None:
    flow, other = world.creator("anna"), world.creator("ben", "BBBUSDT")
    world.advance().signal(other, "0.1")
    in_another_asset(world, other)
    world.limit("order_rate", "1", "platform")
    world.signal(flow, "1")
    assert world.column("SELECT DISTINCT instrument_id FROM positions WHERE quantity <> 0") == [
        other.instrument_id
    ]


def test_orders_are_counted_without_reading_all_that_ever_were(world: Limited) -> None:
    """Of 20,000 that were over a day ago none is read, whichever index the planner takes."""
    world.advance().signal(world.creator("anna"), "0.1")
    limit = world.limit("order_rate", "5", "platform")
    with world.database.transaction() as tx:
        columns = [
            row[0]
            for row in tx.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = 'orders'::regclass"
                " AND attnum > 0 AND NOT attisdropped AND attidentity = ''"
            )
        ]
        own = {
            "id": "gen_random_uuid()",
            "cause_id": "gen_random_uuid()",
            "allocated_at": "o.allocated_at - interval '1 day'",
        }
        tx.execute(
            f"INSERT INTO orders ({', '.join(columns)})"
            f" SELECT {', '.join(own.get(one, f'o.{one}') for one in columns)}"
            " FROM (SELECT * FROM orders ORDER BY number LIMIT 1) o, generate_series(1, 20000)"
        )
        tx.execute("SET LOCAL enable_seqscan = off")
        asked = values_of([limit], world.now, None, None)
        explained = "EXPLAIN (ANALYZE, FORMAT JSON) " + GROUPS + " SELECT * FROM used"
        (plan,) = tx.execute(explained, asked).fetchone() or ()
    assert 0 < sum(read_of("orders", plan[0]["Plan"])) < 20


def read_of(table: str, node: dict[str, Any]) -> Iterator[float]:
    """The rows that each node of a plan read of a table, those it threw away, too."""
    if node.get("Relation Name") == table:
        dropped = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
        once = node["Actual Rows"] + sum(node.get(one, 0) for one in dropped)
        yield once * node["Actual Loops"]
    for part in node.get("Plans", ()):
        yield from read_of(table, part)
