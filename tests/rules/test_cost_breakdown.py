"""The breakdown of costs adds up, and its ends are what the fills say, whoever lost too much."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.cli import backtest_tables as tables
from commenda.kernel import Bars, Costs, Funding, Margin, Terms
from commenda.strategies import (
    BarData,
    DataSource,
    FundingData,
    LegPlan,
    LegsPlan,
    Plan,
    report_of,
)
from commenda.strategies.plan import Row
from study_outcomes import HOUR, TREND

COSTS = Costs(5.0, slippage_bps=10.0)
WILD = {"fast": 2, "slow": 3, "band": 0.0, "stop": 0.0, "exposure": 3.0}


def walk(seed: int, deviation: float) -> BarData:
    """A hundred hours of a random walk, each bar opening away from the last close."""
    rng = np.random.default_rng(seed)
    path = 100.0 * np.exp(np.cumsum(rng.normal(0.0, deviation, 200)))
    opening, close = path[::2], path[1::2]
    high, low = np.maximum(opening, close) * 1.01, np.minimum(opening, close) * 0.99
    bars = Bars(np.arange(100) * HOUR, opening, high, low, close, np.full(100, 1e6))
    first = datetime.fromtimestamp(0, UTC)
    hour = timedelta(hours=1)
    source = DataSource(
        f"x{seed}", None, f"X{seed}USDT", hour, first, first + 99 * hour, 100, 0, f"{seed:064}"
    )
    return BarData(bars, source)


def paid(data: BarData) -> FundingData:
    at = np.arange(8, 100, 8)
    rates = np.where(at % 3 == 0, 0.002, -0.001)
    funding = Funding(at * HOUR, rates, data.bars.open[at])
    return FundingData(funding, "rates", "0" * 64, timedelta(hours=8))


def by_fills(plan: Plan | LegsPlan) -> float:
    """What the prices alone made: each change of the position at its price before slippage, and
    what is left at the last close.
    """
    run = plan.run()
    parts = (
        [(leg.data, done.result.fills) for leg, done in zip(plan.legs, run.legs, strict=True)]
        if isinstance(plan, LegsPlan)
        else [(plan.data, run.fills)]
    )
    traded = sum(
        sum(-f.quantity * f.price for f in fills)
        + (fills[-1].held * float(data.bars.close[-1]) if fills else 0.0)
        for data, fills in parts
    )
    return traded + run.metrics.slippage


def plan_of(seed: int, deviation: float, leverage: float | None, legs: int) -> Plan | LegsPlan:
    terms = Terms(margin=leverage and Margin(leverage))
    found = [walk(seed + k, deviation) for k in range(legs)]
    if legs == 1:
        return Plan(TREND, WILD, found[0], paid(found[0]), COSTS, cash=1_000.0, terms=terms)
    shares = tuple(LegPlan(WILD, data, paid(data), share=1.0 / legs) for data in found)
    return LegsPlan(TREND, shares, COSTS, cash=1_000.0, terms=terms)


def adds_up(plan: Plan | LegsPlan) -> Row:
    report = report_of(plan, plan.run())
    costs = report["costs"]
    given = sum(costs[name] for name in ("fees", "slippage", "funding"))
    assert costs["gross"] - given + costs["shortfall"] == pytest.approx(costs["net"], abs=1e-6)
    assert costs["net"] == report["metrics"]["finalEquity"] - 1_000.0
    assert costs["gross"] == pytest.approx(by_fills(plan), rel=1e-9, abs=1e-6)
    return report


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([0.01, 0.05, 0.2]),
    st.sampled_from([None, 3.0]),
    st.sampled_from([1, 2]),
)
def test_gross_less_costs_and_what_the_lender_bore_is_net(
    seed: int, deviation: float, leverage: float | None, legs: int
) -> None:
    adds_up(plan_of(seed, deviation, leverage, legs))


@pytest.mark.parametrize("legs", [1, 2])
def test_a_ruined_run_shows_who_bore_what_it_owed(
    legs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    plans = (plan_of(seed, 0.2, None, legs) for seed in range(100))
    plan = next(one for one in plans if adds_up(one)["costs"]["shortfall"] > 100.0)
    report = report_of(plan, plan.run())
    lent = f"{report['costs']['shortfall']:,.2f}"
    tables.show_report(report)
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "Shortfall" in line)
    assert lent in row
