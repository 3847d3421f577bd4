"""`commenda audit`: the record of events, taken out as evidence."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from commenda.audit import Wanted, csv_header, csv_rows, export_events, ndjson
from commenda.audit import anchor as read_anchor
from commenda.cli.proof import Data, settings_of
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError

app = typer.Typer(help="The record of who did what.", no_args_is_help=True)


class Format(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"


@app.command()
def export(
    begin: Annotated[str | None, typer.Option("--from", help="ISO 8601; UTC if no zone.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Exclusive.")] = None,
    form: Annotated[Format, typer.Option("--format")] = Format.NDJSON,
    out: Annotated[Path | None, typer.Option(help="A file; standard output by default.")] = None,
    data: Data = None,
) -> None:
    """Every event of a period, oldest first, with its place and digest in the hash chain."""
    wanted = Wanted(begin=_moment("--from", begin), end=_moment("--to", end))
    write = ndjson if form is Format.NDJSON else csv_rows
    with Database.open(settings_of(data)) as database:
        target = out.open("w", encoding="utf-8") if out is not None else sys.stdout
        try:
            if form is Format.CSV:
                target.write(csv_header())
            for batch in export_events(database, wanted):
                target.write(write(batch))
        finally:
            if out is not None:
                target.close()


@app.command()
def anchor(data: Data = None) -> None:
    """The end of the hash chain, as JSON: keep it where this database's keepers cannot write."""
    with Database.open(settings_of(data)) as database, database.transaction() as tx:
        end = read_anchor(tx)
    if end is None:
        raise CommendaError("nothing_sealed", "No event has been sealed yet")
    typer.echo(
        json.dumps(
            {
                "sequence": end.sequence,
                "digest": end.digest,
                "sealedAt": end.sealed_at.astimezone(UTC).isoformat(),
            }
        )
    )


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommendaError(
            "bad_time", "Not a time", field=name, value=text, mend="such as 2026-01-05T00:00:00Z"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
