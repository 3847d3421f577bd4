"""`commenda reconcile`: hold the ledger against venues, liabilities and holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer
from rich.text import Text

from commenda.cli.options import AsJson, AsOfMoment, Data, moment_of, open_database, print_json
from commenda.cli.tables import table_of, wide_console
from commenda.kit.money import plain
from commenda.kit.wire import as_json as json_of
from commenda.operations import Reconciliation, reconcile_all


def reconcile(as_of: AsOfMoment = None, as_json: AsJson = False, data: Data = None) -> None:
    """Hold the ledger against venues, liabilities and holds; exit code 1 if anything differs."""
    moment = moment_of("--as-of", as_of)
    with open_database(data) as database, database.transaction() as tx:
        found = reconcile_all(tx, moment)
    if as_json:
        print_json(_reconciled(found))
    else:
        _show_reconciliation(found)
    raise typer.Exit(1 if found.unexplained else 0)


def _reconciled(found: Reconciliation) -> Any:
    lines = [{**asdict(line), "unexplained": line.unexplained} for line in found.lines]
    return json_of(
        {
            "as_of": found.as_of,
            "reconciled": not found.unexplained,
            "lines": lines,
            "left_out": list(found.left_out),
        }
    )


def _show_reconciliation(found: Reconciliation) -> None:
    console = wide_console()
    table = table_of("part", "subject", numbers=("venue", "ledger", "explained", "unexplained"))
    for line in found.lines:
        unexplained = Text(plain(line.unexplained), style="bold red" if line.unexplained else "")
        table.add_row(
            line.part,
            Text(line.subject),
            *(plain(one) for one in (line.venue, line.ledger, line.explained)),
            unexplained,
        )
    console.print(f"Reconciliation as of {found.as_of.isoformat()}", highlight=False)
    console.print(table)
    for note in found.left_out:
        console.print(Text(f"left out: {note}"))
    differing = len(found.unexplained)
    console.print(
        f"reconcile: [red]{differing} unexplained[/]"
        if differing
        else "reconcile: [green]nothing unexplained[/]"
    )
