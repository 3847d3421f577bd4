"""Return mathematics against published examples; every number says where it is from."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.returns import (
    Advice,
    Level,
    annualise,
    expected_gain,
    geometric_mean_return,
    grade_deviation,
    holding_return,
    max_drawdown,
    nav_return,
    period_returns,
    sharpe,
    sortino,
    time_weighted_return,
    win_rate,
    xirr,
)

# Time-weighted


def test_time_weighted_return_of_the_published_example() -> None:
    # TWR1, mathcelebrity.com/intweighttimeinst
    chain = [(112_000, 30_000), (125_000, -42_000), (100_000, 0)]
    result = time_weighted_return(100_000, chain)
    assert result.total == pytest.approx(0.1878, abs=5e-5)
    assert (result.periods, result.breaks) == (3, ())


def test_geometric_mean_of_holding_returns_of_the_published_example() -> None:
    # TWR3, CRAN FinCal twrr(ev = c(120, 260), bv = c(100, 240), cfr = c(2, 4))
    returns = [holding_return(100, 120, 2), holding_return(240, 260, 4)]
    assert geometric_mean_return(returns) == pytest.approx(0.1584472, abs=5e-8)


@given(
    growth=st.lists(st.floats(0.5, 2.0), min_size=1, max_size=10),
    flows=st.lists(st.floats(0.0, 1e6), min_size=10, max_size=10),
)
def test_deposits_never_change_a_time_weighted_return(
    growth: list[float], flows: list[float]
) -> None:
    chain, value = [], 1e6
    for factor, flow in zip(growth, flows, strict=False):
        chain.append((value * factor, flow))
        value = value * factor + flow
    assert time_weighted_return(1e6, chain).total == pytest.approx(math.prod(growth) - 1.0)


def test_a_near_zero_base_breaks_the_chain_and_is_reported() -> None:
    # wealthfolio#497: everything withdrawn but a cent, then a deposit before the next valuation
    chain = [(110.0, -109.99), (1_000.0, 0.0), (1_100.0, 0.0)]
    result = time_weighted_return(100.0, chain)
    assert result.total == pytest.approx(1.1 * 1.1 - 1.0)
    assert (result.periods, result.breaks) == (2, (1,))
    assert time_weighted_return(100.0, chain, dust=0.001).breaks == ()


def test_an_empty_chain_returns_nothing() -> None:
    assert time_weighted_return(100.0, []) == (time_weighted_return(5.0, []))


# Money-weighted


def test_xirr_of_the_published_examples() -> None:
    # XIRR1, support.microsoft.com XIRR
    flows = [
        (date(2008, 1, 1), -10_000.0),
        (date(2008, 3, 1), 2_750.0),
        (date(2008, 10, 30), 4_250.0),
        (date(2009, 2, 15), 3_250.0),
        (date(2009, 4, 1), 2_750.0),
    ]
    assert xirr(flows) == pytest.approx(0.373362535, abs=1e-8)
    # XIRR2, portfolio-performance IRRTest.java; two flows 364 days apart have a closed form
    rate = xirr([(date(2010, 1, 1), -200.0), (date(2010, 12, 31), 210.0)])
    assert rate == pytest.approx(0.050140747, abs=1e-8)
    assert rate == pytest.approx(1.05 ** (365 / 364) - 1.0, abs=1e-12)


@pytest.mark.parametrize("amounts", [[], [-100.0], [-100.0, -5.0], [100.0, 0.0]])
def test_xirr_without_a_change_of_sign_is_undefined(amounts: list[float]) -> None:
    flows = [(date(2025, 1, 1 + day), amount) for day, amount in enumerate(amounts)]
    with pytest.raises(CommendaError) as refused:
        xirr(flows)
    assert refused.value.code == "xirr_undefined"


def test_xirr_on_a_single_day_is_undefined() -> None:
    with pytest.raises(CommendaError) as refused:
        xirr([(date(2025, 1, 1), -100.0), (date(2025, 1, 1), 110.0)])
    assert refused.value.code == "xirr_undefined"


# Annualisation


def test_nothing_under_a_year_is_annualised_unless_asked() -> None:
    with pytest.raises(CommendaError) as refused:
        annualise(0.1, 364)
    assert (refused.value.code, refused.value.value) == ("under_a_year", 364)
    assert annualise(0.1, 365) == pytest.approx(0.1)
    assert annualise(0.21, 730) == pytest.approx(0.1)
    assert annualise(0.1, 182.5, under_a_year=True) == pytest.approx(0.21)


# Risk


def test_drawdown_is_the_deepest_fall_from_a_peak() -> None:
    # By hand: from 120 to 90 is 25 %; the later fall from 150 to 120 is 20 %.
    assert max_drawdown([100, 120, 90, 150, 120]) == pytest.approx(0.25)
    assert max_drawdown([1, 2, 3]) == 0.0
    assert max_drawdown([]) == 0.0


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=50))
def test_drawdown_is_that_of_the_worst_pair(values: list[float]) -> None:
    worst = max(
        1 - values[j] / values[i] for i in range(len(values)) for j in range(i, len(values))
    )
    assert max_drawdown(values) == pytest.approx(worst, abs=1e-12)


def test_sharpe_and_sortino_by_hand() -> None:
    # Mean 1 %, sample deviation √(((2)² + (−2)² + 0)/2) % = 2 %; downside √(1²/3) %.
    returns = [0.03, -0.01, 0.01]
    assert sharpe(returns, periods_per_year=1) == pytest.approx(0.5)
    assert sharpe(returns, periods_per_year=4) == pytest.approx(1.0)
    assert sharpe(returns, periods_per_year=1, risk_free=0.01) == pytest.approx(0.0)
    assert sortino(returns, periods_per_year=1) == pytest.approx(math.sqrt(3.0))
    assert sortino(returns, periods_per_year=1, target=0.01) == pytest.approx(0.0)


def test_ratios_are_none_where_undefined() -> None:
    assert sharpe([], periods_per_year=365) is None
    assert sharpe([0.01], periods_per_year=365) is None
    assert sharpe([0.01, 0.01], periods_per_year=365) is None
    assert sortino([], periods_per_year=365) is None
    assert sortino([0.0, 0.02], periods_per_year=365) is None
    assert win_rate([]) is None


def test_win_rate_is_the_share_above_zero() -> None:
    assert win_rate([1.0, 0.0, -1.0, 2.0]) == 0.5


def test_period_returns_are_simple() -> None:
    assert period_returns([100.0, 110.0, 99.0]) == pytest.approx(np.array([0.1, -0.1]))


# Expected against actual (specification 003)


def test_the_dividend_example_of_the_specification_is_an_alert() -> None:
    # SEED3a, 003-03: 100000 at 5 % for a year, 4500 paid
    expected = expected_gain(Decimal(100_000), Decimal("0.05"), 365)
    graded = grade_deviation(expected, Decimal(4_500), 365)
    assert (graded.expected, graded.difference, graded.rate) == (5_000, -500, Decimal("-10"))
    assert (graded.level, graded.advice) == (Level.ALERT, Advice.CONSIDER_REDEEMING)


def test_the_nav_example_of_the_specification() -> None:
    # SEED3b, 003-04: 100000 at 10.00 a unit, now 10.50
    held = nav_return(Decimal(100_000), Decimal("10.00"), Decimal("10.50"))
    assert (held.units, held.value, held.gain, held.rate) == (10_000, 105_000, 5_000, 5)


def test_expected_gain_is_pro_rated_and_outperformance_never_advises_redemption() -> None:
    # SEED3c, 003 formula: 100000 at 5 % for 180 days, gained 5000
    expected = expected_gain(Decimal(100_000), Decimal("0.05"), 180)
    graded = grade_deviation(expected, Decimal(5_000), 180)
    assert round(expected, 2) == Decimal("2465.75")
    assert graded.rate is not None
    assert round(graded.rate, 2) == Decimal("102.78")
    assert (graded.level, graded.advice) == (Level.ALERT, Advice.CHECK)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("percent", "level"),
    [
        ("0", Level.NORMAL),
        ("2", Level.NORMAL),
        ("2.000000000000000001", Level.WARNING),
        ("5", Level.WARNING),
        ("5.000000000000000001", Level.ALERT),
    ],
)
def test_bands_are_half_open_on_either_side(percent: str, level: Level, sign: int) -> None:
    # acceptance part 2: |d| ≤ 2 NORMAL, ≤ 5 WARNING, > 5 ALERT
    actual = 100 + sign * Decimal(percent)
    assert grade_deviation(Decimal(100), actual, 30).level is level


def test_too_short_or_nothing_expected_is_insufficient_never_zero() -> None:
    for graded in (
        grade_deviation(Decimal(100), Decimal(100), 29),
        grade_deviation(Decimal(0), Decimal(10), 400),
    ):
        assert graded.rate is None
        assert (graded.level, graded.advice) == (Level.INSUFFICIENT, Advice.WAIT)
    assert grade_deviation(Decimal(100), Decimal(90), 7, least_days=7).level is Level.ALERT


def test_a_smaller_loss_than_expected_is_better_than_expected() -> None:
    graded = grade_deviation(Decimal(-100), Decimal(-50), 365)
    assert graded.rate == 50
    assert graded.advice is Advice.CHECK


def test_thresholds_can_be_set_by_product() -> None:
    graded = grade_deviation(
        Decimal(100), Decimal("99.2"), 60, warning=Decimal("0.5"), alert=Decimal("0.7")
    )
    assert graded.level is Level.ALERT
