"""`commenda verify` and `commenda trace`: the books prove themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from commenda.audit import Finding, anchor, unsealed
from commenda.cli.options import AsJson, Data, encoded, settings_of, transaction
from commenda.cli.tables import say
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError, not_found
from commenda.kit.keys import Keys
from commenda.managed import trace as read_trace
from commenda.operations import CHAINS, CHECKS, Ends, prove, read_anchors


def verify(
    data: Data = None,
    chain: Annotated[
        bool,
        typer.Option("--chain", help="Check the chains over audit events and journals, too."),
    ] = False,
    kept: Annotated[
        Path | None,
        typer.Option(
            "--anchor", help="What `audit anchor` printed: the chains must pass through it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Derive everything again from the entries; exit code 1 when something does not hold."""
    settings = settings_of(data)
    chained = chain or kept is not None
    anchors = {} if kept is None else _anchors_in(kept)
    with Database.open(settings) as database:
        parts = prove(database, Keys.of(settings) if chained else None, anchors)
        findings = (finding for _, found in parts for finding in found)
        count = _tell_programs(findings) if as_json else _tell_people(findings)
        if not count and not as_json:
            sealed = _sealed(database) if chained else ""
            say("verify: ", ("clean", "green"), f" ({len(CHECKS)} rules{sealed})")
    raise typer.Exit(1 if count else 0)


def _tell_people(findings: Iterator[Finding]) -> int:
    """Print each finding as it is found; how many there are."""
    count = 0
    for finding in findings:
        say(("✗", "red"), f" {finding}")
        count += 1
    return count


def _tell_programs(findings: Iterator[Finding]) -> int:
    """Print one JSON object, each finding as it is found; how many there are."""
    count = 0
    typer.echo('{"findings": [', nl=False)
    for finding in findings:
        typer.echo((", " if count else "") + json.dumps(str(finding)), nl=False)
        count += 1
    typer.echo(f'], "clean": {json.dumps(not count)}}}')
    return count


def _sealed(database: Database) -> str:
    with database.transaction() as tx:
        told = [(chain.name, anchor(tx, chain), unsealed(tx, chain)) for chain in CHAINS]
    return "".join(
        f"; {end.sequence if end else 0} sealed {name}, {waiting} not sealed yet"
        for name, end, waiting in told
    )


def _anchors_in(file: Path) -> Ends:
    try:
        return read_anchors(file.read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommendaError("bad_anchor", f"No anchor can be read: {error}").at(
            "--anchor", file, "give a file with what `commenda audit anchor` printed"
        ) from error


def trace(
    subscription: Annotated[str, typer.Argument(help="The subscription's id, or 'any'.")],
    data: Data = None,
) -> None:
    """Follow one subscription from its allocation to its last commission, as JSON."""
    with transaction(data) as tx:
        if subscription == "any":
            row = tx.execute(
                "SELECT id FROM managed_subscriptions ORDER BY settled_at NULLS LAST, id LIMIT 1"
            ).fetchone()
            if row is None:
                raise not_found("unknown_subscription", "There is no subscription yet")
            subscription = str(row[0])
        try:
            wanted = UUID(subscription)
        except ValueError:
            raise CommendaError("bad_id", "Not a subscription's id").at(
                "subscription", subscription
            ) from None
        read = read_trace(tx, wanted)
        typer.echo(json.dumps(read, indent=2, default=encoded, ensure_ascii=False))
