"""The command line: thin commands over the same actions as everything else."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.text import Text

from commenda.cli import (
    audit,
    backtests,
    database,
    income,
    ledger,
    market,
    proof,
    reconcile,
    schedules,
    service,
    simulation,
    strategies,
    studies,
    users,
)
from commenda.kit.errors import CommendaError

app = typer.Typer(
    name="commenda",
    help="A self-hosted managed-investment platform.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("up")(service.up)
app.command("api")(service.api)
app.command("worker")(service.worker)
app.command("openapi")(service.openapi)
app.command("simulate")(simulation.run)
app.command("verify")(proof.verify)
app.command("trace")(proof.trace)
app.command("reconcile")(reconcile.reconcile)
app.add_typer(market.app, name="market")
app.add_typer(backtests.app, name="backtest")
app.add_typer(database.app, name="db")
app.add_typer(users.app, name="user")
app.add_typer(audit.app, name="audit")
app.add_typer(schedules.app, name="schedule")
app.add_typer(income.app, name="income")
app.add_typer(ledger.app, name="ledger")
app.add_typer(strategies.app, name="strategy")
app.add_typer(studies.app, name="study")


def main() -> None:
    """Run the command line; a refusal is one clear message and exit code 2."""
    try:
        app()
    except CommendaError as error:
        said = Text.assemble((error.code, "bold red"), " ", _explain(error))
        Console(stderr=True).print(said, highlight=False, soft_wrap=True)
        sys.exit(2)


def _explain(error: CommendaError) -> str:
    lines = [error.message]
    if error.field is not None:
        lines.append(
            f"  {error.field} = {error.value!r}" if error.value is not None else f"  {error.field}"
        )
    if error.mend is not None:
        lines.append(f"  {error.mend}")
    return "\n".join(lines)
