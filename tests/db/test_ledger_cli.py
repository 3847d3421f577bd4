"""`commenda ledger`: statements, holds and lists; and how a command says what it refuses."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from commenda import cli
from commenda.cli import app
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import AccountKey, Hold, open_accounts, place_holds, void_holds
from scripted import ASSET, D
from world import World


@pytest.fixture
def world(db: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world on whose database the commands work, with one investor who has 1000."""
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    world = World(db, hours=48)
    world.investor("ines", 1000)
    world.advance(2)
    return world


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def told(*arguments: object) -> Any:
    result = command(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(*arguments: object) -> CommendaError:
    refused = command(*arguments)
    assert isinstance(refused.exception, CommendaError), refused.output
    return refused.exception


# --- Statements ------------------------------------------------------------------------------


def test_a_statement_is_a_table_json_or_a_file(world: World, tmp_path: Path) -> None:
    shown = command("ledger", "statement", "ines")
    assert shown.exit_code == 0, shown.output
    assert "opening" in shown.stdout
    assert "1000" in shown.stdout
    statement = told("ledger", "statement", "ines")
    (wallet,) = statement["accounts"]
    assert (wallet["kind"], wallet["opening"], wallet["closing"]) == ("wallet", "0", "1000")
    assert [one["amount"] for one in wallet["entries"]] == ["1000"]
    file = tmp_path / "statement"
    for form, read in (
        (["--format", "csv"], lambda text: next(csv.reader(io.StringIO(text)))[0] == "createdAt"),
        (["--format", "html"], lambda text: text.startswith("<!doctype html>")),
        (["--json"], lambda text: json.loads(text) == statement),
    ):
        written = command("ledger", "statement", "ines", *form, "--out", file)
        assert (written.exit_code, written.stdout) == (0, ""), written.output
        with file.open(newline="") as opened:
            text = opened.read()
        assert read(text)
        assert text == command("ledger", "statement", "ines", *form).stdout_bytes.decode()


def test_a_statement_ends_now_at_the_latest(world: World) -> None:
    later = (world.now + timedelta(days=20)).isoformat()
    assert told("ledger", "statement", "ines", "--to", later)[
        "to"
    ] == world.now.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (["ines", "--asset", "XAU"], "unknown_asset", "asset"),
        (["nobody"], "unknown_owner", "owner"),
        ([str(UUID(int=7))], "unknown_owner", "ownerId"),
        (["ines", "--from", "2026-01-05", "--to", "2026-01-04"], "bad_period", "--from"),
        (["ines", "--from", "2024-12-01"], "bad_period", "from"),
        (["ines", "--from", "2026-03-01"], "bad_period", "from"),
        (["ines", "--to", "soon"], "bad_time", "--to"),
        (["ines", "--to", "0001-01-01T00:00+05:00"], "bad_time", "--to"),
        (["ines", "--format", "csv", "--json"], "bad_format", "--format"),
        (["ines", "--format", "html", "--json"], "bad_format", "--format"),
        (["ines", "--out", "statement.txt"], "bad_format", "--format"),
    ],
)
def test_what_no_statement_can_be_is_refused(
    world: World, arguments: list[str], code: str, field: str
) -> None:
    refused = refusal("ledger", "statement", *arguments)
    assert (refused.code, refused.field) == (code, field)


def test_a_statement_of_the_first_days_of_the_calendar_is_empty(world: World) -> None:
    statement = told("ledger", "statement", "ines", "--to", "0001-01-05")
    assert statement["from"].startswith("0001-01-01")
    assert statement["accounts"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["ledger", "statement", "ines", "--format", "csv"],
        ["audit", "export"],
        ["audit", "export", "--of", "journals"],
        ["openapi"],
    ],
)
@pytest.mark.parametrize("place", ["a/folder/that/is/not/there.csv", ".", "/dev/full"])
def test_a_file_that_cannot_be_written_is_refused(
    world: World, tmp_path: Path, arguments: list[str], place: str
) -> None:
    refused = refusal(*arguments, "--out", tmp_path / place)
    assert (refused.code, refused.field) == ("cannot_write", "--out")
    assert refused.value == str(tmp_path / place)


# --- Lists -----------------------------------------------------------------------------------


def test_holds_are_listed_by_owner_and_status(world: World) -> None:
    owner = world.investor("jon", 1000)
    with world.database.transaction() as tx:
        (account,) = open_accounts(tx, [AccountKey("wallet", owner, ASSET)])
        for number in (1, 2):
            hold = Hold(f"freeze:{number}", account, D(10 * number), "freeze", ids.derive("x"))
            place_holds(tx, world.author, [hold])
        void_holds(tx, world.author, ["freeze:1"])
    second, first = told("ledger", "holds")
    assert (first["groupKey"], first["status"], first["amount"]) == ("freeze:1", "voided", "10")
    assert told("ledger", "holds", "--status", "held") == [second]
    assert told("ledger", "holds", "--owner", "jon", "--limit", "1") == [second]
    assert told("ledger", "holds", "--owner", "ines") == []
    assert "20 USDT" in command("ledger", "holds").stdout
    assert refusal("ledger", "holds", "--owner", "nobody").code == "unknown_owner"


def test_a_period_ends_after_it_begins(world: World) -> None:
    reversed_ = ("--from", "2026-01-06", "--to", "2026-01-05")
    for arguments in (("ledger", "journals"), ("audit", "export")):
        assert refusal(*arguments, *reversed_).code == "bad_period"
    assert told("ledger", "journals", "--from", "2026-01-05", "--to", "2026-01-06") != []


# --- Refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "value"),
    [
        (["schedule", "show", "[/x]"], "unknown_schedule", "[/x]"),
        (["ledger", "statement", "[red]x"], "unknown_owner", "[red]x"),
        (["income", "estimate", "x" * 200, "1"], "unknown_product", "x" * 200),
        (["reconcile", "--as-of", "2999-01-01"], "bad_moment", "2999-01-01T00:00:00Z"),
    ],
)
def test_a_refusal_is_plain_text_as_it_was_typed_and_exits_with_two(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: str,
    value: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["commenda", *arguments])
    with pytest.raises(SystemExit) as exited:
        cli.main()
    assert exited.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    first, *rest = said.err.splitlines()
    assert first.startswith(f"{code} ")
    assert any(f"'{value}'" in line for line in rest)
