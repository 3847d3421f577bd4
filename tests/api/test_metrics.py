"""What Prometheus is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from commenda import alerts
from commenda.audit import Event, record
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.operations import Figures
from probed import SCENE, opened, probed
from world import World

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


@pytest.fixture
def probe(db: Database) -> Iterator[TestClient]:
    with opened(probed(db)) as client:
        yield client


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
    probe.get("/api/v1/nowhere/1")
    probe.get("/api/v1/nowhere/2")
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


def test_the_documented_metrics_are_those_that_are_served(db: Database, tmp_path: Path) -> None:
    with opened(probed(replace(db, data=tmp_path))) as probe:  # beside an embedded database
        probe.get("/probe/fine")
        told = text_string_to_metric_families(probe.get("/metrics").text)
        served = {family.name + ("_total" if family.type == "counter" else "") for family in told}
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


def test_alerts_are_counted_once_for_both_of_their_figures(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, asked = alerts.kind_named("alert.unreconciled"), []

    def count(tx: Tx) -> dict[alerts.Kind, tuple[int, int]]:
        asked.append(tx)
        return {kind: (3, 1)}

    monkeypatch.setattr(alerts, "count_alerts", count)
    figures = {figure.name: figure.values for figure in Figures(db, seconds=0).read()}
    assert figures["commenda_alerts_total"] == {(kind.name, kind.severity): 3}
    assert figures["commenda_alerts_open"] == {(kind.name, kind.severity): 1}
    assert len(asked) == 1


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
