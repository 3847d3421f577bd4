"""What every benchmark shares: a database of its own, medians, the machine, and the table."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from commenda.kit.db import Database
from commenda.settings import Settings


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a benchmark. `ratio` and `aim` are left empty where there is none."""

    name: str
    median: float
    unit: str
    ratio: str = ""
    aim: str = ""


@contextmanager
def fresh_database(*, durable: bool = False) -> Iterator[Database]:
    """An embedded database in a directory of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="commenda-bench-") as folder:
        settings = Settings(data=Path(folder), durable_commits=durable)
        with Database.open(settings) as database:
            yield database


def vacuum(database: Database) -> None:
    """Settle what the preparation left behind, so that autovacuum does not run in between."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("SET client_min_messages = error")  # system catalogues are not the owner's
        owner.execute("VACUUM ANALYZE")


def spread(values: Sequence[float]) -> str:
    """Lowest and highest, beside their median."""
    return f"{min(values):,.0f} to {max(values):,.0f}"


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def times(fast: float, slow: float) -> str:
    """How many times `slow` fits into `fast`."""
    return f"{fast / slow:,.1f} x"


def show(title: str, figures: Iterable[Figure], *notes: str) -> None:
    """Print one benchmark's figures."""
    table = Table("figure")
    for heading in ("median", "unit", "ratio", "aim"):
        table.add_column(heading, justify="left" if heading == "unit" else "right")
    for one in figures:
        value = f"{one.median:,.0f}" if one.median >= 100 else f"{one.median:,.3g}"
        table.add_row(one.name, value, one.unit, one.ratio, one.aim)
    console = Console(width=110, highlight=False)
    console.print(title, style="bold")
    console.print(table)
    for note in notes:
        console.print(f"  {note}", style="dim")


def machine(database: Database) -> str:
    """Cores, load, Python and PostgreSQL: what figures depend on."""
    with database.transaction() as tx:
        row = tx.execute("SELECT current_setting('server_version')").fetchone()
    assert row is not None
    return f"{cores()}, PostgreSQL {str(row[0]).split()[0]}"


def cores() -> str:
    """The machine without a database."""
    return (
        f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}),"
        f" load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )


def durability(*, durable: bool) -> str:
    """What the figures say about commits."""
    return "commits durable (fsync)" if durable else "commits not durable (no wait for the disk)"
