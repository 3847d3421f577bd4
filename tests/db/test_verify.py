"""Every invariant can be broken, and is found broken: a check that cannot fire proves nothing."""

from __future__ import annotations

import ast
import json
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import typer
from psycopg.types.json import Jsonb

import commenda
import tampering_ledger
import tampering_managed
import tampering_money
import tampering_trading
from commenda.audit import Check, Finding, run_checks
from commenda.cli import proof
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.operations import CHECKS
from commenda.operations.checks import NAMED, UNNAMED
from scripted import D
from whole import whole_business
from world import World, in_threads

TAMPERING = [
    *tampering_ledger.TAMPERING,
    *tampering_trading.TAMPERING,
    *tampering_managed.TAMPERING,
    *tampering_money.TAMPERING,
]


@pytest.fixture(scope="module")
def business(database: Database) -> World:
    return whole_business(database)


@pytest.fixture
def owner(business: World) -> Iterator[psycopg.Connection]:
    """The owner in a transaction that is rolled back: it may do what the application may not."""
    with psycopg.connect(business.database.owner_url) as connection:
        yield connection
        connection.rollback()


def test_an_untampered_business_breaks_no_rule(business: World) -> None:
    business.assert_sound()
    assert business.column("SELECT DISTINCT status FROM managed_subscriptions ORDER BY 1") == [
        "ACTIVE",
        "CANCELLED",
        "RESERVED",
        "SETTLED",
    ]
    assert business.one("SELECT count(*) FROM referral_commissions") == 1
    assert business.one("SELECT count(*) FROM funding_payments WHERE amount <> 0") == 2
    assert business.one("SELECT count(*) FROM dust_transfers") == 1


def test_every_check_is_tampered_with() -> None:
    assert {rule for rule, _ in TAMPERING} == {check.rule for check in CHECKS}
    assert len({check.rule for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(
    ("rule", "tampering"),
    TAMPERING,
    ids=[f"{n}: {rule}" for n, (rule, _) in enumerate(TAMPERING)],
)
def test_tampering_is_found(owner: psycopg.Connection, rule: str, tampering: str) -> None:
    (check,) = [check for check in CHECKS if check.rule == rule]
    assert list(run_checks(owner, [check])) == []
    tampered = owner.execute(tampering)
    if not tampering.startswith(("ALTER", "DROP", "TRUNCATE")):
        assert tampered.rowcount > 0, "nothing was tampered with"
    findings = list(run_checks(owner, [check]))
    assert findings, "the check did not fire"
    for finding in findings:
        assert finding.subject
        assert finding.expected != finding.found


@pytest.mark.parametrize("named", NAMED, ids=[operation for operation, *_ in NAMED])
def test_an_answer_is_found_that_names_nothing_or_what_is_anothers(
    owner: psycopg.Connection, named: tuple[LiteralString, ...]
) -> None:
    """Of each operation; one that names what is there, and one that was refused, are not."""
    operation, place, table, column, whose = named
    (check,) = [one for one in CHECKS if one.rule.startswith("what a client's key")]
    there = owner.execute(
        f"SELECT t.{column}::text, {whose}::text FROM {table} t WHERE {whose} IS NOT NULL LIMIT 1"
    ).fetchone()
    answers = {"lost": (str(ids.derive("nothing")), "somebody"), "refused": (None, "somebody")}
    if there is not None:
        answers |= {"kept": there, "anothers": (there[0], "somebody")}
    for key, (name, principal) in answers.items():
        outcome: Any = name
        for part in reversed(place.strip("{}").split(",")):
            outcome = {part: outcome}
        outcome = {"body": {"code": "not_permitted"}} if name is None else outcome
        owner.execute(
            "INSERT INTO idempotency VALUES (%s, %s, %s, '', %s, now())",
            (operation, principal, key, Jsonb(outcome)),
        )
    found = {finding.subject.rsplit(" ", 1)[1] for finding in run_checks(owner, [check])}
    assert found == answers.keys() - {"kept", "refused"}


def test_every_operation_that_is_answered_once_is_checked_or_says_why_not() -> None:
    """Whatever the code gives to `once`, by itself or through a function that hands it on."""
    used, handed_on = set(), set()
    source = Path(commenda.__file__).parent
    for file in source.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            if call.func.id in {"once", "write", "ask_once"}:
                given = [one.value for one in call.args if isinstance(one, ast.Constant)]
                used.update(given)
                if not given:
                    handed_on.add(file.relative_to(source).as_posix())
    assert handed_on == {"kit/web.py", "income/http.py"}
    named = {operation for operation, *_ in NAMED}
    assert used == named | UNNAMED.keys()
    assert not named & UNNAMED.keys()


def test_verify_runs_on_one_snapshot_beside_postings(business: World) -> None:
    """Checks that see half of another transaction would cry wolf in a living operation."""
    investor = business.investor("busy")

    def post() -> None:
        for n in range(40):
            business.pay_in(investor, D(1), f"busy-{n}")

    def prove() -> list[str]:
        return [finding for _ in range(6) for finding in business.findings()]

    results = in_threads(post, partial(post), prove)
    assert results[2] == []
    assert business.now.utcoffset() == timedelta(0)


# --- findings are told one by one ------------------------------------------------------------

MANY = Check(
    "a rule that very much breaks",
    "SELECT 'subject ' || n, 'nothing', repeat('x', 100) FROM generate_series(1, 300000) n",
)


def test_memory_stays_flat_however_much_is_found(db: Database) -> None:
    with db.transaction() as tx:
        list(run_checks(tx, [Check("warm", "SELECT 'a', 'b', 'c'")]))
        tracemalloc.start()
        try:
            found = sum(1 for _ in run_checks(tx, [MANY]))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert found == 300_000  # of some 200 bytes each, when they are kept
    assert most < 2_000_000


def test_who_stops_listening_can_go_on_in_the_same_transaction(db: Database) -> None:
    with db.transaction() as tx:
        for _ in run_checks(tx, [MANY]):
            break
    with db.transaction() as tx:
        assert tx.execute("SELECT 1").fetchone() == (1,)


def findings_in_turn(capsys: pytest.CaptureFixture[str], told: list[str]) -> Iterator[Finding]:
    """Two findings; what was printed by the time the second is found is kept in `told`."""
    yield Finding("first rule", "[red]one[/]", "1", "2")
    told.append(capsys.readouterr().out)
    yield Finding("second rule", "two", "3", "4")


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_tells_each_finding_as_it_is_found_and_exits_with_1(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    as_json: bool,
) -> None:
    told: list[str] = []
    monkeypatch.setenv("COMMENDA_DATABASE_URL", database.owner_url)
    parts = [("rules", findings_in_turn(capsys, told))]
    monkeypatch.setattr(proof, "prove", lambda *_: parts)
    with pytest.raises(typer.Exit) as exited:
        proof.verify(tmp_path, chain=False, kept=None, as_json=as_json)
    assert exited.value.exit_code == 1
    (before,) = told
    text = before + capsys.readouterr().out
    assert "first rule: [red]one[/]: expected 1, found 2" in before
    if as_json:
        first, second = json.loads(text)["findings"]
        assert json.loads(text)["clean"] is False
    else:
        first, second = text.splitlines()
    assert first.endswith("first rule: [red]one[/]: expected 1, found 2")
    assert second.endswith("second rule: two: expected 3, found 4")


def test_the_command_says_that_a_sound_business_is_clean(
    business: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", business.database.owner_url)
    for as_json, said in ((False, f"verify: clean ({len(CHECKS)} rules)\n"), (True, None)):
        with pytest.raises(typer.Exit) as exited:
            proof.verify(tmp_path, chain=False, kept=None, as_json=as_json)
        assert exited.value.exit_code == 0
        out = capsys.readouterr().out
        assert out == said if said else json.loads(out) == {"clean": True, "findings": []}
