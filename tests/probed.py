"""The application with a few routes that only tests have, for what every request meets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.audit import Event, record
from commenda.kit.context import request_id
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.web import Body
from commenda.settings import Settings

SETTINGS = Settings(
    master_key="the tests' own master key, 32 characters or more", requests_per_minute=0
)
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
