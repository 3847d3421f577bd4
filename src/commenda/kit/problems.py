"""Problem details (RFC 9457): how everything that is refused or fails looks over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from commenda.kit.context import request_id
from commenda.kit.errors import CommendaError


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
    rule: str | None = Field(
        None, examples=["string_too_long"], description="What a value breaks of its schema."
    )
    bound: str | None = Field(
        None, examples=["100"], description="What the rule allows, where it has a bound."
    )
    requestId: str  # noqa: N815 - the wire's own name


TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def problem(
    status: int,
    code: str,
    detail: str,
    field: str | None = None,
    value: object = None,
    hint: str | None = None,
    headers: Mapping[str, str] | None = None,
    rule: str | None = None,
    bound: object = None,
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
        mend=hint,
        rule=rule,
        bound=None if bound is None else str(bound),
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
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    if error.status == 429:
        headers["Retry-After"] = str(error.value)  # whole seconds
    said = error.field, error.value, error.hint
    return problem(error.status, error.code, error.message, *said, headers=headers)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route declares beside its success; authenticated routes add 401, 403 and 429.

    By name, see `app.Application`: as a model of each it would be built 600 times at every start.
    """
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    content = {"application/problem+json": {"schema": schema}}
    return {
        status: {"description": TITLES[status], "content": dict(content)} for status in statuses
    }


GUARDED = problems(401, 403, 422, 429)
"""What any authenticated route may answer: `responses=GUARDED | problems(404)`."""
