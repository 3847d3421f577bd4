"""Tables of figures on a terminal: whole numbers, aligned to the right."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table


def wide_console() -> Console:
    """Wide enough for whole figures where no terminal says how wide it is."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def table_of(*columns: str, numbers: Sequence[str]) -> Table:
    """A table with columns of text, and then of numbers."""
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
