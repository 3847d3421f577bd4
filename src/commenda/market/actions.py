"""Importing recorded market data: read and check first, then write, or change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import polars as pl

from commenda.kit import clock
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.outside import refuse_rows
from commenda.market import queries
from commenda.market.files import (
    Loaded,
    content_digest,
    file_digest,
    imported_path,
    joined,
    judge,
    read_imported,
    write_atomically,
)
from commenda.market.instruments import (
    Catalogue,
    ensure_instrument,
    listed,
    load_catalogue,
    stored_instrument,
)
from commenda.market.model import Dataset, Finding, FindingKind, Instrument
from commenda.market.names import Labels, SourceName
from commenda.market.sources import Source, name_of, read_source

_OF_THE_SOURCE = (FindingKind.DUPLICATE, FindingKind.OUT_OF_ORDER)
"""Findings that a stored series no longer shows: they were mended on the way in."""


class Outcome(StrEnum):
    CREATED = "created"
    REPLACED = "replaced"
    EXTENDED = "extended"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Imported:
    """The dataset as it now stands, the warnings its source gave, and what else to say of it."""

    outcome: Outcome
    dataset: Dataset
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def import_file(
    tx: Tx, data_dir: Path, file: Path, now: datetime, catalogue: Catalogue | None = None
) -> Imported:
    """Import one file; see `import_files`."""
    return import_files(tx, data_dir, [file], now, catalogue)


def import_files(
    tx: Tx,
    data_dir: Path,
    files: Sequence[Path],
    now: datetime,
    catalogue: Catalogue | None = None,
    *,
    labels: Labels | None = None,
    append: bool = False,
) -> Imported:
    """Import the files of one series: store its instrument, its dataset and its findings.

    They take the place of what was imported before for the same instrument, series and interval;
    with `append` they join it, and are refused where the two contradict each other. The same
    content again changes nothing, whatever files it comes in. `labels` say what the names of CSV
    files do not. A refusal (the codes of `sources.read_rows` and `files.judge`, and
    `unknown_instrument`) leaves database and disk as they were.
    """
    labels = labels or Labels()
    name = name_of(files, labels)
    terms = _terms(tx, load_catalogue() if catalogue is None else catalogue, name)
    return _store(tx, data_dir, read_source(files, name, labels.zone), terms, now, append)


def import_source(
    tx: Tx,
    data_dir: Path,
    source: Source,
    now: datetime,
    catalogue: Catalogue | None = None,
    *,
    described: Instrument | None = None,
    append: bool = False,
) -> Imported:
    """Import a judged series that came from no file, as `import_files` does.

    `described` are the terms to store the instrument with where nothing else describes it.
    """
    known = load_catalogue() if catalogue is None else catalogue
    terms = _terms(tx, known, source.name, described)
    return _store(tx, data_dir, source, terms, now, append)


def _store(
    tx: Tx, data_dir: Path, source: Source, terms: Instrument, now: datetime, append: bool
) -> Imported:
    clock.require_utc(now)
    name, loaded, notes = source.name, source.loaded, source.notes
    # The instrument's row is locked from here on: two imports for it take turns.
    instrument = ensure_instrument(tx, terms)
    before = _dataset(tx, instrument, name)
    if before and append:
        loaded = _extended(tx, data_dir, before, loaded)
    digest = content_digest(loaded.frame)
    if before and before.sha256 == digest and _is_intact(data_dir / before.path, name, digest):
        findings = tuple(queries.findings_of(tx, before.id))
        return Imported(Outcome.UNCHANGED, before, findings, notes)
    path = imported_path(name.venue, name.symbol, name.series, name.interval)
    stamps = loaded.frame["ts"]
    after = queries.write_dataset(
        tx,
        Dataset(
            id=0,
            instrument_id=instrument.id,
            venue=name.venue,
            symbol=name.symbol,
            series=name.series,
            interval_seconds=name.interval,
            simulated=instrument.simulated,
            first_ts=stamps[0],
            last_ts=stamps[-1],
            rows=len(stamps),
            sha256=digest,
            path=path.as_posix(),
            imported_at=now,
        ),
    )
    queries.replace_findings(tx, after.id, loaded.findings)
    # Last: should the commit still fail, the file no longer has the recorded digest, a feed
    # refuses it (`dataset_changed`) and the next import writes it again.
    write_atomically(loaded.frame, data_dir / path)
    if before is None:
        return Imported(Outcome.CREATED, after, loaded.findings, notes)
    if append:
        return Imported(Outcome.EXTENDED, after, loaded.findings, notes)
    return Imported(Outcome.REPLACED, after, loaded.findings, (*notes, *_lost(before, after)))


def _terms(
    tx: Tx, catalogue: Catalogue, name: SourceName, described: Instrument | None = None
) -> Instrument:
    """The catalogue's terms of an instrument, else those it is stored with, else `described`.

    Code `unknown_instrument` where there are none of these.
    """
    if (name.venue, name.symbol) not in catalogue:
        known = stored_instrument(tx, name.venue, name.symbol) or described
        if known is not None:
            return known
    return listed(catalogue, name.venue, name.symbol)


def _extended(tx: Tx, data_dir: Path, before: Dataset, loaded: Loaded) -> Loaded:
    """What was imported before and what comes now as one series, with the findings of both.

    Rows that are there already and equal are no finding: overlap is what appending is for.
    """
    rows = joined([read_imported(data_dir, before), loaded.frame])
    refuse_rows(rows.height, before.path)
    once = judge(rows, before.path, before.series, before.interval_seconds).frame
    lasting = judge(once, before.path, before.series, before.interval_seconds).findings
    of_sources = {
        finding
        for finding in (*queries.findings_of(tx, before.id), *loaded.findings)
        if finding.kind in _OF_THE_SOURCE
    }
    findings = sorted({*of_sources, *lasting}, key=lambda one: (one.at, one.kind, one.details))
    return Loaded(once, tuple(findings))


def _lost(before: Dataset, after: Dataset) -> tuple[str, ...]:
    """What to say where a replaced series reached further than the one in its place."""
    if before.first_ts >= after.first_ts and before.last_ts <= after.last_ts:
        return ()
    span = f"{before.first_ts:%Y-%m-%d %H:%M} to {before.last_ts:%Y-%m-%d %H:%M} UTC"
    return (f"took the place of {before.rows:,} rows, {span}; --append joins instead",)


def _dataset(tx: Tx, instrument: Instrument, name: SourceName) -> Dataset | None:
    known = queries.datasets_of(tx, instrument.id)
    wanted = (name.series, name.interval)
    return next((one for one in known if (one.series, one.interval_seconds) == wanted), None)


def _is_intact(path: Path, name: SourceName, digest: str) -> bool:
    """Whether the imported file still holds what was recorded of it."""
    try:
        return file_digest(path, name.series) == digest
    except (CommendaError, pl.exceptions.PolarsError):
        return False
