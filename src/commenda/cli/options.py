"""What commands share: their options, the database they open, how they write for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO
from uuid import UUID

import typer

from commenda.kit.clock import require_period
from commenda.kit.errors import CommendaError
from commenda.kit.money import plain
from commenda.kit.report import require_reports
from commenda.kit.times import iso
from commenda.settings import Settings

if TYPE_CHECKING:
    from commenda.kit.db import Database, Tx

ACTOR = "cli"
"""Who acts, in what is recorded of a command."""

Data = Annotated[Path | None, typer.Option(help="The data directory; COMMENDA_DATA by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
AsOfMoment = Annotated[str | None, typer.Option("--as-of", help="ISO 8601; UTC if no zone.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]
Out = Annotated[Path | None, typer.Option(help="A file; standard output by default.")]
Zone = Annotated[
    str | None,
    typer.Option("--zone", help="Of times that name none, as Europe/Berlin; UTC by default."),
]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write the report as an HTML page to this file.")
]


def settings_of(data: Path | None) -> Settings:
    """What the environment says, under another data directory if one is given."""
    settings = Settings.from_environment()
    return settings if data is None else settings.at(data)


def open_database(data: Path | None = None) -> Database:
    """The database that the environment or `--data` names."""
    from commenda.kit.db import Database  # 0.1 s: many a command opens none

    return Database.open(settings_of(data))


@contextmanager
def transaction(data: Path | None = None) -> Iterator[Tx]:
    """A transaction on the database that the environment or `--data` names."""
    with open_database(data) as database, database.transaction() as tx:
        yield tx


def moment_of(name: str, text: str | None) -> datetime | None:
    """A time that was given, UTC where it names no zone; code `bad_time`."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommendaError("bad_time", "Not a time").at(
            name, text, "such as 2026-01-05T00:00:00Z"
        ) from None


def period_of(begin: str | None, end: str | None) -> tuple[datetime | None, datetime | None]:
    """What `--from` and `--to` say; codes `bad_time`, and `bad_period` for one after the other."""
    since, until = moment_of("--from", begin), moment_of("--to", end)
    require_period("--from", since, until)
    return since, until


def warn(*notes: str) -> None:
    """Say what a reader of the output must know, on standard error: it spoils no JSON."""
    for note in notes:
        typer.echo(note, err=True)


def require_folder(file: Path | None, option: str = "--html") -> None:
    """Where a report is to go: said before a long run, not after it; code `no_such_folder`."""
    if file is not None and (not file.parent.is_dir() or file.is_dir()):
        raise CommendaError("no_such_folder", "The report cannot be written here").at(
            option, file, "name a file in a folder that exists"
        )


def require_report(file: Path | None) -> None:
    """As `require_folder`, and as `require_reports`: there is a page to be filled."""
    require_folder(file)
    if file is not None:
        require_reports()


def print_json(value: object) -> None:
    """Print a value as JSON in one line; see `json_text`."""
    typer.echo(json_text(value))


def json_text(value: object) -> str:
    """A record's fields in camelCase, decimals as strings, times in ISO 8601.

    A mapping keeps its names: they were written for the reader, or stored as JSON.
    """
    return json.dumps(value, default=encoded)


def fields_of(record: Any, *without: str, **more: object) -> dict[str, object]:
    """A record's fields in camelCase, but for some, and what is told beside them.

    A mapping keeps its names.
    """
    if isinstance(record, Mapping):
        return {**record, **more}
    names = getattr(record, "_fields", None) or [one.name for one in fields(record)]
    named = {name: getattr(record, name) for name in names if name not in without}
    return {_camel(name): value for name, value in (named | more).items()}


def _camel(name: str) -> str:
    return re.sub("_([a-z0-9])", lambda letter: letter[1].upper(), name)


def encoded(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, date):
        return iso(value)
    if isinstance(value, UUID):
        return str(value)
    if is_dataclass(value):
        return fields_of(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


@contextmanager
def output(out: Path | None) -> Iterator[TextIO]:
    """The file of `--out`, or standard output; code `cannot_write`."""
    if out is None:
        yield sys.stdout
        return
    try:
        with out.open("w", encoding="utf-8", newline="") as target:
            yield target
    except OSError as error:
        raise CommendaError("cannot_write", f"The file cannot be written: {error.strerror}").at(
            "--out", out, "name a file in a folder that exists, on a disk with room"
        ) from error
