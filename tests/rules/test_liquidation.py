"""Liquidation against a simulation of its own: plain Python, the price found by bisection."""

from __future__ import annotations

import math

import numpy as np
import pytest

from commenda.kernel import (
    Bars,
    Costs,
    Funding,
    MaintenanceTier,
    Margin,
    Program,
    Result,
    Terms,
    compiled,
    run,
)

TIERS = ((0.0, 0.004), (5_000.0, 0.01), (30_000.0, 0.05))
TAKER, LIQUIDATION_FEE = 5e-4, 20e-4
COUNT, CASH = 120, 10_000.0


@compiled
def scripted(state, bar, position, params):
    """The targets written in `params`, one for each bar."""
    at = int(state[0])
    state[0] += 1.0
    return params[at]


def maintenance(notional: float) -> float:
    """Band by band: each rate on the part of the notional that lies in its band."""
    ends = [*(begin for begin, _ in TIERS[1:]), math.inf]
    bands = zip(TIERS, ends, strict=True)
    return sum(rate * max(0.0, min(notional, end) - begin) for (begin, rate), end in bands)


def liquidated_at(quantity: float, collateral: float) -> float:
    """Where collateral and position are worth just the maintenance margin; NaN if nowhere."""

    def spare(price: float) -> float:
        return collateral + quantity * price - maintenance(abs(quantity) * price)

    bad, good = (1e-9, 1e7) if quantity > 0.0 else (1e7, 1e-9)
    if spare(bad) > 0.0:
        return math.nan
    for _ in range(200):
        middle = (bad + good) / 2.0
        bad, good = (bad, middle) if spare(middle) > 0.0 else (middle, good)
    return bad


def market(seed: int) -> tuple[Bars, Funding, list[float]]:
    """Bars, funding large enough to matter, and targets far beyond the leverage now and then."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, COUNT)))
    opening = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0.0, 0.003, COUNT))
    high = np.maximum(opening, close) * np.exp(rng.exponential(0.006, COUNT))
    low = np.minimum(opening, close) * np.exp(-rng.exponential(0.006, COUNT))
    bars = Bars(300_000_000_000 * np.arange(COUNT), opening, high, low, close, np.ones(COUNT))
    at = np.arange(3, COUNT, 5)
    funding = Funding(bars.ts[at], rng.normal(0.0, 0.01, at.size), opening[at])
    sizes = rng.choice([-30.0, -8.0, -3.0, -1.0, 0.0, 0.5, 1.0, 3.0, 8.0, 30.0], COUNT)
    return bars, funding, np.where(rng.random(COUNT) < 0.3, sizes, math.nan).tolist()


def sized(
    target: float,
    cash: float,
    held: float,
    entry: float,
    margin: float,
    price: float,
    leverage: float,
    isolated: bool,
) -> float:
    """Units that a target is filled to: the greatest that its conditions allow, by bisection.

    Once the fee is paid the exposure is at most the target (or 1) and the leverage, and of an
    isolated position the margin it adds is money that no other margin or loss has taken.
    """
    worth = cash + held * price
    side = math.copysign(1.0, target)

    def fits(units: float) -> bool:
        left = worth - abs(units - held) * price * TAKER
        if abs(units) * price > max(1.0, abs(target)) * left:
            return False
        grows = abs(units) > abs(held) or units * held < 0.0
        if grows and abs(units) * price > leverage * left:
            return False
        if grows and isolated:
            kept = held * (entry - price) - margin if held * units > 0.0 else 0.0
            added = abs(units) - (abs(held) if held * units > 0.0 else 0.0)
            return added * price / leverage <= left + kept
        return True

    wanted = target * max(0.0, worth) / price
    if wanted == 0.0 or fits(wanted):
        return wanted
    keeps = held if held * target > 0.0 and fits(held) else 0.0
    near, far = abs(keeps), abs(wanted)
    for _ in range(200):
        middle = (near + far) / 2.0
        near, far = (middle, far) if fits(side * middle) else (near, middle)
    return side * near


def simulate(
    bars: Bars, funding: Funding, wanted: list[float], leverage: float, isolated: bool
) -> tuple[list[float], list[tuple[int, float]], float]:
    """Equity at each close, (bar, units held) after each fill, and the venue's loss."""
    cash, held, entry, margin, lost = CASH, 0.0, math.nan, 0.0, 0.0
    standing, pending = 0.0, math.nan
    equity, fills = [], []
    paid = dict(zip(funding.ts.tolist(), (funding.rate * funding.mark).tolist(), strict=True))
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for i, (ts, opening, high, low, close) in enumerate(rows):
        payment = held * paid.get(ts, 0.0)
        cash, margin = cash - payment, margin - payment
        if held != 0.0:
            # Who opens beyond liquidation trades nothing: the venue is first.
            level = liquidated_at(held, margin - held * entry if isolated else cash)
            if opening <= level if held > 0.0 else opening >= level:
                pending = math.nan
        if not math.isnan(pending):
            asked = sized(pending, cash, held, entry, margin, opening, leverage, isolated)
            change, pending = asked - held, math.nan
            if change != 0.0:
                if held * asked <= 0.0:
                    margin, entry = abs(asked) * opening / leverage, opening
                elif abs(asked) > abs(held):
                    margin += abs(change) * opening / leverage
                    entry = (held * entry + change * opening) / asked
                else:
                    margin *= asked / held
                cash -= change * opening + abs(change) * opening * TAKER
                held = asked
                fills.append((i, held))
        if held != 0.0:
            level = liquidated_at(held, margin - held * entry if isolated else cash)
            if low <= level if held > 0.0 else high >= level:
                price = min(opening, level) if held > 0.0 else max(opening, level)
                fee = abs(held) * price * (TAKER + LIQUIDATION_FEE)
                cash += held * price - fee
                left = margin + held * (price - entry) - fee if isolated else cash
                cash, lost = cash - min(0.0, left), lost - min(0.0, left)
                held, margin = 0.0, 0.0
                fills.append((i, held))
        equity.append(cash + held * close)
        if not math.isnan(wanted[i]) and wanted[i] != standing:
            standing = pending = wanted[i]
    return equity, fills, lost


def in_kernel(
    bars: Bars, funding: Funding, wanted: list[float], leverage: float, isolated: bool
) -> Result:
    tiers = tuple(MaintenanceTier(*tier) for tier in TIERS)
    margin = Margin(leverage, isolated, tiers, fee_bps=LIQUIDATION_FEE * 1e4)
    program = Program("scripted 2", scripted, np.array(wanted), 1, 0)
    costs = Costs(fee_bps=TAKER * 1e4, slippage_bps=0.0)
    return run(program, bars, cash=CASH, funding=funding, costs=costs, terms=Terms(margin=margin))


@pytest.mark.parametrize("leverage", [15.0, 40.0, 100.0])
@pytest.mark.parametrize("isolated", [False, True])
def test_positions_margins_and_liquidations_agree_with_a_plain_simulation(
    leverage: float, isolated: bool
) -> None:
    liquidations = 0
    for seed in range(40):
        bars, funding, wanted = market(seed)
        equity, fills, lost = simulate(bars, funding, wanted, leverage, isolated)
        result = in_kernel(bars, funding, wanted, leverage, isolated)
        assert [f.bar for f in result.fills] == [bar for bar, _ in fills]
        assert [f.held for f in result.fills] == pytest.approx([held for _, held in fills])
        assert result.equity == pytest.approx(equity, abs=1e-6)
        assert result.counts.shortfall == pytest.approx(lost, abs=1e-6)
        liquidations += sum(f.kind == "liquidation" for f in result.fills)
    assert liquidations > 20
