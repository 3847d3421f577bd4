"""`commenda audit`: the record of events, taken out as evidence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from commenda.audit import Wanted, csv_header, csv_rows, export_events, ndjson
from commenda.cli.proof import Data, settings_of
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import export_journals
from commenda.operations import ends_of, written

app = typer.Typer(help="The record of who did what.", no_args_is_help=True)


class Format(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"


class Record(StrEnum):
    EVENTS = "events"
    JOURNALS = "journals"


@app.command()
def export(
    of: Annotated[
        Record, typer.Option(help="Audit events, or journals with their entries.")
    ] = Record.EVENTS,
    begin: Annotated[str | None, typer.Option("--from", help="ISO 8601; UTC if no zone.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Exclusive.")] = None,
    form: Annotated[Format, typer.Option("--format")] = Format.NDJSON,
    out: Annotated[Path | None, typer.Option(help="A file; standard output by default.")] = None,
    data: Data = None,
) -> None:
    """Every event or journal of a period, oldest first, with its place and digest in its chain."""
    wanted = Wanted(begin=moment_of("--from", begin), end=moment_of("--to", end))
    if of is Record.JOURNALS and form is Format.CSV:
        raise CommendaError(
            "bad_format",
            "A journal with its entries is no row of a table",
            field="--format",
            value=form,
            mend="export journals as ndjson",
        )
    with Database.open(settings_of(data)) as database:
        target = out.open("w", encoding="utf-8") if out is not None else sys.stdout
        texts = _events(database, wanted, form) if of is Record.EVENTS else _lines(database, wanted)
        try:
            target.writelines(texts)
        finally:
            if out is not None:
                target.close()


def _events(database: Database, wanted: Wanted, form: Format) -> Iterator[str]:
    if form is Format.CSV:
        yield csv_header()
    yield from map(ndjson if form is Format.NDJSON else csv_rows, export_events(database, wanted))


def _lines(database: Database, wanted: Wanted) -> Iterator[str]:
    with database.transaction() as tx:
        for journal in export_journals(tx, wanted.begin, wanted.end):
            yield journal + "\n"


@app.command()
def anchor(data: Data = None) -> None:
    """The ends of the chains, as JSON: keep it where this database's keepers cannot write."""
    with Database.open(settings_of(data)) as database, database.transaction() as tx:
        ends = ends_of(tx)
    if not any(ends.values()):
        raise CommendaError("nothing_sealed", "Nothing has been sealed yet")
    typer.echo(written(ends))


def moment_of(name: str, text: str | None) -> datetime | None:
    """A time that was given, UTC where it names no zone; code `bad_time`."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommendaError(
            "bad_time", "Not a time", field=name, value=text, mend="such as 2026-01-05T00:00:00Z"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
