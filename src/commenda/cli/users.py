"""`commenda user`: the people who may come in; the first administrator is made here."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from commenda.cli.options import AsJson, Data, open_database, print_json
from commenda.identity import (
    Role,
    User,
    UserStatus,
    create_user,
    drop_second_factor,
    find_user,
    prepare_password,
    set_access,
    set_password,
    unknown_user,
    users,
)
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError

app = typer.Typer(help="The people who may come in.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The username.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
ACTOR = "cli"


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
    hashed = prepare_password(_password(password_stdin), name)
    with open_database(data) as database, database.transaction() as tx:
        if role is Role.ADMIN and not force:
            _require_no_admin(tx)
        user = create_user(tx, name, hashed, role, business_now(tx), actor=ACTOR)
    typer.echo(f"created {user.username} ({user.role})")


@app.command("list")
def list_(
    role: Annotated[Role | None, typer.Option(help="Only those of one role.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List users by name."""
    with open_database(data) as database, database.transaction() as tx:
        found = users(tx, role, "", 10_000)
    if as_json:
        print_json([_row(one) for one in found])
        return
    table = Table("username", "role", "status", "second factor", "since")
    for one in found:
        table.add_row(*(str(value) for value in _row(one).values()))
    Console().print(table)


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
    hashed = prepare_password(_password(password_stdin), name)
    now = datetime.now(UTC)
    with open_database(data) as database, database.transaction() as tx:
        user = _known(tx, name)
        set_password(tx, user, hashed, now, actor=ACTOR)
        drop_second_factor(tx, user, now, actor=ACTOR)
    typer.echo(f"{user.username} signs in with the new password, without a second factor")


def _set_status(name: str, status: UserStatus, data: Path | None) -> None:
    with open_database(data) as database, database.transaction() as tx:
        user = _known(tx, name)
        set_access(tx, user, user.role, status, datetime.now(UTC), actor=ACTOR)
    typer.echo(f"{user.username} is {status}")


def _require_no_admin(tx: Tx) -> None:
    tx.execute("SELECT pg_advisory_xact_lock(11)")
    admins = users(tx, Role.ADMIN, "", 1)
    if admins:
        raise CommendaError(
            "admin_exists", "There is an administrator already, who can create others"
        ).at("role", admins[0].username, "sign in as them, or repeat with --force")


def _known(tx: Tx, name: str) -> User:
    found = find_user(tx, name.strip().lower())
    if found is None:
        raise unknown_user("username", name)
    return found


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _row(user: User) -> dict[str, object]:
    return {
        "username": user.username,
        "role": user.role.value,
        "status": user.status.value,
        "secondFactor": user.second_factor,
        "createdAt": user.created_at.isoformat(),
    }
