"""The wire: camelCase, decimals as strings, problem details, one effect for each key.

Every domain's `http.py` is built from these: parse, authorise, call one action, return.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
)
from pydantic.alias_generators import to_camel

from commenda.kit.context import request_id
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.kit.idempotency import once
from commenda.kit.keys import Keys
from commenda.kit.money import plain
from commenda.settings import Settings

# --- What the routes are served by -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Service:
    """What one API process works with."""

    database: Database
    settings: Settings
    keys: Keys


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Served = Annotated[Service, Depends(_service)]


# --- Bodies ----------------------------------------------------------------------------------


class Body(BaseModel):
    """A request or response whose names are camelCase on the wire; unknown fields are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


def as_json(value: Any) -> Any:
    """Rows as JSON: names in camelCase, decimals as strings, times in ISO 8601.

    What was stored as JSON keeps its names.
    """
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {to_camel(name): as_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    return value


def _exact(value: object) -> object:
    # A JSON number was a binary float on its way here; what it prints as is what was meant.
    return repr(value) if isinstance(value, float) else value


Amount = Annotated[
    Decimal,
    BeforeValidator(_exact),
    PlainSerializer(plain, return_type=str, when_used="json"),
    Field(
        allow_inf_nan=False,
        max_digits=38,
        decimal_places=18,
        json_schema_extra={"type": "string", "examples": ["2500.00"]},
    ),
]
"""Money, quantities, prices and rates: an exact decimal, a string on the wire."""

Asset = Annotated[str, Field(pattern="^[A-Z0-9]{1,12}$", examples=["USDT"])]
"""The name of an asset."""


_NUMBER = re.compile(r"\s*[-+]?[0-9.]+\s*")


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time beyond the calendar") from None


def _written_out(value: object) -> object:
    # Pydantic would take the year 2026 for as many seconds after 1970.
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError("a time is written as in 2026-03-01T00:00:00Z")
    return value


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written_out),
    AfterValidator(_utc),
    Field(json_schema_extra={"examples": ["2026-03-01T00:00:00Z"]}),
]
"""A time given from outside: with its time zone, taken as UTC."""


# --- Problems (RFC 9457) ---------------------------------------------------------------------


class Problem(BaseModel):
    """What went wrong, for programs (`code`) and for people (the rest)."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    code: str = Field(examples=["insufficient_custody"])
    detail: str
    field: str | None = None
    value: str | None = None
    mend: str | None = None
    requestId: str  # noqa: N815 - the wire's own name


TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

STATUS_OF: dict[str, int] = {
    "not_authenticated": 401,
    "bad_credentials": 401,
    "bad_refresh_token": 401,
    "second_factor_needed": 401,
    "not_permitted": 403,
    "second_factor_required": 403,
    "too_many_requests": 429,
    "database_unavailable": 503,
}
"""Status of the codes that are neither 404 (`unknown_…`), 409 (below) nor 422 (all others)."""

CONFLICTS = frozenset(
    {
        "reference_conflict",
        "already_dated",
        "already_decided",
        "already_redeemed",
        "already_referred",
        "already_reversed",
        "already_running",
        "approval_expired",
        "bad_transition",
        "built_in_schedule",
        "early_exit_not_allowed",
        "flow_closed",
        "flow_has_followers",
        "flow_is_full",
        "flow_not_active",
        "flow_terms_fixed",
        "hold_resolved",
        "idempotency_conflict",
        "insufficient_balance",
        "insufficient_custody",
        "key_name_taken",
        "leader_must_follow",
        "allocation_capacity",
        "no_eligible_creator",
        "not_a_freeze",
        "not_liquidated",
        "not_matured",
        "own_account",
        "own_flow",
        "period_closed",
        "product_closed",
        "product_name_taken",
        "quota_exceeded",
        "rate_is_past",
        "refresh_superseded",
        "same_person",
        "schedule_changed",
        "schedule_name_taken",
        "second_factor_exists",
        "strategy_is_final",
        "strategy_name_taken",
        "strategy_version_taken",
        "study_exists",
        "study_not_finished",
        "subscription_cancelled",
        "username_taken",
    }
)
"""Codes of requests that are well formed and do not fit the present state."""


def status_of(code: str) -> int:
    """The HTTP status of an error code."""
    if code in STATUS_OF:
        return STATUS_OF[code]
    if code.startswith("unknown_"):
        return 404
    return 409 if code in CONFLICTS else 422


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    field: str | None = None,
    value: object = None,
    mend: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem as a response."""
    body = Problem(
        type="about:blank",
        title=TITLES.get(status, "Error"),
        status=status,
        code=code,
        detail=detail,
        field=field,
        value=None if value is None else str(value),
        mend=mend,
        requestId=request_id.get(),
    )
    return JSONResponse(
        body.model_dump(exclude_none=True),
        status,
        media_type="application/problem+json",
        headers=headers,
    )


def problem_of(error: CommendaError) -> JSONResponse:
    """A refusal as a response."""
    status = status_of(error.code)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if error.code == "too_many_requests":
        headers["Retry-After"] = str(error.value)  # whole seconds
    return problem(
        status,
        error.code,
        error.message,
        field=error.field,
        value=error.value,
        mend=error.mend,
        headers=headers,
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route declares beside its success; authenticated routes add 401, 403 and 429."""
    return {
        status: {
            "model": Problem,
            "description": TITLES[status],
            "content": {"application/problem+json": {}},
        }
        for status in statuses
    }


GUARDED = problems(401, 403, 422, 429)
"""What any authenticated route may answer: `responses=GUARDED | problems(404)`."""


# --- One effect for each key -----------------------------------------------------------------

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key and body: the same answer, one effect. Another body: 409.",
        examples=["6f1c0e52-deposit-1"],
    ),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write is answered with, recorded under its key: refusals too."""

    body: dict[str, Any]
    status: int = 200


def refused(
    code: str,
    detail: str,
    *,
    field: str | None = None,
    value: object = None,
    mend: str | None = None,
) -> Answer:
    """A refusal that is recorded with its key, unlike one that is raised."""
    body = {
        "code": code,
        "detail": detail,
        "field": field,
        "value": None if value is None else str(value),
        "mend": mend,
    }
    return Answer(body, status_of(code))


def or_refused(tx: Tx, act: Callable[[], Answer]) -> Answer:
    """What `act` answers, or what it refuses with: what it did is undone, the refusal recorded."""
    try:
        with tx.transaction():
            return act()
    except CommendaError as error:
        return refused(
            error.code, error.message, field=error.field, value=error.value, mend=error.mend
        )


def answer_once(
    tx: Tx,
    operation: str,
    principal: str,
    key: str | None,
    request: object,
    now: datetime,
    act: Callable[[], Answer],
) -> JSONResponse:
    """Run `act` once for (operation, principal, key) and answer as it did the first time.

    Without a key it just runs. `request` is what must be equal for a replay.
    """
    if key is None:
        return respond(act(), replayed=False)
    outcome, replayed = once(
        tx, operation, principal, key, _comparable(request), now, lambda: _recorded(act())
    )
    return respond(Answer(outcome["body"], outcome["status"]), replayed=replayed)


def _comparable(request: object) -> object:
    return request.model_dump(mode="json") if isinstance(request, BaseModel) else request


def _recorded(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "body": answer.body}


def respond(answer: Answer, *, replayed: bool) -> JSONResponse:
    """An answer as a response; a replayed one says so."""
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    if answer.status >= 400:
        body = answer.body
        return problem(
            answer.status,
            body["code"],
            body["detail"],
            field=body["field"],
            value=body.get("value"),
            mend=body["mend"],
            headers=headers,
        )
    return JSONResponse(answer.body, answer.status, headers=headers)


def wire(body: BaseModel) -> dict[str, Any]:
    """A body as JSON-ready values with the wire's names."""
    return body.model_dump(mode="json", by_alias=True)


def sent(body: BaseModel) -> Response:
    """A body as it is, without the check and the thread that FastAPI gives to what is returned.

    For the reads that are asked most; `response_model` says what it is.
    """
    return Response(body.model_dump_json(by_alias=True), media_type="application/json")
