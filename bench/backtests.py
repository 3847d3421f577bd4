"""Backtests beside their peers: a plain cross, a sweep, rich terms, and bar by bar.

The peers (vectorbt, backtesting.py) live in an environment of their own, `.cache/bench-peers`, made
here when it is missing, and answer from processes of their own. Ours and theirs take turns, so that
both see the same machine, after both have come to the same equity.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.kernel import LOOP_BARS, STEPPED_BARS, median_seconds, synthetic_bars
from bench.kit import Figure, median, show, times
from bench.peers import CASH, CHUNK, FEE, peak_bytes
from commenda.kernel import (
    Bars,
    Costs,
    Funding,
    Margin,
    Program,
    Stepper,
    Stops,
    Terms,
    cancel_all,
    compiled,
    limit_order,
    reduce_only,
    run,
    sweep,
    working,
)
from commenda.kernel.bars import CLOSE
from commenda.kernel.indicators import EMA_SIZE, ema
from commenda.strategies import catalogue

PEERS = Path(__file__).parents[1] / ".cache" / "bench-peers"
PINNED = ("vectorbt==1.2.0", "backtesting==0.6.6")
ROUNDS = 5
FAST, SLOW = 50, 200
PAIRS = [(fast, slow) for fast in range(10, 110, 5) for slow in range(120, 220, 10)]
SLOW_PEER_BARS = 50_000
PLAIN_COSTS = Costs(fee_bps=FEE * 10_000.0, slippage_bps=0.0)
SAME = 1e-6

RICH_AIM, CROSS_AIM, SWEEP_AIM, MEMORY_AIM = 12_000_000, 4.0, 8.0, 1_000


@compiled
def quoting(state, bar, position, params, orders):  # type: ignore[no-untyped-def]
    """Every `params[0]` bars a limit order `params[1]` away from the close, cancelled if it rests
    for more than `params[2]`: with the trend to enter `params[3]` units, against it to leave.
    """
    state[0] += 1.0
    trend = ema(state[1:], bar[CLOSE], 200)
    if state[0] == params[2] and working(orders) > 0:
        cancel_all(orders)
    if state[0] < params[0]:
        return np.nan
    state[0] = 0.0
    held = position[0]
    side = (1.0 if bar[CLOSE] > trend else -1.0) if held == 0.0 else -np.sign(held)
    order = limit_order(orders, side * params[3], bar[CLOSE] * (1.0 - side * params[1]))
    if held != 0.0:
        reduce_only(orders, order)
    return np.nan


RICH = Program(
    "quoting 1",
    quoting,
    np.array([500.0, 0.0005, 20.0, 5.0]),
    1 + EMA_SIZE,
    0,
    Stops(fraction=0.03, atr=6.0, sar_step=0.002),
    orders=4,
)
RICH_COSTS = Costs(fee_bps=5.0, slippage_bps=1.0, maker_bps=2.0, spread_bps=1.0, impact_bps=10.0)
RICH_TERMS = Terms(participation=0.1, margin=Margin(leverage=3.0))
RICH_CASH = 100_000.0


def main() -> None:
    """Print our figures, and the peers' where they can be installed."""
    bars = synthetic_bars(LOOP_BARS)
    installed, why_not = _install_peers()
    with tempfile.TemporaryDirectory(prefix="commenda-bench-") as folder:
        files = {count: Path(folder) / f"{count}.npy" for count in (LOOP_BARS, SLOW_PEER_BARS)}
        for count, file in files.items():
            np.save(file, _table(bars.between(0, count)))
        figures = [
            *_cross(bars, files, installed),
            *_sweep(files[LOOP_BARS], installed),
            *_rich(bars),
        ]
    show(
        f"backtests: {LOOP_BARS:,} bars unless said otherwise, median of {ROUNDS}",
        figures,
        "ratios: ours to the peer in the same round; the figures of a cross include the equity"
        " curve, and both came to the same equity and fills",
        f"vectorbt sweeps {CHUNK} pairs at a time, to fit in memory; it reports equity, Sharpe"
        " ratio, drawdown and count of orders, ours its moments, turnover and costs as well",
        why_not or f"peers: {', '.join(PINNED)}",
        f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), load"
        f" {os.getloadavg()[0]:.1f}, Python {platform.python_version()}",
    )


def _table(bars: Bars) -> Any:
    return np.stack((bars.open, bars.high, bars.low, bars.close, bars.volume))


# --- The peers -------------------------------------------------------------------------------


def _install_peers() -> tuple[bool, str]:
    """Whether the peers are there, and why not. Made once; pinned by `PINNED`."""
    python, done = PEERS / "bin" / "python", PEERS / "installed.txt"
    if done.is_file() and done.read_text() == "\n".join(PINNED):
        return True, ""
    try:
        venv.create(PEERS, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", *PINNED]
        subprocess.run(pip, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        return False, f"no peers, they could not be installed: {said[-1] if said else error}"
    done.write_text("\n".join(PINNED))
    return True, ""


Ask = Callable[..., dict[str, Any]]


@contextmanager
def _peer(name: str, file: Path) -> Iterator[Ask]:
    """A process that answers the tasks of `peers.py`."""
    script = Path(__file__).with_name("peers.py")
    command = [str(PEERS / "bin" / "python"), str(script), name, str(file)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        tasks, answers = process.stdin, process.stdout

        def ask(do: str, **task: Any) -> dict[str, Any]:
            print(json.dumps({"do": do, **task}), file=tasks, flush=True)
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

        yield ask
        tasks.close()


# --- A plain cross ---------------------------------------------------------------------------


def _cross(bars: Bars, files: dict[int, Path], installed: bool) -> list[Figure]:
    program = catalogue()["sma_cross"].bind(fast=FAST, slow=SLOW)
    ours = partial(run, program, bars, cash=CASH, costs=PLAIN_COSTS, size=1.0)
    name = f"cross {FAST}/{SLOW}: one run"
    if not installed:
        return [Figure(name, LOOP_BARS / median_seconds(ours), "bars/s")]
    task = {"fast": FAST, "slow": SLOW}
    mine, theirs, simulated = [], [], []
    with _peer("vectorbt", files[LOOP_BARS]) as ask:
        result, answer = ours(), ask("cross", **task)
        _require_same(float(result.equity[-1]), answer["equity"], "vectorbt")
        assert len(result.fills) == answer["fills"]
        for _ in range(ROUNDS):
            # Several in a row: the first after the other side's turn pays for cold caches.
            mine.append(median(_seconds(ours) for _ in range(ROUNDS)))
            answers = [ask("cross", **task) for _ in range(ROUNDS)]
            theirs.append(median(each["seconds"] for each in answers))
            simulated.append(median(each["simulated"] for each in answers))
    with _peer("backtesting", files[SLOW_PEER_BARS]) as ask:
        few = bars.between(0, SLOW_PEER_BARS)
        last = run(program, few, cash=CASH, costs=PLAIN_COSTS, size=1.0).equity[-1]
        _require_same(float(last), ask("cross", **task)["equity"], "backtesting.py")
        slow = median(ask("cross", **task)["seconds"] for _ in range(ROUNDS)) / SLOW_PEER_BARS
    own, peer = median(mine), median(theirs)
    return [
        Figure(name, LOOP_BARS / own, "bars/s"),
        Figure("    vectorbt", LOOP_BARS / peer, "bars/s", times(peer, own), f"{CROSS_AIM:.0f} x"),
        Figure(
            "    vectorbt, without its equity curve",
            LOOP_BARS / median(simulated),
            "bars/s",
            times(median(simulated), own),
        ),
        Figure(
            f"    backtesting.py, {SLOW_PEER_BARS:,} bars",
            1.0 / slow,
            "bars/s",
            times(slow, own / LOOP_BARS),
        ),
    ]


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _require_same(ours: float, theirs: float, peer: str) -> None:
    if not abs(ours - theirs) < SAME:
        raise AssertionError(f"{peer} comes to {theirs!r}, we come to {ours!r}: not the same run")


# --- The sweep -------------------------------------------------------------------------------


def _sweep(file: Path, installed: bool) -> list[Figure]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        ours = process.submit(swept, file, PAIRS).result()
    name = f"sweep of {len(PAIRS)} pairs"
    rate = len(PAIRS) * LOOP_BARS
    figures = [
        Figure(name, rate / ours["seconds"], "bars/s"),
        Figure(f"{name}, peak memory", ours["peak"] / 1e6, "MB", aim=f"{MEMORY_AIM:,}"),
    ]
    if not installed:
        return figures
    with _peer("vectorbt", file) as ask:
        ask("sweep", pairs=PAIRS[:CHUNK])
        answer = ask("sweep", pairs=PAIRS)
    # Sums of prices in another order may see two averages as equal or not.
    apart = np.abs(np.array(ours["equity"]) - answer["equity"])
    assert np.median(apart) < SAME
    ratio = times(answer["seconds"], ours["seconds"])
    same = int((apart < SAME).sum())
    return [
        *figures,
        Figure(
            f"    vectorbt ({same} of {len(PAIRS)} with our equity)",
            rate / answer["seconds"],
            "bars/s",
            ratio,
            f"{SWEEP_AIM:.0f} x",
        ),
        Figure(
            "    vectorbt, peak memory",
            answer["peak"] / 1e6,
            "MB",
            times(answer["peak"], ours["peak"]),
        ),
    ]


def swept(file: Path, pairs: list[tuple[int, int]]) -> dict[str, Any]:
    """Our sweep, in a process of its own, after a small one that does not count."""
    columns = np.load(file)
    bars = Bars(np.arange(columns.shape[1]), *columns)
    programs = [catalogue()["sma_cross"].bind(fast=fast, slow=slow) for fast, slow in pairs]
    sweep(programs[:CHUNK], bars, cash=CASH, costs=PLAIN_COSTS, size=1.0)
    begun = time.perf_counter()
    result = sweep(programs, bars, cash=CASH, costs=PLAIN_COSTS, size=1.0)
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "equity": result.equity.tolist(), "peak": peak_bytes()}


# --- Rich terms, and bar by bar --------------------------------------------------------------


def _rich(bars: Bars) -> list[Figure]:
    rng = np.random.default_rng(2)
    bars = replace(bars, volume=rng.exponential(20.0, len(bars)))
    stamps = np.arange(0, len(bars), 96)
    funding = Funding(bars.ts[stamps], rng.normal(0.0, 1e-4, stamps.size), bars.open[stamps])
    terms: dict[str, Any] = {"cash": RICH_CASH, "costs": RICH_COSTS, "terms": RICH_TERMS}
    ours = partial(run, RICH, bars, funding=funding, **terms)
    result = ours()
    by_kind: dict[str, int] = {}
    for fill in result.fills:
        by_kind[fill.kind] = by_kind.get(fill.kind, 0) + 1
    said = ", ".join(f"{count:,} {kind}" for kind, count in by_kind.items())
    print(
        f"rich: {len(result.fills):,} fills ({said}), {result.counts.short_filled:,} short of"
        f" liquidity, {result.counts.ambiguous:,} ambiguous bars",
        flush=True,
    )
    hung = replace(RICH, stops=Stops(fraction=0.03, atr=6.0, chandelier=8.0))
    rate = LOOP_BARS / median_seconds(ours)
    chandelier = LOOP_BARS / median_seconds(partial(run, hung, bars, funding=funding, **terms))
    plain = catalogue()["sma_cross"].bind(fast=FAST, slow=SLOW)
    return [
        Figure(
            "rich: orders, partial fills, impact, 3 stops, margin",
            rate,
            "bars/s",
            times(rate, RICH_AIM),
            f"{RICH_AIM:,}",
        ),
        Figure("    with the Chandelier for the parabolic", chandelier, "bars/s"),
        Figure(
            f"bar by bar from Python: cross, {STEPPED_BARS:,} bars",
            STEPPED_BARS / median_seconds(partial(_by_hand, plain, bars, {"cash": CASH})),
            "bars/s",
        ),
        Figure(
            f"bar by bar from Python: rich, {STEPPED_BARS:,} bars",
            STEPPED_BARS / median_seconds(partial(_by_hand, RICH, bars, terms)),
            "bars/s",
        ),
    ]


def _by_hand(program: Program, bars: Bars, terms: dict[str, Any]) -> None:
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows = zip(*(column[:STEPPED_BARS].tolist() for column in columns), strict=True)
    on_bar = Stepper(program, **terms).on_bar
    for row in rows:
        on_bar(*row)


if __name__ == "__main__":
    main()
