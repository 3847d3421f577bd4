"""`commenda audit`: the record of events, taken out as evidence."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer

from commenda.audit import Wanted, csv_header, csv_rows, export_events, ndjson
from commenda.cli.options import Data, Out, open_database, output, period_of, transaction
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import export_journals
from commenda.operations import anchor_text, ends_of

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
    out: Out = None,
    data: Data = None,
) -> None:
    """Every event or journal of a period, oldest first, with its place and digest in its chain."""
    since, until = period_of(begin, end)
    wanted = Wanted(begin=since, end=until)
    if of is Record.JOURNALS and form is Format.CSV:
        raise CommendaError("bad_format", "A journal with its entries is no row of a table").at(
            "--format", form, "export journals as ndjson"
        )
    with open_database(data) as database, output(out) as target:
        target.writelines(
            _events(database, wanted, form) if of is Record.EVENTS else _lines(database, wanted)
        )


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
    with transaction(data) as tx:
        ends = ends_of(tx)
    if not any(ends.values()):
        raise CommendaError("nothing_sealed", "Nothing has been sealed yet")
    typer.echo(anchor_text(ends))
