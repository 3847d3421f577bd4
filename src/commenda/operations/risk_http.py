"""Routes of the risk officer: what books hold, how near they are to their end, what is stuck, and
whether the machinery works.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request, Response

from commenda.books import (
    BookRisk,
    Exposure,
    OpenClosing,
    PositionRisk,
    books_at_risk,
    exposure,
    open_closings,
    positions_at_risk,
)
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.money import number
from commenda.kit.outbox import Failed
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    Whole,
    problems,
    routes,
    write,
)
from commenda.operations.jobs import MARGINED
from commenda.operations.workers import Workforce, look, run_again

router = routes("risk")
Reader = Annotated[Principal, may(Permission.OVERVIEW)]
Starter = Annotated[Principal, may(Permission.SCHEDULES)]


@router.get("/exposure", operation_id="getExposure", responses=GUARDED)
def get_exposure(service: Served, _who: Reader) -> Exposure:
    """What all open books hold at the latest marks: in all, by instrument, creator and venue."""
    with service.database.read() as tx:
        return exposure(tx, MARGINED)


@router.get("/exposure/books", operation_id="listBooksAtRisk", responses=GUARDED)
def list_books(
    service: Served,
    _who: Reader,
    asked: Paged,
    instrument_id: Annotated[Whole | None, Query(alias="instrumentId", ge=1, lt=2**15)] = None,
    creator_id: Annotated[UUID | None, Query(alias="creatorId")] = None,
    venue: Annotated[str | None, Query(min_length=1, max_length=100, pattern=r"^[^\x00]+$")] = None,
) -> Page[BookRisk]:
    """Open books that hold something (of an instrument, by a creator, at a venue): those that are
    closed by their margin first, and of them the nearest to it."""
    after = asked.after(str, UUID)
    with service.database.read() as tx:
        rows = books_at_risk(
            tx,
            MARGINED,
            instrument_id=instrument_id,
            creator_id=creator_id,
            venue=venue,
            after=None if after is None else (_rank(after[0], asked.cursor), after[1]),
            limit=asked.rows,
        )
    return asked.page(rows, lambda one: (str(one.rank), one.id))


@router.get("/risk/exposure", operation_id="listPositionsAtRisk", responses=GUARDED)
def list_positions(
    service: Served,
    _who: Reader,
    asked: Paged,
    venue: Annotated[str | None, Query(min_length=1, max_length=100, pattern=r"^[^\x00]+$")] = None,
) -> Page[PositionRisk]:
    """Positions of books that are closed by their margin (at a venue's account), with what that
    stands at: the nearest to their liquidation price first."""
    after = asked.after(str, UUID, int)
    with service.database.read() as tx:
        rows = positions_at_risk(
            tx,
            MARGINED,
            venue=venue,
            after=None if after is None else (_rank(after[0], asked.cursor), *after[1:]),
            limit=asked.rows,
        )
    return asked.page(rows, lambda one: (str(one.rank), one.scope_id, one.instrument_id))


@router.get("/exposure/closings", operation_id="listOpenClosings", responses=GUARDED)
def list_closings(
    service: Served,
    _who: Reader,
    asked: Paged,
    failed: Annotated[bool, Query(description="Only those that failed at least once.")] = False,
) -> Page[OpenClosing]:
    """Books that are asked to close and are not closed yet, the oldest first."""
    with service.database.read() as tx:
        rows = open_closings(tx, failed=failed, after=asked.after(datetime, UUID), limit=asked.rows)
    return asked.page(rows, lambda one: (one.requested_at, one.id))


@router.get("/operations/workers", operation_id="getWorkers", responses=GUARDED)
def get_work(request: Request, service: Served, _who: Reader) -> Workforce:
    """Workers, queues, what is behind and what failed, with the checks of /readyz."""
    readiness = request.app.state.health.read()
    with service.database.read() as tx:
        return look(tx, readiness)


@router.post(
    "/operations/workers/{workflow_id}/again",
    operation_id="runWorkAgain",
    status_code=202,
    response_model=Failed,
    responses=GUARDED | problems(404, 409),
)
def again(
    service: Served,
    who: Starter,
    workflow_id: Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$")],
    key: IdempotencyKey = None,
) -> Response:
    """Have work that failed run again from its first step: what is there already is not done
    twice."""

    def act(tx: Tx, now: datetime) -> Failed:
        return run_again(tx, who, workflow_id, now)

    return write(service, who, "work-again", key, {"workflow": workflow_id}, act, status=202)


def _rank(text: str, cursor: str | None) -> Decimal:
    try:
        return number(text)
    except ValueError:
        raise CommendaError("bad_cursor", "Not a cursor of this list").at(
            "cursor", cursor, "pass nextCursor of the page before, or none for the first page"
        ) from None
