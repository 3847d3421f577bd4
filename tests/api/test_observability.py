"""What every request meets: an id, a limit, headers, and a problem where it fails."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.kit.db import Database
from commenda.kit.observe import LARGEST_BODY
from probed import opened, probed


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
