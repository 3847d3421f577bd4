"""Indicators against series and numbers that others publish, from end to end.

Skender.Stock.Indicators publishes its test data: eight indicators over 502 days of quotes. LEAN's
spy_sarext.txt holds TA-Lib's output over 23 years of SPY.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commenda.kernel.indicators import (
    ADX_SIZE,
    ATR_EMA_SIZE,
    ATR_SIZE,
    EMA_SIZE,
    RSI_SIZE,
    SAR_SIZE,
    SUPERTREND_SIZE,
    TRUE_RANGE_SIZE,
    adx,
    atr,
    atr_ema,
    bollinger,
    chandelier,
    chandelier_size,
    ema_from_sma,
    extreme_size,
    highest,
    lowest,
    rsi,
    sar,
    sarext,
    sma,
    sma_size,
    supertrend,
    true_range,
    window_size,
    zscore,
)
from series import Rows, values_of


@pytest.fixture(scope="module")
def quotes(reference: Path) -> Rows:
    """High, low and close of Skender's default quotes."""
    with (reference / "skender_default_quotes.csv").open() as file:
        return [
            (float(row["high"]), float(row["low"]), float(row["close"]))
            for row in csv.DictReader(file)
        ]


def skender(reference: Path, name: str) -> dict[str, np.ndarray]:
    rows = json.loads((reference / f"skender_{name}.standard.json").read_text())
    return {
        key: np.array([np.nan if row[key] is None else row[key] for row in rows], dtype=np.float64)
        for key in rows[0]
        if key != "timestamp"
    }


def only_close(indicator: Callable[..., Any]) -> Callable[..., Any]:
    return lambda memory, high, low, close, *settings: indicator(memory, close, *settings)


def only_range(indicator: Callable[..., Any]) -> Callable[..., Any]:
    return lambda memory, high, low, close, *settings: indicator(memory, high, low, *settings)


@pytest.mark.parametrize(
    ("name", "columns", "indicator", "size", "settings"),
    [
        ("ema", ["ema"], only_close(ema_from_sma), EMA_SIZE, (20,)),
        ("bb", ["sma"], only_close(sma), sma_size(20), (20,)),
        (
            "bb",
            ["upperBand", "sma", "lowerBand"],
            only_close(bollinger),
            window_size(20),
            (20, 2.0),
        ),
        ("bb", ["zScore"], only_close(zscore), window_size(20), (20,)),
        ("rsi", ["rsi"], only_close(rsi), RSI_SIZE, (14,)),
        ("atr", ["tr"], true_range, TRUE_RANGE_SIZE, ()),
        ("atr", ["atr"], atr, ATR_SIZE, (14,)),
        ("adx", ["adx", "pdi", "mdi"], adx, ADX_SIZE, (14,)),
        ("chexit", ["chandelierExit"], chandelier, chandelier_size(22), (22, 3.0)),
        ("psar", ["sar"], only_range(sar), SAR_SIZE, (0.02, 0.2)),
        ("supertrend", ["superTrend"], supertrend, SUPERTREND_SIZE, (10, 3.0)),
    ],
)
def test_whole_series_are_those_that_skender_publishes(
    reference: Path,
    quotes: Rows,
    name: str,
    columns: list[str],
    indicator: Callable[..., Any],
    size: int,
    settings: tuple[Any, ...],
) -> None:
    published = skender(reference, name)
    got = values_of(indicator, size, quotes, *settings)
    for column, values in zip(columns, got.T, strict=False):
        np.testing.assert_allclose(values, published[column], rtol=0.0, atol=1e-9, err_msg=column)


def test_a_sar_turns_where_skender_says(reference: Path, quotes: Rows) -> None:
    published = skender(reference, "psar")
    side = values_of(only_range(sar), SAR_SIZE, quotes, 0.02, 0.2)[:, 1]
    assert np.isnan(published["sar"][:14]).all()
    assert not side[:14].any()
    turned = np.flatnonzero(np.diff(side[14:])) + 15
    assert turned.tolist() == (np.flatnonzero(published["isReversal"][15:] == 1.0) + 15).tolist()


def test_a_supertrend_is_on_the_side_of_the_band_that_skender_shows(
    reference: Path, quotes: Rows
) -> None:
    published = skender(reference, "supertrend")
    side = values_of(supertrend, SUPERTREND_SIZE, quotes, 10, 3.0)[:, 1]
    assert ((side == 1.0) == np.isfinite(published["lowerBand"])).all()
    assert ((side == -1.0) == np.isfinite(published["upperBand"])).all()


WILDERS = (0.02, 0.02, 0.2)  # first, step, most
# LEAN, Tests/Indicators/ParabolicStopAndReverseExtendedTests.cs, names the settings of each column.
SLOW_RISE, FAST_FALL = (0.02, 0.01, 0.3), (0.03, 0.02, 0.4)


@pytest.mark.parametrize(
    ("column", "start", "offset", "rising", "falling"),
    [
        ("SAR", 0.0, 0.0, WILDERS, WILDERS),
        ("SAREXT", 0.0, 0.0, WILDERS, WILDERS),
        ("SAREXT_PARAM1", 0.0, 0.0, SLOW_RISE, FAST_FALL),
        ("SAREXT_PARAM2", 100.0, 0.0, SLOW_RISE, FAST_FALL),
        ("SAREXT_PARAM3", -95.0, 0.0, SLOW_RISE, FAST_FALL),
        ("SAREXT_PARAM4", 100.0, 0.02, SLOW_RISE, FAST_FALL),
    ],
)
def test_extended_sar_is_that_of_ta_lib(
    reference: Path,
    column: str,
    start: float,
    offset: float,
    rising: tuple[float, float, float],
    falling: tuple[float, float, float],
) -> None:
    with (reference / "lean_spy_sarext.txt").open() as file:
        rows = list(csv.DictReader(file))
    published = np.array([float(row[column] or "nan") for row in rows])
    prices = [(float(row["high"]), float(row["low"])) for row in rows]
    line, side = values_of(sarext, SAR_SIZE, prices, start, offset, rising, falling).T
    got = line if column == "SAR" else line * side  # SAREXT is negative while it falls
    np.testing.assert_allclose(got, published, rtol=0.0, atol=1e-9)


@pytest.mark.parametrize(
    ("indicator", "size", "settings", "at", "expected", "digits"),
    [
        (atr, ATR_SIZE, (14,), 14, [1.3364], 4),
        (atr, ATR_SIZE, (14,), 501, [6.1497], 4),
        (chandelier, chandelier_size(22), (22, 3.0), 501, [256.5860, 246.4240], 4),
        (only_range(sar), SAR_SIZE, (0.02, 0.2), 14, [212.83, 1.0], 2),
        (only_range(sar), SAR_SIZE, (0.02, 0.2), 501, [229.7662, 1.0], 4),
    ],
)
def test_the_reference_numbers_of_the_acceptance_list_hold(
    quotes: Rows,
    indicator: Callable[..., Any],
    size: int,
    settings: tuple[Any, ...],
    at: int,
    expected: list[float],
    digits: int,
) -> None:
    got = values_of(indicator, size, quotes, *settings)[at]
    assert [round(value, digits) for value in got.tolist()] == expected


def test_a_chandelier_over_an_exponential_atr_is_that_of_the_ta_crate() -> None:
    # docs.rs, crate ta, ChandelierExit: length 22, multiple 3, two bars of high, low, close.
    bars = [(22.0, 20.0, 21.0), (24.0, 22.0, 23.0)]
    reach = 3.0 * values_of(atr_ema, ATR_EMA_SIZE, bars, 22)[:, 0]
    top = values_of(highest, extreme_size(22), [(high,) for high, _, _ in bars], 22)[:, 0]
    bottom = values_of(lowest, extreme_size(22), [(low,) for _, low, _ in bars], 22)[:, 0]
    assert (top - reach).round(2).tolist() == [16.0, 17.74]
    assert (bottom + reach).round(2).tolist() == [26.0, 26.26]
