"""A crossover on random hours, for what looks at a backtest: its file, its plan, its report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from commenda.kernel import Costs
from commenda.strategies import (
    BarData,
    Plan,
    catalogue,
    read_bars,
    report_of,
)

HOUR = timedelta(hours=1)
START = datetime(2024, 11, 30, 20, tzinfo=UTC)
CASH, FEE, SLIPPAGE = 10_000.0, 0.0005, 0.0002
FAST, SLOW = 5, 20


def hourly(count: int = 2_000, seed: int = 11) -> pl.DataFrame:
    """Random hourly candles over three months and a year's end."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    opening = np.concatenate(([100.0], close[:-1] * 1.0005))
    return pl.DataFrame(
        {
            "ts": [START + HOUR * i for i in range(count)],
            "open": opening,
            "high": np.maximum(opening, close) * 1.002,
            "low": np.minimum(opening, close) * 0.998,
            "close": close,
            "volume": rng.uniform(50.0, 150.0, count),
        },
        schema_overrides={"ts": pl.Datetime("us", "UTC")},
    )


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Write a frame as a file that is read back."""

    def write(frame: pl.DataFrame, name: str = "made_BTCUSDT_1h.parquet") -> Path:
        path = tmp_path / name
        if path.suffix == ".csv":
            frame.with_columns(pl.col("ts").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(path)
        else:
            frame.write_parquet(path)
        return path

    return write


def plan_of(data: BarData, **changes: Any) -> Plan:
    plan = Plan(
        catalogue()["sma_cross"],
        {"fast": FAST, "slow": SLOW},
        data,
        None,
        costs=Costs(fee_bps=FEE * 1e4, slippage_bps=SLIPPAGE * 1e4),
        cash=CASH,
        size=10.0,
    )
    return replace(plan, **changes)


@pytest.fixture
def data(file: Callable[..., Path]) -> BarData:
    return read_bars(file(hourly()))


@pytest.fixture
def report(data: BarData) -> dict[str, Any]:
    plan = plan_of(data)
    return report_of(plan, plan.run())
