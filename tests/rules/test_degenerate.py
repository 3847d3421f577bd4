"""Figures of records that have none, and of how many bars a year is made.

Right values are worked out here: by exact fractions, by the definition in numpy, by a calendar.
"""

from __future__ import annotations

import math
import warnings
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commenda.copying.performance import performance
from commenda.kernel import Bars, Costs, sweep
from commenda.kit.errors import CommendaError
from commenda.returns import (
    Calendar,
    SharpeSample,
    backtest_overfitting,
    bootstrap_interval,
    deflated_sharpe,
    period_returns,
    probabilistic_sharpe,
    row_sharpe,
    sharpe,
    sharpe_sample,
    sortino,
    year_of,
)
from commenda.strategies import Plan, catalogue, read_bars, report_of
from commenda.studies.rules import unlike

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
STEPS = np.arange(400)
CURVES = {
    "grows by a thousandth": 1_000.0 * 1.001**STEPS,
    "falls by a thousandth": 1_000.0 * 0.999**STEPS,
    "stands still": np.full(400, 1_000.0),
    "written with ten digits": np.round(1_000.0 * 1.001**STEPS, 11),
    # 100 times the equity held against a debt of 99 times: its last digits are magnified
    "levered a hundredfold": 100_000.0 * 1.00001**STEPS - 99_000.0 * 1.00001**STEPS,
    "of one return": np.array([1_000.0, 1_010.0]),
    "of one loss": np.array([1_000.0, 990.0]),
    "of no return": np.array([1_000.0]),
}
"""Equity whose returns are all the same but for rounding, or too few."""


@pytest.mark.parametrize("name", CURVES)
def test_what_does_not_vary_has_no_ratio_of_any_kind(name: str) -> None:
    returns = period_returns(CURVES[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sharpe(returns, periods_per_year=365) is None
        assert sharpe(returns, periods_per_year=365, risk_free=0.0001) is None
        assert sortino(returns, periods_per_year=365) is None
        sample = sharpe_sample(returns)
        assert sample is None
        assert probabilistic_sharpe(sample) is None
        assert deflated_sharpe(sample, 10, 0.01) is None
        if returns.size > 1:
            assert bootstrap_interval(returns, row_sharpe, seed=1, samples=50) is None
            assert np.isnan(row_sharpe(returns[None, :])).all()
            table = np.column_stack((returns, returns[::-1], np.zeros(returns.size)))
            assert backtest_overfitting(table, 4) is None
            assert unlike(table) == [0]  # one stands for all that are flat: nothing correlates
        assert performance(CURVES[name].tolist()).sharpe_ratio is None


def test_a_variation_that_is_small_and_real_has_its_ratio() -> None:
    """±1 part in 10⁹ about 1/1000, by exact fractions: mean / deviation = 10⁶·√(n-1)/√n."""
    up, down = Fraction(1_000_001, 10**9), Fraction(999_999, 10**9)
    returns = [float(up), float(down)] * 50
    mean, square = (up + down) / 2, (up - (up + down) / 2) ** 2 * 100 / 99
    right = float(mean) / math.sqrt(square)
    assert right == pytest.approx(1e6 * math.sqrt(0.99))
    assert sharpe(returns, periods_per_year=1) == pytest.approx(right, rel=1e-6)
    sample = sharpe_sample(returns)
    assert sample is not None
    assert sample.sharpe == pytest.approx(right, rel=1e-6)
    # Two values, equally often: no skew, and the least kurtosis there is.
    assert (sample.skew, sample.kurtosis) == pytest.approx((0.0, 1.0), abs=1e-4)


def test_a_sweep_has_no_moments_of_what_does_not_vary() -> None:
    close = 100.0 * 1.001 ** np.arange(1, 41)
    opening = np.concatenate(([100.0], close[:-1]))
    stamps = np.arange(40) * 3_600_000_000_000
    bars = Bars(stamps, opening, close, opening, close, np.ones(40))
    flat = catalogue()["sma_cross"].bind(fast=20, slow=60)  # forty bars are too few to trade
    found = sweep([flat], bars, cash=1_000.0, costs=Costs(0.0, 0.0))
    for figure in (found.deviation, found.skew, found.kurtosis, found.sharpe):
        assert np.isnan(figure).all()


def test_an_interval_needs_a_ratio_in_nearly_every_resample() -> None:
    # One return of 100 that is not 0: without it, in about 1 of e resamples, there is no ratio.
    returns = np.zeros(100)
    returns[40] = 0.01
    assert bootstrap_interval(returns, row_sharpe, seed=1, samples=500) is None
    # Of three hundred there are enough that a resample without any is rarer than 2.5 %.
    returns = np.where(np.arange(300) % 3 == 0, 0.01, 0.0)
    assert bootstrap_interval(returns, row_sharpe, seed=1, samples=500) is not None


def test_a_ruined_configuration_is_never_the_better_half() -> None:
    """One configuration gains in the first half and is ruined in the second, the other loses a
    little all the time, very steadily. By hand: chosen in the first half the one is last in the
    second; chosen in the second the other is last in the first. So both splits are overfit, and
    both choices lose. By the ratio alone a single loss of all is better than a steady one of a
    thousandth, and neither would be.
    """
    rng = np.random.default_rng(3)
    calm = rng.normal(-0.001, 0.0001, 40)
    wild = np.concatenate((rng.normal(0.05, 0.001, 20), [-1.0], np.zeros(19)))
    found = backtest_overfitting(np.column_stack((calm, wild)), 2)
    assert found is not None
    assert (found.probability, found.loss) == (1.0, 1.0)
    ratios = [half.mean() / half.std(ddof=1) for half in (wild[20:], calm[20:])]
    assert ratios[0] > ratios[1]


def test_skew_and_kurtosis_that_no_distribution_has_are_refused() -> None:
    with pytest.raises(CommendaError) as refused:
        probabilistic_sharpe(SharpeSample(2.0, 100, skew=3.0, kurtosis=3.0))
    assert refused.value.code == "bad_moments"


# The benchmark


def file_of(folder: Path, opens: list[datetime], close: np.ndarray, name: str) -> Path:
    opening = np.concatenate((close[:1] / 1.001, close[:-1]))
    frame = pl.DataFrame(
        {
            "ts": opens,
            "open": opening,
            "high": np.maximum(opening, close),
            "low": np.minimum(opening, close),
            "close": close,
            "volume": np.full(close.size, 1_000.0),
        },
        schema_overrides={"ts": pl.Datetime("us", "UTC")},
    )
    frame.write_parquet(folder / name)
    return folder / name


def report(file: Path, **changes: object) -> dict[str, dict[str, object]]:
    plan = Plan(
        catalogue()["sma_cross"],
        {"fast": 2, "slow": 3},
        read_bars(file),
        None,
        costs=Costs(0.0, 0.0),
        **changes,  # type: ignore[arg-type]
    )
    return report_of(plan, plan.run())


def test_buy_and_hold_of_what_grows_by_the_same_part_has_no_ratio(tmp_path: Path) -> None:
    close = np.round(100.0 * 1.001 ** np.arange(1, 61), 12)
    opens = [datetime(2025, 1, 1, tzinfo=UTC) + HOUR * i for i in range(60)]
    held = report(file_of(tmp_path, opens, close, "x_BTCUSDT_1h.parquet"))["benchmark"]
    assert held["totalReturn"] == pytest.approx(1.001**60 - 1.0)
    assert (held["sharpe"], held["sortino"]) == (None, None)


def test_strategy_and_benchmark_are_measured_alike(tmp_path: Path) -> None:
    """A strategy that is in the market from bar 3 on, of which holding is the same curve."""
    rng = np.random.default_rng(8)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.002, 0.01, 500)))
    opens = [datetime(2025, 1, 1, tzinfo=UTC) + HOUR * i for i in range(500)]
    found = report(file_of(tmp_path, opens, close, "x_BTCUSDT_1h.parquet"))
    moves = np.diff(close) / close[:-1]
    whole = np.concatenate(([1.001 - 1.0], moves))
    right = whole.mean() / whole.std(ddof=1) * math.sqrt(8_760)
    below = math.sqrt((np.minimum(whole, 0.0) ** 2).mean())
    assert found["benchmark"]["sharpe"] == pytest.approx(right)
    assert found["benchmark"]["sortino"] == pytest.approx(whole.mean() / below * math.sqrt(8_760))


# The year


def weekdays(first: datetime, count: int) -> list[datetime]:
    days = (first + DAY * i for i in range(count * 2))
    return [day for day in days if day.weekday() < 5][:count]


def stamps(opens: list[datetime]) -> np.ndarray:
    return np.array([int(one.timestamp()) * 10**9 for one in opens])


MONDAY = datetime(2025, 1, 6, tzinfo=UTC)
ALWAYS = [MONDAY + HOUR * i for i in range(24 * 30)]
NEW_YORK = [d + HOUR * h for d in weekdays(MONDAY, 40) for h in range(14, 21)]  # 7 bars a session
EXCHANGE = [MONDAY + HOUR * i for i in range(24 * 30) if (MONDAY + HOUR * i).weekday() != 5]
SHANGHAI = [day - 8 * HOUR for day in weekdays(MONDAY, 40)]  # days from local midnight


@pytest.mark.parametrize(
    ("opens", "interval", "periods", "calendar"),
    [
        (ALWAYS, HOUR, 8_760, Calendar.EVERY_DAY),
        ([MONDAY + DAY * i for i in range(60)], DAY, 365, Calendar.EVERY_DAY),
        (weekdays(MONDAY, 60), DAY, 252, Calendar.SESSIONS),
        (SHANGHAI, DAY, 252, Calendar.SESSIONS),
        (NEW_YORK, HOUR, 7 * 252, Calendar.SESSIONS),
        (EXCHANGE, HOUR, 24 * 252, Calendar.SESSIONS),
        (weekdays(MONDAY, 5), DAY, 365, Calendar.EVERY_DAY),  # no Saturday was there to be missed
        ([MONDAY + 7 * DAY * i for i in range(30)], 7 * DAY, 365 / 7, Calendar.EVERY_DAY),
    ],
)
def test_a_year_is_of_the_days_that_the_data_has(
    opens: list[datetime], interval: timedelta, periods: float, calendar: Calendar
) -> None:
    assert year_of(stamps(opens), interval) == pytest.approx((periods, calendar))
    assert year_of(stamps(opens), interval, 12.0) == (12.0, Calendar.GIVEN)


@pytest.mark.parametrize("given", [0.0, -1.0, math.inf, math.nan])
def test_a_year_of_no_number_of_periods_is_refused(given: float) -> None:
    with pytest.raises(CommendaError) as refused:
        year_of(stamps(ALWAYS), HOUR, given)
    assert (refused.value.code, refused.value.field) == ("bad_periods", "periods_per_year")


def test_ratios_of_stocks_are_of_252_days_and_say_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, 200)))
    file = file_of(tmp_path, weekdays(MONDAY, 200), close, "x_ACME_1d.parquet")
    stock, given = report(file), report(file, periods_per_year=365.0)
    assert (stock["metrics"]["barsPerYear"], stock["metrics"]["calendar"]) == (252, "sessions")
    assert (given["metrics"]["barsPerYear"], given["metrics"]["calendar"]) == (365, "given")
    for part in ("metrics", "benchmark"):
        ratio = given[part]["sharpe"] / stock[part]["sharpe"]  # type: ignore[operator]
        assert ratio == pytest.approx(math.sqrt(365 / 252))
