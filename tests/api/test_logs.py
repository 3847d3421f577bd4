"""What is logged: one line of JSON each, with its context and without secrets."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from dbos._logger import init_logger
from fastapi.testclient import TestClient

from commenda.kit.context import correlation_id, request_id
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.logs import MASK, configure_logs, mask_secrets
from commenda.settings import Settings
from probed import SETTINGS, opened, probed


@pytest.fixture
def probe(db: Database) -> Iterator[TestClient]:
    with opened(probed(db)) as client:
        yield client


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
