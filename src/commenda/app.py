"""The HTTP application: what is served, how refusals look, who is let in.

A domain's routes are in its `http.py`; ROUTERS lists them. `create_app` is a factory, so that a
test, `commenda api` and `commenda openapi` build the same application.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from commenda import __version__
from commenda.identity.access import Gate
from commenda.identity.tokens import Tokens
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.kit.web import TITLES, Service, problem, problem_of
from commenda.settings import Settings

_log = logging.getLogger(__name__)

ROUTERS: tuple[APIRouter, ...] = ()
"""Everything under /api/v1."""

PREFIX = "/api/v1"


def create_app(settings: Settings, database: Database | None = None) -> FastAPI:
    """The application. A `database` that is given is the caller's to close."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened = database
        if opened is None:
            opened = await run_in_threadpool(Database.open, settings)
        try:
            _furnish(app, settings, opened)
            yield
        finally:
            if database is None:
                await run_in_threadpool(opened.close)

    app = FastAPI(
        title="Commenda",
        version=__version__,
        summary="Managed investment: subscriptions, co-trading, settlement, one provable ledger.",
        lifespan=lifespan,
        redoc_url=None,
    )
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-API-Key"],
            expose_headers=["X-Request-Id", "Idempotency-Replayed", "Retry-After"],
        )
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return app


def _furnish(app: FastAPI, settings: Settings, database: Database) -> None:
    keys = Keys.of(settings)
    app.state.service = Service(database, settings, keys)
    app.state.gate = Gate(
        database,
        Tokens(keys.derive("access-tokens")),
        require_second_factor=settings.require_second_factor,
    )


# --- Every error is a problem ----------------------------------------------------------------


async def _refused(_request: Request, error: Any) -> JSONResponse:
    return problem_of(error)


async def _invalid(_request: Request, error: Any) -> JSONResponse:
    """The first thing wrong with a request, and how many more there are."""
    found = error.errors()
    first = found[0]
    where = [str(part) for part in first["loc"][1:]] or [str(first["loc"][0])]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return problem(
        422,
        "invalid_request",
        f"{first['msg']}{more}",
        field=".".join(where),
        value=_shown(first.get("input")),
        mend=f"correct the {first['loc'][0]}",
    )


def _shown(value: object) -> str | None:
    return None if value is None else str(value)[:200]


async def _http_error(_request: Request, error: Any) -> JSONResponse:
    code = {404: "unknown_path", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return problem(
        error.status_code,
        code,
        TITLES.get(error.status_code, str(error.detail)),
        headers=error.headers,
    )


async def _database_away(_request: Request, error: Any) -> JSONResponse:
    _log.warning("the database cannot be reached: %s", error)
    return problem(
        503,
        "database_unavailable",
        "The database cannot be reached at this moment",
        mend="try again in a few seconds, with the same Idempotency-Key",
        headers={"Retry-After": "2"},
    )


async def _unforeseen(_request: Request, error: Any) -> JSONResponse:
    _log.exception("a request failed", exc_info=error)
    return problem(500, "internal_error", "Something failed that should not have")


_HANDLERS: dict[Any, Any] = {
    CommendaError: _refused,
    RequestValidationError: _invalid,
    HTTPException: _http_error,
    psycopg.OperationalError: _database_away,
    PoolTimeout: _database_away,
    Exception: _unforeseen,
}
