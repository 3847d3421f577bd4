"""`commenda reconcile`: hold the ledger against venues, liabilities and holds."""

from __future__ import annotations

import typer
from rich.text import Text

from commenda.cli.options import (
    AsJson,
    AsOfMoment,
    Data,
    fields_of,
    moment_of,
    print_json,
    transaction,
)
from commenda.cli.tables import Column, numbers, say, show, texts
from commenda.kit.money import plain
from commenda.kit.times import iso
from commenda.operations import reconcile_all

LINES = (
    *texts("part", "subject"),
    *numbers("venue", "ledger", "explained"),
    Column(
        "unexplained",
        lambda line: Text(plain(line.unexplained), "bold red" if line.unexplained else ""),
        number=True,
    ),
)


def reconcile(as_of: AsOfMoment = None, as_json: AsJson = False, data: Data = None) -> None:
    """Hold the ledger against venues, liabilities and holds; exit code 1 if anything differs."""
    moment = moment_of("--as-of", as_of)
    with transaction(data) as tx:
        found = reconcile_all(tx, moment)
    if as_json:
        print_json(
            {
                "asOf": found.as_of,
                "reconciled": not found.unexplained,
                "lines": [fields_of(line, unexplained=line.unexplained) for line in found.lines],
                "leftOut": found.left_out,
            }
        )
    else:
        say(f"Reconciliation as of {iso(found.as_of)}")
        show(found.lines, LINES)
        for note in found.left_out:
            say(f"left out: {note}")
        count = len(found.unexplained)
        result = (f"{count} unexplained", "red") if count else ("nothing unexplained", "green")
        say("reconcile: ", result)
    raise typer.Exit(1 if found.unexplained else 0)
