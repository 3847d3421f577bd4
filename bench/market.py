"""Importing ten million rows: its time and its memory, beside reading the same file with polars.

Each runs in a process of its own, whose greatest resident size is what the table shows; the
database server is another process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from bench.kit import Figure, fresh_database, median, show, spread, times

ROWS = 10_000_000
ROUNDS = 3
MEMORY_AIM = 1_000
MINUTES_FROM_2005 = 1_104_537_600

_MEASURED = """
import json, pathlib, sys, time
begun = time.perf_counter()
{work}
status = pathlib.Path("/proc/self/status").read_text()  # getrusage counts the parent's memory too
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({{"seconds": time.perf_counter() - begun, "megabytes": peak}}))
"""
_POLARS = "import polars; polars.read_{kind}(sys.argv[1])"
_OURS = """
from commenda.cli import app
sys.stdout, out = sys.stderr, sys.stdout
try:
    app(["market", "import", sys.argv[1]])
except SystemExit as done:
    assert not done.code, done.code
sys.stdout = out
"""


def main() -> None:
    """Measure imports of CSV and Parquet."""
    with tempfile.TemporaryDirectory(prefix="commenda-bench-") as folder:
        files = {
            "csv": Path(folder, "binance_usdm_BTCUSDT_1m.csv"),
            "parquet": Path(folder, "binance_usdm_ETHUSDT_1m.parquet"),
        }
        frame = _minutes()
        frame.with_columns(pl.col("ts").dt.epoch("ms")).write_csv(files["csv"])
        frame.write_parquet(files["parquet"])
        del frame
        figures: list[Figure] = []
        for kind, file in files.items():
            figures += _compared(kind, file)
    show(
        f"import of {ROWS:,} minutes",
        figures,
        "ours judges each row, stores the series and its digest; polars reads the file",
    )


def _compared(kind: str, file: Path) -> list[Figure]:
    ours: list[Any] = []
    bare: list[Any] = []
    for _ in range(ROUNDS):  # in turns, on the same machine
        bare.append(_measured(_POLARS.format(kind=kind), file, {}))
        with fresh_database() as database, tempfile.TemporaryDirectory() as data:
            settings = {"COMMENDA_DATABASE_URL": database.owner_url, "COMMENDA_DATA": data}
            ours.append(_measured(_OURS, file, settings))
    size = file.stat().st_size / 1e6
    fast, slow = _of(bare, "seconds"), _of(ours, "seconds")
    return [
        Figure(
            f"{kind} of {size:,.0f} MB, rows imported ({spread(slow)} s)",
            ROWS / median(slow),
            "rows/s",
            times(median(slow), median(fast)) + " polars' time",
        ),
        Figure(
            f"{kind}, peak of the import",
            max(_of(ours, "megabytes")),
            "MB",
            f"polars {max(_of(bare, 'megabytes')):,.0f}",
            f"< {MEMORY_AIM:,}",
        ),
    ]


def _of(runs: Sequence[Any], name: str) -> list[float]:
    return [one[name] for one in runs]


def _measured(work: str, file: Path, settings: dict[str, str]) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED.format(work=work), str(file)],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _minutes() -> pl.DataFrame:
    """Bars that count up and down, with one decimal as an exchange writes them."""
    n = pl.int_range(0, ROWS, eager=True)
    price = 30_000 + ((n * 7_919) % 20_011) / 10
    stamps = ((MINUTES_FROM_2005 + n * 60) * 1_000_000).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame(
        {
            "ts": stamps,
            "open": price,
            "high": price + 5.5,
            "low": price - 5.5,
            "close": price + 1.1,
            "volume": ((n * 31) % 977) / 10 + 1,
        }
    )
