"""The HTTP application: what is served, how refusals look, who is let in.

A domain's routes are in its `http.py`; ROUTERS lists them. `create_app` is a factory, so that a
test, `commenda api` and `commenda openapi` build the same application.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import psycopg
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from commenda import __version__, channels, site, sockets
from commenda.alerts.http import router as alerts_router
from commenda.audit.http import router as audit_router
from commenda.automation.http import promotion_router
from commenda.automation.http import router as automation_router
from commenda.copying import FlowLists
from commenda.copying.http import router as copying_router
from commenda.copying.terms_http import router as terms_router
from commenda.earnings.http import router as earnings_router
from commenda.funding.freezes_http import router as freezes_router
from commenda.funding.http import router as funding_router
from commenda.identity.access import SCHEMES, Gate, permissions_of
from commenda.identity.http import router as identity_router
from commenda.identity.tokens import Tokens
from commenda.identity.users_http import router as users_router
from commenda.income.http import router as income_router
from commenda.kit.clock import business_now
from commenda.kit.db import AWAY, Database
from commenda.kit.direct import Shelf
from commenda.kit.errors import CommendaError
from commenda.kit.forwarded import TrustedProxies
from commenda.kit.keys import Keys
from commenda.kit.observe import METRICS_TYPE, HttpFigures, Observe, exposition
from commenda.kit.problems import TITLES, Problem, problem, problem_of
from commenda.kit.web import Service
from commenda.ledger.books_http import router as books_router
from commenda.ledger.http import router as ledger_router
from commenda.managed.http import router as managed_router
from commenda.managed.steering_http import router as steering_router
from commenda.market.http import router as market_router
from commenda.modes.http import metrics_router
from commenda.modes.http import router as modes_router
from commenda.operations import CHAINS, Figures, Health, Readiness
from commenda.operations.books_http import router as reconciliation_router
from commenda.operations.breakers_http import router as breakers_router
from commenda.operations.http import router as operations_router
from commenda.operations.orders_http import router as orders_router
from commenda.operations.overview import Overview
from commenda.operations.overview_http import router as overview_router
from commenda.operations.proofs_http import router as proofs_router
from commenda.operations.risk_http import router as risk_router
from commenda.operations.schedules_http import router as schedules_router
from commenda.operations.simulator_http import router as simulator_router
from commenda.operations.work_http import router as work_router
from commenda.portfolios.http import router as portfolios_router
from commenda.referrals import refer
from commenda.referrals.http import router as referrals_router
from commenda.risk.http import router as limits_router
from commenda.settings import Settings
from commenda.socket_figures import SocketFigures
from commenda.strategies import register_catalogue
from commenda.strategies.backtests_http import router as backtests_router
from commenda.strategies.http import router as strategies_router
from commenda.studies.http import router as studies_router
from commenda.venues.http import router as venues_router

_log = logging.getLogger(__name__)

ROUTERS: tuple[APIRouter, ...] = (
    identity_router,
    users_router,
    operations_router,
    overview_router,
    schedules_router,
    alerts_router,
    risk_router,
    breakers_router,
    limits_router,
    orders_router,
    work_router,
    ledger_router,
    books_router,
    reconciliation_router,
    funding_router,
    freezes_router,
    earnings_router,
    managed_router,
    steering_router,
    income_router,
    referrals_router,
    copying_router,
    terms_router,
    portfolios_router,
    automation_router,
    promotion_router,
    metrics_router,
    modes_router,
    market_router,
    strategies_router,
    backtests_router,
    studies_router,
    venues_router,
    simulator_router,
    audit_router,
    proofs_router,
)
"""Everything under /api/v1."""

PUBLIC = (
    "register",
    "login",
    "refresh",
    "takeUpInvitation",
    "confirmInvitation",
    "getLiveness",
    "getReadiness",
    "getMetrics",
)
"""The operations that need no token; every other one has a permission."""

PATIENCE = 60.0
"""Seconds that a starting process waits for the database."""

THREADS = 4
"""Threads that answer requests. They wait for PostgreSQL most of the time; more of them only take
the interpreter from each other (measured: 8 treble the p99 of short reads, and answer no more)."""

PASSWORD_THREADS = 2
"""Threads beside those that hold passwords against their hashes: anybody may ask for that, and a
queue of sign-ins must keep nobody else waiting."""


class Application(FastAPI):
    """FastAPI, whose document says of each operation which permissions it asks for, and has the one
    schema that every refusal refers to by name."""

    def openapi(self) -> dict[str, Any]:
        known = self.openapi_schema is not None
        document = super().openapi()
        if known:
            return document
        document["components"]["schemas"][Problem.__name__] = Problem.model_json_schema()
        document["components"]["securitySchemes"] = SCHEMES
        routes = (route for router in ROUTERS for route in router.routes)
        asked = {
            one.operation_id: permissions_of(one) for one in routes if isinstance(one, APIRoute)
        }
        for operation in (one for path in document["paths"].values() for one in path.values()):
            permissions = asked.get(operation["operationId"], ())
            operation["security"] = [{by: [one]} for one in permissions for by in SCHEMES]
        return document


def create_app(settings: Settings, database: Database | None = None) -> FastAPI:
    """The application. A `database` that is given is the caller's to close."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened = database
        if opened is None:
            opened = await run_in_threadpool(Database.open, settings, patience=PATIENCE)
            await run_in_threadpool(_register_strategies, opened)
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        app.state.password_threads = anyio.CapacityLimiter(PASSWORD_THREADS)
        try:
            _furnish(app, settings, opened)
            yield
            await app.state.sockets.close()
        finally:
            if database is None:
                await run_in_threadpool(opened.close)

    app = Application(
        title="Commenda",
        version=__version__,
        summary="Managed investment: subscriptions, co-trading, settlement, one provable ledger.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for router in ROUTERS:
        # Its routes one by one: an included router is asked twice for every request. Measured on
        # the smallest route: 2,600 requests a second included, 4,000 added.
        app.router.routes.extend(router.routes)
    app.router.routes.insert(0, Shelf(app.router.routes))
    beside = [_watching, channels.router, *([site.demo_sign_ins()] if settings.demo else [])]
    for router in beside:
        app.include_router(router)
    taken = [getattr(one, "path", "") for router in (app.router, *beside) for one in router.routes]
    app.router.default = site.Console(taken, app.router.default)
    app.state.http_figures = HttpFigures()
    app.state.flow_lists = FlowLists()
    app.add_middleware(
        Observe,
        figures=app.state.http_figures,
        requests_per_minute=settings.requests_per_minute,
        proxies=TrustedProxies.of(settings.trusted_proxies, settings.forwarded_header),
    )
    if settings.cors_origins:  # outside of the other: a browser may read refusals, too
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


def _register_strategies(database: Database) -> None:
    """Have the database know the catalogue that this installation ships; once it does, nothing."""
    with database.transaction() as tx:
        register_catalogue(tx, business_now(tx))


def _furnish(app: FastAPI, settings: Settings, database: Database) -> None:
    keys = Keys.of(settings)
    app.state.service = Service(database, settings, keys)
    app.state.introduce = refer
    app.state.chains = CHAINS
    app.state.gate = Gate(
        database,
        Tokens(keys.derive("access-tokens")),
        require_second_factor=settings.require_second_factor,
    )
    app.state.health = Health(database)
    app.state.figures = Figures(database)
    app.state.sockets = sockets.sockets_of(app.state.gate, database, settings)
    app.state.http_figures.registry.register(SocketFigures(app.state.sockets))
    app.state.overview = Overview(database)


# --- What watchers ask: open to everybody, outside of /api/v1 --------------------------------

_watching = APIRouter(tags=["health"])


class Alive(BaseModel):
    alive: bool = True


@_watching.get("/healthz", operation_id="getLiveness")
async def healthz() -> Alive:
    """This process answers; nothing else is asked."""
    return Alive()


@_watching.get(
    "/readyz",
    operation_id="getReadiness",
    responses={503: {"model": Readiness, "description": "Not ready, and why."}},
)
def readyz(request: Request, response: Response) -> Readiness:
    """Whether the operation works: the database with its schema, a write, space on the disk, the
    clocks, connections that are left, workers, the market feed."""
    seen: Readiness = request.app.state.health.read()
    response.status_code = 200 if seen.ready else 503
    response.headers["Cache-Control"] = "no-store"
    return seen


@_watching.get(
    "/metrics",
    operation_id="getMetrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {METRICS_TYPE: {}}, "description": "For Prometheus."}},
)
def metrics(request: Request) -> Response:
    """This process's and the operation's numbers; docs/operating.md lists them."""
    state = request.app.state
    return exposition(state.http_figures, state.figures.read())


# --- Every error is a problem ----------------------------------------------------------------


async def _refused(_request: Request, error: Any) -> JSONResponse:
    return problem_of(error)


async def _invalid(_request: Request, error: Any) -> JSONResponse:
    """The first thing wrong with a request, and how many more there are."""
    found = error.errors()
    first = found[0]
    where = [_printable(part) for part in first["loc"][1:]] or [str(first["loc"][0])]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    value, hint = _shown(first, where[-1]), f"correct the {first['loc'][0]}"
    rule, context = first["type"], first.get("ctx", {})
    said = _PLAINER.get(rule) or first["msg"].removeprefix(_ABOUT)
    bound = next((context[name] for name in _BOUNDS if name in context), None)
    field = ".".join(where)
    return problem(422, "invalid_request", said + more, field, value, hint, rule=rule, bound=bound)


_BOUNDS = (
    "max_length", "min_length", "gt", "ge", "lt", "le", "expected", "max_digits", "decimal_places",
)  # fmt: skip
"""Where pydantic keeps what a rule allows."""
_PLAINER = {"uuid_parsing": "An id has 36 characters: copy it whole, as lists show it"}
"""What is said better than pydantic does."""
_ABOUT = "Value error, "
"""What pydantic says before the words of a check of ours."""
_UNSHOWN = frozenset(
    {"password", "current", "new", "refreshToken", "refresh_token", "totpCode", "totp_code", "code"}
    | {"recoveryCode", "recovery_code", "token", "X-Proof"}
    | {"key", "secret", "passphrase"}
)
"""What is not sent back to whoever mistyped it: it would end up in a log or a ticket."""


def _shown(wrong: Mapping[str, Any], field: str) -> str | None:
    # A missing field comes with the whole body, as does a body that is no object at all; an unknown
    # field may be a misspelt password.
    value = wrong.get("input")
    whole = wrong["type"] == "missing" or len(wrong["loc"]) == 1
    if value is None or whole or wrong["type"] == "extra_forbidden" or field in _UNSHOWN:
        return None
    return _printable(value)


def _printable(value: object) -> str:
    """Text that can be sent: JSON can smuggle in half a character."""
    return str(value)[:200].encode("utf-8", "replace").decode()


async def _http_error(_request: Request, error: Any) -> JSONResponse:
    if error.status_code == 400:  # what the framework says of a body that it cannot read
        said = "The body cannot be read"
        return problem(422, "unreadable_body", said, "body", hint="send JSON in UTF-8")
    code = _CODES.get(error.status_code, "http_error")
    title = TITLES.get(error.status_code, str(error.detail))
    return problem(error.status_code, code, title, headers=error.headers)


_CODES = {
    404: "unknown_path",
    405: "method_not_allowed",
    408: "body_too_slow",
    413: "body_too_large",
}


async def _database_away(_request: Request, error: Any) -> JSONResponse:
    _log.warning("the database cannot be worked with: %s", error)
    code, detail = next(
        (said for kind, said in _STATES.items() if isinstance(error, kind)),
        ("database_unavailable", "The database cannot be reached at this moment"),
    )
    return problem(
        503,
        code,
        detail,
        hint="try again in a few seconds, with the same Idempotency-Key",
        headers={"Retry-After": "2"},
    )


_STATES = {
    psycopg.errors.DiskFull: ("no_space_left", "The database has no space left on its disk"),
    psycopg.errors.ReadOnlySqlTransaction: (
        "database_read_only",
        "The database takes no writes at this moment",
    ),
}


async def _unforeseen(_request: Request, error: Any) -> JSONResponse:
    _log.exception("a request failed", exc_info=error)
    return problem(500, "internal_error", "Something failed that should not have")


_HANDLERS: dict[Any, Any] = {
    CommendaError: _refused,
    RequestValidationError: _invalid,
    HTTPException: _http_error,
    **dict.fromkeys(AWAY, _database_away),
    Exception: _unforeseen,
}
