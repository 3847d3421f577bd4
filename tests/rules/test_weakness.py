"""When a record is weak: every figure worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp, sqrt
from types import SimpleNamespace
from typing import Any

import pytest

from commenda.automation.weakness import (
    due_by_calendar,
    place_of_last,
    regime_changed,
    seed_of,
    space_around,
    weaknesses,
)

BEGAN = datetime(2026, 1, 5, tzinfo=UTC)


def record(*units: float) -> list[list[Any]]:
    return [[(BEGAN + timedelta(days=day)).isoformat(), units] for day, units in enumerate(units)]


def limits(**told: float) -> Any:
    usual = {"sharpe": -1e9, "drawdown": 1.0, "high_days": 9_999, "quantile": 0.0}
    return SimpleNamespace(**usual | {"span_days": 1, "least_days": 2} | told)


def test_a_sharpe_ratio_below_its_threshold_is_a_reason() -> None:
    # Returns 0.1 and -0.1: their mean is 0.
    (said,) = weaknesses(record(1, 1.1, 0.99), limits(sharpe=0.5))
    assert (said["code"], said["below"]) == ("low_sharpe", 0.5)
    assert said["sharpe"] == pytest.approx(0.0, abs=1e-9)
    # 0.1, 0.2: mean 0.15, deviation 0.1 / √2, so √365 · 0.15 · √2 / 0.1.
    (said,) = weaknesses(record(1, 1.1, 1.32), limits(sharpe=100))
    assert said["sharpe"] == pytest.approx(1.5 * sqrt(2 * 365))
    assert not list(weaknesses(record(1, 1.1, 1.32), limits(sharpe=40)))


def test_a_drawdown_is_of_the_peak_before_it() -> None:
    (said,) = weaknesses(record(1, 2, 1.5, 1.8), limits(drawdown=0.2))
    assert said == {"code": "deep_drawdown", "drawdown": 0.25, "above": 0.2}
    assert not list(weaknesses(record(1, 2, 1.5, 1.8), limits(drawdown=0.25)))


def test_a_high_that_is_only_reached_again_is_none() -> None:
    (said,) = weaknesses(record(1, 1.2, 1.1, 1.2), limits(high_days=2))
    assert said == {"code": "no_new_high", "days": 2, "from": 2}
    assert not list(weaknesses(record(1, 1.2, 1.1, 1.3), limits(high_days=1)))


def test_the_last_return_has_its_place_among_the_earlier_ones() -> None:
    # Returns 0.1, 0, 0.5, 0.05: one of three is lower than the last.
    units = [1, 1.1, 1.1, 1.65, 1.7325]
    place = place_of_last(units, 1)
    assert place is not None
    assert place == (pytest.approx(1 / 3), pytest.approx(0.05))
    (said,) = weaknesses(record(*units), limits(quantile=0.34))
    assert (said["code"], said["days"]) == ("weak_return", 1)
    assert not list(weaknesses(record(*units), limits(quantile=0.33)))
    assert place_of_last([1, 1.1], 1) is None


def test_a_record_that_is_too_short_says_nothing() -> None:
    assert not list(weaknesses(record(1, 0.5, 0.2), limits(drawdown=0.1, least_days=3)))


def test_a_book_that_was_used_up_has_no_ratio_but_its_loss() -> None:
    (said,) = weaknesses(record(1, 0.5, 0), limits(sharpe=1, drawdown=0.5))
    assert (said["code"], said["drawdown"]) == ("deep_drawdown", 1.0)


def test_a_regime_changes_on_the_day_on_which_volatility_leaves_its_band() -> None:
    def closes(*moves: float) -> list[float]:
        found = [1.0]
        for one in moves:
            found.append(found[-1] * exp(one))
        return found

    calm = [0.01, -0.01] * 40
    assert regime_changed(closes(*calm)) is None
    # One move of x after many of 0.01: short memory 0.94 + 0.06 k, long 0.99 + 0.01 k, with
    # k = (x / 0.01)². Their ratio passes 1.5² from k = 34.3 on: at x = 0.05 it is not there yet.
    assert regime_changed(closes(*calm, 0.05)) is None
    said = regime_changed(closes(*calm, 0.06))
    assert said == {
        "code": "regime_changed",
        "from": "normal",
        "to": "wild",
        "ratio": pytest.approx(sqrt((0.94 + 0.06 * 36) / (0.99 + 0.01 * 36))),
    }
    assert regime_changed(closes(*calm, 0.06, 0.06)) is None  # it is wild already
    assert regime_changed(closes(*[0.01] * 30, 0.09)) is None  # too short to tell


def test_a_space_lies_about_what_trades_and_within_what_is_allowed() -> None:
    ranges = [
        {"name": "fast", "whole": True, "low": 2, "high": 30},
        {"name": "band", "whole": False, "low": 0.0, "high": 0.2},
        {"name": "entry", "whole": False, "low": 0.1, "high": 10.0},
    ]
    found = space_around(ranges, {"fast": 21, "band": 0.0, "entry": 0.15}, 2.0)
    assert found == {"fast": "11:30", "entry": "0.1:0.3"}


def test_a_date_is_due_once() -> None:
    wednesday = datetime(2026, 1, 14, tzinfo=UTC)
    assert due_by_calendar("weekly", 2, wednesday) == "weekly:2026-W03"
    assert due_by_calendar("weekly", 3, wednesday) is None
    assert due_by_calendar("daily", 3, wednesday) == "daily:2026-01-14"
    assert due_by_calendar("monthly", 0, wednesday) == "monthly:2026-01"
    assert due_by_calendar("none", 0, wednesday) is None


def test_a_search_has_its_seed_again() -> None:
    assert seed_of(1, "ema", "t") == seed_of(1, "ema", "t") != seed_of(2, "ema", "t")
    assert 0 <= seed_of(1, "ema", "t") < 2**32
