"""The command line: thin commands over the same actions as everything else."""

from __future__ import annotations

import json
import sys
from functools import partial
from importlib import import_module
from typing import Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from commenda.kit.errors import CommendaError
from commenda.kit.imports import importing
from commenda.kit.money import real, whole
from commenda.kit.outside import use_bounds
from commenda.settings import Settings

COMMANDS = {
    "up": "service:up",
    "api": "service:api",
    "worker": "service:worker",
    "feed": "service:feed",
    "openapi": "service:openapi",
    "exchange": "exchange:run",
    "simulate": "simulation:run",
    "verify": "proof:verify",
    "trace": "proof:trace",
    "reconcile": "reconcile:reconcile",
    "market": "market:app",
    "backtest": "backtests:app",
    "flow": "flows:app",
    "db": "database:app",
    "user": "users:app",
    "audit": "audit:app",
    "schedule": "schedules:app",
    "bank": "bank:app",
    "income": "income:app",
    "ledger": "ledger:app",
    "risk": "risk:app",
    "strategy": "strategies:app",
    "portfolio": "portfolios:app",
    "ability": "abilities:app",
    "study": "studies:app",
    "venue": "venues:app",
}
"""Each command and where it stands: a module of this package, and a function or a group in it."""


class OnDemand(TyperGroup):
    """Imports a command when it is asked for: half of a backtest's start was all the others."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands: dict[str, Any] = dict.fromkeys(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in self.commands and self.commands[cmd_name] is None:
            self.commands[cmd_name] = _load(cmd_name)
        return self.commands.get(cmd_name)


def _load(command: str) -> Any:
    module, name = COMMANDS[command].split(":")
    with importing():
        found = getattr(import_module(f"commenda.cli.{module}"), name)
    if isinstance(found, typer.Typer):
        loaded: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(command)(found)
        loaded = typer.main.get_command(alone)
    loaded.name = command
    _take_digits(loaded)
    return loaded


def _take_digits(command: Any) -> None:
    """Have every option and argument that is a number take what the HTTP API takes for one."""
    for one in getattr(command, "commands", {}).values():
        _take_digits(one)
    for param in command.params:
        read = {int: whole, float: real}.get(param.type_descriptor.annotation)
        if read is not None:
            param.process_value = partial(_in_digits, param, read, param.process_value)


def _in_digits(param: Any, read: Any, process: Any, ctx: Any, value: Any) -> Any:
    if isinstance(value, str):
        try:
            read(value)
        except ValueError as error:
            raise typer.BadParameter(f"{value!r}: {error}", ctx, param) from None
    return process(ctx, value)


app = typer.Typer(name="commenda", cls=OnDemand, pretty_exceptions_enable=False)


@app.callback(no_args_is_help=True)
def commenda() -> None:
    """A self-hosted managed-investment platform."""
    use_bounds(Settings.from_environment().import_bounds)


class Incomplete(CommendaError):
    """A refusal of a part: the answer, with the reason beside each, stands already."""


def main() -> None:
    """Run the command line; a refusal is one clear message and exit code 2.

    Where a command was to answer with JSON, it is one JSON object on standard output as well.
    """
    try:
        app()
    except CommendaError as error:
        said = Text.assemble((error.code, "bold red"), " ", _explain(error))
        Console(stderr=True).print(said, highlight=False, soft_wrap=True)
        if "--json" in sys.argv and not isinstance(error, Incomplete):
            typer.echo(json.dumps(_as_problem(error)))
        sys.exit(2)


def _as_problem(error: CommendaError) -> dict[str, object]:
    """A refusal by the names that it has over HTTP."""
    named = {"field": error.field, "value": error.value, "mend": error.hint}
    known = {name: value for name, value in named.items() if value is not None}
    return {"status": error.status, "code": error.code, "detail": error.message, **known}


def _explain(error: CommendaError) -> str:
    lines = [error.message]
    if error.field is not None:
        lines.append(
            f"  {error.field} = {error.value!r}" if error.value is not None else f"  {error.field}"
        )
    if error.hint is not None:
        lines.append(f"  {error.hint}")
    return "\n".join(lines)
