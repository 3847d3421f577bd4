"""What a first backtest waits for: processor seconds of `commenda backtest` as a user runs it.

With nothing compiled, after a run of another kind, and after `commenda strategy compile`, which
`make install` and the first `commenda up` do ahead. The floor is numba itself: a process that
imports it and compiles one loop of as many plain statements as a desk's code has.
"""

from __future__ import annotations

import ast
import os
import platform
import sys
import tempfile
from pathlib import Path

import polars as pl

import commenda.kernel
from bench.kernel import synthetic_bars
from bench.kit import Figure, median, show

ROUNDS = 3
BARS = 20_000
AIMS = {"plain": "< 3", "ahead": "< 5"}
KINDS = {"plain": [], "desk": ["--leverage", "3"], "two legs": ["--hedge"]}
DESK_ROOMS = "account bars filling guard inside liquidation loop margin matching orders stops"
FLOOR = """
import numba
from numba import types
@numba.njit(types.void(types.float64[::1]), fastmath=False, error_model="numpy")
def loop(a):
    for i in range(a.size):
        x0 = x1 = x2 = x3 = x4 = x5 = x6 = a[i]
{body}
        a[i] = x0 + x1 + x2 + x3 + x4 + x5 + x6
"""


def main() -> None:
    """Print the processor seconds of a run of each kind, and numba's own of a loop that long."""
    seconds: dict[str, list[float]] = {}
    count = _statements()
    with tempfile.TemporaryDirectory(prefix="commenda-bench-") as folder:
        file = _candles(Path(folder))
        for _ in range(ROUNDS):
            for name, taken in _round(file, count).items():
                seconds.setdefault(name, []).append(taken)
    show(
        f"compiling: processor seconds of one command over {BARS:,} bars, median of {ROUNDS}",
        [
            Figure(name, median(taken), "s", f"{min(taken):.1f} to {max(taken):.1f}", _aim(name))
            for name, taken in seconds.items()
        ],
        "in the column of ratios: lowest to highest; with the start of the process, 1 to 2 s",
        f"the floor has {count:,} statements in its loop, as many as a desk's code",
        f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), load"
        f" {os.getloadavg()[0]:.1f}, Python {platform.python_version()}",
    )


def _aim(name: str) -> str:
    if name == "plain, nothing compiled":
        return AIMS["plain"]
    return AIMS["ahead"] if name.endswith("compiled ahead") else ""


def _round(file: Path, count: int) -> dict[str, float]:
    taken = {}
    with tempfile.TemporaryDirectory() as cache:
        taken["plain, nothing compiled"] = _run(cache, *_backtest(file, "plain"))
    with tempfile.TemporaryDirectory() as cache:
        taken["desk, nothing compiled"] = _run(cache, *_backtest(file, "desk"))
        taken["two legs, after the desk"] = _run(cache, *_backtest(file, "two legs"))
    with tempfile.TemporaryDirectory() as cache:
        taken["`strategy compile`, all there is"] = _run(
            cache, "-m", "commenda", "strategy", "compile"
        )
        for kind in KINDS:
            taken[f"{kind}, compiled ahead"] = _run(cache, *_backtest(file, kind))
        body = [f"        x{n % 7} = x{n % 5} * {n}.5 + x{n % 3}" for n in range(count)]
        taken["floor: numba, a bare loop as long"] = _run(
            cache, "-c", FLOOR.format(body="\n".join(body))
        )
    return taken


def _backtest(file: Path, kind: str) -> list[str]:
    command = ["-m", "commenda", "backtest", "run", "ema_trend", "--data", str(file), "--json"]
    return [*command, *KINDS[kind]]


def _run(cache: str, *arguments: str) -> float:
    """Processor seconds of a Python with these arguments, and with the cache there."""
    environment = {**os.environ, "COMMENDA_CACHE_DIR": cache}
    with Path(os.devnull).open("w") as nowhere:
        actions = [(os.POSIX_SPAWN_DUP2, nowhere.fileno(), one) for one in (1, 2)]
        command = [sys.executable, *arguments]
        process = os.posix_spawn(sys.executable, command, environment, file_actions=actions)
        _, status, used = os.wait4(process, 0)
    assert status == 0, f"{command} ended with {status}"
    return used.ru_utime + used.ru_stime


def _statements() -> int:
    """Statements in the functions of the rooms that a desk's loop is compiled from."""
    folder = Path(commenda.kernel.__file__).parent
    trees = (ast.parse((folder / f"{room}.py").read_text()) for room in DESK_ROOMS.split())
    functions = (one for tree in trees for one in ast.walk(tree) if _is_compiled(one))
    return sum(isinstance(one, ast.stmt) for each in functions for one in ast.walk(each))


def _is_compiled(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and (
        node.name == "_over_desk"
        or any(getattr(one, "id", "") in COMPILED for one in node.decorator_list)
    )


COMPILED = {"compiled", "inlined", "inner", "inner_inlined"}


def _candles(folder: Path) -> Path:
    bars, file = synthetic_bars(BARS), folder / "synthetic_5m.parquet"
    names = ("open", "high", "low", "close", "volume")
    columns = {name: getattr(bars, name) for name in names}
    stamps = pl.Series(bars.ts).cast(pl.Datetime("ns", "UTC")).cast(pl.Datetime("ms", "UTC"))
    pl.DataFrame({"ts": stamps, **columns}).write_parquet(file)
    return file


if __name__ == "__main__":
    main()
