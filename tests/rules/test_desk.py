"""Orders, bars whose order of events is unknown, and stops in layers: worked by hand."""

from __future__ import annotations

import math

import pytest

from commenda.kernel import (
    Costs,
    FillKind,
    Stops,
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
