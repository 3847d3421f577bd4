"""Routes of long work, whatever its kind."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Response

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    problems,
    routes,
    write,
)
from commenda.kit.work import RULES, Work
from commenda.ledger import Author
from commenda.operations.work import cancel_work, list_work, work_by_id

router = routes("work")
Anybody = Annotated[Principal, may(Permission.ACCOUNT)]
"""Everybody sees what they asked for; the staff sees all."""
Runner = Annotated[Principal, may(Permission.SHARE, Permission.SCHEDULES)]
"""Creators cancel their own; operators may cancel any; who only watches cancels nothing."""


@router.get("/work", operation_id="listWork", responses=GUARDED)
def get_work(
    service: Served, who: Anybody, asked: Paged, under_way: bool | None = None
) -> Page[Work]:
    """Long work, the latest first: what is under way, what has ended, or both."""
    after = asked.after(datetime, UUID)
    with service.database.transaction() as tx:
        rows = list_work(tx, _seen_by(who), under_way=under_way, after=after, limit=asked.rows)
    return asked.page(rows, lambda one: (one.asked_at, one.id))


@router.get("/work/{work_id}", operation_id="getWork", responses=GUARDED | problems(404))
def get_one(service: Served, who: Anybody, work_id: UUID) -> Work:
    """One piece of work: how far it is, what came of it, or why it failed."""
    with service.database.transaction() as tx:
        return work_by_id(tx, _seen_by(who), work_id)


@router.post(
    "/work/{work_id}/cancel",
    operation_id="cancelWork",
    response_model=Work,
    responses=GUARDED | problems(404, 409),
)
def cancel(service: Served, who: Runner, work_id: UUID, key: IdempotencyKey = None) -> Response:
    """Have it stop. What it did so far stays; work that has ended stays as it is."""
    return write(
        service,
        who,
        "cancel-work",
        key,
        {"workId": str(work_id)},
        lambda tx, now: cancel_work(tx, _seen_by(who), work_id, Author(who.actor, RULES, now)),
    )


def _seen_by(who: Principal) -> str | None:
    """Whose work somebody sees; None for everybody's."""
    return None if who.may(Permission.OVERVIEW) else who.actor
