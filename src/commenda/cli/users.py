"""`commenda user`: the people who may come in; the first administrator is made here."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from commenda import identity
from commenda.cli.options import ACTOR, AsJson, Data, fields_of, transaction
from commenda.cli.tables import Column, show, texts
from commenda.identity import Role, User, UserStatus
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError

app = typer.Typer(help="The people who may come in.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The username.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
USERS = (
    *texts("username", "role", "status"),
    Column("second factor", "secondFactor"),
    Column("since", "createdAt"),
)


@app.command()
def create(
    name: Name,
    role: Annotated[Role, typer.Option(help="What they are.")],
    password_stdin: FromStdin = False,
    force: Annotated[
        bool, typer.Option(help="Make an administrator although there is one already.")
    ] = False,
    data: Data = None,
) -> None:
    """Create a user who can sign in; with --role admin the first administrator."""
    hashed = identity.prepare_password(_password(password_stdin), name)
    with transaction(data) as tx:
        if role is Role.ADMIN and not force:
            _require_no_admin(tx)
        user = identity.create_user(tx, name, hashed, role, business_now(tx), actor=ACTOR)
    typer.echo(f"created {user.username} ({user.role})")


@app.command("list")
def list_(
    role: Annotated[Role | None, typer.Option(help="Only those of one role.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List users by name."""
    with transaction(data) as tx:
        found = identity.users(tx, role, "", 10_000)
    show([fields_of(one, "id") for one in found], USERS, as_json)


@app.command()
def disable(name: Name, data: Data = None) -> None:
    """Let a user in no more: their sessions end, their API keys are dead."""
    _set_status(name, UserStatus.DISABLED, data)


@app.command()
def enable(name: Name, data: Data = None) -> None:
    """Let a disabled user in again."""
    _set_status(name, UserStatus.ACTIVE, data)


@app.command()
def reset(name: Name, password_stdin: FromStdin = False, data: Data = None) -> None:
    """Give a user who is locked out a new password; removes the second factor, ends sessions."""
    hashed = identity.prepare_password(_password(password_stdin), name)
    now = datetime.now(UTC)
    with transaction(data) as tx:
        user = _known(tx, name)
        identity.set_password(tx, user, hashed, now, actor=ACTOR)
        identity.drop_second_factor(tx, user, now, actor=ACTOR)
    typer.echo(f"{user.username} signs in with the new password, without a second factor")


def _set_status(name: str, status: UserStatus, data: Path | None) -> None:
    with transaction(data) as tx:
        user = _known(tx, name)
        identity.set_access(tx, user, user.role, status, datetime.now(UTC), actor=ACTOR)
    typer.echo(f"{user.username} is {status}")


def _require_no_admin(tx: Tx) -> None:
    tx.execute("SELECT pg_advisory_xact_lock(11)")
    admins = identity.users(tx, Role.ADMIN, "", 1)
    if admins:
        raise CommendaError(
            "admin_exists", "There is an administrator already, who can create others"
        ).at("role", admins[0].username, "sign in as them, or repeat with --force")


def _known(tx: Tx, name: str) -> User:
    found = identity.find_user(tx, name.strip().lower())
    if found is None:
        raise identity.unknown_user("username", name)
    return found


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
