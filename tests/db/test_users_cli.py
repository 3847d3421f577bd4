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


def test_the_first_administrator_is_made_here_and_the_second_only_by_force() -> None:
    made = user("create", "Root", "--role", "admin", "--password-stdin")
    assert (made.exit_code, made.stdout) == (0, "created root (admin)\n")
    refused = user("create", "other", "--role", "admin", "--password-stdin")
    assert isinstance(refused.exception, CommendaError)
    assert refused.exception.code == "admin_exists"
    forced = user("create", "other", "--role", "admin", "--password-stdin", "--force")
    assert forced.exit_code == 0
    assert user("create", "clerk", "--role", "operator", "--password-stdin").exit_code == 0
    assert listed() == {
        "root": ("admin", "active"),
        "other": ("admin", "active"),
        "clerk": ("operator", "active"),
    }


def test_a_bad_password_is_refused_here_too() -> None:
    refused = user("create", "root", "--role", "admin", "--password-stdin", password="short")
    assert isinstance(refused.exception, CommendaError)
    assert refused.exception.code == "weak_password"
    assert listed() == {}


def test_a_user_is_disabled_and_enabled_by_name() -> None:
    user("create", "clerk", "--role", "operator", "--password-stdin")
    assert user("disable", "clerk").exit_code == 0
    assert listed()["clerk"] == ("operator", "disabled")
    assert user("enable", "clerk").exit_code == 0
    assert listed()["clerk"] == ("operator", "active")
    unknown = user("disable", "nobody")
    assert isinstance(unknown.exception, CommendaError)
    assert unknown.exception.code == "unknown_user"


def test_who_is_locked_out_gets_a_new_password_and_no_second_factor(db: Database) -> None:
    user("create", "clerk", "--role", "operator", "--password-stdin")
    with db.transaction() as tx:
        tx.execute("UPDATE users SET totp_secret = 'sealed', totp_confirmed = true")
    again = user("reset", "clerk", "--password-stdin", password="another fine passphrase")
    assert again.exit_code == 0
    with db.transaction() as tx:
        row = tx.execute("SELECT password_hash, totp_secret, totp_confirmed FROM users").fetchone()
    assert row is not None
    assert passwords.verify("another fine passphrase", row[0]).right
    assert row[1:] == (None, False)
