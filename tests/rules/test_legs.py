"""Several legs on one account: against single runs, and worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.kernel import (
    Bars,
    Costs,
    FeeTier,
    FillKind,
    Funding,
    Leg,
    MaintenanceTier,
    Margin,
    Program,
    Stops,
    Terms,
    both_sides,
    compiled,
    market_order,
    run,
    run_legs,
)
from desk_programs import FREE, KEEP, MINUTE, random_bars, targets


@compiled
def buys_once(state, bar, position, params, orders):
    """At the first bar, `params[0]` units of the side it is, which position[5] tells."""
    if state[0] == 0.0:
        market_order(orders, position[5] * params[0])
    state[0] += 1.0
    return np.nan


def still(*prices: float, first: int = 0, volume: float = 1e9) -> Bars:
    column = np.array(prices)
    stamps = (first + np.arange(len(prices))) * 5 * MINUTE
    return Bars(stamps, column, column, column, column, np.full(len(prices), volume))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_one_leg_alone_is_the_single_run_to_the_bit(seed: int) -> None:
    bars = random_bars(300, seed)
    rng = np.random.default_rng(seed)
    wanted = np.where(rng.random(300) < 0.2, rng.choice([-1.0, 0.0, 0.5, 1.0], 300), KEEP)
    stops = Stops(fraction=0.03, atr=3.0, curve_drawdown=0.3, curve_bars=5)
    program = targets(*wanted, stops=stops)
    at = np.arange(3, 300, 7)
    funding = Funding(bars.ts[at], rng.normal(0.0, 1e-3, at.size), bars.open[at])
    terms = Terms(participation=0.3, margin=Margin(3.0))
    costs = Costs(5.0, 1.0, tiers=(FeeTier(1e5, 3.0, 1.0),))
    alone = run(program, bars, cash=10_000.0, funding=funding, costs=costs, terms=terms)
    legs = run_legs([Leg(program, bars, funding, costs, terms)], cash=10_000.0)
    assert legs.legs[0].fills == alone.fills
    assert legs.legs[0].counts == alone.counts
    assert legs.equity == pytest.approx(alone.equity, rel=1e-12)
    assert legs.legs[0].funding == alone.funding


def test_legs_share_one_equity_and_their_profits_add_up_to_it() -> None:
    first = Leg(targets(1.0), still(100, 100, 110, 110), costs=FREE, share=0.5)
    second = Leg(targets(KEEP, KEEP, -1.0), still(50, 50, 50, 50, 40), costs=FREE, share=0.5)
    result = run_legs([first, second], cash=1_000.0)
    # 5 units at 100 gain 50; half of 1,050 is then 10.5 units short at 50, which gain 105.
    assert [fill.held for fill in result.legs[0].fills] == [5.0]
    assert [fill.held for fill in result.legs[1].fills] == [-10.5]
    assert result.equity.tolist() == [1_000.0, 1_000.0, 1_050.0, 1_050.0, 1_155.0]
    assert [leg.profit[-1] for leg in result.legs] == [50.0, 105.0]


def test_a_leg_without_a_bar_is_worth_its_last_close() -> None:
    early = Leg(targets(1.0), still(100, 100, 120), costs=FREE, share=0.5)
    late = Leg(targets(1.0), still(10, 10, 10, first=3), costs=FREE, share=0.5)
    result = run_legs([early, late], cash=1_000.0)
    assert result.ts.size == 6
    assert result.legs[1].fills[0].held == pytest.approx(0.5 * 1_100 / 10)
    assert result.equity[-1] == 1_100.0


def test_in_hedge_mode_each_side_takes_its_own_targets() -> None:
    bars = still(100, 100, 110, 110, 120)
    long, short = run_legs(
        both_sides(targets(1.0, KEEP, -1.0, 0.0), bars, costs=FREE), cash=1_000.0
    ).legs
    assert [(f.bar, f.held) for f in long.fills] == [(1, 10.0), (3, 0.0)]
    assert [(f.bar, f.held) for f in short.fills] == [(3, -10.0), (4, 0.0)]


def test_in_hedge_mode_both_sides_can_be_held_at_once() -> None:
    program = Program("buys 1", buys_once, np.array([2.0]), 1, 0, orders=4)
    bars = Bars(5 * MINUTE * np.arange(3), *([np.full(3, 100.0)] * 4), np.full(3, 1e9))
    long, short = run_legs(both_sides(program, bars, costs=FREE), cash=1_000.0).legs
    assert [f.held for f in long.fills] == [2.0]
    assert [f.held for f in short.fills] == [-2.0]
    assert {f.kind for f in (*long.fills, *short.fills)} == {FillKind.MARKET}


def test_cross_margin_stands_with_what_the_other_legs_gained() -> None:
    # Alone, 50 units at 100 on 1,000 are liquidated at 4000 / 49.5 = 80.8; the other leg's gain
    # of 1,000 moves that to 3000 / 49.5 = 60.6.
    falling, rising = still(100, 100, 100, 70, 70), still(100, 100, 200, 200, 200)
    margin = Terms(margin=Margin(10.0, tiers=(MaintenanceTier(0.0, 0.01),)))
    one = Leg(targets(KEEP, 5.0), falling, costs=FREE, terms=margin)
    other = Leg(targets(1.0, KEEP, 0.0), rising, costs=FREE)
    alone = run_legs([one], cash=1_000.0)
    assert [f.kind for f in alone.legs[0].fills] == [FillKind.TARGET, FillKind.LIQUIDATION]
    half = Leg(targets(KEEP, 2.5), falling, costs=FREE, terms=margin)
    both = run_legs([half, other], cash=1_000.0)
    # Sized at the opens of bar 2: 2.5 · 2,000 / 100 = 50 units.
    assert [(f.held, f.kind) for f in both.legs[0].fills] == [(50.0, FillKind.TARGET)]
    assert both.equity[-1] == pytest.approx(1_000 + 1_000 - 50 * 30)


def test_legs_on_the_same_bars_share_their_volume() -> None:
    bars = still(100, 100, 100, volume=100.0)
    terms = Terms(participation=0.1)
    legs = [Leg(targets(1.0), bars, costs=FREE, terms=terms, share=share) for share in (0.6, 0.8)]
    first, second = run_legs(legs, cash=1_000.0).legs
    assert [(f.bar, f.quantity) for f in first.fills] == [(1, 6.0)]
    assert [(f.bar, f.quantity) for f in second.fills] == [(1, 4.0), (2, 4.0)]


def test_an_account_stop_sees_all_legs() -> None:
    falls = still(100, 100, 80, 80, 80)
    stops = Stops(account_loss=0.15)
    legs = [
        Leg(targets(1.0, stops=stops), falls, costs=FREE, share=0.5),
        Leg(targets(1.0, KEEP, KEEP, 0.3, stops=stops), still(100, 100, 100, 100, 100), costs=FREE),
    ]
    result = run_legs(legs, cash=1_000.0)
    assert result.equity[-1] == pytest.approx(900.0)  # 100 lost: not yet 150
    deeper = still(100, 100, 60, 60, 60)
    legs[0] = Leg(targets(1.0, stops=stops), deeper, costs=FREE, share=0.5)
    result = run_legs(legs, cash=1_000.0)
    assert [f.kind for f in result.legs[0].fills] == [FillKind.TARGET, FillKind.ACCOUNT]
    # The other leg, which lost nothing, is closed as well and never trades again.
    assert [f.kind for f in result.legs[1].fills] == [FillKind.TARGET, FillKind.ACCOUNT]


def test_what_cannot_share_a_run_is_refused() -> None:
    bars = still(100, 100)
    with pytest.raises(ValueError, match="there is none"):
        run_legs([], cash=1.0)
    ordering = Program("buys 1", buys_once, np.array([2.0]), 1, 0, orders=4)
    with pytest.raises(ValueError, match="cannot share a run"):
        run_legs([Leg(targets(1.0), bars), Leg(ordering, bars)], cash=1.0)
    with pytest.raises(ValueError, match="side = 2"):
        Leg(targets(1.0), bars, side=2)
