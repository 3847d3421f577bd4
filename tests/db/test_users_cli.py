"""`commenda user`: the first administrator, and people who are locked out."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from commenda.cli import app
from commenda.identity import passwords
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError

PASSWORD = "a fine long passphrase"


@pytest.fixture(autouse=True)
def _on_the_tests_database(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)


def user(*arguments: str, password: str = PASSWORD) -> Result:
    return CliRunner().invoke(app, ["user", *arguments], input=password + "\n")


def listed() -> dict[str, tuple[str, str]]:
    """(role, status) of every user by name."""
    rows = json.loads(user("list", "--json").stdout)
    return {row["username"]: (row["role"], row["status"]) for row in rows}


def refusal(answer: Result) -> str:
    assert isinstance(answer.exception, CommendaError)
    return answer.exception.code


def test_the_first_administrator_is_made_here_and_other_staff_are_invited(db: Database) -> None:
    made = user("create", "Root", "--role", "admin", "--password-stdin")
    assert (made.exit_code, made.stdout) == (0, "created root (admin)\n")
    for role in ("admin", "operator", "risk", "auditor"):
        assert refusal(user("create", "other", "--role", role, "--password-stdin")) == (
            "invitation_needed"
        )
    assert user("create", "ines", "--role", "investor", "--password-stdin").exit_code == 0
    invited = json.loads(user("invite", "olga", "--role", "operator", "--json").stdout)
    assert invited["token"].startswith("ci_")
    assert user("create", "other", "--role", "admin", "--password-stdin", "--force").exit_code == 0
    assert listed() == {
        "root": ("admin", "active"),
        "other": ("admin", "active"),
        "olga": ("operator", "waiting"),
        "ines": ("investor", "active"),
    }
    with db.transaction() as tx:
        told = tx.execute(
            "SELECT details->>'username', result FROM audit_events"
            " WHERE kind = 'alert.staff_at_machine' ORDER BY id"
        ).fetchall()
    assert told == [("olga", "invited"), ("other", "made")], "the others are told of each"


def test_a_bad_password_is_refused_here_too() -> None:
    refused = user("create", "root", "--role", "admin", "--password-stdin", password="short")
    assert isinstance(refused.exception, CommendaError)
    assert refused.exception.code == "weak_password"
    assert listed() == {}


def test_a_user_is_disabled_and_enabled_by_name() -> None:
    user("create", "clerk", "--role", "operator", "--password-stdin", "--force")
    assert user("disable", "clerk").exit_code == 0
    assert listed()["clerk"] == ("operator", "disabled")
    assert user("enable", "clerk").exit_code == 0
    assert listed()["clerk"] == ("operator", "active")
    unknown = user("disable", "nobody")
    assert isinstance(unknown.exception, CommendaError)
    assert unknown.exception.code == "unknown_user"


def test_who_is_locked_out_gets_a_new_password_and_no_second_factor(db: Database) -> None:
    user("create", "clerk", "--role", "operator", "--password-stdin", "--force")
    with db.transaction() as tx:
        tx.execute("UPDATE users SET totp_secret = 'sealed', totp_confirmed = true")
    again = user("reset", "clerk", "--password-stdin", password="another fine passphrase")
    assert again.exit_code == 0
    with db.transaction() as tx:
        row = tx.execute("SELECT password_hash, totp_secret, totp_confirmed FROM users").fetchone()
    assert row is not None
    assert passwords.verify("another fine passphrase", row[0]).right
    assert row[1:] == (None, False)
