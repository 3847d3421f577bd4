"""Importing recorded market data: read and check first, then write, or change nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from commenda.kit import clock
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.market import queries
from commenda.market.files import (
    Loaded,
    SourceName,
    content_digest,
    imported_path,
    load,
    parse_name,
    write_atomically,
)
from commenda.market.instruments import Catalogue, ensure_instrument, listed, load_catalogue
from commenda.market.model import Dataset, Finding, Instrument


class Outcome(StrEnum):
    """What an import did."""

    CREATED = "created"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Imported:
    """The dataset as it now stands, and the warnings its source gave."""

    outcome: Outcome
    dataset: Dataset
    findings: tuple[Finding, ...]


def import_file(
    tx: Tx, data_dir: Path, file: Path, now: datetime, catalogue: Catalogue | None = None
) -> Imported:
    """Import a Parquet file: store its instrument, its dataset and its findings.

    The file takes the place of what was imported before for the same instrument, series and
    interval. The same content again changes nothing, whatever file it comes in. A refusal (the
    codes of `files.load` and `unknown_instrument`) leaves database and disk as they were.
    """
    clock.require_utc(now)
    name = parse_name(file)
    listing = listed(load_catalogue() if catalogue is None else catalogue, name.venue, name.symbol)
    loaded = load(file, name.series, name.interval)
    digest = content_digest(loaded.frame)
    # The instrument's row is locked from here on: two imports for it take turns.
    instrument = ensure_instrument(tx, listing)
    before = _dataset(tx, instrument, name)
    if before and before.sha256 == digest and _is_intact(data_dir / before.path, name, digest):
        return Imported(Outcome.UNCHANGED, before, tuple(queries.findings_of(tx, before.id)))
    path = imported_path(name.venue, name.symbol, name.series, name.interval)
    _write_rows(tx, instrument, name, loaded, digest, path, now)
    # Last: should the commit still fail, the file no longer has the recorded digest, a feed
    # refuses it (`dataset_changed`) and the next import writes it again.
    write_atomically(loaded.frame, data_dir / path)
    after = _dataset(tx, instrument, name)
    assert after is not None  # written above
    return Imported(Outcome.REPLACED if before else Outcome.CREATED, after, loaded.findings)


def _write_rows(
    tx: Tx,
    instrument: Instrument,
    name: SourceName,
    loaded: Loaded,
    digest: str,
    path: Path,
    now: datetime,
) -> None:
    stamps = loaded.frame["ts"]
    dataset_id = queries.write_dataset(
        tx,
        instrument_id=instrument.id,
        series=name.series,
        interval_seconds=name.interval,
        simulated=instrument.simulated,
        first_ts=stamps[0],
        last_ts=stamps[-1],
        rows=len(stamps),
        sha256=digest,
        path=path.as_posix(),
        imported_at=now,
    )
    queries.replace_findings(tx, dataset_id, loaded.findings)


def _dataset(tx: Tx, instrument: Instrument, name: SourceName) -> Dataset | None:
    wanted = (name.series, name.interval)
    for dataset in queries.datasets_of(tx, instrument.id):
        if (dataset.series, dataset.interval_seconds) == wanted:
            return dataset
    return None


def _is_intact(path: Path, name: SourceName, digest: str) -> bool:
    """Whether the imported file still holds what was recorded of it."""
    try:
        return content_digest(load(path, name.series, name.interval).frame) == digest
    except CommendaError:
        return False
