"""What commands show: tables and records for people, the same fields as JSON for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from rich import box
from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from commenda.cli.options import fields_of, json_text, print_json
from commenda.kit.money import plain


class Column(NamedTuple):
    """A column of a table.

    `read` is an attribute, the key of a mapping, or a function of a row; without it, the attribute
    that the heading names. A `number` stands to the right and is never cut.
    """

    heading: str
    read: str | Callable[[Any], object] = ""
    number: bool = False

    def of(self, row: Any) -> object:
        if callable(self.read):
            return self.read(row)
        name = self.read or self.heading.replace(" ", "_")
        return row[name] if isinstance(row, Mapping) else getattr(row, name)


def texts(*headings: str) -> tuple[Column, ...]:
    """Columns of text that their headings name."""
    return tuple(Column(heading) for heading in headings)


def numbers(*headings: str) -> tuple[Column, ...]:
    """Columns of figures that their headings name."""
    return tuple(Column(heading, number=True) for heading in headings)


def show(
    rows: Iterable[Any], columns: Sequence[Column], as_json: bool = False, *, title: str = ""
) -> None:
    """Print rows (dataclasses, named tuples, mappings): a table, or a JSON list of their fields.

    A list among the rows is a line of cells, such as a total, and is bold in the table. Text is
    printed as it is, whatever brackets it holds; a cell may be a `rich` text with a style.
    """
    if as_json:
        print_json([fields_of(row) for row in rows])
        return
    table = _table(columns, title)
    for row in rows:
        cells = row if isinstance(row, list) else [column.of(row) for column in columns]
        line = [_text(cell, one.number) for one, cell in zip(columns, cells, strict=True)]
        table.add_row(*line, style="bold" if cells is row else "")
    screen().print(table)


def show_one(fields: Mapping[str, object], as_json: bool) -> None:
    """Print a record: its fields' names and values, or one JSON object."""
    if as_json:
        print_json(fields)
        return
    table = Table(show_header=False, box=None)
    for name, value in json.loads(json_text(fields)).items():
        lines = [one for one in (value if isinstance(value, list) else [value]) if one is not None]
        shown = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
        table.add_row(re.sub("(?=[A-Z])", " ", name).lower(), Text(shown))
    screen().print(table)


def say(*parts: str | tuple[str, str]) -> None:
    """Print a line of plain text, of which parts may have a style; where no terminal is, uncut."""
    console = screen()
    console.print(Text.assemble(*parts), soft_wrap=not console.is_terminal)


def minute(moment: datetime | None) -> str:
    """A moment to the minute; nothing where there is none."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def screen() -> Console:
    """Standard output, wide enough for whole figures where no terminal says how wide it is."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def progress(of: str, *, stays: bool = False) -> Progress:
    """A bar over long work, on standard error; `of` says what is counted, and may name fields."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(of))
    console = Console(stderr=True)
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=not stays)


def _table(columns: Sequence[Column], title: str = "") -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_style="bold", title_justify="left")
    table.title = Text(title) if title else None
    for heading, _, number in columns:
        justify: JustifyMethod = "right" if number else "left"
        table.add_column(Text(heading), justify=justify, no_wrap=number, overflow="fold")
    return table


def _text(value: object, number: bool) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, Decimal):
        return Text(plain(value))
    if isinstance(value, datetime):
        return Text(f"{value:%Y-%m-%d %H:%M:%S}")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if number and isinstance(value, int):
        return Text(f"{value:,}")
    return Text("" if value is None else str(value))
