"""Histories with nothing to be found in them, and with something planted; studies over them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from commenda.kit.db import Database
from commenda.strategies import Strategy, catalogue
from commenda.studies import (
    Material,
    Plan,
    Study,
    Trial,
    Workers,
    begin,
    find_study,
    material_of_files,
    run,
    space_of,
    texts_of,
    trials_of,
)

NOW = datetime(2025, 6, 1, tzinfo=UTC)
START = datetime(2025, 1, 1, tzinfo=UTC)
REVERSION = catalogue()["zscore_reversion"]
WINDOWS = "window=10:200,entry=0.5:3,exit=0:0.4"


def candles(file: Path, logs: np.ndarray) -> Path:
    """Hourly candles whose closes are 100 · exp(logs), as a Parquet file."""
    close = 100.0 * np.exp(logs)
    opening = np.concatenate(([100.0], close[:-1]))
    pl.DataFrame(
        {
            "ts": [START + timedelta(hours=hour) for hour in range(close.size)],
            "open": opening,
            "high": np.maximum(opening, close) * 1.0005,
            "low": np.minimum(opening, close) * 0.9995,
            "close": close,
            "volume": np.full(close.size, 1e6),
        }
    ).write_parquet(file)
    return file


def noise(folder: Path, count: int = 4_000, seed: int = 1) -> Material:
    """A random walk: whatever is found in it is luck."""
    moves = np.random.default_rng(seed).normal(0.0, 0.01, count)
    return material_of_files(candles(folder / f"noise{seed}.parquet", np.cumsum(moves)))


def start(
    db: Database,
    material: Material,
    plan: Plan,
    strategy: Strategy = REVERSION,
    space: str = WINDOWS,
    fixed: Mapping[str, object] | None = None,
    now: datetime = NOW,
) -> Study:
    found = space_of(strategy, texts_of(space), fixed)
    with db.transaction() as tx:
        return begin(tx, strategy, material, found, plan, now, asked_by="tests")


def search(
    db: Database,
    study: Study,
    material: Material,
    strategy: Strategy = REVERSION,
    hands: Workers | None = None,
    **options: Any,
) -> dict[str, Any] | None:
    clock = lambda tx: NOW + timedelta(hours=1)  # noqa: E731
    return run(db, study, strategy, material, hands or Workers(1, None), clock, **options)


def trials(db: Database, study: Study) -> list[Trial]:
    with db.transaction() as tx:
        return trials_of(tx, study.id, tuple(study.space))


def stored(db: Database, study: Study) -> Study:
    with db.transaction() as tx:
        found = find_study(tx, study.id)
    assert found is not None
    return found


def told(found: list[Trial]) -> list[tuple[Any, ...]]:
    """What must be equal of two studies that did the same."""
    return [
        (
            one.number,
            one.params,
            one.outcome
            and (one.outcome.state, one.outcome.values, one.outcome.folds, one.outcome.sharpe),
        )
        for one in found
    ]
