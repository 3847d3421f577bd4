"""How fast the L2 replay is: events a second, without a strategy and with a small market maker."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from commenda.kernel import (
    L2_HELD,
    L2_POST_ONLY,
    L2Events,
    L2Kind,
    L2Program,
    L2Rules,
    QueueModel,
    compiled,
    l2_ask,
    l2_bid,
    l2_cancel,
    l2_limit,
    l2_open,
    l2_price,
    run_l2,
)
from commenda.market import read_depth

RUNS = 5
MILLISECOND = 1_000_000
AIM = 6_000_000
RECORD = "binance_usdm_BTCUSDT_20240808"
SYNTHETIC_MESSAGES = 100_000


@compiled
def market_maker(state, book, position, params, orders):  # type: ignore[no-untyped-def]
    """Keep one post-only order at each best price, within `params[1]` lots held either way."""
    for side in range(2):
        lots = params[0] if side == 0 else -params[0]
        price = l2_bid(book, 0) if side == 0 else l2_ask(book, 0)
        if l2_open(orders, state[side]):
            if l2_price(orders, state[side]) == price:
                continue
            l2_cancel(orders, state[side])
        if abs(position[L2_HELD] + lots) <= params[1] and not np.isnan(price):
            state[side] = l2_limit(orders, lots, price, L2_POST_ONLY)


def synthetic_events(messages: int) -> L2Events:
    """A seeded book of 200 levels a side around a price that walks, ten rows to a message, and a
    trade at the best price behind every second one.
    """
    rng = np.random.default_rng(1)
    mid = 100_000 + np.cumsum(rng.integers(-1, 2, messages))
    rows = []
    for i, centre in enumerate(mid.tolist()):
        stamp = 50 * MILLISECOND * (i + 1)
        away = rng.integers(1, 200, 8)
        # The level that the price left is emptied on the side that it now belongs to.
        rows += [(stamp, L2Kind.ASK, centre, 0), (stamp, L2Kind.BID, centre, 0)]
        for k, distance in enumerate(away.tolist()):
            side = L2Kind.BID if k % 2 == 0 else L2Kind.ASK
            price = centre - distance if side is L2Kind.BID else centre + distance
            rows.append((stamp, side, price, int(rng.integers(0, 50))))
        if i % 2 == 0:
            kind = L2Kind.SOLD if i % 4 == 0 else L2Kind.BOUGHT
            price = centre - 1 if kind is L2Kind.SOLD else centre + 1
            rows.append((stamp, kind, price, int(rng.integers(1, 20))))
    ts, kinds, prices, lots = (np.array(c, np.int64) for c in zip(*rows, strict=True))
    local, codes = np.full(ts.size, -1), kinds.astype(np.int8)
    return L2Events(ts, local, codes, prices, lots, ts, 0.1, 0.001)


def recorded_events() -> L2Events | None:
    """The recorded day, where the folder of market data is: see `COMMENDA_TEST_DATA`."""
    root = os.environ.get("COMMENDA_TEST_DATA") or Path(__file__).parents[2] / "shared"
    depth, trades = (
        Path(root) / "data" / f"{RECORD}_{name}.parquet" for name in ("depth", "trades")
    )
    return read_depth(depth, trades, tick=0.1, lot=0.001).events if depth.is_file() else None


def median_seconds(work: Callable[[], object]) -> float:
    """Median of RUNS runs, after one that does not count."""
    work()
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main() -> None:
    """Print L2 events a second in one thread."""
    recorded = recorded_events()
    events = recorded or synthetic_events(SYNTHETIC_MESSAGES)
    source = "BTCUSDT perpetual, 2024-08-08" if recorded else "synthetic (no recorded file here)"
    print(f"l2: {len(events):,} events, {source}, one thread, median of {RUNS}, aim {AIM:,}/s")
    print(f"{'strategy':<40}{'events/s':>14}{'steps':>10}{'fills':>8}{'x aim':>8}")
    maker = L2Program(market_maker, np.array([10.0, 100.0]), 2)
    slow = L2Rules(
        interval=100 * MILLISECOND,
        feed_latency=5 * MILLISECOND,
        order_latency=5 * MILLISECOND,
        response_latency=5 * MILLISECOND,
    )
    fast = replace(slow, interval=10 * MILLISECOND)
    for name, program, rules in (
        ("none: the book alone", None, slow),
        ("market maker, every 100 ms", maker, slow),
        ("market maker, every 10 ms", maker, fast),
        ("the same, power 3", maker, replace(fast, queue=QueueModel.POWER, exponent=3.0)),
        ("market maker, every 10 events", maker, replace(fast, interval=0, every_events=10)),
    ):
        replay = partial(run_l2, program, events, rules, cash=1e6)
        result = replay()
        speed = len(events) / median_seconds(replay)
        fills = len(result.fills)
        print(f"{name:<40}{speed:>14,.0f}{result.ts.size:>10,}{fills:>8,}{speed / AIM:>8.1f}")


if __name__ == "__main__":
    main()
