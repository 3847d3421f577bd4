"""What the demo's market did before its first day, for creators to try their strategies on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from commenda.kit.db import Tx
from commenda.market import (
    Series,
    SimulatedAsset,
    Source,
    SourceName,
    import_source,
    judge,
    simulate_market,
)

PAST = timedelta(days=60)
STEP = timedelta(minutes=5)


def record_history(
    tx: Tx, home: Path, seed: int, assets: Sequence[SimulatedAsset], start: datetime
) -> None:
    """Import two months of candles and funding that end where the demo begins."""
    drawn = simulate_market(seed, assets, start - PAST, PAST // STEP, STEP)
    for asset in assets:
        symbol = asset.instrument.symbol
        bars, funding = drawn[symbol].bars, drawn[symbol].funding
        candles = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
        for series, interval, frame in (
            (
                Series.CANDLES,
                int(STEP.total_seconds()),
                pl.DataFrame({"ts": _times(bars.ts), **candles}),
            ),
            (
                Series.FUNDING,
                0,
                pl.DataFrame({"ts": _times(funding.ts), "rate": funding.values}),
            ),
        ):
            name = SourceName(asset.instrument.venue, symbol, series, interval)
            loaded = judge(frame, f"the demo's {symbol}", series, interval)
            import_source(tx, home, Source(name, loaded), start, described=asset.instrument)


def _times(stamps: Iterable[int]) -> pl.Series:
    return pl.Series([datetime.fromtimestamp(one, UTC) for one in stamps]).dt.cast_time_unit("us")
