"""What is seen of a running service: request ids, logs, limits, headers, metrics, health."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import structlog
from dbos._logger import init_logger
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from commenda.app import create_app
from commenda.audit import Event, record
from commenda.kit import clock, ids
from commenda.kit.context import correlation_id, request_id
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.logs import MASK, configure_logs, mask_secrets
from commenda.kit.observe import LARGEST_BODY
from commenda.kit.web import Body
from commenda.operations import Figures, Health, readiness
from commenda.settings import Settings
from world import World

SETTINGS = Settings(
    master_key="the tests' own master key, 32 characters or more", requests_per_minute=0
)
OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"
SCENE = datetime(2026, 1, 5, tzinfo=UTC)


class Anything(Body):
    text: str = ""


def probed(database: Database, **changes: Any) -> FastAPI:
    """The application, with a few routes that only a test has."""
    app = create_app(replace(SETTINGS, **changes), database)

    @app.post("/probe/record/{subject}")
    def record_something(subject: str) -> dict[str, str]:
        with database.transaction() as tx:
            event = Event("probe", subject, UUID(int=1), "done", "test", "test/1", SCENE)
            record(tx, [event])
        return {"requestId": request_id.get()}

    @app.post("/probe/body")
    def take(body: Anything) -> int:
        return len(body.text)

    @app.get("/probe/fail")
    def fail() -> None:
        raise RuntimeError("password=hunter2 was wrong")

    @app.get("/probe/refuse")
    def refuse() -> None:
        raise CommendaError("not_authenticated", "no", status=401)

    @app.get("/probe/fine")
    def fine() -> int:
        return 1

    @app.get("/probe/page")
    def page() -> Any:
        from fastapi.responses import HTMLResponse

        return HTMLResponse("<p>page")

    return app


def opened(app: FastAPI) -> TestClient:
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def probe(db: Database) -> Iterator[TestClient]:
    with opened(probed(db)) as client:
        yield client


# --- Request ids -----------------------------------------------------------------------------


def test_every_answer_has_a_request_id_of_its_own(probe: TestClient) -> None:
    seen = {probe.get("/probe/fine").headers["x-request-id"] for _ in range(20)}
    assert len(seen) == 20
    assert all(re.fullmatch(r"[0-9a-f]{24}", one) for one in seen)


@pytest.mark.parametrize("given", ["a", "trace-1.2_3", "x" * 64])
def test_a_sane_request_id_is_kept(probe: TestClient, given: str) -> None:
    answer = probe.get("/probe/refuse", headers={"X-Request-Id": given})
    assert answer.headers.get_list("x-request-id") == [given]
    assert answer.json()["requestId"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "-a", "a;b", '"', "ä"])
def test_any_other_is_replaced(probe: TestClient, given: str) -> None:
    answer = probe.get("/probe/fine", headers={"X-Request-Id": given.encode()})
    assert re.fullmatch(r"[0-9a-f]{24}", answer.headers["x-request-id"])


def test_an_audit_event_of_a_synchronous_route_carries_the_requests_id(
    probe: TestClient, db: Database
) -> None:
    """The route runs in a thread of the pool; 20 at once do not mix up their ids."""

    def ask(number: int) -> None:
        headers = {"X-Request-Id": f"request-{number}"}
        answer = probe.post(f"/probe/record/{number}", headers=headers)
        assert answer.json() == {"requestId": f"request-{number}"}

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.transaction() as tx:
        rows = tx.execute(
            "SELECT subject, request_id FROM audit_events WHERE kind = 'probe'"
        ).fetchall()
    assert dict(rows) == {str(number): f"request-{number}" for number in range(20)}


# --- Failures, bodies, headers ---------------------------------------------------------------


def test_a_failure_is_a_problem_with_the_id_and_says_nothing_of_its_cause(
    probe: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = probe.get("/probe/fail", headers={"X-Request-Id": "broken-1"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "broken-1"
    assert (answer.json()["code"], answer.json()["requestId"]) == ("internal_error", "broken-1")
    assert "hunter2" not in answer.text
    assert any(line.exc_info for line in caplog.records if line.name == "commenda.http")


def test_a_body_that_says_it_is_too_large_is_refused_unread(probe: TestClient) -> None:
    answer = probe.post("/probe/body", content=b"x" * (LARGEST_BODY + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


def test_a_body_that_does_not_say_its_length_is_cut_off(probe: TestClient) -> None:
    sent = []

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            sent.append(1)
            yield b"x" * 65536

    answer = probe.post("/probe/body", content=pieces())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["x-request-id"]


def test_the_largest_body_is_taken_whole(probe: TestClient) -> None:
    around = len('{"text":""}')
    text = "x" * (LARGEST_BODY - around)
    whole = json.dumps({"text": text}, separators=(",", ":")).encode()
    assert len(whole) == LARGEST_BODY
    headers = {"Content-Type": "application/json"}
    assert probe.post("/probe/body", content=whole, headers=headers).json() == len(text)
    pieces = (whole[at : at + 65536] for at in range(0, len(whole), 65536))
    assert probe.post("/probe/body", content=pieces, headers=headers).json() == len(text)


def test_answers_carry_the_headers_that_protect_their_readers(probe: TestClient) -> None:
    for path in ("/probe/fine", "/probe/fail", "/api/v1/nothing", "/"):
        headers = probe.get(path).headers
        assert headers.get_list("x-content-type-options") == ["nosniff"], path
        assert headers.get_list("referrer-policy") == ["no-referrer"], path
    assert probe.get("/api/v1/nothing").headers["cache-control"] == "no-store"
    for page in ("/probe/page", "/"):
        (policy,) = probe.get(page).headers.get_list("content-security-policy")
        assert "default-src 'none'" in policy
        assert "http" not in policy  # no other host


# --- Rate limits -----------------------------------------------------------------------------


def test_whoever_asks_too_often_is_told_when_to_come_back(db: Database) -> None:
    with opened(probed(db, requests_per_minute=3)) as client:
        statuses = [client.get("/probe/fine").status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        answer = client.get("/probe/fine")
        assert answer.json()["code"] == "too_many_requests"
        assert 1 <= int(answer.headers["retry-after"]) <= 20
        assert answer.headers["x-request-id"] == answer.json()["requestId"]
        for path in ("/healthz", "/readyz", "/metrics"):
            assert client.get(path).status_code != 429


def test_a_signed_in_user_has_a_limit_of_their_own(db: Database, sign_in: Any) -> None:
    with opened(probed(db, requests_per_minute=3)) as client:
        headers = sign_in("auditor")
        path = "/api/v1/audit/chain"
        assert client.get(path, headers=headers).status_code == 200
        while client.get("/probe/fine").status_code == 200:
            pass
        assert client.get(path, headers=headers).status_code == 200
        assert client.get(path, headers=headers).status_code == 200
        assert client.get(path, headers=headers).status_code == 429


def test_invented_tokens_do_not_get_around_the_limit(db: Database) -> None:
    with opened(probed(db, requests_per_minute=3)) as client:
        path = "/api/v1/audit/chain"
        statuses = [
            client.get(path, headers={"Authorization": f"Bearer {number}"}).status_code
            for number in range(6)
        ]
    assert statuses == [401, 401, 401, 429, 429, 429]


def test_a_token_has_one_limit_however_its_header_is_spelt(db: Database, sign_in: Any) -> None:
    _, _, token = sign_in("auditor")["Authorization"].partition(" ")
    with opened(probed(db, requests_per_minute=3)) as client:
        statuses = [
            client.get("/api/v1/audit/chain", headers={"Authorization": spelt + token}).status_code
            for spelt in ("Bearer ", "Bearer ", "Bearer ", "bearer ", "Bearer  ")
        ]
    assert statuses == [200, 200, 200, 429, 429]


def test_a_browser_of_another_origin_may_read_a_refusal(db: Database) -> None:
    app = probed(db, requests_per_minute=1, cors_origins=("https://console.example",))
    with opened(app) as client:
        headers = {"Origin": "https://console.example"}
        client.get("/probe/fine", headers=headers)
        answer = client.get("/probe/fine", headers=headers)
    assert answer.status_code == 429
    assert answer.headers["access-control-allow-origin"] == "https://console.example"


# --- Logs ------------------------------------------------------------------------------------


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Configured logs on a string; `read()` gives the JSON objects written so far."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    names = ("uvicorn", "uvicorn.error", "uvicorn.access", "dbos")
    kept = {
        name: (logging.getLogger(name).propagate, logging.getLogger(name).handlers[:])
        for name in names
    }

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    configure_logs(replace(SETTINGS, log_level="DEBUG", log_format="json"), "api")
    yield read
    root.handlers[:], level = before
    root.setLevel(level)
    for name, (propagate, handlers) in kept.items():
        logging.getLogger(name).propagate = propagate
        logging.getLogger(name).handlers[:] = handlers
    logging.getLogger("uvicorn.access").disabled = False
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_whatever_is_logged_is_one_json_object_with_its_context(log_lines: Any) -> None:
    dbos_log = logging.getLogger("dbos")
    token, other = request_id.set("request-1"), correlation_id.set("subscription-1")
    try:
        logging.getLogger("commenda.test").warning("one of %s", "ours")
        logging.getLogger("uvicorn.error").info("the server's")
        dbos_log.error("the queue's")
        logging.getLogger("psycopg.pool").warning("the pool's")
        structlog.get_logger("somebody").info("structured", number=3)
        init_logger()  # what DBOS does at its launch changes nothing
        dbos_log.error("the queue's, again")
    finally:
        request_id.reset(token)
        correlation_id.reset(other)
    logging.getLogger("uvicorn.access").info("never: the request has its own line")
    lines = log_lines()
    assert [line["event"] for line in lines] == [
        "one of ours",
        "the server's",
        "the queue's",
        "the pool's",
        "structured",
        "the queue's, again",
    ]
    for line in lines:
        assert line["process"] == "api"
        assert (line["request_id"], line["correlation_id"]) == ("request-1", "subscription-1")
        assert datetime.fromisoformat(line["at"]).utcoffset() == timedelta(0)
    assert [line["level"] for line in lines] == [
        "warning",
        "info",
        "error",
        "warning",
        "info",
        "error",
    ]
    assert lines[4]["number"] == 3


def test_an_exception_is_logged_in_the_same_line_without_its_secrets(log_lines: Any) -> None:
    try:
        raise ValueError("cannot connect: user=app password=hunter2 host=db")
    except ValueError:
        logging.getLogger("commenda.test").exception("failed")
    (line,) = log_lines()
    assert "ValueError" in line["exception"]
    assert "host=db" in line["exception"]
    assert "hunter2" not in json.dumps(line)


def test_each_write_and_each_refusal_has_a_line_and_reads_only_at_debug(
    db: Database, log_lines: Any
) -> None:
    with opened(probed(db)) as client:
        client.post("/probe/record/7", headers={"X-Request-Id": "write-7"})
        client.get("/probe/refuse")
        client.get("/probe/fine")
        client.get("/readyz")
    lines = [line for line in log_lines() if line["logger"] == "commenda.http"]
    assert [(line["level"], line["method"], line["route"], line["status"]) for line in lines] == [
        ("info", "POST", "/probe/record/{subject}", 200),
        ("info", "GET", "/probe/refuse", 401),
        ("debug", "GET", "/probe/fine", 200),
        ("debug", "GET", "/readyz", 503),
    ]
    assert lines[0]["request_id"] == "write-7"
    assert lines[0]["milliseconds"] > 0


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "totp_secret", "Authorization", "refreshToken", "x-api-key"],
)
def test_what_is_named_like_a_secret_is_not_written(name: str) -> None:
    line = {"event": "hello", name: "s3cret", "inner": {name: ["s3cret"], "amount": "12.50"}}
    masked = mask_secrets(None, "info", line)
    assert "s3cret" not in str(masked)
    assert masked[name] == MASK
    assert masked["inner"]["amount"] == "12.50"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer s3cret.s3cret",
        "postgresql://commenda:s3cret@db/commenda",
        "host=db password='s3cret' user=x",
        "key ck_s3cret",
        "token eyJs3cret.eyJs3cret.s3cret",
    ],
)
def test_a_secret_inside_a_text_is_not_written(text: str) -> None:
    assert "s3cret" not in str(mask_secrets(None, "info", {"event": text}))


def test_a_text_without_secrets_is_written_as_it_is() -> None:
    text = "subscription 5: settled at https://host:8080/x, the password was changed"
    assert mask_secrets(None, "info", {"event": text}) == {"event": text}


@pytest.mark.parametrize(
    ("name", "value"), [("COMMENDA_LOG_LEVEL", "loud"), ("COMMENDA_LOG_FORMAT", "xml")]
)
def test_a_setting_of_the_logs_that_means_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CommendaError, match="bad_setting"):
        Settings.from_environment()


# --- Metrics ---------------------------------------------------------------------------------


def scraped(client: TestClient) -> dict[str, Any]:
    """Samples by name and labels: {("http_requests_total", ("method", "GET"), …): value}."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): (
            sample.value
        )
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_are_counted_by_method_template_and_status(probe: TestClient) -> None:
    probe.post("/probe/record/1")
    probe.post("/probe/record/2")
    probe.get("/api/v1/audit/chain")
    probe.get("/nowhere/1")
    probe.get("/nowhere/2")
    probe.request("BREW", "/probe/fine")
    samples = scraped(probe)
    counted = {key[1:]: n for key, n in samples.items() if key[0] == "http_requests_total"}
    assert counted == {
        ("method=POST", "route=/probe/record/{subject}", "status=200"): 2,
        ("method=GET", "route=/api/v1/audit/chain", "status=401"): 1,
        ("method=GET", "route=unknown", "status=404"): 2,
        ("method=other", "route=/probe/fine", "status=405"): 1,
    }
    timed = ("http_request_seconds_count", "method=POST", "route=/probe/record/{subject}")
    assert samples[timed] == 2
    assert any("le=0.08" in key for key in samples)
    assert samples["http_requests_in_progress",] == 1  # this one


def test_two_applications_in_one_process_count_apart(db: Database) -> None:
    with opened(probed(db)) as one, opened(probed(db)) as other:
        one.get("/probe/fine")
        assert not [key for key in scraped(other) if "route=/probe/fine" in key]


def documented_metrics() -> set[str]:
    """The first column of the table under "Metrics"."""
    text = OPERATING.read_text()
    section = text.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))


def test_the_documented_metrics_are_those_that_are_served(probe: TestClient) -> None:
    probe.get("/probe/fine")
    served = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(probe.get("/metrics").text)
    }
    assert len(served) > 20
    assert documented_metrics() == served


def test_the_business_figures_are_the_databases(db: Database) -> None:
    """One subscription of 4,000 with its copied signals, and a follower of 1,000 on the side."""
    world = World(db)
    flow = world.creator("ada")
    other = world.creator("bob", "BBBUSDT")
    for name in ("cai", "dan", "eve", "fay"):
        world.creator(name)
    world.follow(world.investor("gus", 1_000), other, world.now and 1_000)
    subscription = world.subscribe(world.investor("hal"), world.product(), 4_000)
    world.activate()
    assert world.status(subscription) == "ACTIVE"
    world.signal(other, "0.5")
    waiting = world.publish(flow, "0.25")
    world.advance(2)
    figures = {figure.name: figure.values for figure in Figures(db, seconds=0).read()}
    assert figures["commenda_database_up"] == {(): 1}
    assert figures["commenda_subscriptions"]["ACTIVE",] == 1
    assert figures["commenda_subscriptions"]["SETTLED",] == 0
    assert figures["commenda_assets_under_management"] == {("USDT",): 5_000}
    assert waiting
    assert figures["commenda_oldest_signal_seconds"] == {(): 2 * 3600}
    assert figures["commenda_audit_unsealed_events"][()] == world.one(
        "SELECT count(*) FROM audit_events"
    )
    assert figures["commenda_ledger_unsealed_journals"][()] == world.one(
        "SELECT count(*) FROM journals"
    )
    assert figures["commenda_alerts_total"]["liquidation.failed", "warning"] == 0
    assert figures["commenda_workers"] == {(): 0}
    assert figures["commenda_pool_connections"]["most",] == 24


def test_the_failure_rate_is_of_the_last_hour(db: Database) -> None:
    world = World(db)
    flow = world.creator("ada")
    world.signal(flow, "0.5")
    world.advance(2)  # out of sight
    world.script.refusal = "closed"
    world.signal(flow, "0.1")
    world.script.refusal = None
    world.signal(flow, "0.3")
    figures = {figure.name: figure.values for figure in Figures(db, seconds=0).read()}
    by_status = {
        (status,): number
        for status, number in world.rows(
            "SELECT e.status, count(*)::float FROM signal_executions e"
            " JOIN trading_signals s ON s.id = e.signal_id WHERE s.sequence > 1 GROUP BY 1"
        )
    }
    told = {k: n for k, n in figures["commenda_executions_last_hour"].items() if n}
    assert told == by_status == {("failed",): 1, ("completed",): 1}
    assert figures["commenda_execution_failure_rate"] == {(): 0.5}


def test_figures_are_read_once_in_five_seconds_however_many_scrape(db: Database) -> None:
    now = 100.0
    figures = Figures(db, monotonic=lambda: now)

    def unsealed() -> float:
        read = {figure.name: figure.values for figure in figures.read()}
        return read["commenda_audit_unsealed_events"][()]

    assert unsealed() == 0
    with db.transaction() as tx:
        record(tx, [Event("probe", "x", ids.derive("x"), "done", "test", "test/1", SCENE)])
    now += 4.9
    assert unsealed() == 0
    now += 0.2
    assert unsealed() == 1


def test_metrics_are_told_while_the_database_is_away(db: Database) -> None:
    with opened(probed(db)) as client:
        lost = replace(db, app_url="host=/nowhere dbname=commenda")
        client.app.state.figures = Figures(lost)  # type: ignore[attr-defined]
        samples = scraped(client)
    assert samples["commenda_database_up",] == 0
    assert ("commenda_workers",) not in samples
    assert ("http_requests_in_progress",) in samples


# --- Health ----------------------------------------------------------------------------------


def meet(db: Database, seen: str = "0 s", stopped: bool = False) -> None:
    """A worker that was seen so long ago."""
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO workers (id, started_at, seen_at, stopped_at) VALUES ('w',"
            " clock_timestamp(), clock_timestamp() - %s::interval,"
            " CASE WHEN %s THEN clock_timestamp() END)",
            (seen, stopped),
        )


def test_a_process_is_alive_whatever_becomes_of_the_database(db: Database) -> None:
    with opened(probed(db)) as client:
        client.app.state.service = None  # type: ignore[attr-defined]
        assert client.get("/healthz").json() == {"alive": True}


def test_ready_with_a_worker_and_no_market(db: Database) -> None:
    meet(db)
    with opened(probed(db)) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 200
    body = answer.json()
    assert body["ready"] is True
    assert {name: check["ok"] for name, check in body["checks"].items()} == {
        "database": True,
        "schema": True,
        "workers": True,
        "feed": True,
    }
    assert body["checks"]["feed"]["detail"].startswith("none")


@pytest.mark.parametrize(("seen", "stopped"), [("16 s", False), ("0 s", True)])
def test_not_ready_without_a_worker(db: Database, seen: str, stopped: bool) -> None:
    meet(db, seen, stopped)
    with opened(probed(db)) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["workers"] == {"ok": False, "detail": "0 seen within 15 s"}


@pytest.mark.parametrize(("hours", "ok"), [(2, True), (3, False)])
def test_the_feed_may_be_two_bars_late(db: Database, hours: int, ok: bool) -> None:
    world = World(db)
    meet(db)
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO market_bars SELECT id, %s, 3600, 1, 1, 1, 1, 1 FROM instruments",
            (world.now - timedelta(hours=1),),
        )
        clock.advance(tx, world.now + timedelta(hours=hours))
    seen = readiness(db)
    assert seen.checks["feed"].ok is ok
    assert f"{hours * 3600} s of business time ago" in seen.checks["feed"].detail


def test_not_ready_on_another_versions_schema(db: Database) -> None:
    meet(db)
    with psycopg.connect(db.owner_url) as owner:
        owner.execute("UPDATE schema_migrations SET digest = 'x' || digest WHERE name LIKE '0003%'")
    try:
        assert not readiness(db).checks["schema"].ok
    finally:
        with psycopg.connect(db.owner_url) as owner:
            owner.execute(
                "UPDATE schema_migrations SET digest = substr(digest, 2) WHERE name LIKE '0003%'"
            )
    assert readiness(db).ready


def test_not_ready_without_a_database_and_no_word_of_where_it_is(db: Database) -> None:
    lost = replace(db, app_url="host=/nowhere user=somebody dbname=commenda")
    seen = readiness(lost)
    assert not seen.ready
    assert "nowhere" not in str(seen)
    assert seen.checks["database"].detail == "unreachable (OperationalError)"


def test_the_database_is_looked_at_once_a_second_however_many_ask(db: Database) -> None:
    now = 100.0
    health = Health(db, monotonic=lambda: now)
    assert not health.read().ready
    meet(db)
    now += 0.9
    assert not health.read().ready
    now += 0.2
    assert health.read().ready
