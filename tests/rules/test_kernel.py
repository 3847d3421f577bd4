"""The accounting core: worked examples, an independent computation, and loop against stepper."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.kernel import (
    Bars,
    Costs,
    FillKind,
    Funding,
    Program,
    Result,
    Stepper,
    Stops,
    compiled,
    run,
)

MINUTE = 60_000_000_000
START = 1_741_248_000 * 1_000_000_000  # 2025-03-06 08:00 UTC
FREE = Costs(fee_bps=0.0, slippage_bps=0.0)
KEEP = math.nan


@compiled
def scripted(state, bar, position, params):
    """Return the targets written in `params`, one for each bar, then keep."""
    at = int(state[0])
    state[0] += 1.0
    return params[at] if at < params.size else np.nan


def script(*targets: float, stop: float = 0.0, warmup: int = 0) -> Program:
    return Program("scripted 1", scripted, np.array(targets), 1, warmup, Stops(fraction=stop))


def candles(*rows: tuple[float, float, float, float]) -> Bars:
    """Five-minute bars from rows of open, high, low, close."""
    columns = np.array(rows, dtype=np.float64).T
    stamps = START + 5 * MINUTE * np.arange(len(rows))
    return Bars(stamps, *columns, np.ones(len(rows)))


def flat_candles(*prices: float) -> Bars:
    return candles(*((price, price, price, price) for price in prices))


def random_bars(count: int, seed: int, spread: float = 0.004) -> Bars:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, spread, count)))
    opening = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0.0, spread / 2, count))
    high = np.maximum(opening, close) * np.exp(rng.exponential(spread, count))
    low = np.minimum(opening, close) * np.exp(-rng.exponential(spread, count))
    stamps = START + 5 * MINUTE * np.arange(count)
    return Bars(stamps, opening, high, low, close, rng.exponential(10.0, count))


def random_funding(bars: Bars, seed: int) -> Funding:
    """A stamp every seven bars with jitter of up to 10 ms, as exchanges have it."""
    rng = np.random.default_rng(seed)
    at = np.arange(3, len(bars), 7)
    jitter = rng.integers(0, 10_000_000, at.size)
    return Funding(bars.ts[at] + jitter, rng.normal(0.0, 1e-3, at.size), bars.open[at] * 1.001)


def stepped(
    program: Program,
    bars: Bars,
    funding: Funding,
    costs: Costs,
    cash: float = 10_000.0,
    save_at: int = -1,
) -> tuple[np.ndarray, np.ndarray, Stepper]:
    """Equity and standing targets bar by bar, restored from its own bytes after bar `save_at`."""
    stepper = Stepper(program, cash=cash, costs=costs)
    equity, targets = np.empty(len(bars)), np.empty(len(bars))
    due = funding.bar_indexes(bars.ts)
    for i in range(len(bars)):
        charged = [(funding.rate[k], funding.mark[k]) for k in np.flatnonzero(due == i)]
        decision = stepper.on_bar(
            int(bars.ts[i]),
            bars.open[i],
            bars.high[i],
            bars.low[i],
            bars.close[i],
            bars.volume[i],
            charged,
        )
        equity[i], targets[i] = stepper.equity, decision.target
        if i == save_at:
            stepper = Stepper.restore(program, stepper.save(), costs=costs)
    return equity, targets, stepper


def exact_equity(
    targets: list[float], stop: float, bars: Bars, funding: Funding, costs: Costs, cash: float
) -> list[Fraction]:
    """The rules of design section 5 in rational arithmetic: shares no code with the kernel."""
    fee, slip = Fraction(costs.fee_bps) / 10_000, Fraction(costs.slippage_bps) / 10_000
    money, units, entry = Fraction(cash), Fraction(0), Fraction(0)
    standing = pending = None
    stamps = [(round(t / 1e9) * 10**9, r, m) for t, r, m in zip(*_columns(funding), strict=True)]
    curve = []
    for i in range(len(bars)):
        o, h, lo, c = (Fraction(float(x[i])) for x in (bars.open, bars.high, bars.low, bars.close))
        before = int(bars.ts[i - 1]) if i else -1
        for stamp, rate, mark in stamps:
            if before < stamp <= int(bars.ts[i]):
                money -= units * Fraction(mark) * Fraction(rate)
        if pending is not None:
            worth, target, pending = money + units * o, Fraction(pending), None
            wanted = target * worth / o
            # What is left once the costs are paid bears no more than the target, or than itself.
            most = max(Fraction(1), abs(target)) * (1 if target > 0 else -1)
            rise = most * worth > units * o
            rate = (1 + slip) * (1 + fee) - 1 if rise else 1 - (1 - slip) * (1 - fee)
            rate = rate if rise else -rate
            limit = most * (worth + rate * units * o) / (1 + rate * most) / o
            if target and abs(limit) < abs(wanted):
                wanted = limit
            change = wanted - units
            if change:
                price = o * (1 + slip if change > 0 else 1 - slip)
                if units * wanted <= 0:
                    entry = price
                elif abs(wanted) > abs(units):
                    entry = (units * entry + change * price) / wanted
                money -= change * price + abs(change) * price * fee
                units = wanted
        barrier = entry * (1 - Fraction(stop)) if units > 0 else entry * (1 + Fraction(stop))
        if stop and units > 0 and lo <= barrier:
            price = min(o, barrier) * (1 - slip)
            money, units = money + units * price * (1 - fee), Fraction(0)
        elif stop and units < 0 and h >= barrier:
            price = max(o, barrier) * (1 + slip)
            money, units = money + units * price * (1 + fee), Fraction(0)
        curve.append(money + units * c)
        target = targets[i] if i < len(targets) else KEEP
        if not math.isnan(target) and target != (standing or 0.0):
            standing = pending = target
    return curve


def _columns(funding: Funding) -> tuple[list[int], list[float], list[float]]:
    return funding.ts.tolist(), funding.rate.tolist(), funding.mark.tolist()


def only_stop(result: Result) -> tuple[int, float]:
    """Bar and price of the one stop in a result."""
    (fill,) = (fill for fill in result.fills if fill.kind is FillKind.STOP)
    return fill.bar, fill.price


def test_a_target_fills_at_the_next_open_with_slippage_and_fee() -> None:
    bars = candles((90, 95, 85, 92), (100, 112, 99, 110), (108, 109, 107, 108))
    costs = Costs(fee_bps=10.0, slippage_bps=100.0)
    result = run(script(0.5, KEEP, 0.0), bars, cash=1_000.0, costs=costs)
    # 0.5 · 1000 / 100 = 5 units at 101, fee 0.505; at 110: 1000 - 505 - 0.505 + 550 = 1044.495
    assert result.fills == ((1, 5.0, 5.0, 101.0, pytest.approx(0.505), FillKind.TARGET, False),)
    assert result.equity == pytest.approx([1000.0, 1044.495, 1034.495])
    assert result.fees == pytest.approx(0.505)
    assert result.slippage == pytest.approx(5.0)
    assert result.targets.tolist() == [0.5, 0.5, 0.0]


def test_a_short_gains_when_the_price_falls() -> None:
    result = run(script(-1.0), flat_candles(100.0, 100.0, 80.0), cash=1_000.0, costs=FREE)
    assert result.equity.tolist() == [1000.0, 1000.0, 1200.0]


def test_a_target_equal_to_the_standing_one_does_not_rebalance() -> None:
    bars = flat_candles(100.0, 100.0, 150.0, 150.0)
    result = run(script(0.5, 0.5, 0.5, 0.5), bars, cash=1_000.0, costs=FREE)
    assert [fill.quantity for fill in result.fills] == [5.0]


def test_nan_keeps_the_standing_target() -> None:
    result = run(script(0.5, KEEP, KEEP), flat_candles(100, 100, 100), cash=1.0, costs=FREE)
    assert result.targets.tolist() == [0.5, 0.5, 0.5]


def test_decisions_of_the_warm_up_are_ignored() -> None:
    bars = flat_candles(100, 100, 100, 100)
    result = run(script(1.0, 1.0, 0.7, KEEP, warmup=2), bars, cash=1.0, costs=FREE)
    assert result.targets.tolist() == [0.0, 0.0, 0.7, 0.7]
    assert [fill.bar for fill in result.fills] == [3]


def test_an_infinite_target_is_refused() -> None:
    with pytest.raises(ValueError, match="infinite"):
        run(script(math.inf), flat_candles(100, 100), cash=1.0)


def test_a_stop_inside_the_bar_fills_at_the_stop_price() -> None:
    bars = candles((100, 100, 100, 100), (100, 101, 99, 100), (99, 100, 94, 97))
    result = run(script(1.0, stop=0.05), bars, cash=1_000.0, costs=FREE)
    assert only_stop(result) == (2, 95.0)
    assert result.equity[-1] == pytest.approx(950.0)


def test_a_bar_that_opens_beyond_the_stop_fills_at_its_open() -> None:
    bars = candles((100, 100, 100, 100), (100, 101, 99, 100), (90, 96, 89, 95))
    result = run(script(1.0, stop=0.05), bars, cash=1_000.0, costs=FREE)
    assert only_stop(result) == (2, 90.0)


def test_the_stop_of_a_short_lies_above_and_is_gap_aware() -> None:
    inside = candles((100, 100, 100, 100), (100, 101, 99, 100), (101, 106, 101, 104))
    beyond = candles((100, 100, 100, 100), (100, 101, 99, 100), (110, 112, 108, 109))
    assert only_stop(run(script(-1.0, stop=0.05), inside, cash=1e3, costs=FREE)) == (2, 105.0)
    assert only_stop(run(script(-1.0, stop=0.05), beyond, cash=1e3, costs=FREE)) == (2, 110.0)


def test_the_stop_counts_on_the_bar_of_entry() -> None:
    bars = candles((100, 100, 100, 100), (100, 101, 90, 92))
    result = run(script(1.0, stop=0.05), bars, cash=1_000.0, costs=FREE)
    assert [(fill.bar, fill.kind) for fill in result.fills] == [
        (1, FillKind.TARGET),
        (1, FillKind.STOP),
    ]
    assert result.equity[-1] == pytest.approx(950.0)


def test_a_stop_pays_slippage_and_fee() -> None:
    bars = candles((100, 100, 100, 100), (100, 100, 100, 100), (100, 100, 90, 95))
    result = run(script(1.0, stop=0.05), bars, cash=1_000.0, costs=Costs(10.0, 100.0))
    # entry 101, stop 95.95, filled at 94.9905
    assert only_stop(result)[1] == pytest.approx(94.9905)
    # One unit costs 101 and a fee of 0.101, and there are 1,000.
    units = 1_000.0 / 101.101
    assert result.fees == pytest.approx(units * 101 * 0.001 + units * 94.9905 * 0.001)


def test_after_a_stop_the_account_stays_flat_until_the_target_changes() -> None:
    fall = (100, 100, 90, 95)
    calm = (95, 95, 95, 95)
    bars = candles((100, 100, 100, 100), fall, calm, calm, calm, calm)
    same = run(script(1.0, 1.0, 1.0, 1.0, 1.0, stop=0.05), bars, cash=1e3, costs=FREE)
    assert [fill.held for fill in same.fills] == [10.0, 0.0]
    changed = run(script(1.0, 1.0, 0.5, 0.5, 0.5, stop=0.05), bars, cash=1e3, costs=FREE)
    assert [(fill.bar, fill.kind) for fill in changed.fills][2:] == [(3, FillKind.TARGET)]


def test_the_stepper_tells_of_the_stop_and_where_it_rests() -> None:
    bars = candles((100, 100, 100, 100), (100, 101, 99, 100), (90, 96, 89, 95), (95, 95, 95, 95))
    stepper = Stepper(script(1.0, stop=0.05), cash=1_000.0, costs=FREE)
    rows = list(zip(bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True))
    first = stepper.on_bar(*rows[0])
    assert (first.target, first.changed, first.stopped) == (1.0, True, False)
    assert math.isnan(stepper.stop_price)
    assert not stepper.on_bar(*rows[1]).changed
    assert (stepper.quantity, stepper.entry_price, stepper.stop_price) == (10.0, 100.0, 95.0)
    assert stepper.exposure == 1.0
    assert stepper.on_bar(*rows[2]) == (1.0, False, True, 90.0)
    assert stepper.stopped
    assert stepper.exposure == 0.0
    assert [fill.kind for fill in stepper.fills] == [FillKind.STOP]
    assert not stepper.on_bar(*rows[3]).stopped
    assert stepper.fills == ()


def test_funding_is_charged_by_its_rounded_stamp_before_the_open_is_traded() -> None:
    bars = flat_candles(100.0, 100.0, 100.0, 100.0)
    late = Funding(bars.ts[[2]] + 7_000_000, np.array([0.01]), np.array([110.0]))
    early = Funding(bars.ts[[2]] - 7_000_000, np.array([0.01]), np.array([110.0]))
    for funding in (late, early):
        held = run(script(1.0), bars, cash=1_000.0, funding=funding, costs=FREE)
        # 10 units · 110 · 1 % = 11, already at the close of bar 2
        assert held.equity.tolist() == [1000.0, 1000.0, 989.0, 989.0]
        entered_at_the_stamp = run(script(KEEP, 1.0), bars, cash=1e3, funding=funding, costs=FREE)
        assert entered_at_the_stamp.funding == 0.0
        left_at_the_stamp = run(script(1.0, 0.0), bars, cash=1e3, funding=funding, costs=FREE)
        assert left_at_the_stamp.funding == pytest.approx(11.0)


def test_a_stamp_inside_a_bar_is_charged_when_the_next_one_opens() -> None:
    bars = flat_candles(100.0, 100.0, 100.0, 100.0)
    inside = Funding(bars.ts[[1]] + MINUTE, np.array([0.01]), np.array([100.0]))
    result = run(script(1.0), bars, cash=1_000.0, funding=inside, costs=FREE)
    assert result.equity.tolist() == [1000.0, 1000.0, 990.0, 990.0]


def test_a_short_receives_positive_funding() -> None:
    bars = flat_candles(100.0, 100.0, 100.0)
    funding = Funding(bars.ts[[2]], np.array([0.01]), np.array([100.0]))
    result = run(script(-1.0), bars, cash=1_000.0, funding=funding, costs=FREE)
    assert (result.funding, result.equity[-1]) == (-10.0, 1010.0)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    stop=st.sampled_from([0.0, 0.004, 0.02]),
    targets=st.lists(st.sampled_from([KEEP, 0.0, 0.5, -0.5, 1.0, -1.5]), max_size=60),
)
def test_equity_agrees_with_an_independent_exact_computation(
    seed: int, stop: float, targets: list[float]
) -> None:
    bars = random_bars(60, seed)
    funding, costs = random_funding(bars, seed), Costs(5.0, 2.0)
    result = run(script(*targets, stop=stop), bars, cash=1e4, funding=funding, costs=costs)
    expected = exact_equity(targets, stop, bars, funding, costs, 1e4)
    assert result.equity == pytest.approx([float(value) for value in expected], rel=1e-11)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    stop=st.sampled_from([0.0, 0.004, 0.02]),
    targets=st.lists(st.sampled_from([KEEP, 0.0, 0.5, -0.5, 1.0, -1.5]), max_size=60),
    save_at=st.integers(0, 59),
)
def test_loop_and_stepper_agree_to_the_bit_also_across_a_restart(
    seed: int, stop: float, targets: list[float], save_at: int
) -> None:
    bars = random_bars(60, seed)
    program, funding, costs = script(*targets, stop=stop), random_funding(bars, seed), Costs()
    whole = run(program, bars, cash=1e4, funding=funding, costs=costs)
    equity, decided, stepper = stepped(program, bars, funding, costs, save_at=save_at)
    assert equity.tobytes() == whole.equity.tobytes()
    assert decided.tobytes() == whole.targets.tobytes()
    assert stepper.account.tobytes() == whole.account.tobytes()


def test_saved_state_of_another_program_is_refused() -> None:
    saved = Stepper(script(1.0), cash=1.0).save()
    with pytest.raises(ValueError, match="another program"):
        Stepper.restore(script(2.0), saved)
    with pytest.raises(ValueError, match="bytes"):
        Stepper.restore(script(1.0), saved[:-1])


def test_a_stepper_refuses_a_bar_out_of_order_and_a_bar_that_is_none() -> None:
    stepper = Stepper(script(1.0), cash=1.0)
    stepper.on_bar(START, 1.0, 1.0, 1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="does not follow"):
        stepper.on_bar(START, 1.0, 1.0, 1.0, 1.0, 0.0)
    for row in ((1.0, 1.0, 1.0, math.nan, 0.0), (1.0, 0.5, 1.0, 1.0, 0.0), (1, math.inf, 1, 1, 0)):
        with pytest.raises(ValueError, match="prices"):
            stepper.on_bar(START + MINUTE, *row)
    assert stepper.ts == START


def test_bars_and_funding_that_are_unsound_are_refused_by_stamp() -> None:
    with pytest.raises(ValueError, match="2025-03-06T08:05"):
        candles((1, 1, 1, 1), (1, 0.5, 1, 1))
    with pytest.raises(ValueError, match="does not increase"):
        Bars(np.array([1, 1]), *(np.ones(2) for _ in range(5)))
    with pytest.raises(ValueError, match="volume has 1 rows"):
        Bars(np.array([1, 2]), *(np.ones(2) for _ in range(4)), np.ones(1))
    with pytest.raises(ValueError, match="not a number"):
        Funding(np.array([START]), np.array([math.nan]), np.array([1.0]))
    with pytest.raises(ValueError, match="fee_bps"):
        Costs(fee_bps=-1.0)
