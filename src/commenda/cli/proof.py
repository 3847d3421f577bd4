"""`commenda verify` and `commenda trace`: the books prove themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from commenda.audit import Anchor, Finding, anchor, check_chain, unsealed
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.managed import trace as read_trace
from commenda.operations import CHECKS
from commenda.operations import verify as run_verify
from commenda.settings import Settings

Data = Annotated[Path | None, typer.Option(help="The data directory; COMMENDA_DATA by default.")]


def verify(
    data: Data = None,
    chain: Annotated[
        bool, typer.Option("--chain", help="Check the hash chain over the audit events, too.")
    ] = False,
    kept: Annotated[
        Path | None,
        typer.Option("--anchor", help="What `audit anchor` printed: the chain must pass through."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Derive everything again from the entries; exit code 1 when something does not hold."""
    console = Console()
    settings = settings_of(data)
    chained = chain or kept is not None
    found = []
    with Database.open(settings) as database:
        for finding in _findings(database, settings, chained, kept):
            found.append(finding)
            if not as_json:
                console.print(f"[red]✗[/] {finding}", highlight=False, soft_wrap=True)
        sealed = _sealed(database) if chained else ""
    if as_json:
        typer.echo(json.dumps({"clean": not found, "findings": [str(one) for one in found]}))
    elif not found:
        console.print(f"verify: [green]clean[/] ({len(CHECKS)} rules{sealed})", highlight=False)
    raise typer.Exit(1 if found else 0)


def _findings(
    database: Database, settings: Settings, chained: bool, kept: Path | None
) -> Iterator[Finding]:
    with database.transaction() as tx:
        yield from run_verify(tx)
    if chained:
        key = Keys.of(settings).derive("audit-chain")
        with database.transaction() as tx:
            yield from check_chain(tx, key, None if kept is None else _anchor_in(kept))


def _sealed(database: Database) -> str:
    with database.transaction() as tx:
        end, waiting = anchor(tx), unsealed(tx)
    return f", {end.sequence if end else 0} sealed events, {waiting} not sealed yet"


def _anchor_in(file: Path) -> Anchor:
    try:
        read = json.loads(file.read_text())
        return Anchor(
            int(read["sequence"]), str(read["digest"]), datetime.fromisoformat(read["sealedAt"])
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommendaError(
            "bad_anchor",
            f"No anchor can be read: {error}",
            field="--anchor",
            value=str(file),
            mend="give a file with what `commenda audit anchor` printed",
        ) from error


def trace(
    subscription: Annotated[str, typer.Argument(help="The subscription's id, or 'any'.")],
    data: Data = None,
) -> None:
    """Follow one subscription from its allocation to its last commission, as JSON."""
    with Database.open(settings_of(data)) as database, database.transaction() as tx:
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


def settings_of(data: Path | None) -> Settings:
    """What the environment says, under another data directory if one is given."""
    settings = Settings.from_environment()
    return settings if data is None else settings.at(data)
