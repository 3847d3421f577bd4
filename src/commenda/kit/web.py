"""What every domain's `http.py` is built from: parse, authorise, call one action, return.

A read returns the domain's record, or a `Page` of them; a write is one `write(...)`; a refusal is
raised where the rule is and answered here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol, TypeVar, overload
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from commenda.kit.clock import business_now
from commenda.kit.db import Database, Tx
from commenda.kit.direct import Direct
from commenda.kit.errors import CommendaError
from commenda.kit.idempotency import Outcome, answered, claim, keep, once, refused
from commenda.kit.keys import Keys
from commenda.kit.pages import Key, Numbered, Page, Sheet, key_after, page_of
from commenda.kit.problems import GUARDED, Problem, problem_of, problems
from commenda.kit.wire import (
    Amount,
    Asset,
    Body,
    Internal,
    Moment,
    Real,
    Whole,
    as_json,
    on_wire,
    one_of,
    wire,
    wire_text,
)
from commenda.settings import Settings

__all__ = [
    "GUARDED",
    "Amount",
    "Asset",
    "Body",
    "IdempotencyKey",
    "Internal",
    "Moment",
    "Numbered",
    "Page",
    "Paged",
    "Paging",
    "Problem",
    "Real",
    "Served",
    "Service",
    "Sheet",
    "Whole",
    "as_json",
    "key_or_new",
    "numbered",
    "on_wire",
    "one_of",
    "problems",
    "routes",
    "sent",
    "wire",
    "wire_text",
    "write",
]

R = TypeVar("R")
A = TypeVar("A", bound=Key)
B = TypeVar("B", bound=Key)
C = TypeVar("C", bound=Key)

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

PREFIX = "/api/v1"


def routes(tag: str, below: str = "") -> APIRouter:
    """A domain's router, under /api/v1 and `below` that: its routes are as they will be served.

    To make one takes 2 to 4 ms, most of it for what it says of itself in OpenAPI, so none is made
    again for the application.
    """
    return APIRouter(prefix=PREFIX + below, tags=[tag], route_class=Direct)


# --- Pages -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list is asked for."""

    cursor: str | None
    limit: int

    @property
    def rows(self) -> int:
        """How many rows to read: one more than the page holds says whether another follows."""
        return self.limit + 1

    @overload
    def after(self, kind: type[A], /) -> A | None: ...
    @overload
    def after(self, kind: type[A], second: type[B], /) -> tuple[A, B] | None: ...
    @overload
    def after(self, kind: type[A], second: type[B], third: type[C], /) -> tuple[A, B, C] | None: ...
    def after(self, *kinds: Any) -> Any:
        """The sort key after which the page begins; see `key_after`."""
        return key_after(self.cursor, *kinds)

    def page(self, rows: Sequence[R], key: Callable[[R], Key | tuple[Key, ...]]) -> Page[R]:
        """The page, of rows that were read by `rows`; `key` is what the list is sorted by."""
        return page_of(rows, self.limit, key)


async def _paging(
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[Whole, Query(ge=1, le=200)] = 50,
) -> Paging:
    return Paging(cursor, limit)


Paged = Annotated[Paging, Depends(_paging)]
"""The page that a request asks for: `cursor` and `limit`."""


def numbered(limit: int) -> Any:
    """The page by number that a request asks for: `page` and `limit`, by default this many."""

    async def asked(
        page: Annotated[Whole, Query(ge=1, le=10_000)] = 1,
        limit: Annotated[Whole, Query(ge=1, le=100)] = limit,
    ) -> Numbered:
        return Numbered(page, limit)

    return Depends(asked)


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


class Someone(Protocol):
    """Whoever is signed in."""

    @property
    def user_id(self) -> UUID: ...


def key_or_new(key: str | None) -> str:
    """What names a write for good, where an action needs a name: the client's key or a new one."""
    return secrets.token_hex(16) if key is None else key


def write(
    service: Service,
    who: Someone,
    operation: str,
    key: str | None,
    request: object,
    act: Callable[[Tx, datetime], object],
    status: int = 200,
    *,
    principal: str | None = None,
) -> Response:
    """Run `act` in one transaction, once for (operation, user, key), and answer what it returns.

    `act` gets the transaction and the business time, and returns a body or a record; or a pair of
    that and its status, where that is not always `status`. A refusal that `act` raises undoes what
    `act` did, is kept under the key and answered again, as any outcome is; without a key `act` just
    runs. `request` is what must be equal for a replay: another under the same key is refused with
    code `idempotency_conflict`. `principal` is whose the key is, where that is not the user's id.
    """
    if key is None:
        with service.database.transaction() as tx:
            return _response(answered(act(tx, business_now(tx)), status), replayed=False)
    asked = request.model_dump(mode="json") if isinstance(request, BaseModel) else request
    named = (operation, principal or str(who.user_id), key)
    try:
        with service.database.transaction() as tx:
            now, known = claim(tx, *named, asked)
            if known is not None:
                return _response(known, replayed=True)
            try:
                outcome = answered(act(tx, now), status)
            except CommendaError as error:
                raise _Undone(refused(error)) from error
            keep(tx, *named, outcome)
            return _response(outcome, replayed=False)
    except _Undone as undone:  # the claim went too: who came between has its own outcome recorded
        outcome = undone.outcome
        with service.database.transaction() as tx:
            return _response(*once(tx, *named, asked, now, lambda: outcome))


class _Undone(Exception):
    """A refusal that takes its transaction with it, and is to be kept.

    A savepoint would leave the rest of the transaction, and be paid for by each success.
    """

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


def _response(recorded: Outcome, replayed: bool) -> Response:
    """What was answered or refused with, as a response; a replayed one says so."""
    status, body = recorded["status"], recorded["body"]
    if status < 400:
        response = JSONResponse(body, status)
    else:
        refusal = CommendaError(body["code"], body["detail"], status=status)
        response = problem_of(refusal.at(body["field"], body.get("value"), body["mend"]))
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def sent(answer: object, kind: Any = None) -> Response:
    """A body or a record as it is, without the thread that FastAPI gives to what is returned.

    For the reads that are asked most; `response_model` says what it is, and `kind` too where its
    class alone does not: `Page[Funding]`.
    """
    return Response(wire_text(answer, kind), media_type="application/json")
