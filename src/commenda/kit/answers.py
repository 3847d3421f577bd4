"""Answers that a route makes by hand, for the routes that do not use `web.write` yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.idempotency import once
from commenda.kit.problems import problem_of


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write is answered with, recorded under its key: refusals too."""

    body: dict[str, Any]
    status: int = 200


def kept(error: CommendaError) -> Answer:
    """A refusal as what is recorded of it."""
    body = {
        "code": error.code,
        "detail": error.message,
        "field": error.field,
        "value": None if error.value is None else str(error.value),
        "mend": error.hint,
    }
    return Answer(body, error.status)


def refused(
    code: str,
    detail: str,
    *,
    field: str | None = None,
    value: object = None,
    hint: str | None = None,
    status: int = 409,
) -> Answer:
    """A refusal that is recorded with its key, unlike one that is raised."""
    return kept(CommendaError(code, detail, field=field, value=value, hint=hint, status=status))


def or_refused(tx: Tx, act: Callable[[], Answer]) -> Answer:
    """What `act` answers, or what it refuses with: what it did is undone, the refusal recorded."""
    try:
        with tx.transaction():
            return act()
    except CommendaError as error:
        return kept(error)


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
    asked = request.model_dump(mode="json") if isinstance(request, BaseModel) else request

    def record() -> dict[str, Any]:
        answer = act()
        return {"status": answer.status, "body": answer.body}

    outcome, replayed = once(tx, operation, principal, key, asked, now, record)
    return respond(Answer(outcome["body"], outcome["status"]), replayed=replayed)


def respond(answer: Answer, *, replayed: bool) -> JSONResponse:
    """An answer as a response; a replayed one says so."""
    status, body = answer.status, answer.body
    if status < 400:
        response = JSONResponse(body, status)
    else:
        error = CommendaError(body["code"], body["detail"], status=status, hint=body["mend"])
        error.field, error.value = body["field"], body.get("value")
        response = problem_of(error)
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response
