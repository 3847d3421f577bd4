"""Indicators against their definitions written out naively, and what holds for every one.

test_indicator_references.py has the series that others publish.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.kernel import compiled
from commenda.kernel.indicators import (
    ADX_SIZE,
    ATR_EMA_SIZE,
    ATR_SIZE,
    EMA_SIZE,
    EWMA_VOLATILITY_SIZE,
    RSI_SIZE,
    SAR_SIZE,
    SUPERTREND_SIZE,
    TRUE_RANGE_SIZE,
    WILDER_SIZE,
    adx,
    atr,
    atr_ema,
    bollinger,
    chandelier,
    chandelier_size,
    deviation,
    donchian,
    donchian_size,
    ema,
    ema_from_sma,
    ewma_volatility,
    extreme_size,
    highest,
    lowest,
    moments,
    realised_volatility,
    realised_volatility_size,
    rsi,
    sar,
    sarext,
    sma,
    sma_size,
    supertrend,
    true_range,
    wilder,
    window_size,
    zscore,
)
from series import Rows, values_of

WILDERS = (0.02, 0.02, 0.2)
"""The acceleration that Wilder chose: first, step, most."""

lengths = st.integers(1, 60)
seeds = st.integers(0, 2**32 - 1)


def price_path(seed: int, count: int = 200) -> np.ndarray:
    return 80_000.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 1e-3, count)))


def bar_path(seed: int, count: int = 200) -> Rows:
    """High, low and close of bars that also gap."""
    rng = np.random.default_rng(seed)
    close = price_path(seed, count)
    opening = np.concatenate((close[:1], close[:-1])) * np.exp(rng.normal(0.0, 1e-3, count))
    high = np.maximum(opening, close) * np.exp(rng.exponential(1e-3, count))
    low = np.minimum(opening, close) * np.exp(-rng.exponential(1e-3, count))
    return list(zip(high.tolist(), low.tolist(), close.tolist(), strict=True))


def closes(prices: Iterable[float]) -> Rows:
    return [(float(price),) for price in prices]


def window(values: Sequence[float] | np.ndarray, i: int, length: int) -> np.ndarray:
    return np.asarray(values[max(0, i - length + 1) : i + 1])


# Definitions


@settings(max_examples=50, deadline=None)
@given(seed=seeds, length=lengths)
def test_averages_agree_with_their_definitions(seed: int, length: int) -> None:
    prices = price_path(seed)
    simple = values_of(sma, sma_size(length), closes(prices), length)[:, 0]
    first = values_of(ema, EMA_SIZE, closes(prices), float(length))[:, 0]
    mean = values_of(ema_from_sma, EMA_SIZE, closes(prices), length)[:, 0]
    smooth = values_of(wilder, WILDER_SIZE, closes(prices), length)[:, 0]
    weight, from_first = 2.0 / (length + 1), prices[0]
    from_mean = smoothed = float(np.mean(prices[:length]))
    for i, price in enumerate(prices):
        from_first = weight * price + (1.0 - weight) * from_first
        assert first[i] == pytest.approx(from_first, rel=1e-12)
        if i + 1 < length:
            assert np.isnan([simple[i], mean[i], smooth[i]]).all()
            continue
        if i + 1 > length:
            from_mean = weight * price + (1.0 - weight) * from_mean
            smoothed = (smoothed * (length - 1) + price) / length
        assert simple[i] == pytest.approx(np.mean(window(prices, i, length)), abs=1e-9)
        assert mean[i] == pytest.approx(from_mean, rel=1e-12)
        assert smooth[i] == pytest.approx(smoothed, rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(seed=seeds, length=st.integers(5, 60), width=st.floats(0.5, 4.0))
def test_spreads_agree_with_their_definitions(seed: int, length: int, width: float) -> None:
    prices = price_path(seed)
    size = window_size(length)
    spread = values_of(deviation, size, closes(prices), length)[:, 0]
    both = values_of(moments, size, closes(prices), length)
    bands = values_of(bollinger, size, closes(prices), length, width)
    score = values_of(zscore, size, closes(prices), length)[:, 0]
    for i, price in enumerate(prices):
        if i + 1 < length:
            assert np.isnan([spread[i], score[i], *bands[i], *both[i]]).all()
            continue
        part = window(prices, i, length)
        mean, root = part.mean(), part.std()
        assert both[i] == pytest.approx([mean, length * root**2], rel=1e-8)
        assert spread[i] == pytest.approx(root, rel=1e-8)
        assert bands[i] == pytest.approx(
            [mean + width * root, mean, mean - width * root], rel=1e-12
        )
        assert score[i] == pytest.approx((price - mean) / root, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(seed=seeds, length=lengths, decay=st.floats(0.5, 0.99))
def test_volatilities_agree_with_their_definitions(seed: int, length: int, decay: float) -> None:
    prices = price_path(seed)
    size = realised_volatility_size(length)
    realised = values_of(realised_volatility, size, closes(prices), length)[:, 0]
    weighted = values_of(ewma_volatility, EWMA_VOLATILITY_SIZE, closes(prices), decay)[:, 0]
    squares = np.log(prices[1:] / prices[:-1]) ** 2
    assert np.isnan(realised[:length]).all()
    assert math.isnan(weighted[0])
    for i in range(1, prices.size):
        seen = squares[:i]
        weights = decay ** np.arange(i)[::-1]
        assert weighted[i] == pytest.approx(np.sqrt(np.average(seen, weights=weights)), rel=1e-9)
        if i >= length:
            assert realised[i] == pytest.approx(np.sqrt(seen[-length:].mean()), rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=seeds, length=st.integers(1, 30))
def test_extremes_are_those_of_the_last_values(seed: int, length: int) -> None:
    values = price_path(seed).round(-1)  # rounded, so that values repeat
    top = values_of(highest, extreme_size(length), closes(values), length)[:, 0]
    bottom = values_of(lowest, extreme_size(length), closes(values), length)[:, 0]
    for i in range(values.size):
        assert top[i] == window(values, i, length).max()
        assert bottom[i] == window(values, i, length).min()


@settings(max_examples=50, deadline=None)
@given(seed=seeds, length=lengths)
def test_ranges_agree_with_their_definitions(seed: int, length: int) -> None:
    bars = bar_path(seed)
    high, low, close = map(np.array, zip(*bars, strict=True))
    before = close[:-1]
    spans = np.maximum(
        high[1:] - low[1:], np.abs([high[1:] - before, low[1:] - before]).max(axis=0)
    )
    assert values_of(true_range, TRUE_RANGE_SIZE, bars)[1:, 0] == pytest.approx(spans, rel=1e-12)

    average = [math.nan] * length + [float(spans[:length].mean())]
    for span in spans[length:]:
        average.append((average[-1] * (length - 1) + span) / length)
    exponential = [high[0] - low[0]]
    for span in spans:
        exponential.append(exponential[-1] + 2.0 / (length + 1) * (span - exponential[-1]))
    same = {"rel": 1e-11, "nan_ok": True}
    assert values_of(atr, ATR_SIZE, bars, length)[:, 0] == pytest.approx(average, **same)
    assert values_of(atr_ema, ATR_EMA_SIZE, bars, length)[:, 0] == pytest.approx(exponential)

    exits = values_of(chandelier, chandelier_size(length), bars, length, 2.5)
    edges = [(row[0], row[1]) for row in bars]
    channel = values_of(donchian, donchian_size(length), edges, length)
    for i in range(len(bars)):
        top, bottom = window(high, i, length).max(), window(low, i, length).min()
        wanted = [top - 2.5 * average[i], bottom + 2.5 * average[i]]
        assert exits[i] == pytest.approx(wanted, **same)
        if i + 1 < length:
            assert np.isnan(channel[i]).all()
        else:
            assert channel[i].tolist() == [top, (top + bottom) / 2.0, bottom]


def test_a_market_that_does_not_move_has_no_score_no_strength_and_no_direction() -> None:
    flat, still = closes([0.1] * 10), [(0.1, 0.1, 0.1)] * 10
    assert np.isnan(values_of(zscore, window_size(3), flat, 3)).all()
    assert np.isnan(values_of(rsi, RSI_SIZE, flat, 3)).all()
    assert (values_of(deviation, window_size(3), flat, 3)[2:] < 1e-16).all()
    assert (values_of(adx, ADX_SIZE, still, 3)[5:] == 0.0).all()


def test_an_average_keeps_nothing_of_an_outlier_it_has_forgotten() -> None:
    prices = np.concatenate(([0.1, 1e18, 0.2], price_path(1, 100) / 80_000.0))
    got = values_of(sma, sma_size(7), closes(prices), 7)[:, 0]
    for i in range(9, prices.size):
        assert got[i] == pytest.approx(math.fsum(window(prices, i, 7)) / 7, rel=1e-14)


# What holds for every one

BARS, CLOSES, EDGES = slice(0, 3), slice(2, 3), slice(0, 2)
EVERY = [
    # indicator, memory, columns of (high, low, close), settings, first bar with a value
    (sma, sma_size(20), CLOSES, (20,), 19),
    (ema, EMA_SIZE, CLOSES, (20,), 0),
    (ema_from_sma, EMA_SIZE, CLOSES, (20,), 19),
    (wilder, WILDER_SIZE, CLOSES, (14,), 13),
    (moments, window_size(20), CLOSES, (20,), 19),
    (deviation, window_size(20), CLOSES, (20,), 19),
    (bollinger, window_size(20), CLOSES, (20, 2.0), 19),
    (zscore, window_size(20), CLOSES, (20,), 19),
    (realised_volatility, realised_volatility_size(20), CLOSES, (20,), 20),
    (ewma_volatility, EWMA_VOLATILITY_SIZE, CLOSES, (0.94,), 1),
    (highest, extreme_size(20), CLOSES, (20,), 0),
    (lowest, extreme_size(20), CLOSES, (20,), 0),
    (donchian, donchian_size(20), EDGES, (20,), 19),
    (true_range, TRUE_RANGE_SIZE, BARS, (), 1),
    (atr, ATR_SIZE, BARS, (14,), 14),
    (atr_ema, ATR_EMA_SIZE, BARS, (14,), 0),
    (chandelier, chandelier_size(22), BARS, (22, 3.0), 22),
    (rsi, RSI_SIZE, CLOSES, (14,), 14),
    (adx, ADX_SIZE, BARS, (14,), 27),
    (supertrend, SUPERTREND_SIZE, BARS, (10, 3.0), 10),
    (sarext, SAR_SIZE, EDGES, (0.0, 0.0, WILDERS, WILDERS), 1),
    (sar, SAR_SIZE, EDGES, (0.02, 0.2), None),  # from the bar after its first reversal
]
every_indicator = pytest.mark.parametrize(
    ("indicator", "size", "columns", "options", "warm"),
    EVERY,
    ids=[each[0].py_func.__name__ for each in EVERY],
)


@every_indicator
def test_an_indicator_is_nan_until_it_is_warm_and_never_after(
    indicator: Callable[..., Any],
    size: int,
    columns: slice,
    options: tuple[Any, ...],
    warm: int | None,
) -> None:
    got = values_of(indicator, size, [row[columns] for row in bar_path(3)], *options)[:, 0]
    known = np.isfinite(got)
    begins = int(known.argmax())
    assert known[begins:].all()
    assert np.isnan(got[:begins]).all()
    if warm is not None:
        assert begins == warm


@every_indicator
@settings(max_examples=5, deadline=None)
@given(cut=st.integers(0, 200))
def test_a_saved_memory_goes_on_to_the_same_bits(
    indicator: Callable[..., Any],
    size: int,
    columns: slice,
    options: tuple[Any, ...],
    warm: int | None,
    cut: int,
) -> None:
    rows = [row[columns] for row in bar_path(5)]
    whole = values_of(indicator, size, rows, *options)
    memory = np.zeros(size)
    for row in rows[:cut]:
        indicator(memory, *row, *options)
    restored = np.frombuffer(memory.tobytes()).copy()
    for i in range(cut, len(rows)):
        again = np.atleast_1d(np.float64(indicator(restored, *rows[i], *options)))
        assert again.tobytes() == whole[i].tobytes()


@compiled
def over_a_million(values, averages, spreads, scores, memory, length):
    """Mean, deviation and z-score after each value."""
    edge = sma_size(length)
    room = window_size(length)
    for i in range(values.size):
        averages[i] = sma(memory[:edge], values[i], length)
        spreads[i] = deviation(memory[edge : edge + room], values[i], length)
        scores[i] = zscore(memory[edge + room :], values[i], length)


@pytest.mark.parametrize("length", [7, 50, 1_000])
def test_a_million_bars_far_from_zero_leave_no_drift(length: int) -> None:
    values = 1e8 + np.random.default_rng(length).normal(0.0, 1.0, 1_000_000)
    averages, spreads, scores = (np.empty(values.size) for _ in range(3))
    memory = np.zeros(sma_size(length) + 2 * window_size(length))
    over_a_million(values, averages, spreads, scores, memory, length)
    for i in [*range(length, 3 * length, 11), *range(995_000, 1_000_000, 11)]:
        part = window(values, i, length) - 1e8  # exact: neighbours subtract without rounding
        mean, root = math.fsum(part) / length, float(part.std())
        # Measured without the new sums: 5e-6, up to 8e-6 and up to 1e-5, and growing with the run.
        assert averages[i] - 1e8 == pytest.approx(mean, abs=3e-7)
        assert spreads[i] == pytest.approx(root, rel=1e-7)
        assert scores[i] == pytest.approx((part[-1] - mean) / root, abs=1e-6)
