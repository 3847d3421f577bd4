"""Returns that cannot be, and rates that are not one: right values by hand or by another engine."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
import pyxirr
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.managed.scoring import Record, score
from commenda.returns import (
    annual_rates,
    annualise,
    geometric_mean_return,
    holding_return,
    max_drawdown,
    modified_dietz,
    nav_return,
    period_returns,
    sharpe,
    sortino,
    time_weighted_return,
    underwater,
    xirr,
)

BEGIN = date(2023, 1, 1)


def yearly(*amounts: float) -> list[tuple[date, float]]:
    """Flows exactly 365 days apart."""
    return [(BEGIN + timedelta(days=365 * year), amount) for year, amount in enumerate(amounts)]


# A base that is wiped out


def test_a_base_that_is_wiped_out_ends_the_chain_at_minus_all() -> None:
    # 100 fell to debts of 50; the 100 paid in then grew on what was left to 60. Multiplied, the
    # chain says -0.5 · 1.2 - 1 = -160 %; nobody loses more than all.
    result = time_weighted_return(100, [(-50, 100), (60, 0)])
    assert (result.total, result.periods, result.wiped_out) == (-1.0, 1, 0)
    for value in (0.0, -1e-9, -1e6):
        later = time_weighted_return(100, [(150, 0), (value, 500), (900, 0)])
        assert (later.total, later.periods, later.wiped_out) == (-1.0, 2, 1)


def test_a_base_that_was_withdrawn_is_no_loss() -> None:
    # 100 → 110, all taken out; a year later 200 are paid in and become 220: 1.1 · 1.1 = 1.21.
    result = time_weighted_return(100, [(110, -110), (0, 200), (220, 0)])
    assert result.total == pytest.approx(0.21)
    assert (result.periods, result.breaks, result.wiped_out) == (2, (1,), None)


@given(
    st.floats(0, 1e6),
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), max_size=12),
)
def test_no_chain_loses_more_than_all(start: float, chain: list[tuple[float, float]]) -> None:
    result = time_weighted_return(start, chain)
    assert result.total >= -1.0
    assert (result.wiped_out is not None) <= (result.total == -1.0)


# Modified Dietz


def test_modified_dietz_of_the_published_example() -> None:
    # MD1, bloombergprep CFA GIPS question: flows at the end of day 5, 9, 15 and 24 of 31
    flows = [(5, -15.05), (9, 19.82), (15, 16.42), (24, -18.96)]
    at_end = [((31 - day) / 31, amount) for day, amount in flows]
    at_start = [((32 - day) / 31, amount) for day, amount in flows]
    assert modified_dietz(585.6, 602.34, at_end) == pytest.approx(0.0245418, abs=5e-8)
    assert modified_dietz(585.6, 602.34, at_start) == pytest.approx(0.0245388, abs=5e-8)


def test_modified_dietz_on_nothing_or_with_debts() -> None:
    # 10 at first, 100 withdrawn at once: an average capital of -90 would call a gain a loss.
    assert modified_dietz(10, 0, [(1.0, -100)]) is None
    assert modified_dietz(0, 0) is None
    assert modified_dietz(0, 55, [(0.5, 50)]) == pytest.approx(5 / 25)
    assert modified_dietz(100, -60) == -1.0


# Money-weighted


def test_a_total_loss_is_minus_all() -> None:
    assert xirr(yearly(-100, 0)) == -1.0
    assert xirr(yearly(-100, -20, 0)) == -1.0
    # What is left is not said: that is no loss, it is unknown.
    for flows in (yearly(-100), yearly(-100, -20), yearly(0, 0), yearly(0, -100)):
        with pytest.raises(CommendaError) as refused:
            xirr(flows)
        assert refused.value.code == "xirr_undefined"
    # Half came back after a year, then nothing was left: 100 = 50/(1+r), so r = -50 %.
    assert xirr(yearly(-100, 50, 0)) == pytest.approx(-0.5)


def test_flows_with_several_rates_are_ambiguous() -> None:
    # -100 + 230 v - 132 v² = 0: v = (230 ± 10) / 264, so r = 10 % and 20 %.
    assert annual_rates(yearly(-100, 230, -132)) == pytest.approx([0.1, 0.2], abs=1e-12)
    with pytest.raises(CommendaError) as refused:
        xirr(yearly(-100, 230, -132))
    assert refused.value.code == "xirr_ambiguous"
    assert refused.value.hint is not None
    assert refused.value.hint.startswith("10 %, 20 %:")
    # The middle one after half a year (182 of 365 days): near (1.1)² - 1 and (1.2)² - 1.
    halves = [(BEGIN, -100.0), (date(2023, 7, 2), 230.0), (date(2024, 1, 1), -132.0)]
    low, high = annual_rates(halves)
    assert 0.19 < low < 0.22
    assert 0.4 < high < 0.5
    for rate in (low, high):
        worth = -100 + 230 / (1 + rate) ** (182 / 365) - 132 / (1 + rate)
        assert worth == pytest.approx(0.0, abs=1e-9)


def test_a_rate_that_is_met_twice_is_one() -> None:
    # -(10 - 11 v)²: worth nothing at 10 % only, and less everywhere else.
    assert xirr(yearly(-100, 220, -121)) == pytest.approx(0.1, abs=1e-6)
    # A thousandth less at the end makes it two, more makes it none: by hand, v = (220 ± √d) / 242.
    both = annual_rates(yearly(-100, 220, -120.999))
    root = math.sqrt(220**2 - 400 * 120.999)
    by_hand = sorted(2 * 120.999 / (220 + sign * root) - 1 for sign in (1, -1))
    assert both == pytest.approx(by_hand, abs=1e-9)
    assert annual_rates(yearly(-100, 220, -121.001)) == []


@given(
    st.lists(st.integers(-200, 200), min_size=2, max_size=7).filter(
        lambda flows: flows[0] < 0 and flows[-1] != 0
    )
)
def test_every_rate_is_found_that_numpy_finds_of_the_polynomial(amounts: list[int]) -> None:
    # numpy: the eigenvalues of the companion matrix, x = 1 + r. Roots that nearly coincide, where
    # a rounding decides whether they are real, are left out.
    factors = np.roots(amounts)
    apart = [abs(a - b) for i, a in enumerate(factors) for b in factors[:i]]
    if apart and min(apart) < 1e-3:
        return
    real = sorted(one.real - 1 for one in factors if abs(one.imag) < 1e-9 and 1e-3 < one.real < 1e3)
    found = [rate for rate in annual_rates(yearly(*amounts)) if 1e-3 - 1 < rate < 1e3 - 1]
    assert found == pytest.approx(real, rel=1e-6, abs=1e-6)


@given(
    st.lists(st.tuples(st.integers(1, 3_000), st.floats(-1e5, 1e5)), min_size=1, max_size=20),
    st.floats(1, 1e6),
)
def test_a_single_rate_is_that_of_another_hand(
    between: list[tuple[int, float]], worth: float
) -> None:
    last = max(day for day, _ in between) + 1
    flows = [(BEGIN, -1e5), *((BEGIN + timedelta(days=day), amount) for day, amount in between)]
    flows.append((BEGIN + timedelta(days=last), worth))
    try:
        rate = xirr(flows)
    except CommendaError:
        return
    other = pyxirr.xirr([day for day, _ in flows], [amount for _, amount in flows])
    if other is not None and rate > -0.99:
        assert rate == pytest.approx(other, rel=1e-6, abs=1e-8)


def test_flows_of_one_day_and_of_extremes() -> None:
    # Doubled in a day: 2^365; a hundred thousandth of it left after a day: (1e-5)^365 - 1 = -1.
    doubled = [(BEGIN, -1.0), (BEGIN + timedelta(days=1), 2.0)]
    assert xirr(doubled) == pytest.approx(2.0**365, rel=1e-9)
    gone = [(BEGIN, -1.0), (BEGIN + timedelta(days=1), 1e-5)]
    assert xirr(gone) == pytest.approx(-1.0)
    # In and out on one day is nothing that a rate explains.
    with pytest.raises(CommendaError) as refused:
        xirr([(BEGIN, -100.0), (BEGIN, 110.0)])
    assert refused.value.code == "xirr_undefined"


# Ratios over a base of nothing or less


def test_a_holding_of_nothing_has_no_return_and_none_is_below_minus_all() -> None:
    assert holding_return(0, 50) is None
    assert holding_return(-10, 5) is None
    assert holding_return(100, -20) == -1.0
    assert holding_return(100, 0, 30) == pytest.approx(-0.7)
    for principal, bought in ((0, 1), (-1, 1), (1, 0)):
        with pytest.raises(CommendaError) as refused:
            nav_return(Decimal(principal), Decimal(bought), Decimal(2))
        assert refused.value.code == "not_positive"


def test_a_geometric_mean_over_a_total_loss_is_minus_all() -> None:
    assert geometric_mean_return([0.5, -1.0, 3.0]) == -1.0
    # (-0.5) · 3 would have no real root of even degree.
    assert geometric_mean_return([-1.5, 2.0]) == -1.0
    assert geometric_mean_return([]) is None
    assert geometric_mean_return([0.21, 0.0]) == pytest.approx(0.1)


def test_annualising_a_total_loss_no_time_and_too_much() -> None:
    assert annualise(-1.0, 730) == -1.0
    assert annualise(-1.6, 730) == -1.0
    for days, code in ((0, "no_time"), (-3, "no_time"), (0.001, "rate_too_large")):
        with pytest.raises(CommendaError) as refused:
            annualise(0.5, days, under_a_year=True)
        assert refused.value.code == code


def test_a_drawdown_begins_with_something_and_takes_no_more_than_all() -> None:
    assert max_drawdown([0, 0, 10, 5]) == 0.5
    assert max_drawdown([-5, 0]) == 0.0
    assert max_drawdown([100, -40, 200]) == 1.0
    assert underwater([0, 10, 5, -5]).tolist() == [0.0, 0.0, -0.5, -1.0]


def test_nothing_earns_nothing_after_a_total_loss() -> None:
    assert period_returns([100, 50, -10, 40, 80]).tolist() == [-0.5, -1.0]
    assert period_returns([0, 10, 20]).size == 0
    # A creator who lost all and comes back from nothing is scored for the loss.
    lost = score(Record([1.0, 0.5, -0.1, 5.0], 1.0, [1.0]))
    assert (lost.drawdown, lost.sortino, lost.days) == (0, 0, 3)


def test_ratios_of_returns_that_differ_by_rounding_are_undefined() -> None:
    # Every return is 0.1 %; what they differ by is the last bit of a double.
    curve = 1000 * 1.001 ** np.arange(500)
    returns = period_returns(curve)
    assert 0.0 < np.ptp(returns) < 1e-14
    assert sharpe(returns, periods_per_year=365) is None
    assert sortino(returns, periods_per_year=365, target=0.001) is None
    # Small and real: a mean of 1e-9 and a deviation (n - 1) of 1e-9.
    assert sharpe([0.0, 2e-9, 0.0, 2e-9], periods_per_year=1) == pytest.approx(math.sqrt(3) / 2)
