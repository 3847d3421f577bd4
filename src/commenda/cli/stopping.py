"""`commenda risk kill | resume | status`: stop the opening of positions, and what stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.text import Text

from commenda import identity
from commenda.cli.options import ACTOR, AsJson, Data, fields_of, open_database, settings_of, warn
from commenda.cli.tables import Column, say, show, show_one, texts
from commenda.identity import PERMISSIONS, Permission, Principal, Proving, prove_person
from commenda.kit.clock import business_now
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.ledger import Author
from commenda.operations import settle_stop
from commenda.risk import RULES, Effect, Level, all_breakers, request_resume, stop

Why = Annotated[str, typer.Option("--reason", help="Kept in the audit trail.")]
_STYLES = {"open": "bold red", "half_open": "yellow", "closed": ""}
BREAKERS = (
    Column("breaker", "id"),
    Column("state", lambda one: Text(one.state, _STYLES[one.state])),
    Column("of", lambda one: one.said()),
    *texts("effect"),
    Column("since", "opened_at"),
    *texts("reason"),
)
ORDERS = (*texts("venue", "symbol", "side"), Column("quantity", number=True), *texts("status"))


def kill(
    reason: Why,
    level: Annotated[Level, typer.Argument(help="Of what: all of it, or a part.")] = Level.PLATFORM,
    subject: Annotated[
        str, typer.Argument(help="The part: a venue's account, a name, a number or an id.")
    ] = "",
    effect: Annotated[
        Effect,
        typer.Option(help="How far: no entries; working ones cancelled; held halved; closed."),
    ] = Effect.NO_ENTRIES,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Stop the opening of positions; exits go on. Exit code 1 where something that opens may still
    be on its way."""
    with open_database(data) as database:
        with database.transaction() as tx:
            author = Author(ACTOR, RULES, business_now(tx))
            breaker = stop(tx, author, level, subject, effect, reason)
        stopped = settle_stop(database, author, breaker.id)
    if as_json:
        show_one(fields_of(stopped), as_json)
    else:
        say(f"{stopped.breaker.said()}: stopped, after {stopped.waited_ms} ms")
        for name in ("sending", "unanswered"):
            if found := getattr(stopped, name):
                show(found, ORDERS, title=f"still {name}")
    if stopped.sending:
        raise typer.Exit(1)


def resume(
    breaker: Annotated[UUID, typer.Argument(help="Its id; `status` lists them.")],
    by: Annotated[str, typer.Option("--by", help="Who asks: one of the staff, by their name.")],
    reason: Why,
    data: Data = None,
) -> None:
    """Ask that a breaker be closed; another of the staff approves it in the console.

    Whoever asks gives their password, and their code where they have a second factor: at the
    machine, too, it takes two people.
    """
    with open_database(data) as database:
        who = _proved(database, Keys.of(settings_of(data)), by)
        with database.transaction() as tx:
            asked = request_resume(tx, who, breaker, reason, business_now(tx))
    say(f"asked for: somebody else approves {asked.id}")


def status(
    every: Annotated[bool, typer.Option("--all", help="Also those that are closed.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What is stopped, since when and why; exit code 1 where anything is."""
    with open_database(data) as database, database.read() as tx:
        found = all_breakers(tx, standing=not every)
    show(found, BREAKERS, as_json)
    if any(one.state == "open" for one in found):
        raise typer.Exit(1)


def _proved(database: Database, keys: Keys, name: str) -> Principal:
    """One of the staff who may, and has shown that it is them."""
    with database.read() as tx:
        user = identity.find_user(tx, name.strip().lower())
    if user is None:
        raise identity.unknown_user("username", name)
    if Permission.RISK not in PERMISSIONS[user.role]:
        raise CommendaError("not_permitted", "This needs the permission 'risk'", status=403).at(
            "role", user.role.value, "name somebody whose role has it"
        )
    password = typer.prompt("Password", hide_input=True, err=True)
    code = typer.prompt("Code", err=True) if user.second_factor else None
    if not user.second_factor:
        warn(f"{user.username} has no second factor: set one up")
    who = Principal(user.id, user.role, PERMISSIONS[user.role], None, user.second_factor)
    prove_person(database, keys, who, Proving(password=password, totp_code=code), datetime.now(UTC))
    return who
