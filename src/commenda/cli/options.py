"""What commands share: their options, the database they open, how they write for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer

from commenda.kit.clock import require_period
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.settings import Settings

Data = Annotated[Path | None, typer.Option(help="The data directory; COMMENDA_DATA by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
AsOfMoment = Annotated[str | None, typer.Option("--as-of", help="ISO 8601; UTC if no zone.")]
Out = Annotated[Path | None, typer.Option(help="A file; standard output by default.")]


def settings_of(data: Path | None) -> Settings:
    """What the environment says, under another data directory if one is given."""
    settings = Settings.from_environment()
    return settings if data is None else settings.at(data)


def open_database(data: Path | None = None) -> Database:
    """The database that the environment or `--data` names."""
    return Database.open(settings_of(data))


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


def require_folder(file: Path | None, option: str = "--html") -> None:
    """Where a report is to go: said before a long run, not after it; code `no_such_folder`."""
    if file is not None and (not file.parent.is_dir() or file.is_dir()):
        raise CommendaError("no_such_folder", "The report cannot be written here").at(
            option, file, "name a file in a folder that exists"
        )


def print_json(value: object) -> None:
    """Print what is JSON already: strings, numbers, lists and mappings."""
    typer.echo(json.dumps(value))


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
