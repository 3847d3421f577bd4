"""The rows of imported datasets and of what was found in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, LiteralString

from psycopg.rows import dict_row

from commenda.kit.db import Tx
from commenda.market.model import Dataset, Finding, FindingKind, Series

_SELECT: LiteralString = (
    "SELECT d.id, d.instrument_id, i.venue, i.symbol, d.series, d.interval_seconds, d.simulated,"
    " d.first_ts, d.last_ts, d.rows, d.sha256, d.path, d.imported_at"
    " FROM market_datasets d JOIN instruments i ON i.id = d.instrument_id"
)


def datasets(tx: Tx) -> list[Dataset]:
    """Every imported dataset, by venue, symbol, series and interval."""
    return _datasets(tx, _SELECT + " ORDER BY i.venue, i.symbol, d.series, d.interval_seconds", {})


def datasets_of(tx: Tx, instrument_id: int) -> list[Dataset]:
    """The datasets of one instrument, by series and interval."""
    return _datasets(
        tx,
        _SELECT + " WHERE i.id = %(id)s ORDER BY d.series, d.interval_seconds",
        {"id": instrument_id},
    )


def findings_of(tx: Tx, dataset_id: int) -> list[Finding]:
    """What was found in a dataset when it was imported, by time."""
    rows = tx.execute(
        "SELECT kind, at, details FROM market_quality_findings"
        " WHERE dataset_id = %(id)s ORDER BY at, id",
        {"id": dataset_id},
    ).fetchall()
    return [Finding(FindingKind(kind), at, details) for kind, at, details in rows]


def count_findings(tx: Tx) -> dict[int, int]:
    """How many findings each dataset has, by its id; datasets without any are left out."""
    return dict(
        tx.execute(
            "SELECT dataset_id, count(*) FROM market_quality_findings GROUP BY dataset_id"
        ).fetchall()
    )


def write_dataset(tx: Tx, dataset: Dataset) -> Dataset:
    """Record a dataset in place of the one it replaces, if any; with its id."""
    row = tx.execute(
        "INSERT INTO market_datasets (instrument_id, series, interval_seconds, simulated,"
        " first_ts, last_ts, rows, sha256, path, imported_at)"
        " VALUES (%(instrument_id)s, %(series)s, %(interval_seconds)s, %(simulated)s,"
        " %(first_ts)s, %(last_ts)s, %(rows)s, %(sha256)s, %(path)s, %(imported_at)s)"
        " ON CONFLICT (instrument_id, series, interval_seconds) DO UPDATE SET"
        " first_ts = excluded.first_ts, last_ts = excluded.last_ts, rows = excluded.rows,"
        " sha256 = excluded.sha256, path = excluded.path, imported_at = excluded.imported_at"
        " RETURNING id",
        asdict(dataset),
    ).fetchone()
    assert row is not None  # an upsert returns its row
    return replace(dataset, id=row[0])


def replace_findings(tx: Tx, dataset_id: int, findings: Iterable[Finding]) -> None:
    """Store what was found in a dataset in place of what was found before."""
    tx.execute("DELETE FROM market_quality_findings WHERE dataset_id = %s", (dataset_id,))
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO market_quality_findings (dataset_id, kind, at, details)"
            " VALUES (%s, %s, %s, %s)",
            [(dataset_id, f.kind, f.at, f.details) for f in findings],
        )


def _datasets(tx: Tx, statement: LiteralString, parameters: dict[str, Any]) -> list[Dataset]:
    with tx.cursor(row_factory=dict_row) as cursor:
        rows: Sequence[dict[str, Any]] = cursor.execute(statement, parameters).fetchall()
    return [Dataset(**{**row, "series": Series(row["series"])}) for row in rows]
