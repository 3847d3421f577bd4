"""The desk's properties: loop and stepper to the bit, what adds up, what nothing asked for is."""

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
    Costs,
    FeeTier,
    Fill,
    FillKind,
    Funding,
    Latency,
    Margin,
    Program,
    Stepper,
    Stops,
    Terms,
    run,
)
from desk_programs import (
    FREE,
    KEEP,
    candles,
    random_bars,
    restless,
    still,
    targets,
)


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
