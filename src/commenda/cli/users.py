"""`commenda user`: the people who may come in; the first administrator is made here."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from commenda import identity
from commenda.alerts import raise_alerts
from commenda.cli.options import ACTOR, AsJson, Data, fields_of, transaction
from commenda.cli.tables import Column, show, show_one, texts
from commenda.identity import Role, User, UserStatus
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.ledger import Author

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
        bool, typer.Option(help="One of the staff, although they should be invited.")
    ] = False,
    data: Data = None,
) -> None:
    """Create a user who can sign in: a customer, or with --role admin the first administrator."""
    hashed = identity.prepare_password(_password(password_stdin), name)
    with transaction(data) as tx:
        staff = role not in identity.CUSTOMERS
        first = role is Role.ADMIN and not _administrators(tx)
        if staff and not first and not force:
            raise conflict("invitation_needed", "One of the staff chooses their own password").at(
                "--role", role.value, f"commenda user invite {name} --role {role}, or --force"
            )
        user = identity.create_user(tx, name, hashed, role, business_now(tx), actor=ACTOR)
        if staff and not first:
            _tell_staff(tx, user, "made")
    typer.echo(f"created {user.username} ({user.role})")


@app.command()
def invite(
    name: Name,
    role: Annotated[Role, typer.Option(help="What they are to be.")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Invite one of the staff: prints a token, with which they choose a password and second factor.

    They take it up under /auth/invitation. From here nobody else need approve; the staff are told.
    """
    with transaction(data) as tx:
        made = identity.invite(tx, None, name, role, datetime.now(UTC), actor=ACTOR)
        _tell_staff(tx, identity.user_by_id(tx, made.user_id), "invited")
    show_one(fields_of(made), as_json)


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
    """Let a user in no more: their sessions end, their API keys are revoked for good."""
    _set_status(name, UserStatus.DISABLED, data)


@app.command()
def enable(name: Name, data: Data = None) -> None:
    """Let a disabled user in again."""
    _set_status(name, UserStatus.ACTIVE, data)


@app.command()
def reset(
    name: Name,
    password_stdin: FromStdin = False,
    link: Annotated[
        bool, typer.Option("--link", help="Print a token for them to choose a password with.")
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Give a user who is locked out a new password; removes the second factor, ends sessions.

    With --link, which leaves both to them, nobody here ever knows the password.
    """
    hashed = "" if link else identity.prepare_password(_password(password_stdin), name)
    now = datetime.now(UTC)
    with transaction(data) as tx:
        user = _known(tx, name)
        if user.role not in identity.CUSTOMERS:
            _tell_staff(tx, user, "reset")
        if link:
            made = identity.reset(tx, None, user.id, now, actor=ACTOR)
        else:
            identity.set_password(tx, user, hashed, now, actor=ACTOR)
            identity.drop_second_factor(tx, user, now, actor=ACTOR)
    if link:
        show_one(fields_of(made), as_json)
    else:
        typer.echo(f"{user.username} signs in with the new password, without a second factor")


def _set_status(name: str, status: UserStatus, data: Path | None) -> None:
    with transaction(data) as tx:
        user = _known(tx, name)
        identity.set_access(tx, user, user.role, status, datetime.now(UTC), actor=ACTOR)
        if user.role not in identity.CUSTOMERS:
            _tell_staff(tx, user, status)
    typer.echo(f"{user.username} is {status}")


def _administrators(tx: Tx) -> list[User]:
    tx.execute("SELECT pg_advisory_xact_lock(11)")  # of two first ones at once, one waits
    return identity.users(tx, Role.ADMIN, "", 1)


def _tell_staff(tx: Tx, user: User, what: str) -> None:
    """Nobody was asked: whoever sits here could do it anyway, and the others shall know."""
    said = {"username": user.username, "role": user.role, "what": what}
    author = Author(ACTOR, "identity/1", business_now(tx))
    raise_alerts(tx, [author.event("alert.staff_at_machine", user.id, user.id, what, said)])


def _known(tx: Tx, name: str) -> User:
    found = identity.find_user(tx, name.strip().lower())
    if found is None:
        raise identity.unknown_user("username", name)
    return found


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
