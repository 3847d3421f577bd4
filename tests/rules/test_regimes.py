"""The states of a market, by hand and against pandas; no state knows a later bar."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.risk.regimes import (
    FAST,
    SLOW,
    SPAN,
    WARM,
    Trend,
    Volatility,
    efficiency,
    next_trend,
    next_volatility,
    regimes,
)

PRICES = st.lists(st.floats(50, 200), min_size=2, max_size=150)


@given(PRICES, st.data())
def test_a_state_is_told_by_what_has_closed_alone(closes: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(closes)))
    others = closes[:cut] + [one * 3 for one in closes[cut:]]
    assert regimes(others)[:cut] == regimes(closes)[:cut] == regimes(closes[:cut])


def test_its_figures_are_those_of_another_hand() -> None:
    drawn = np.random.default_rng(3).normal(0, 0.01, 300)
    closes = list(100 * np.exp(np.cumsum(drawn)))
    found = regimes(closes)
    squares = pd.Series(np.diff(np.log(closes)) ** 2)
    fast = squares.ewm(alpha=1 - FAST, adjust=False).mean()
    slow = squares.ewm(alpha=1 - SLOW, adjust=False).mean()
    assert [one.deviation for one in found[1:]] == pytest.approx(list(np.sqrt(fast)))
    ratios = np.sqrt(fast / slow)
    assert [one.ratio for one in found[WARM:]] == pytest.approx(list(ratios[WARM - 1 :]))
    assert {one.ratio for one in found[:WARM]} == {1.0}
    moves = pd.Series(closes).diff()
    straight = moves.rolling(SPAN).sum() / moves.abs().rolling(SPAN).sum()
    assert [one.efficiency for one in found[SPAN:]] == pytest.approx(list(straight[SPAN:]))


def test_the_way_that_was_walked() -> None:
    # 24 moves of 1, of which 18 up: 12 net over 24 walked.
    walk = [100.0]
    for move in [1.0] * 18 + [-1.0] * 6:
        walk.append(walk[-1] + move)
    assert efficiency(walk) == 0.5
    assert efficiency(walk[:-1]) == 0.0, "too few"
    assert efficiency([100.0] * 25) == 0.0, "nothing moved"


@pytest.mark.parametrize(
    ("before", "ratio", "after"),
    [
        ("normal", 1.49, "normal"),
        ("normal", 1.5, "wild"),
        ("wild", 1.2, "wild"),
        ("wild", 1.19, "normal"),
        ("normal", 0.6, "normal"),
        ("normal", 0.59, "calm"),
        ("calm", 0.79, "calm"),
        ("calm", 0.8, "normal"),
        ("calm", 1.5, "wild"),
    ],
)
def test_it_is_left_at_another_level_than_it_was_entered(
    before: str, ratio: float, after: str
) -> None:
    assert next_volatility(Volatility(before), ratio) == after


@pytest.mark.parametrize(
    ("before", "straight", "after"),
    [
        ("flat", 0.39, "flat"),
        ("flat", 0.4, "up"),
        ("up", 0.2, "up"),
        ("up", 0.19, "flat"),
        ("up", -0.4, "down"),
        ("down", -0.2, "down"),
        ("down", -0.19, "flat"),
    ],
)
def test_a_trend_is_left_later_than_it_was_entered(
    before: str, straight: float, after: str
) -> None:
    assert next_trend(Trend(before), straight) == after


def test_a_calm_market_that_turns_wild_is_seen_within_a_few_bars() -> None:
    # Moves of 0.1 % each way, then of 1 %: after one of them the short memory's square is
    # 0.94 * 1e-6 + 0.06 * 1e-4 = 6.94e-6, the long one's 0.99 * 1e-6 + 0.01 * 1e-4 = 1.99e-6.
    closes = [100.0]
    for place in range(200):
        closes.append(closes[-1] * math.exp(0.001 if place % 2 else -0.001))
    assert regimes(closes)[-1].volatility is Volatility.NORMAL
    closes.append(closes[-1] * math.exp(0.01))
    last = regimes(closes)[-1]
    assert last.volatility is Volatility.WILD
    assert last.ratio == pytest.approx(math.sqrt(6.94 / 1.99))
