"""Orders, stops in layers, liquidity, latency and margin: worked by hand, and properties."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.kernel import (
    Bars,
    BookSamples,
    Costs,
    FeeTier,
    Fill,
    FillKind,
    Funding,
    Latency,
    MaintenanceTier,
    Margin,
    Program,
    Stepper,
    Stops,
    Terms,
    compiled,
    market_order,
    run,
)
from desk_programs import (
    BRACKET,
    FREE,
    KEEP,
    MINUTE,
    WILD,
    candles,
    fills_of,
    orders,
    random_bars,
    restless,
    still,
    targets,
)

# Orders.


def test_a_market_order_fills_at_the_next_open() -> None:
    bars = candles(*still(2), (103, 104, 102, 103))
    result = run(orders((0, 1, 2.0), (1, 1, -1.0)), bars, cash=1_000.0, costs=FREE)
    assert fills_of(result) == [(1, 2.0, 100.0, FillKind.MARKET), (2, -1.0, 103.0, FillKind.MARKET)]
    assert result.equity[-1] == 1_000.0 + 2.0 * 3.0


def test_a_limit_order_fills_when_the_price_goes_through_it_and_not_when_it_touches() -> None:
    touch = candles(*still(1), (100, 101, 99, 100), (100, 101, 98.9, 100))
    result = run(orders((0, 2, 1.0, 99.0)), touch, cash=1_000.0, costs=Costs(5.0, 50.0, 2.0))
    assert fills_of(result) == [(2, 1.0, 99.0, FillKind.LIMIT)]  # no slippage for a maker
    assert result.fills[0].maker
    assert result.fills[0].fee == pytest.approx(99.0 * 2e-4)


def test_a_limit_order_that_arrives_beyond_the_market_takes_at_the_open_within_its_limit() -> None:
    bars = candles(*still(1), (98, 99, 97, 98))
    result = run(orders((0, 2, 1.0, 99.0)), bars, cash=1_000.0, costs=Costs(5.0, 50.0, 2.0))
    assert fills_of(result) == [(1, 1.0, 98.0 * 1.005, FillKind.LIMIT)]
    assert not result.fills[0].maker
    dear = run(orders((0, 2, 1.0, 98.1)), bars, cash=1_000.0, costs=Costs(5.0, 50.0, 2.0))
    assert dear.fills[0].price == 98.1


def test_a_resting_limit_order_is_filled_at_its_own_price_though_the_market_gaps_over_it() -> None:
    bars = candles(*still(2), (95, 96, 94, 95))
    result = run(orders((0, 2, 1.0, 99.0)), bars, cash=1_000.0, costs=FREE)
    assert fills_of(result) == [(2, 1.0, 99.0, FillKind.LIMIT)]


def test_a_stop_order_fills_at_its_trigger_or_at_the_open_beyond_it() -> None:
    inside = candles(*still(1), (100, 103, 99, 102))
    result = run(orders((0, 3, 1.0, KEEP, 102.0)), inside, cash=1_000.0, costs=FREE)
    assert fills_of(result) == [(1, 1.0, 102.0, FillKind.STOP_ORDER)]
    gap = candles(*still(1), (104, 105, 103, 104))
    result = run(orders((0, 3, 1.0, KEEP, 102.0)), gap, cash=1_000.0, costs=FREE)
    assert fills_of(result) == [(1, 1.0, 104.0, FillKind.STOP_ORDER)]


def test_a_stop_limit_order_rests_at_its_limit_once_triggered() -> None:
    bars = candles(*still(1), (100, 103, 99.5, 103), (103, 103, 100.5, 101))
    result = run(orders((0, 4, 1.0, 101.0, 102.0)), bars, cash=1_000.0, costs=FREE)
    assert fills_of(result) == [(2, 1.0, 101.0, FillKind.LIMIT)]


def test_a_trailing_order_follows_the_best_price_at_its_distance() -> None:
    bars = candles(*still(1), (100, 104, 100, 104), (104, 108, 104, 108), (108, 108, 102, 104))
    program = orders((0, 1, 1.0), (0, 5, -1.0, KEEP, 5.0))
    result = run(program, bars, cash=1_000.0, costs=FREE)
    # Highest so far 108, so the stop is at 103, met on the way down to 102.
    assert fills_of(result)[1] == (3, -1.0, 103.0, FillKind.STOP_ORDER)


def test_a_bar_that_may_have_risen_before_it_fell_trails_the_poorer_way() -> None:
    bars = candles(*still(1), (100, 104, 100, 104), *still(1, 104.0))
    program = orders((0, 1, 1.0), (0, 5, -1.0, KEEP, 2.0))
    result = run(program, bars, cash=1_000.0, costs=FREE)
    assert fills_of(result)[1] == (1, -1.0, 102.0, FillKind.STOP_ORDER)
    assert result.counts.ambiguous == 1


def test_a_reduce_only_order_is_cut_to_the_position_and_ends_with_it() -> None:
    bars = candles(*still(2), (100, 103, 100, 102), *still(1, 102.0), (102, 110, 102, 109))
    program = orders((0, 1, 1.0), (1, 2, -5.0, 102.0, KEEP, 1), (1, 2, -5.0, 108.0, KEEP, 1))
    result = run(program, bars, cash=1_000.0, costs=FREE)
    assert [(f.bar, f.held, f.price) for f in result.fills] == [(1, 1.0, 100.0), (2, 0.0, 102.0)]


def test_of_two_linked_orders_the_first_to_fill_cancels_the_other() -> None:
    bars = candles(*still(2), (100, 106, 100, 105), (105, 105, 90, 91))
    program = orders((0, 1, 1.0), (1, 2, -1.0, 105.0), (1, 3, -1.0, KEEP, 95.0, 2))
    result = run(program, bars, cash=1_000.0, costs=FREE)
    assert [(f.bar, f.price) for f in result.fills] == [(1, 100.0), (2, 105.0)]
    assert result.counts.ambiguous == 0


def test_an_order_linked_to_a_linked_one_joins_its_group() -> None:
    bars = candles(*still(2), (100, 106, 100, 105), (105, 111, 90, 91), *still(1, 91.0))
    rows = ((1, 2, -1.0, 105.0), (1, 3, -1.0, KEEP, 95.0, 2), (1, 2, -1.0, 110.0, KEEP, 2))
    result = run(orders((0, 1, 3.0), *rows), bars, cash=1_000.0, costs=FREE)
    assert [(f.bar, f.held) for f in result.fills] == [(1, 3.0), (2, 2.0)]


def test_a_cancelled_order_does_not_fill() -> None:
    bars = candles(*still(2), (100, 101, 90, 95))
    kept = run(orders((0, 2, 1.0, 99.0)), bars, cash=1_000.0, costs=FREE)
    gone = run(orders((0, 2, 1.0, 99.0), (1, 9, 1.0)), bars, cash=1_000.0, costs=FREE)
    assert (len(kept.fills), len(gone.fills)) == (1, 0)


def test_more_orders_than_the_strategy_declared_are_refused() -> None:
    program = orders((0, 2, 1.0, 90.0), (0, 2, 1.0, 91.0), at_a_time=1)
    with pytest.raises(ValueError, match="order table is full"):
        run(program, candles(*still(3)), cash=1_000.0)


@pytest.mark.parametrize("row", [(0, 2, 1.0, -5.0), (0, 1, 0.0), (0, 3, 1.0, KEEP, math.inf)])
def test_an_order_without_quantity_or_price_is_refused(row: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="an order's"):
        run(orders(row), candles(*still(3)), cash=1_000.0)


# Bars whose order of events is unknown.


def test_a_bar_that_holds_stop_and_target_is_taken_the_poorer_way_and_counted() -> None:
    result = run(orders(*BRACKET), candles(*still(2), WILD), cash=1_000.0, costs=FREE)
    assert result.fills[-1][:2] == (2, -1.0)
    assert result.fills[-1].price == 95.0
    assert result.counts.ambiguous == 1


@pytest.mark.parametrize(
    ("inside", "price"),
    [
        (((100, 106, 100, 105), (105, 105, 94, 101)), 105.0),
        (((100, 100, 94, 95), (95, 106, 95, 101)), 95.0),
    ],
)
def test_finer_bars_tell_which_came_first(
    inside: tuple[tuple[float, ...], ...], price: float
) -> None:
    bars = candles(*still(2), WILD, minutes=10)
    finer = candles(*inside, minutes=5, start=2 * 10 * MINUTE)
    result = run(orders(*BRACKET), bars, cash=1_000.0, costs=FREE, finer=finer)
    assert result.fills[-1].price == price
    assert (result.counts.ambiguous, result.counts.refined) == (0, 1)


def test_a_finer_bar_that_does_not_know_either_is_taken_the_poorer_way() -> None:
    bars = candles(*still(2), WILD, minutes=10)
    finer = candles(WILD, (101, 101, 101, 101), minutes=5, start=2 * 10 * MINUTE)
    result = run(orders(*BRACKET), bars, cash=1_000.0, costs=FREE, finer=finer)
    assert result.fills[-1].price == 95.0
    assert (result.counts.ambiguous, result.counts.refined) == (1, 1)


def test_an_entry_and_the_engines_stop_in_one_bar_are_taken_the_poorer_way() -> None:
    # Buy at 99, stop at 97.02: low first, then up to the close; or high first, down to 96 and 98.
    bars = candles(*still(1), (100, 101, 96, 98))
    program = orders((0, 2, 1.0, 99.0), stops=Stops(fraction=0.02))
    result = run(program, bars, cash=1_000.0, costs=FREE)
    assert [f.price for f in result.fills] == [99.0, pytest.approx(97.02)]
    assert result.counts.ambiguous == 0  # both ways end there


# Stops in layers.


def test_a_stop_by_average_true_range_is_measured_from_the_entry_and_only_tightens() -> None:
    # True ranges of 2 with length 2: ATR 2 at the close of bar 2, so the entry at 100 is stopped
    # at 96; a wider ATR afterwards does not loosen it.
    bars = candles(
        *[(100, 101, 99, 100)] * 4, (100, 104, 97, 100), (100, 100, 95, 96), *still(1, 96.0)
    )
    stops = Stops(atr=2.0, atr_length=2)
    result = run(targets(0, 0, 1.0, stops=stops), bars, cash=1_000.0, costs=FREE)
    assert fills_of(result) == [(3, 10.0, 100.0, FillKind.TARGET), (5, -10.0, 96.0, FillKind.STOP)]


def test_a_stop_by_volatility_lies_so_many_deviations_of_a_bars_return_away() -> None:
    # Returns of ±1 %: with a decay of one half the mean of squares stays 1e-4.
    up = [100.0 * math.exp(0.01 * (i % 2)) for i in range(4)]
    rows = [(p, p, p, p) for p in up]
    bars = candles(*rows, (100, 100, 96, 97))
    stops = Stops(volatility=3.0, volatility_decay=0.5)
    result = run(targets(0, 0, 1.0, stops=stops), bars, cash=1_000.0, costs=FREE)
    entry = up[3]
    assert fills_of(result)[-1][2:] == (pytest.approx(entry * math.exp(-0.03)), FillKind.STOP)


def test_the_chandelier_hangs_from_the_highest_high() -> None:
    rows = [(100 + i, 101 + i, 99 + i, 100 + i) for i in range(6)]
    bars = candles(*rows, (105, 105, 98, 99))
    stops = Stops(chandelier=2.0, chandelier_length=3, atr_length=2)
    result = run(targets(0, 0, 1.0, stops=stops), bars, cash=1_000.0, costs=FREE)
    # True ranges of 2: highest high 106 - 2 · 2.
    assert fills_of(result)[-1] == (6, pytest.approx(-1_000 / 103), 102.0, FillKind.TRAILING)


def test_the_parabolic_climbs_towards_the_extreme_and_faster_at_each_new_one() -> None:
    bars = candles(
        *still(1),
        (100, 102, 99, 101),
        (101, 104, 100.5, 103),
        (103, 106, 102.5, 105),
        (105, 105, 98, 99),
    )
    result = run(
        targets(1.0, stops=Stops(sar_step=0.1, sar_most=0.5)), bars, cash=1_000.0, costs=FREE
    )
    # 99, then 99 + 0.2 · (104 - 99) = 100 capped by the last two lows (99), then 99 + 0.3 · 7.
    line = min(99 + 0.3 * 7, 100.5)
    assert fills_of(result)[-1] == (4, -10.0, pytest.approx(line), FillKind.TRAILING)


def test_a_position_is_closed_after_so_many_bars() -> None:
    bars = candles(*still(6))
    result = run(targets(1.0, stops=Stops(bars=3)), bars, cash=1_000.0, costs=FREE)
    assert [(f.bar, f.kind) for f in result.fills] == [(1, FillKind.TARGET), (4, FillKind.TIME)]


def test_the_tightest_of_the_stops_stands_and_the_wider_layer_at_one_price() -> None:
    bars = candles(*still(2), (100, 100, 80, 85), *still(3, 85.0))
    for stops, price, kind in (
        (Stops(fraction=0.05, account_loss=0.10), 95.0, FillKind.STOP),
        (Stops(fraction=0.12, account_loss=0.10), 90.0, FillKind.ACCOUNT),
        (Stops(fraction=0.10, account_loss=0.10), 90.0, FillKind.ACCOUNT),
        (Stops(curve_drawdown=0.08, account_loss=0.10), 92.0, FillKind.EQUITY_CURVE),
    ):
        result = run(targets(1.0, stops=stops), bars, cash=1_000.0, costs=FREE)
        assert fills_of(result)[-1] == (2, -10.0, pytest.approx(price), kind)


def test_after_a_stop_of_the_strategy_a_change_of_target_trades_again() -> None:
    bars = candles(*still(2), (100, 100, 90, 92), *still(4, 92.0))
    program = targets(1.0, KEEP, 1.0, 0.5, stops=Stops(fraction=0.05))
    result = run(program, bars, cash=1_000.0, costs=FREE)
    assert [(f.bar, f.kind) for f in result.fills] == [
        (1, FillKind.TARGET),
        (2, FillKind.STOP),
        (4, FillKind.TARGET),
    ]


def test_after_the_equity_curve_stop_the_leg_pauses_and_then_takes_what_stands() -> None:
    bars = candles(*still(2), (100, 100, 90, 92), *still(6, 92.0))
    stops = Stops(curve_drawdown=0.05, curve_bars=3)
    result = run(targets(1.0, KEEP, 0.5, stops=stops), bars, cash=1_000.0, costs=FREE)
    # Stopped in bar 2; flat through the closes of bars 3, 4 and 5; the 0.5 of bar 2 stands.
    assert [(f.bar, f.kind, f.held) for f in result.fills[1:]] == [
        (2, FillKind.EQUITY_CURVE, 0.0),
        (6, FillKind.TARGET, pytest.approx(0.5 * 950 / 92)),
    ]


def test_after_the_account_stop_nothing_trades_any_more() -> None:
    bars = candles(*still(2), (100, 100, 85, 86), *still(4, 86.0))
    program = targets(1.0, KEEP, 0.0, 0.7, -1.0, stops=Stops(account_loss=0.1))
    result = run(program, bars, cash=1_000.0, costs=FREE)
    assert [f.kind for f in result.fills] == [FillKind.TARGET, FillKind.ACCOUNT]
    assert result.equity[-1] == pytest.approx(900.0)


# Liquidity.


def test_fills_share_the_participation_in_a_bars_volume_and_the_rest_follows() -> None:
    rows = [(100, 100, 100, 100, 40.0)] * 5
    result = run(
        targets(1.0), candles(*rows), cash=1_000.0, costs=FREE, terms=Terms(participation=0.1)
    )
    assert [(f.bar, f.quantity) for f in result.fills] == [(1, 4.0), (2, 4.0), (3, 2.0)]
    assert result.counts.short_filled == 2
    assert result.counts.greatest_share == pytest.approx(0.1)


def test_two_orders_do_not_take_the_same_liquidity() -> None:
    rows = [(100, 101, 98, 100, 40.0)] * 3
    program = orders((0, 2, 3.0, 99.0), (0, 2, 3.0, 98.5))
    result = run(program, candles(*rows), cash=1_000.0, costs=FREE, terms=Terms(participation=0.1))
    assert [(f.bar, f.quantity, f.price) for f in result.fills] == [
        (1, 3.0, 99.0),
        (1, 1.0, 98.5),
        (2, 2.0, 98.5),
    ]


def test_a_stop_short_of_liquidity_closes_the_rest_at_the_next_opens() -> None:
    rows = [
        *[(100, 100, 100, 100, 1_000.0)] * 2,
        (100, 100, 90, 92, 40.0),
        *[(92, 92, 92, 92, 40.0)] * 3,
    ]
    program = targets(1.0, stops=Stops(fraction=0.05))
    result = run(program, candles(*rows), cash=1_000.0, costs=FREE, terms=Terms(participation=0.1))
    assert [(f.bar, f.quantity, f.price) for f in result.fills] == [
        (1, 10.0, 100.0),
        (2, -4.0, 95.0),
        (3, -4.0, 92.0),
        (4, -2.0, 92.0),
    ]


def test_quantities_are_whole_lots() -> None:
    bars = candles(*still(3, 130.0))
    result = run(targets(1.0, 0.0), bars, cash=1_000.0, costs=FREE, terms=Terms(lot=0.5))
    assert [f.quantity for f in result.fills] == [7.5, -7.5]  # 7.69 rounded down


def test_slippage_is_half_the_spread_and_an_impact_by_the_root_of_the_share() -> None:
    rows = [(100, 100, 100, 100, 1_000.0)] * 2
    costs = Costs(fee_bps=0.0, slippage_bps=0.0, spread_bps=4.0, impact_bps=100.0)
    result = run(targets(1.0), candles(*rows), cash=1_000.0, costs=costs)
    assert result.fills[0].price == pytest.approx(100 * (1 + 2e-4 + 1e-2 * math.sqrt(10 / 1_000)))


def test_a_taker_walks_the_sampled_book_and_what_it_took_is_gone() -> None:
    sizes = np.array([[[4.0, 10.0], [4.0, 10.0]]])
    offsets = np.array([[[0.001, 0.004], [0.001, 0.004]]])
    samples = BookSamples(np.array([0]), sizes, offsets)
    program = orders((0, 1, 3.0), (0, 1, 3.0), (0, 1, 9.0))
    result = run(program, candles(*still(3)), cash=1_000.0, costs=FREE, samples=samples)

    def cost(size: float) -> float:
        """Of the first `size` units: 0.001 each for four, then 0.036 for the next six."""
        return size * 0.001 if size <= 4.0 else 0.004 + (size - 4.0) * 0.036 / 6.0

    first, second = 100 * (1 + cost(3) / 3), 100 * (1 + (cost(6) - cost(3)) / 3)
    assert [(f.bar, f.quantity) for f in result.fills] == [(1, 3.0), (1, 3.0), (1, 4.0), (2, 5.0)]
    assert [f.price for f in result.fills[:2]] == [pytest.approx(first), pytest.approx(second)]


def test_fees_follow_the_turnover_of_the_thirty_days_before() -> None:
    day = 24 * 60
    costs = Costs(10.0, 0.0, tiers=(FeeTier(1_500.0, 4.0, 1.0),))
    bars = candles(*still(40), minutes=day)
    result = run(targets(1.0, -1.0, 1.0, *[KEEP] * 34, -1.0), bars, cash=1_000.0, costs=costs)
    rates = [f.fee / (abs(f.quantity) * f.price) for f in result.fills]
    # About 1,000, then 2,000 a day: above 1,500 from the third day on, below it a month later.
    assert rates == pytest.approx([1e-3, 1e-3, 4e-4, 1e-3])


# Latency.


def test_an_order_that_misses_the_next_open_fills_at_the_one_after() -> None:
    bars = candles(*[(p, p, p, p) for p in (100, 101, 102, 103)])
    late = Terms(latency=Latency(order=timedelta(milliseconds=50)))
    for terms, bar in ((Terms(), 1), (late, 2)):
        by_target = run(targets(1.0), bars, cash=1_000.0, costs=FREE, terms=terms)
        by_order = run(orders((0, 1, 1.0)), bars, cash=1_000.0, costs=FREE, terms=terms)
        assert (by_target.fills[0].bar, by_order.fills[0].bar) == (bar, bar)


def test_targets_sent_one_after_the_other_all_arrive() -> None:
    bars = candles(*still(7))
    terms = Terms(latency=Latency(feed=timedelta(minutes=5), order=timedelta(minutes=5)))
    result = run(targets(1.0, 0.0, -1.0), bars, cash=1_000.0, costs=FREE, terms=terms)
    assert [(f.bar, f.held) for f in result.fills] == [(3, 10.0), (4, 0.0), (5, -10.0)]


@compiled
def waits_to_hear(state, bar, position, params, orders):
    """Buy once; count the bars until the position is known."""
    if state[0] == 0.0:
        market_order(orders, 1.0)
    elif position[3] == 0.0:
        state[1] += 1.0
    state[0] += 1.0
    return np.nan


def test_a_step_learns_of_its_fills_when_the_response_is_back() -> None:
    bars = candles(*still(9))
    for minutes, unknown in ((0, 0), (5, 1), (11, 3)):
        program = Program("waits 1", waits_to_hear, np.empty(0), 2, 0, orders=2)
        terms = Terms(latency=Latency(response=timedelta(minutes=minutes)))
        stepper = Stepper(program, cash=1_000.0, terms=terms, interval=timedelta(minutes=5))
        for row in zip(bars.ts.tolist(), *([100.0] * 9 for _ in range(4)), [1.0] * 9, strict=True):
            stepper.on_bar(*row)
        assert stepper.state[1] == unknown


# Margin.


def test_a_long_is_liquidated_where_its_equity_is_down_to_the_maintenance_margin() -> None:
    # 50 units at 100 on 1,000: 1000 - 5000 + 50 p = 0.01 · 50 p at p = 4000 / 49.5.
    bars = candles(*still(2), (100, 100, 75, 76), *still(2, 76.0))
    terms = Terms(margin=Margin(10.0, tiers=(MaintenanceTier(0.0, 0.01),)))
    result = run(targets(5.0), bars, cash=1_000.0, costs=FREE, terms=terms)
    assert fills_of(result)[-1] == (2, -50.0, pytest.approx(4_000 / 49.5), FillKind.LIQUIDATION)
    assert result.equity[-1] == pytest.approx(1_000 - 50 * (100 - 4_000 / 49.5))


def test_a_short_is_liquidated_above_and_by_the_tier_its_notional_lies_in() -> None:
    # Tiers 1 % and from 5,500 on 2 %, deduction 55. At the price the notional is above that:
    # 6000 - 50 p = 0.02 · 50 p - 55.
    bars = candles(*still(2), (100, 125, 100, 124), *still(2, 124.0))
    tiers = (MaintenanceTier(0.0, 0.01), MaintenanceTier(5_500.0, 0.02))
    terms = Terms(margin=Margin(10.0, tiers=tiers))
    result = run(targets(-5.0), bars, cash=1_000.0, costs=FREE, terms=terms)
    assert fills_of(result)[-1] == (2, 50.0, pytest.approx(6_055 / 51), FillKind.LIQUIDATION)


def test_what_a_liquidation_leaves_below_zero_is_the_venues_loss() -> None:
    bars = candles(*still(2), (70, 71, 69, 70), *still(2, 70.0))
    result = run(targets(5.0), bars, cash=1_000.0, costs=FREE, terms=Terms(margin=Margin(10.0)))
    assert result.fills[-1].price == 70.0  # opened beyond
    assert result.counts.shortfall == pytest.approx(50 * 30 - 1_000)
    assert result.equity[-1] == 0.0


def test_an_isolated_position_loses_no_more_than_was_set_aside_for_it() -> None:
    # 10 units with a margin of 100: equity 100 + 10 (p - 100) = 0.01 · 10 p at p = 900 / 9.9.
    bars = candles(*still(2), (100, 100, 85, 86), *still(2, 86.0))
    margin = Margin(10.0, isolated=True, tiers=(MaintenanceTier(0.0, 0.01),))
    result = run(targets(1.0), bars, cash=1_000.0, costs=FREE, terms=Terms(margin=margin))
    assert fills_of(result)[-1] == (2, -10.0, pytest.approx(900 / 9.9), FillKind.LIQUIDATION)
    gap = candles(*still(2), (80, 80, 80, 80))
    result = run(targets(1.0), gap, cash=1_000.0, costs=FREE, terms=Terms(margin=margin))
    assert result.equity[-1] == pytest.approx(900.0)
    assert result.counts.shortfall == pytest.approx(100.0)


def test_funding_comes_out_of_the_margin_of_an_isolated_position() -> None:
    # A payment of 20 leaves 80: 80 + 10 (p - 100) = 0.1 p at p = 920 / 9.9.
    bars = candles(*still(3), (100, 100, 85, 86))
    funding = Funding(bars.ts[2:3], np.array([0.02]), np.array([100.0]))
    margin = Margin(10.0, isolated=True, tiers=(MaintenanceTier(0.0, 0.01),))
    terms = Terms(margin=margin)
    result = run(targets(1.0), bars, cash=1_000.0, funding=funding, costs=FREE, terms=terms)
    assert fills_of(result)[-1] == (3, -10.0, pytest.approx(920 / 9.9), FillKind.LIQUIDATION)


def test_a_stop_before_the_liquidation_price_saves_the_rest() -> None:
    bars = candles(*still(2), (100, 100, 75, 76), *still(1, 76.0))
    program = targets(5.0, stops=Stops(fraction=0.1))
    result = run(program, bars, cash=1_000.0, costs=FREE, terms=Terms(margin=Margin(10.0)))
    assert fills_of(result)[-1] == (2, -50.0, pytest.approx(90.0), FillKind.STOP)


def test_targets_and_orders_are_cut_down_to_the_leverage() -> None:
    terms = Terms(margin=Margin(2.0))
    result = run(targets(5.0), candles(*still(3)), cash=1_000.0, costs=FREE, terms=terms)
    assert (result.fills[0].held, result.counts.clamped) == (20.0, 1)
    program = orders((0, 1, 15.0), (0, 1, 15.0), (0, 1, 1.0))
    result = run(program, candles(*still(3)), cash=1_000.0, costs=FREE, terms=terms)
    assert [f.quantity for f in result.fills] == [15.0, 5.0]
    assert (result.counts.clamped, result.counts.refused) == (2, 1)


# Size.


def test_a_fixed_size_trades_the_same_units_whatever_the_equity() -> None:
    bars = candles(*[(p, p, p, p) for p in (100, 100, 150, 150)])
    for terms in (None, Terms(lot=0.001)):
        result = run(targets(1.0, 0.0, -2.0), bars, cash=1_000.0, costs=FREE, size=3.0, terms=terms)
        assert [f.held for f in result.fills] == [3.0, 0.0, -6.0]


# Properties.


def random_funding(bars: Bars, seed: int) -> Funding:
    at = np.arange(3, len(bars), 7)
    rates = np.random.default_rng(seed).normal(0.0, 1e-3, at.size)
    return Funding(bars.ts[at], rates, bars.open[at] * 1.001)


EVERYTHING = Stops(
    fraction=0.05,
    atr=4.0,
    volatility=5.0,
    chandelier=4.0,
    sar_step=0.01,
    bars=60,
    curve_drawdown=0.15,
    curve_bars=20,
    account_loss=0.8,
)
RICH = Terms(
    participation=0.2,
    lot=0.01,
    latency=Latency(order=timedelta(seconds=1), response=timedelta(minutes=6)),
    margin=Margin(3.0, isolated=True),
)
DEAR = Costs(5.0, 1.0, 2.0, 2.0, 20.0, (FeeTier(1e5, 4.0, 1.0), FeeTier(1e6, 3.0, 0.5)))


def restless_program(seed: int, stops: Stops = EVERYTHING) -> Program:
    return Program("restless 1", restless, np.array([seed + 1.0]), 2, 0, stops, 12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 299), isolated=st.booleans())
def test_loop_and_stepper_agree_to_the_bit_with_everything_asked_for(
    seed: int, cut: int, isolated: bool
) -> None:
    bars = random_bars(300, seed)
    funding = random_funding(bars, seed)
    program = restless_program(seed)
    terms = replace(RICH, margin=Margin(3.0, isolated=isolated))
    whole = run(program, bars, cash=10_000.0, funding=funding, costs=DEAR, terms=terms)
    asked = {"costs": DEAR, "terms": terms, "interval": timedelta(minutes=5)}
    stepper = Stepper(program, cash=10_000.0, **asked)
    due = funding.bar_indexes(bars.ts)
    equity, fills = np.empty(len(bars)), []
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    for i, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        paid = [(funding.rate[k], funding.mark[k]) for k in np.flatnonzero(due == i)]
        stepper.on_bar(*row, paid)
        equity[i] = stepper.equity
        fills.extend(stepper.fills)
        if i == cut:
            stepper = Stepper.restore(program, stepper.save(), **asked)
    assert equity.tobytes() == whole.equity.tobytes()
    assert tuple(fills) == whole.fills
    assert stepper.account.tobytes() == whole.account.tobytes()
    assert stepper.counts == whole.counts


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_fills_add_up_stay_within_the_bar_and_within_what_it_offered(seed: int) -> None:
    bars = random_bars(400, seed)
    costs = Costs(5.0, 3.0, 2.0)
    terms = Terms(participation=0.2)
    program = restless_program(seed, Stops(fraction=0.05, chandelier=4.0))
    result = run(program, bars, cash=10_000.0, costs=costs, terms=terms)
    cash, held, taken = 10_000.0, 0.0, np.zeros(len(bars))
    for fill in result.fills:
        cash -= fill.quantity * fill.price + fill.fee
        held += fill.quantity
        taken[fill.bar] += abs(fill.quantity)
        assert fill.held == pytest.approx(held, abs=1e-9)
        reference = fill.price
        if not fill.maker:
            reference /= 1.0 + math.copysign(3e-4, fill.quantity)
        low, high = bars.low[fill.bar], bars.high[fill.bar]
        if not fill.maker:
            at_its_limit = fill.kind is FillKind.LIMIT and low <= fill.price <= high
            assert at_its_limit or low * (1 - 1e-9) <= reference <= high * (1 + 1e-9)
            continue
        # A resting order is filled at its own price, and the bar had worse ones for the other side.
        assert fill.price > low if fill.quantity > 0.0 else fill.price < high
    assert (taken <= 0.2 * bars.volume * (1 + 1e-9) + 1e-12).all()
    assert result.equity[-1] == pytest.approx(cash + held * bars.close[-1], rel=1e-9, abs=1e-6)
    assert result.fees == pytest.approx(sum(f.fee for f in result.fills), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_desk_of_which_nothing_is_asked_agrees_with_the_plain_account(seed: int) -> None:
    bars = random_bars(300, seed)
    rng = np.random.default_rng(seed)
    wanted = np.where(rng.random(300) < 0.2, rng.choice([-1.0, 0.0, 0.5, 1.0], 300), KEEP)
    program = targets(*wanted, stops=Stops(fraction=0.02))
    plain = run(program, bars, cash=10_000.0, funding=random_funding(bars, seed))
    at_desk = run(
        program,
        bars,
        cash=10_000.0,
        funding=random_funding(bars, seed),
        costs=Costs(tiers=(FeeTier(1e18, 5.0, 5.0),)),
    )
    assert at_desk.equity == pytest.approx(plain.equity, rel=1e-9)
    assert [(f.bar, f.kind) for f in at_desk.fills] == [(f.bar, f.kind) for f in plain.fills]


def test_a_long_run_finds_room_for_all_its_fills() -> None:
    flips = tuple((-1.0) ** i for i in range(3_000))
    result = run(targets(*flips), candles(*still(3_001)), cash=1_000.0, costs=FREE)
    assert len(result.fills) == 3_000
    assert all(isinstance(fill, Fill) for fill in result.fills)


def plainly(state, bar, position, params):  # the same as `scripted`, not compiled
    at = int(state[0])
    state[0] += 1.0
    return params[at] if at < params.size else math.nan


def test_a_plain_python_step_gives_the_same_run_slower() -> None:
    bars = random_bars(200, 3)
    program = targets(1.0, KEEP, -0.5, 0.0, 1.0, stops=Stops(fraction=0.02))
    assert program.compiled
    slow = replace(program, step=plainly)
    assert not slow.compiled
    funding = random_funding(bars, 3)
    for terms in (None, RICH):
        fast_run = run(program, bars, cash=1_000.0, funding=funding, terms=terms)
        slow_run = run(slow, bars, cash=1_000.0, funding=funding, terms=terms)
        assert slow_run.equity.tobytes() == fast_run.equity.tobytes()
        assert slow_run.fills == fast_run.fills
