"""Routes of the kill switch and the breakers: stop, see what stands, have it resumed by two."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from commenda.identity import Permission, Principal
from commenda.identity.access import may, require_second_factor
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    Body,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    problems,
    routes,
    wire,
    write,
)
from commenda.kit.wire import WORDS
from commenda.ledger import Author
from commenda.operations.stopping import Stopped, settle_stop
from commenda.risk import (
    RULES,
    Breaker,
    BreakerChange,
    Effect,
    Level,
    all_breakers,
    changes_of,
    find_breaker,
    request_resume,
    stop,
)

router = routes("risk", "/risk")
Reader = Annotated[Principal, may(Permission.OVERVIEW)]
Officer = Annotated[Principal, may(Permission.RISK)]
Why = Annotated[
    str,
    Field(min_length=1, max_length=500, pattern=WORDS, examples=["The venue's prices are wrong."]),
]


class KillOrder(Body):
    """What is to stop, and how far."""

    level: Level
    subject: Annotated[
        str,
        Field(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="The name of the venue's account or the strategy, the id of the instrument,"
            " flow, creator or book; empty for the platform.",
        ),
    ] = ""
    effect: Annotated[
        Effect,
        Field(
            description="How far: no entries; working entries cancelled, too; what is held halved;"
            " or closed. Exits go on in any case."
        ),
    ] = Effect.NO_ENTRIES
    reason: Why


class ResumeOrder(Body):
    """Why it may go on."""

    reason: Why


@router.get("/breakers", operation_id="listBreakers", responses=GUARDED)
def list_breakers(
    service: Served,
    _who: Reader,
    standing: Annotated[bool, Query(description="Only those that are not closed.")] = False,
) -> list[Breaker]:
    """Every breaker that ever opened, the latest changed first."""
    with service.database.read() as tx:
        return all_breakers(tx, standing=standing)


@router.get("/breakers/changes", operation_id="listBreakerChanges", responses=GUARDED)
def list_changes(service: Served, _who: Reader, asked: Paged) -> Page[BreakerChange]:
    """What became of the breakers, the latest first: who opened and closed them, and on what."""
    with service.database.read() as tx:
        rows = changes_of(tx, asked.after(datetime, UUID), asked.rows)
    return asked.page(rows, lambda one: (one.at, one.breaker_id))


@router.post(
    "/kill",
    operation_id="stopTrading",
    response_model=Stopped,
    responses=GUARDED | problems(404),
)
def kill(service: Served, who: Officer, body: KillOrder, key: IdempotencyKey = None) -> Response:
    """Stop the opening of positions, of all or of a part. Once it answers, nothing that opens is
    sent but what it names; exits go on. It takes a session with a second factor."""
    require_second_factor(who, service.settings)

    def act(tx: Tx, now: datetime) -> Breaker:
        author = Author(who.actor, RULES, now)
        return stop(tx, author, body.level, body.subject, body.effect, body.reason)

    stored = write(service, who, "risk-kill", key, body, act)
    if stored.status_code >= 400:
        return stored
    with service.database.read() as tx:
        author = Author(who.actor, RULES, business_now(tx))
    breaker = UUID(json.loads(bytes(stored.body))["id"])
    answer = wire(settle_stop(service.database, author, breaker))
    replayed = {k: v for k, v in stored.headers.items() if k.startswith("idempotency")}
    return JSONResponse(answer, headers=replayed)


@router.post(
    "/breakers/{breaker_id}/resume",
    operation_id="resumeTrading",
    status_code=202,
    response_model=Breaker,
    responses=GUARDED | problems(404, 409),
)
def resume(
    service: Served,
    who: Officer,
    breaker_id: UUID,
    body: ResumeOrder,
    key: IdempotencyKey = None,
) -> Response:
    """Ask that a breaker be closed; another of the staff approves it."""
    require_second_factor(who, service.settings)

    def act(tx: Tx, now: datetime) -> Breaker:
        request_resume(tx, who, breaker_id, body.reason, now)
        return find_breaker(tx, breaker_id)

    asked = {"breaker": str(breaker_id), **body.model_dump(mode="json")}
    return write(service, who, "risk-resume", key, asked, act, status=202)
