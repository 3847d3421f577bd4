"""Backtests over HTTP: run over what was imported, seen by whom, refused with which reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from typer.testing import CliRunner

from commenda.app import create_app
from commenda.cli import app as commands
from commenda.kernel import L2Rules
from commenda.kit.db import Database
from commenda.market import import_file
from commenda.strategies import (
    DepthPlan,
    LegPlan,
    LegsPlan,
    backtests_http,
    catalogue,
    find_depth_strategy,
    keep,
    kept_run,
    read_bars,
    read_book,
)
from commenda.strategies.model import RunReport
from people import SETTINGS, SignIn

NOW = datetime(2026, 1, 5, tzinfo=UTC)
URL = "/api/v1/backtests"
RUN = {
    "strategy": "sma_cross",
    "params": {"fast": 50, "slow": 200},
    "symbol": "BTCUSDT",
    "interval": "1m",
    "funding": False,
    "size": 1,
    "fee": 0.0005,
    "cash": 1_000_000,
}


@pytest.fixture
def client(db: Database, tmp_path: Path, market_data: Path) -> Iterator[TestClient]:
    """The application over a data directory with a month of real minutes and their funding."""
    with db.transaction() as tx:
        for name in ("1m", "funding", "mark_8h"):
            import_file(tx, tmp_path, market_data / f"binance_usdm_BTCUSDT_{name}.parquet", NOW)
    settings = replace(SETTINGS, data=tmp_path)
    with TestClient(create_app(settings, db), raise_server_exceptions=False) as opened:
        yield opened


def ran(client: TestClient, headers: dict[str, str], **changes: Any) -> Any:
    answer = client.post(URL, headers=headers, json=RUN | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_run_over_the_import_is_the_golden_run(client: TestClient, sign_in: SignIn) -> None:
    """`acceptance.md`, part 3."""
    found = ran(client, sign_in("creator"))
    assert found["metrics"]["finalEquity"] == pytest.approx(991_729.307500, abs=1e-6)
    assert (found["metrics"]["trades"], found["metrics"]["openTrades"]) == (133, 1)
    assert found["inputs"]["data"]["name"] == "binance_usdm BTCUSDT candles 1m"


def test_an_import_and_its_file_have_one_hash(
    client: TestClient, sign_in: SignIn, market_data: Path
) -> None:
    found = ran(client, sign_in("creator"))
    file = str(market_data / "binance_usdm_BTCUSDT_1m.parquet")
    said = CliRunner().invoke(commands, ["backtest", "sma_cross", "--data", file, "--json"])
    assert found["inputs"]["data"]["sha256"] == json.loads(said.stdout)["inputs"]["data"]["sha256"]


def test_imported_funding_is_charged_unless_told_otherwise(
    client: TestClient, sign_in: SignIn, market_data: Path
) -> None:
    who, end = sign_in("creator"), "2025-06-03T00:00:00Z"
    charged = ran(client, who, funding=True, end=end)
    free = ran(client, who, end=end)
    recorded = pl.read_parquet(market_data / "binance_usdm_BTCUSDT_funding.parquet")["ts"]
    first, last = (datetime.fromisoformat(free["inputs"]["data"][k]) for k in ("first", "last"))
    inside = ((recorded > first) & (recorded <= last)).sum()
    assert charged["inputs"]["funding"]["stamps"] == inside
    paid = free["metrics"]["finalEquity"] - charged["metrics"]["finalEquity"]
    assert charged["costs"]["funding"] == pytest.approx(paid, abs=1e-6)
    answer = client.post(URL, headers=who, json=RUN | {"funding": True})  # candles go on for longer
    assert (answer.status_code, answer.json()["code"]) == (422, "missing_funding")
    assert answer.json()["value"] == "2025-06-03T08:00:00Z"


def test_the_same_run_is_one_and_its_key_replays_it(client: TestClient, sign_in: SignIn) -> None:
    who = sign_in("creator") | {"Idempotency-Key": "one"}
    first = client.post(URL, headers=who, json=RUN)
    second = client.post(URL, headers=who, json=RUN)
    assert second.headers["idempotency-replayed"] == "true"
    assert first.json() == second.json()
    assert ran(client, sign_in("creator"))["id"] == first.json()["id"]
    other = client.post(URL, headers=who, json=RUN | {"cash": 5})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_creators_see_their_own_and_the_staff_sees_all(client: TestClient, sign_in: SignIn) -> None:
    mine, theirs = (ran(client, sign_in("creator", name)) for name in ("ann", "bob"))
    assert mine["id"] != theirs["id"]

    def listed(*who: str) -> set[str]:
        answer = client.get(URL, headers=sign_in(*who))
        return {one["id"] for one in answer.json()["items"]}

    assert listed("creator", "ann") == {mine["id"]}
    assert listed("auditor") == {mine["id"], theirs["id"]}
    answer = client.get(f"{URL}/{theirs['id']}", headers=sign_in("creator", "ann"))
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_backtest")
    assert client.get(f"{URL}/{theirs['id']}", headers=sign_in("auditor")).status_code == 200
    both = {"ids": f"{mine['id']},{theirs['id']}"}
    seen = client.get(f"{URL}/compare", headers=sign_in("risk"), params=both)
    assert [one["id"] for one in seen.json()["items"]] == [mine["id"], theirs["id"]]
    assert all(one["equity"]["strategy"][0] == 1_000_000 for one in seen.json()["items"])
    hidden = client.get(f"{URL}/compare", headers=sign_in("creator", "ann"), params=both)
    assert hidden.status_code == 404
    assert client.get(URL, headers=sign_in("investor")).status_code == 403
    assert client.post(URL, headers=sign_in("auditor"), json=RUN).status_code == 403
    assert ran(client, sign_in("operator"))["id"] not in (mine["id"], theirs["id"])


def test_runs_are_listed_page_by_page(client: TestClient, sign_in: SignIn) -> None:
    who = sign_in("creator")
    kept = {ran(client, who, cash=cash)["id"] for cash in (100, 200, 300)}
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(URL, headers=who, params=query).json()
        seen += [one["id"] for one in page["items"]]
        if (cursor := page["nextCursor"]) is None:
            break
    assert len(seen) == 3
    assert set(seen) == kept


def test_a_kept_run_answers_all_that_is_drawn_of_it(client: TestClient, sign_in: SignIn) -> None:
    who = sign_in("creator")
    found = ran(client, who)
    report = client.get(f"{URL}/{found['id']}", headers=who).json()
    assert {name: report[name] for name in found} == found
    curve = report["series"]["equity"]
    assert len(curve["ts"]) == len(curve["strategy"]) == len(curve["benchmark"]) <= 4_004
    assert curve["ts"] == sorted(set(curve["ts"]))
    assert curve["strategy"][0] == 1_000_000
    assert curve["strategy"][-1] == pytest.approx(found["metrics"]["finalEquity"], rel=1e-8)
    assert min(curve["strategy"]) < curve["strategy"][-1]
    assert min(report["series"]["drawdown"]["drawdown"]) == pytest.approx(
        -found["metrics"]["maxDrawdown"], rel=1e-8
    )
    assert sum(one["fills"] for one in report["markers"]) == found["execution"]["fills"]


def test_what_a_kept_run_says_asks_for_it_again_is_the_same_run(
    client: TestClient, sign_in: SignIn
) -> None:
    who, terms = sign_in("creator"), {"leverage": 3, "lot": 0.001, "participation": 0.5, "seed": 4}
    found = ran(client, who, **terms, slippage=0.0001, end="2025-06-03T00:00:00Z", funding=True)
    again = client.get(f"{URL}/{found['id']}", headers=who).json()["again"]
    assert (again["leverage"], again["fee"], again["seed"]) == (3, 0.0005, 4)
    answer = client.post(URL, headers=who, json=again)
    assert (answer.status_code, answer.json()["id"]) == (201, found["id"])


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"strategy": "nothing_such"}, 404, "unknown_strategy", "strategy"),
        ({"strategy": "mine.py:mine"}, 404, "unknown_strategy", "strategy"),
        ({"strategy": "a\0b"}, 422, "invalid_request", "strategy"),
        ({"params": {"a\0b": 1}}, 422, "invalid_request", "params"),
        ({"seed": 2**53}, 422, "invalid_request", "seed"),
        ({"params": {"speed": 1}}, 404, "unknown_parameter", "speed"),
        ({"params": {"fast": 300}}, 422, "bad_parameter", "fast"),
        ({"symbol": "NOSUCH"}, 404, "unknown_instrument", "symbol"),
        ({"interval": "5m"}, 422, "no_dataset", "interval"),
        ({"interval": "soon"}, 422, "bad_interval", "interval"),
        ({"start": "2030-01-01T00:00:00Z"}, 422, "empty_range", "start, end"),
        ({"cash": 0}, 422, "invalid_request", "cash"),
        ({"fee": 1}, 422, "invalid_request", "fee"),
        ({"fees": 1}, 422, "invalid_request", "fees"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_reason(
    client: TestClient,
    sign_in: SignIn,
    changes: dict[str, Any],
    status: int,
    code: str,
    field: str,
) -> None:
    who = sign_in("creator") | {"Idempotency-Key": "one"}
    answer = client.post(URL, headers=who, json=RUN | changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["field"].startswith(field)
    assert client.get(URL, headers=sign_in("creator")).json()["items"] == []


def test_a_run_too_long_for_a_request_says_how_long_it_may_be(
    client: TestClient, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtests_http, "MOST_BARS", 40_000)
    answer = client.post(URL, headers=sign_in("creator"), json=RUN)
    assert (answer.status_code, answer.json()["code"]) == (422, "backtest_too_long")
    assert "40,000" in answer.json()["detail"]
    assert answer.json()["value"] == "43199"


def test_two_to_eight_different_runs_are_compared(client: TestClient, sign_in: SignIn) -> None:
    who = sign_in("creator")
    one = ran(client, who)["id"]
    for ids in (one, f"{one},{one}", f"{one},{'-' * 36}"):
        answer = client.get(f"{URL}/compare", headers=who, params={"ids": ids})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_ids"), ids


def test_runs_of_several_legs_and_of_an_order_book_are_read_like_any_other(
    client: TestClient, sign_in: SignIn, db: Database, market_data: Path
) -> None:
    maker = Path(__file__).parents[2] / "docs" / "examples" / "market_maker.py"
    frames = market_data / "binance_usdm_BTCUSDT_20240808_raw_120s.jsonl.gz"
    hours = [read_bars(market_data / f"binance_usdm_{n}USDT_1h.parquet") for n in ("BTC", "ETH")]
    legs = tuple(LegPlan({}, bars, None, share=0.5) for bars in hours)
    rules = L2Rules(interval=1_000_000_000)
    plans = (
        LegsPlan(catalogue()["sma_cross"], legs),
        DepthPlan(find_depth_strategy(str(maker)), {}, read_book(frames, None), rules),
    )
    who, reports = sign_in("auditor"), []
    for plan in plans:
        with db.transaction() as tx:
            ident, _ = keep(tx, plan, plan.run(), actor="cli", now=NOW, seconds=0.1)
            kept = json.loads(json.dumps(kept_run(tx, ident).report))
        assert TypeAdapter(RunReport).validate_python(kept) == kept
        seen = client.get(f"{URL}/{ident}", headers=who)
        assert seen.status_code == 200, seen.text
        reports.append(report := seen.json())
        assert {name: report[name] for name in kept} == kept
        final = report["metrics"]["finalEquity"]
        assert report["series"]["equity"]["strategy"][-1] == pytest.approx(final, rel=1e-8)
        assert report["again"] is None
    legs, book = reports
    assert legs["inputs"]["data"]["symbol"] == "BTCUSDT + ETHUSDT"
    assert [one["name"] for one in legs["legs"]] == ["BTCUSDT", "ETHUSDT"]
    assert "price" not in legs["series"]
    assert book["series"]["price"]["close"]
    assert book["legs"] is None
