"""Every route that reads, over a business with something of everything: one form of time, and
decimals as people write them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, LiteralString

import numpy as np
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from commenda.app import create_app
from commenda.cli import app as cli
from commenda.copying import Runners, step_flows
from commenda.identity import Role
from commenda.identity.tokens import Tokens
from commenda.kernel import Costs
from commenda.kit import ids
from commenda.kit.bus import encode
from commenda.kit.db import Database, Tx
from commenda.kit.keys import Keys
from commenda.ledger import Owner, OwnerKind
from commenda.managed import deposit
from commenda.market import import_file
from commenda.operations import JOBS, Operation
from commenda.operations.jobs import publish_market
from commenda.operations.runs import begin_to_lead
from commenda.portfolios import Method, PortfolioDraft, PortfolioRules, found_portfolio
from commenda.studies import Plan, WalkForward, material_of_files
from people import SETTINGS, signed_in
from routes import api_routes, roles_for
from scripted import ASSET
from study_histories import candles, search, start
from whole import whole_business
from world import World

BEGINS_LIKE_A_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z")
EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
STAFF = ("operator", "risk", "auditor", "admin")
OWNERS = ("ines", "carl", "emma", "ivy", "wilma")

IDS: dict[str, LiteralString] = {
    "product_id": "SELECT id FROM pool_products UNION ALL SELECT id FROM products",
    "holding_id": "SELECT id FROM pool_holdings",
    "account_id": "SELECT id FROM accounts ORDER BY version DESC",
    "journal_id": "SELECT DISTINCT ON (kind) id FROM journals ORDER BY kind, id DESC",
    "approval_id": "SELECT id FROM approvals ORDER BY kind <> 'managed.settle_batch'",
    "proof_id": "SELECT id FROM proof_runs",
    "instrument_id": "SELECT id FROM instruments",
    "dataset_id": "SELECT id FROM market_datasets",
    "flow_id": "SELECT id FROM shared_flows",
    "portfolio_id": "SELECT id FROM portfolios",
    "order_id": "SELECT id FROM orders",
    "breaker_id": "SELECT id FROM risk_breakers",
    "signal_id": "SELECT id FROM trading_signals",
    "owner_id": "SELECT id FROM users WHERE username IN ('ines', 'ivy')",
    "user_id": "SELECT id FROM users WHERE username IN ('ines', 'ivy')",
    "schedule_id": "SELECT id FROM schedules",
    "subscription_id": "SELECT id FROM managed_subscriptions UNION ALL"
    " SELECT id FROM flow_subscriptions",
    "name": "SELECT ability FROM decisions UNION SELECT name FROM strategies",
    "decision_id": "SELECT id FROM decisions",
    "strategy_id": "SELECT id FROM strategies",
    "backtest_id": "SELECT id FROM backtests",
    "study_id": "SELECT id FROM studies",
    "work_id": "SELECT id FROM studies",
}
COMPARED: LiteralString = "SELECT string_agg(id::text, ',') FROM backtests"
QUERIES = {
    "previewSchedule": {"rule": "0 9 13 * fri"},
    "estimatePoolIncome": {"amount": "0.0000001"},
    "listCandles": {"symbol": "BTCUSDT", "limit": "50"},
    "findByName": {"name": "ines"},
}

RUN = {"strategy": "sma_cross", "symbol": "BTCUSDT", "interval": "1h", "funding": False, "size": 1}


@pytest.fixture(scope="module")
def business(database: Database) -> World:
    world = whole_business(database)
    publish_market(Operation(database, world.broker), world.now)
    with database.transaction() as tx:
        step_flows(tx, world.broker, Runners(Costs()), world.now, lambda *_: None)
        begin_to_lead(tx, JOBS)
        _found_portfolio(tx, world)
    return world


def _found_portfolio(tx: Tx, world: World) -> None:
    row = tx.execute(
        "SELECT u.id, f.id FROM users u, shared_flows f WHERE u.username = 'ines'"
        " AND f.status = 'active' ORDER BY f.id LIMIT 1"
    ).fetchone()
    assert row is not None
    ines = Owner(OwnerKind.INVESTOR, row[0])
    deposit(tx, world.author, ines, ASSET, Decimal(100), "for a portfolio")
    draft = PortfolioDraft(
        name="One", flows=[row[1]], amount=Decimal(100), rules=PortfolioRules(method=Method.EQUAL)
    )
    found_portfolio(tx, world.author, ines, draft, "one")


@pytest.fixture(scope="module")
def served(business: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The application, with imported candles, two runs over them and a study beside them."""
    home, files = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("files")
    walk = np.cumsum(np.random.default_rng(1).normal(0.0, 0.01, 400))
    file = candles(files / "binance_usdm_BTCUSDT_1h.parquet", walk)
    with business.database.transaction() as tx:
        import_file(tx, home, file, business.now)
    material = material_of_files(file)
    plan = Plan(trials=4, walk=WalkForward(folds=2))
    study = start(business.database, material, plan, space="window=10:20,entry=1:2")
    assert search(business.database, study, material) is not None
    app = create_app(replace(SETTINGS, data=home), business.database)
    with TestClient(app, raise_server_exceptions=False) as client:
        for fast in (5, 10):
            ran = client.post(
                "/api/v1/backtests",
                headers=signed_in(business.database, "operator"),
                json=RUN | {"params": {"fast": fast, "slow": 20}},
            )
            assert ran.status_code == 201, ran.text
        ran = client.post(
            "/api/v1/managed-settlement/run", headers=signed_in(business.database, "operator")
        )
        assert ran.status_code == 202, ran.text
        business.execute(
            "INSERT INTO proof_runs (id, asked_by, asked_at, steps)"
            " VALUES (gen_random_uuid(), 'auditor', '2026-01-05T00:00:00Z', 80)"
        )
        yield client


@pytest.fixture(scope="module")
def people(business: World) -> dict[str, list[dict[str, str]]]:
    """Headers of whoever may ask, by role."""
    found = {role: [signed_in(business.database, role)] for role in STAFF}
    tokens = Tokens(Keys.of(SETTINGS).derive("access-tokens"))
    with business.database.transaction() as tx:
        rows = tx.execute(
            "SELECT id, role FROM users WHERE username = ANY (%s) UNION ALL"
            " SELECT DISTINCT creator_id, 'creator' FROM shared_flows",
            (list(OWNERS),),
        ).fetchall()
    assert len(rows) == len(OWNERS) + 2
    for user, role in rows:
        session = ids.derive("test-session", user)
        token = tokens.issue(user, Role(role), session, True, datetime.now(UTC))
        found.setdefault(role, []).append({"Authorization": f"Bearer {token}"})
    return found


def queries(business: World, operation: str) -> dict[str, str]:
    if operation == "getDecisionChain":
        return {"orderId": str(business.one("SELECT id FROM orders ORDER BY number LIMIT 1"))}
    if operation not in ("compareBacktests", "getBacktestComparison"):
        return QUERIES.get(operation, {})
    with business.database.transaction() as tx:
        row = tx.execute(COMPARED).fetchone()
    assert row is not None
    return {"ids": row[0]}


def paths(business: World, route: APIRoute) -> list[str]:
    path = route.path
    wanted = re.search(r"{(\w+)}", path)
    if wanted is None:
        return [path]
    with business.database.transaction() as tx:
        rows = tx.execute(IDS[wanted[1]] + " LIMIT 25").fetchall()
    return [path.replace(wanted[0], str(one)) for (one,) in rows]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from texts(name)
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, str):
        yield value


A_KEY = re.compile(r"funding:[a-z:]+:[A-Z]+:.*")
"""The name of a journal for ever: what is in it is part of no answer's form."""


def wrong(text: str) -> bool:
    return bool(
        ("+00:00" in text and not A_KEY.fullmatch(text))
        or EXPONENT.fullmatch(text)
        or (BEGINS_LIKE_A_TIME.match(text) and not TIME.fullmatch(text))
    )


ELSEWHERE = {"getSimulator": "it is there where a site trades at an exchange of its own, alone"}
READS = sorted(
    name
    for name, route in api_routes().items()
    if "GET" in (route.methods or ()) and name not in ELSEWHERE
)


@pytest.mark.parametrize("text", ["2026-01-05T00:00:00+00:00", "2026-01-05 00:00:00", "0E-8"])
def test_what_is_looked_for_is_found(text: str) -> None:
    assert wrong(text)
    assert not wrong("2026-01-05T00:00:00Z")
    assert not wrong("2026-01-05")
    assert not wrong("-0.00000001")


@pytest.mark.parametrize("operation", READS)
def test_times_end_with_z_and_decimals_have_no_exponent(
    business: World,
    served: TestClient,
    people: dict[str, list[dict[str, str]]],
    operation: str,
) -> None:
    route = api_routes()[operation]
    answered, asked = 0, queries(business, operation)
    for role in roles_for(route):
        for headers in people.get(role, []):
            for path in paths(business, route):
                answer = served.get(path, headers=headers, params=asked)
                if answer.status_code != 200:
                    continue
                answered += 1
                if "json" in answer.headers["content-type"]:
                    lines = [answer.text]
                    if "ndjson" in answer.headers["content-type"]:
                        lines = answer.text.splitlines()
                    found = [one for line in lines for one in texts(json.loads(line))]
                else:
                    found = re.split(r'[,"\n<>]', answer.text)
                assert [one for one in found if wrong(one)] == [], path
    assert answered, f"nobody was answered: the last was {answer.status_code} {answer.text}"


def test_a_statement_in_csv_has_the_same_times(
    business: World, served: TestClient, people: dict[str, list[dict[str, str]]]
) -> None:
    with business.database.transaction() as tx:
        row = tx.execute("SELECT id FROM users WHERE username = 'ines'").fetchone()
    assert row is not None
    answer = served.get(
        f"/api/v1/ledger/statements/{row[0]}",
        params={"format": "csv", "accounts": "all"},
        headers=people["auditor"][0],
    )
    assert answer.status_code == 200, answer.text
    found = re.split(r'[,"\n]', answer.text)
    assert sum(bool(TIME.fullmatch(one)) for one in found) > 10
    assert [one for one in found if wrong(one)] == []


@pytest.mark.parametrize(
    "command",
    [
        ["ledger", "trial-balance", "--json"],
        ["ledger", "journals", "--json"],
        ["ledger", "accounts", "--json"],
        ["ledger", "holds", "--json"],
        ["ledger", "periods", "--json"],
        ["ledger", "statement", "ines", "--json"],
        ["ledger", "statement", "ines", "--format", "csv"],
        ["schedule", "list", "--json"],
        ["schedule", "preview", "0 9 13 * fri", "--json"],
        ["reconcile", "--json"],
        ["audit", "export", "--format", "ndjson"],
        ["audit", "export", "--format", "csv"],
        ["audit", "export", "--of", "journals"],
        ["user", "list", "--json"],
        ["income", "products", "--json"],
        ["trace", "any"],
    ],
    ids=" ".join,
)
def test_what_commands_write_for_programs_has_the_same_form(
    business: World, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", business.database.owner_url)
    monkeypatch.setenv("COMMENDA_MASTER_KEY", str(SETTINGS.master_key))
    said = CliRunner().invoke(cli, command)
    assert said.exit_code in (0, 1), said.output
    assert said.output.strip()
    found = re.split(r'[,"\n ]', said.output.replace("funding:paper", ""))
    assert [one for one in re.split(r'[,"\n]', said.output) if wrong(one)] == []
    assert [one for one in found if EXPONENT.fullmatch(one)] == []


def test_live_messages_have_the_same_form() -> None:
    said = encode({"at": datetime(2026, 1, 5, tzinfo=UTC), "amount": Decimal("0E-8")})
    assert said == '{"at":"2026-01-05T00:00:00Z","amount":"0"}'
