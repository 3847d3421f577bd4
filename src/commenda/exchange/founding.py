"""Exchanges that are ready to be traded on, over a market that is simulated or recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from commenda.exchange.clock import Clock
from commenda.exchange.house import House
from commenda.exchange.sources import CandleSource, DepthSource, contract_of
from commenda.exchange.spot_market import SpotSource, listed_at_spot, pair_of
from commenda.kit.errors import CommendaError
from commenda.market import EndlessFeed, listed, load_catalogue, simulated_assets

INTERVAL = timedelta(minutes=1)


def simulated_house(
    symbols: Sequence[str],
    *,
    seed: int,
    start: datetime | None = None,
    pace: float = 1.0,
    interval: timedelta = INTERVAL,
    spot: Sequence[str] = (),
) -> House:
    """Over the endless simulated market of these symbols, from `start` on; without one its clock is
    the wall's. Those of `spot`, which are among them, are traded at spot, too. Codes
    `unknown_instrument`, `no_future`."""
    for symbol in spot:
        if symbol not in symbols:
            raise CommendaError("no_future", "Spot's market is drawn beside the futures'").at(
                "spot", symbol, f"choose of {', '.join(symbols)}, or trade its future, too"
            )
    founded = start or datetime.now(UTC)
    assets = simulated_assets(symbols, load_catalogue())
    instruments = [replace(one.instrument, id=number) for number, one in enumerate(assets, 1)]
    begin = founded.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    feed = EndlessFeed(seed, assets, instruments, begin - timedelta(days=1), interval)
    milliseconds = int(founded.timestamp() * 1000)
    clock = Clock(milliseconds - int(interval.total_seconds() * 1000), pace)
    pairs = [pair_of(one) for one in instruments if one.symbol in spot]
    house = House(
        [contract_of(one) for one in instruments],
        CandleSource(feed, seed),
        clock,
        seed,
        ([listed_at_spot(one) for one in pairs], SpotSource(feed, f"{seed} spot", pairs=pairs)),
    )
    clock.set(milliseconds if start else clock.wall_now())  # building takes a second or so
    house.catch_up()  # the bar before: there are a mark and a book when the first order comes
    return house


def depth_house(
    symbol: str, depth: Path, trades: Path, *, seed: int = 0, pace: float = 1.0
) -> House:
    """Over recorded depth and trades of one contract, from their first snapshot on."""
    instrument = listed(load_catalogue(), "binance_usdm", symbol)
    contract = contract_of(instrument)
    levels, hits = pl.read_parquet(depth), pl.read_parquet(trades)
    first = levels.filter(pl.col("kind") == "snapshot")["event_ms"][0]
    levels = levels.filter(pl.col("event_ms") >= first)
    hits = hits.filter(pl.col("trade_ms") >= first)
    clock = Clock(int(first) - 1, pace)
    return House([contract], DepthSource(contract, levels, hits), clock, seed)
