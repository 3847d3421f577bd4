"""What a gap, a fee or funding takes beyond liquidation: the venue is first, and bears the rest.

Worked by hand on 1,000 of cash: 100 units from 100 on cross margin are liquidated at 9000 / 99.5,
about 90.45. Stops, targets and orders that lie behind an open beyond that come too late.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.kernel import (
    Bars,
    Costs,
    FillKind,
    Funding,
    Leg,
    Margin,
    Program,
    Stepper,
    Stops,
    Terms,
    run,
    run_legs,
)
from desk_programs import (
    FREE,
    KEEP,
    MINUTE,
    candles,
    fills_of,
    orders,
    random_bars,
    restless,
    still,
    targets,
)

TEN = Terms(margin=Margin(10.0))
GAP = candles(*still(2), (80, 81, 79, 80), *still(1, 85.0))
ORDERS = {
    "market": (1, 1, -100.0),
    "limit beyond the market": (1, 2, -100.0, 75.0),
    "limit": (1, 2, -100.0, 80.5),
    "stop": (1, 3, -100.0, KEEP, 95.0),
    "stop limit": (1, 4, -100.0, 85.0, 95.0),
    "trailing": (0, 5, -100.0, KEEP, 5.0),
}


def test_a_stop_behind_a_gap_beyond_liquidation_saves_nothing() -> None:
    program = targets(10.0, stops=Stops(fraction=0.05))
    result = run(program, GAP, cash=1_000.0, costs=FREE, terms=TEN)
    assert fills_of(result)[1:] == [(2, -100.0, 80.0, FillKind.LIQUIDATION)]
    assert result.equity[2:].tolist() == [0.0, 0.0]
    assert (result.counts.shortfall, result.ruined_at) == (1_000.0, 2)


@pytest.mark.parametrize("target", [0.0, -10.0, 5.0])
def test_a_target_that_waits_for_such_an_open_is_not_traded(target: float) -> None:
    result = run(targets(10.0, target), GAP, cash=1_000.0, costs=FREE, terms=TEN)
    assert fills_of(result)[1:] == [(2, -100.0, 80.0, FillKind.LIQUIDATION)]
    assert (result.equity[-1], result.counts.shortfall) == (0.0, 1_000.0)


@pytest.mark.parametrize("kind", ORDERS)
def test_nor_is_an_order_of_any_kind(kind: str) -> None:
    program = orders((0, 1, 100.0), ORDERS[kind])
    result = run(program, GAP, cash=1_000.0, costs=FREE, terms=TEN)
    assert fills_of(result)[1:] == [(2, -100.0, 80.0, FillKind.LIQUIDATION)]
    assert result.equity[-1] == 0.0


def test_a_pair_of_linked_orders_ends_with_the_position() -> None:
    pair = ((1, 2, -100.0, 110.0, KEEP, 1), (1, 3, -100.0, KEEP, 95.0, 2))
    result = run(orders((0, 1, 100.0), *pair), GAP, cash=1_000.0, costs=FREE, terms=TEN)
    assert [fill.kind for fill in result.fills] == [FillKind.MARKET, FillKind.LIQUIDATION]


def test_an_open_between_the_stop_and_liquidation_is_the_stops() -> None:
    bars = candles(*still(2), (93, 93, 79, 80), *still(1, 85.0))
    program = targets(10.0, stops=Stops(fraction=0.05))
    result = run(program, bars, cash=1_000.0, costs=FREE, terms=TEN)
    assert fills_of(result)[1:] == [(2, -100.0, 93.0, FillKind.STOP)]
    assert result.equity[-1] == pytest.approx(300.0)


def test_what_a_liquidation_at_the_open_leaves_is_not_traded_with_at_once() -> None:
    # At 90.2 there are 20, and 45.1 of margin are needed: liquidated, and only the next one trades.
    bars = candles(*still(2), *still(3, 90.2))
    result = run(targets(10.0, 5.0, KEEP, 1.0), bars, cash=1_000.0, costs=FREE, terms=TEN)
    assert [fill.kind for fill in result.fills[1:]] == [FillKind.LIQUIDATION, FillKind.TARGET]
    assert [fill.bar for fill in result.fills] == [1, 2, 4]
    assert result.equity[2:] == pytest.approx([20.0] * 3)


def test_the_gap_may_lie_between_finer_bars() -> None:
    # On the way nobody knows, the stop at 95 saves 500; on the finer bars there is no such price.
    bars = candles(*still(2), (100, 101, 79, 80), *still(1, 80.0), minutes=10)
    finer = candles((100, 101, 100, 101), (80, 80, 79, 80), start=2 * 10 * MINUTE)
    program = orders((0, 1, 100.0), (1, 3, -100.0, KEEP, 95.0), (1, 2, -100.0, 100.5, KEEP, 2))
    coarse = run(program, bars, cash=1_000.0, costs=FREE, terms=TEN)
    assert coarse.fills[-1].price == 95.0
    late = candles((100, 100, 100, 100), (80, 101, 79, 80), start=2 * 10 * MINUTE)
    result = run(program, bars, cash=1_000.0, costs=FREE, terms=TEN, finer=late)
    assert fills_of(result)[1:] == [(2, -100.0, 80.0, FillKind.LIQUIDATION)]
    sold = run(program, bars, cash=1_000.0, costs=FREE, terms=TEN, finer=finer)
    assert fills_of(sold)[1:] == [(2, -100.0, 100.5, FillKind.LIMIT)]


@pytest.mark.parametrize("isolated", [False, True])
def test_funding_that_takes_the_margin_liquidates_at_the_open(isolated: bool) -> None:
    # 100 units pay 9.6 each: 40 are left of 1,000, and 50 of margin are needed.
    bars = candles(*still(2), *still(2))
    paid = Funding(bars.ts[2:3], np.array([0.096]), np.array([100.0]))
    terms = Terms(margin=Margin(10.0, isolated=isolated))
    program = targets(10.0, 0.0)
    result = run(program, bars, cash=1_000.0, costs=FREE, funding=paid, terms=terms)
    assert fills_of(result)[1:] == [(2, -100.0, 100.0, FillKind.LIQUIDATION)]
    assert result.equity[-1] == pytest.approx(40.0)
    more = Funding(bars.ts[2:3], np.array([0.11]), np.array([100.0]))
    ruined = run(program, bars, cash=1_000.0, costs=FREE, funding=more, terms=terms)
    assert (ruined.equity[-1], ruined.ruined_at) == (0.0, 2)
    assert ruined.counts.shortfall == pytest.approx(100.0)


@pytest.mark.parametrize("closing", ["stop", "target", "liquidation"])
def test_an_isolated_position_never_loses_more_than_its_margin_however_it_is_closed(
    closing: str,
) -> None:
    # 20 units at 101 (1 % of slippage) with a margin of 202; closed 30 % lower for 1 % less.
    prices = {"stop": 96.0, "target": 70.0, "liquidation": 70.0}
    bars = candles(*still(2), *still(2, prices[closing]))
    slippage = 3_000.0 if closing == "stop" else 100.0
    program = targets(20.0, 0.0 if closing == "target" else KEEP, stops=Stops(fraction=0.04))
    terms = Terms(margin=Margin(10.0, isolated=True))
    costs = Costs(0.0, slippage)
    result = run(program, bars, cash=1_000.0, costs=costs, size=1.0, terms=terms)
    bought, sold = result.fills
    margin = bought.quantity * bought.price / 10.0
    loss = bought.quantity * (bought.price - sold.price)
    assert loss > margin
    assert result.equity[-1] == pytest.approx(1_000.0 - margin)
    assert result.counts.shortfall == pytest.approx(loss - margin)


def test_the_profit_of_an_isolated_position_is_no_margin_for_more_of_it() -> None:
    # 50 units with a margin of 500; at 110 a profit of 500 is not yet money: 500 are, for 45 more.
    bars = candles(*still(2), *still(1, 110.0), *still(2, 60.0))
    terms = Terms(margin=Margin(10.0, isolated=True))
    result = run(targets(50.0, 500.0), bars, cash=1_000.0, costs=FREE, size=1.0, terms=terms)
    assert [fill.held for fill in result.fills] == pytest.approx([50.0, 50 + 5_000 / 110, 0.0])
    assert result.equity[-1] == pytest.approx(0.0, abs=1e-9)


def gapped(seed: int) -> Bars:
    """Bars with a gap of up to a third now and then."""
    bars = random_bars(150, seed)
    rng = np.random.default_rng(seed)
    jumps = np.cumsum(np.where(rng.random(150) < 0.1, rng.uniform(-0.3, 0.3, 150), 0.0))
    columns = (bars.open, bars.high, bars.low, bars.close)
    return Bars(bars.ts, *(column * np.exp(jumps) for column in columns), bars.volume)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    leverage=st.sampled_from([2.0, 20.0, 125.0]),
    isolated=st.booleans(),
    slippage=st.sampled_from([0.0, 100.0]),
)
def test_no_account_on_margin_is_ever_worth_less_than_nothing(
    seed: int, leverage: float, isolated: bool, slippage: float
) -> None:
    bars, costs = gapped(seed), Costs(5.0, slippage, 2.0)
    margin = Margin(leverage, isolated=isolated, fee_bps=20.0)
    terms = Terms(participation=0.5, margin=margin)
    stops = Stops(fraction=0.03, account_loss=0.9)
    program = Program("restless 1", restless, np.array([seed + 1.0]), 2, 0, stops, 12)
    alone = run(program, bars, cash=1_000.0, costs=costs, terms=terms)
    assert (alone.equity >= 0.0).all()
    stepper = Stepper(program, cash=1_000.0, costs=costs, terms=terms)
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    equity = []
    for row in zip(*(column.tolist() for column in columns), strict=True):
        stepper.on_bar(*row)
        equity.append(stepper.equity)
    assert np.array(equity).tobytes() == alone.equity.tobytes()
    assert stepper.account.tobytes() == alone.account.tobytes()
    assert stepper.counts == alone.counts
    other = Program("restless 1", restless, np.array([seed + 7.0]), 2, 0, stops, 12)
    legs = [
        Leg(program, bars, costs=costs, terms=terms),
        Leg(other, gapped(seed + 1), costs=costs, terms=terms),
        Leg(other, bars, costs=costs, terms=terms),
    ]
    several = run_legs(legs, cash=1_000.0)
    assert (several.equity >= 0.0).all()
    if several.ruined_at is None:
        profits = sum(leg.profit for leg in several.legs)
        assert several.equity == pytest.approx(1_000.0 + profits)
    for leg in several.legs:
        flow = sum(fill.quantity * fill.price + fill.fee for fill in leg.fills)
        left = leg.fills[-1].held if leg.fills else 0.0
        if left == 0.0:
            assert leg.profit[-1] == pytest.approx(leg.counts.shortfall - flow, abs=1e-5)
