"""`commenda reconcile`: hold the ledger against venues, liabilities and holds."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.text import Text

from commenda.cli.options import (
    AsJson,
    AsOfMoment,
    Data,
    fields_of,
    moment_of,
    open_database,
    print_json,
    settings_of,
)
from commenda.cli.tables import Column, numbers, say, show, texts
from commenda.execution import Broker, is_met, venues_in_use
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.kit.money import plain
from commenda.kit.times import iso
from commenda.market import CandleFeed
from commenda.operations import reconcile_all
from commenda.venues import Means, connect

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
    with open_database(data) as database:
        broker = None if moment is not None else _exchanges(database, data)
        with database.transaction() as tx:
            found = reconcile_all(tx, moment, broker)
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


def _exchanges(database: Database, data: Path | None) -> Broker | None:
    """What it takes to ask the exchanges that books trade at; None where there are none."""
    with database.read() as tx:
        names = [one for one in venues_in_use(tx) if is_met(one)]
    if not names:
        return None
    means = Means(database, CandleFeed([], interval=60), Keys.of(settings_of(data)))
    return Broker(connect(means, names), means.feed, b"")
