"""`commenda verify` and `commenda trace`: the books prove themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.managed import trace as read_trace
from commenda.operations import CHECKS
from commenda.operations import verify as run_verify
from commenda.settings import Settings

Data = Annotated[Path | None, typer.Option(help="The data directory; COMMENDA_DATA by default.")]


def verify(
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Derive everything again from the entries; exit code 1 when something does not hold."""
    console = Console()
    found = []
    with Database.open(_settings(data)) as database, database.transaction() as tx:
        for finding in run_verify(tx):
            found.append(finding)
            if not as_json:
                console.print(f"[red]✗[/] {finding}", highlight=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps({"clean": not found, "findings": [str(one) for one in found]}))
    elif not found:
        console.print(f"verify: [green]clean[/] ({len(CHECKS)} rules)", highlight=False)
    raise typer.Exit(1 if found else 0)


def trace(
    subscription: Annotated[str, typer.Argument(help="The subscription's id, or 'any'.")],
    data: Data = None,
) -> None:
    """Follow one subscription from its allocation to its last commission, as JSON."""
    with Database.open(_settings(data)) as database, database.transaction() as tx:
        if subscription == "any":
            row = tx.execute(
                "SELECT id FROM managed_subscriptions ORDER BY settled_at NULLS LAST, id LIMIT 1"
            ).fetchone()
            if row is None:
                raise CommendaError("unknown_subscription", "There is no subscription yet")
            subscription = str(row[0])
        try:
            wanted = UUID(subscription)
        except ValueError:
            raise CommendaError(
                "bad_id", "Not a subscription's id", field="subscription", value=subscription
            ) from None
        typer.echo(json.dumps(read_trace(tx, wanted), indent=2, default=str, ensure_ascii=False))


def _settings(data: Path | None) -> Settings:
    settings = Settings.from_environment()
    return settings if data is None else settings.at(data)
