"""Where the lines of stops lie, worked out by hand; the slope against another library."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commenda.risk.regimes import Trend, Volatility
from commenda.risk.stop_lines import Conditions, factors, slope_t, stop_lines

USUAL = Conditions(0.01, 0.005, 0.0, Volatility.NORMAL, Trend.FLAT, 1)
BASE = {"fraction": 0.05, "atr": 3.0, "atr_length": 22, "chandelier": 2.5, "account_loss": 0.25}


def test_in_a_usual_market_they_lie_where_the_set_says() -> None:
    assert stop_lines(BASE, USUAL) == BASE


def test_each_condition_moves_them_by_its_factor() -> None:
    assert stop_lines(BASE, replace(USUAL, volatility=Volatility.WILD)) == BASE | {
        "fraction": 0.0625, "atr": 3.75, "chandelier": 3.125,
    }  # fmt: skip
    assert stop_lines(BASE, replace(USUAL, volatility=Volatility.CALM))["atr"] == 2.4
    assert stop_lines(BASE, replace(USUAL, trend=Trend.DOWN))["atr"] == 2.25
    assert stop_lines(BASE, replace(USUAL, trend=Trend.DOWN, side=-1)) == BASE
    assert stop_lines(BASE, replace(USUAL, slope=-2.5))["atr"] == 2.25
    # sqrt(8 / pi) = 1.5958: of a deviation of 0.01 that is 1.5958 average ranges of 0.01.
    assert stop_lines(BASE, replace(USUAL, deviation=0.01))["atr"] == pytest.approx(4.7873)


def test_all_together_stay_within_a_half_and_twice() -> None:
    wild = replace(USUAL, deviation=0.02, volatility=Volatility.WILD)
    assert stop_lines(BASE, wild)["atr"] == 6.0
    tight = replace(USUAL, volatility=Volatility.CALM, trend=Trend.DOWN, slope=-5.0)
    assert stop_lines(BASE, tight)["atr"] == 1.5  # 0.8 * 0.75 * 0.75 = 0.45
    assert factors(tight) == {"range": 1.0, "regime": 0.8, "side": 0.75, "curve": 0.75}


def test_what_is_a_limit_stays() -> None:
    limits = {"account_loss": 0.25, "curve_drawdown": 0.12, "bars": 96, "sar_step": 0.02}
    assert stop_lines(limits, replace(USUAL, volatility=Volatility.WILD)) == limits
    assert stop_lines({"fraction": 0.9}, replace(USUAL, volatility=Volatility.WILD)) == {
        "fraction": 0.95
    }


def test_the_slope_of_a_curve_is_that_of_least_squares() -> None:
    curve = np.exp(np.cumsum(np.random.default_rng(5).normal(-0.002, 0.01, 40)))
    (slope, _), spread = np.polyfit(np.arange(40), np.log(curve), 1, cov=True)
    assert slope_t(list(curve)) == pytest.approx(slope / np.sqrt(spread[0, 0]))
    assert slope_t([1.0, 0.9, 0.8, 0.7]) == 0.0, "too few"
    assert slope_t([1.0] * 9) == 0.0
    assert slope_t([2.0**-place for place in range(9)]) == -99.0
