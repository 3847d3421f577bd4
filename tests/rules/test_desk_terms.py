"""What the desk trades on: liquidity, latency, margin and a fixed size, worked by hand."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest

from commenda.kernel import (
    BookSamples,
    Costs,
    FeeTier,
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
    FREE,
    KEEP,
    candles,
    fills_of,
    orders,
    still,
    targets,
)

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
