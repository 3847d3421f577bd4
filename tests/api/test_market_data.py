"""How far market data goes, what is wrong with it, and files that somebody sends."""

from __future__ import annotations

import base64
import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.kit import clock
from commenda.kit.db import Database
from commenda.market import Bar, ensure_instrument, load_catalogue, simulated_assets, write_bars
from people import SignIn

START = datetime(2026, 1, 5, tzinfo=UTC)
NAME = "binance_usdm_BTCUSDT_1h.csv"
SENT = "/api/v1/market/datasets"


def csv(hours: list[int], idle: tuple[int, ...] = (), high: int = 110) -> bytes:
    rows = [
        f"{START + timedelta(hours=one):%Y-%m-%d %H:%M},100,{high},90,101,{int(one not in idle)}"
        for one in hours
    ]
    return "\n".join(["timestamp,open,high,low,close,volume", *rows]).encode()


def send(client: TestClient, who: dict[str, str], content: bytes, **more: Any) -> Any:
    key = {"Idempotency-Key": more.pop("key")} if "key" in more else {}
    body = {"name": NAME, "content": base64.b64encode(content).decode()} | more
    return client.post(SENT, json=body, headers=who | key)


@pytest.fixture
def risk(db: Database, sign_in: SignIn) -> dict[str, str]:
    with db.transaction() as tx:
        clock.advance(tx, START)
    return sign_in("risk")


def test_a_file_is_judged_before_it_is_kept(client: TestClient, risk: dict[str, str]) -> None:
    # Ten hours from midnight without the fourth and fifth; nothing was traded in the eighth.
    content = csv([0, 1, 2, 5, 6, 7, 8, 9], idle=(7,))
    judged = send(client, risk, content)
    assert judged.status_code == 200, judged.text
    report = judged.json()
    assert (report["datasetId"], report["outcome"], report["rows"]) == (None, None, 8)
    assert report["counts"] == {"gap": 1, "zero_volume": 1}
    assert [(one["kind"], one["at"]) for one in report["findings"]] == [
        ("gap", "2026-01-05T03:00:00Z"),
        ("zero_volume", "2026-01-05T07:00:00Z"),
    ]
    assert client.get(SENT, headers=risk).json() == []

    packed = gzip.compress(content)
    kept = send(client, risk, packed, name=f"{NAME}.gz", keep=True, key="one")
    assert kept.status_code == 200, kept.text
    (one,) = client.get(SENT, headers=risk).json()
    assert (one["symbol"], one["series"], one["interval"]) == ("BTCUSDT", "candles", "1h")
    assert (one["rows"], one["missing"], one["findings"]) == (8, 2, {"gap": 1, "zero_volume": 1})
    assert (one["firstTs"], one["lastTs"]) == ("2026-01-05T00:00:00Z", "2026-01-05T09:00:00Z")
    assert (one["importedAt"], len(one["sha256"])) == ("2026-01-05T00:00:00Z", 64)
    assert kept.json()["datasetId"] == one["id"]
    answer = client.get(f"{SENT}/{one['id']}/findings", headers=risk)
    assert answer.status_code == 200, answer.text
    found = answer.json()["items"]
    assert [(each["kind"], each["details"]) for each in found] == [
        ("gap", "2 missing, next at 2026-01-05 05:00:00"),
        ("zero_volume", "1 bar"),
    ]
    some = client.get(f"{SENT}/{one['id']}/findings", params={"kind": "gap"}, headers=risk)
    assert len(some.json()["items"]) == 1
    (event,) = client.get(
        "/api/v1/audit/logs", params={"kind": "market.imported"}, headers=risk
    ).json()["items"]
    assert (event["subject"], event["result"]) == ("binance_usdm BTCUSDT candles 1h", "created")

    more = send(client, risk, csv([9, 10, 11]), keep=True, append=True).json()
    assert (more["outcome"], more["rows"]) == ("extended", 10)
    again = send(client, risk, packed, name=f"{NAME}.gz", keep=True, key="one")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (kept.json(), "true")


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        (NAME, csv([0, 1, 2], high=80), "market_data_refused"),
        ("prices.csv", csv([0, 1, 2]), "market_file_name"),
        ("nowhere_XYZUSDT_1h.csv", csv([0, 1, 2]), "unknown_instrument"),
        (NAME, b"\xff\xfe no candles", "market_file_unreadable"),
    ],
)
def test_what_cannot_be_used_is_refused_and_changes_nothing(
    client: TestClient, risk: dict[str, str], name: str, content: bytes, code: str
) -> None:
    answer = send(client, risk, content, name=name, keep=True)
    assert answer.status_code in (404, 422), answer.text
    assert "commenda-" not in answer.text
    assert answer.json()["code"] == code
    assert client.get(SENT, headers=risk).json() == []


def test_a_name_is_no_way_out_of_its_folder(client: TestClient, risk: dict[str, str]) -> None:
    for name in ("../binance_usdm_BTCUSDT_1h.csv", "a/b.csv", "a\\b.csv", ""):
        answer = send(client, risk, csv([0, 1]), name=name)
        assert (answer.status_code, answer.json()["field"]) == (422, "name")


def test_the_feed_says_how_old_its_last_bar_is(
    client: TestClient, db: Database, risk: dict[str, str]
) -> None:
    assets = simulated_assets(["BTCUSDT", "ETHUSDT"], load_catalogue())
    with db.transaction() as tx:
        begin = int(START.timestamp())
        for asset, bars in zip(assets, (4, 2), strict=True):
            instrument = ensure_instrument(tx, asset.instrument)
            write_bars(
                tx,
                900,
                [(instrument, Bar(begin + 900 * n, 1.0, 1.0, 1.0, 1.0, 1.0)) for n in range(bars)],
            )
        clock.advance(tx, START + timedelta(minutes=61))
    feed = client.get("/api/v1/market/feed", headers=risk).json()
    # Bars of 15 minutes: ETH's last closed at half past, 31 minutes ago, which is more than two.
    assert [(one["symbol"], one["ageSeconds"], one["late"]) for one in feed] == [
        ("ETHUSDT", 1860.0, True),
        ("BTCUSDT", 60.0, False),
    ]
    assert feed[0]["interval"] == "15m"


@pytest.mark.parametrize(("role", "reads", "keeps"), [("auditor", 200, 403), ("creator", 403, 403)])
def test_the_staff_reads_and_operators_and_risk_officers_import(
    client: TestClient, sign_in: SignIn, role: str, reads: int, keeps: int
) -> None:
    who = sign_in(role)
    assert client.get(SENT, headers=who).status_code == reads
    assert client.get("/api/v1/market/feed", headers=who).status_code == reads
    assert send(client, who, csv([0, 1])).status_code == keeps
    assert client.get(f"{SENT}/1/findings", headers=who).status_code == (
        404 if reads == 200 else 403
    )


def test_feeds_and_what_they_found_are_shown(
    client: TestClient, risk: dict[str, str], db: Database, sign_in: SignIn
) -> None:
    feeds = "/api/v1/market/feeds"
    assert client.get(feeds, headers=risk).json() == []
    with db.transaction() as tx:
        one = ensure_instrument(tx, load_catalogue()["binance_usdm", "BTCUSDT"])
        two = ensure_instrument(tx, load_catalogue()["binance_usdm", "ETHUSDT"])
        tx.execute(
            "INSERT INTO market_feeds (name, instrument_id, seen_at, stopped_at, book_right,"
            "  messages, losses, resyncs, distrust, distrusted_at) VALUES"
            " ('a', %(one)s, now(), NULL, true, 9, 1, 2, NULL, NULL),"
            " ('b', %(one)s, now() - interval '1 minute', NULL, true, 9, 0, 1, NULL, NULL),"
            " ('a', %(two)s, now(), NULL, false, 9, 1, 2, 'stale: gone', now()),"
            " ('b', %(two)s, now(), now(), true, 9, 0, 1, NULL, NULL)",
            {"one": one.id, "two": two.id},
        )
        tx.execute(
            "INSERT INTO market_observations VALUES (%(one)s, 'index', now(), 101.5),"
            " (%(one)s, 'index', now() - interval '1 minute', 99), (%(one)s, 'funding', now(), -1)",
            {"one": one.id},
        )
        tx.execute(
            "INSERT INTO market_quality_findings (instrument_id, kind, at, details)"
            " SELECT %s, CASE WHEN n < 3 THEN 'stale' ELSE 'gap' END, now() - n * interval '1 s',"
            " 'number ' || n FROM generate_series(1, 4) AS n",
            (one.id,),
        )
    seen = client.get(feeds, headers=risk).json()
    assert [(row["symbol"], row["name"], row["state"]) for row in seen] == [
        ("ETHUSDT", "a", "untrusted"),
        ("BTCUSDT", "a", "live"),
        ("BTCUSDT", "b", "silent"),
        ("ETHUSDT", "b", "stopped"),
    ]
    assert (seen[0]["distrust"], seen[0]["index"], seen[0]["findings"]) == ("stale: gone", None, 0)
    assert (seen[1]["index"], seen[1]["funding"], seen[1]["findings"]) == ("101.5", "-1", 4)

    found = f"/api/v1/market/instruments/{one.id}/findings"
    page = client.get(found, params={"limit": 3}, headers=risk).json()
    assert [row["details"] for row in page["items"]] == ["number 1", "number 2", "number 3"]
    rest = {"limit": 3, "cursor": page["nextCursor"]}
    (last,) = client.get(found, params=rest, headers=risk).json()["items"]
    assert last["details"] == "number 4"
    stale = client.get(found, params={"kind": "stale"}, headers=risk).json()["items"]
    assert [row["kind"] for row in stale] == ["stale", "stale"]
    for unknown in ("999", "x"):
        answer = client.get(f"/api/v1/market/instruments/{unknown}/findings", headers=risk)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_instrument")
    assert client.get(feeds, headers=sign_in("investor")).status_code == 403

    figures = client.get("/metrics").text
    assert 'commenda_feed_instruments{feed="a",state="untrusted"} 1.0' in figures
    assert 'commenda_feed_messages{feed="b"} 18.0' in figures
