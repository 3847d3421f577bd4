"""Limits of risk over HTTP: what is in force and how much of it is used, and setting another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    on_wire,
    problems,
    routes,
    write,
)
from commenda.ledger import Author
from commenda.risk.limits import LimitAnswer, order_limit
from commenda.risk.model import RULES, LimitOrder
from commenda.risk.stop_templates import (
    StopTemplate,
    TemplateOrder,
    set_template,
    stop_templates,
)
from commenda.risk.usage import LimitFinding, LimitUse, findings, limits_and_use

router = routes("risk")
Reader = Annotated[Principal, may(Permission.OVERVIEW)]
Looker = Annotated[Principal, may(Permission.FLOWS, Permission.OVERVIEW)]
Officer = Annotated[Principal, may(Permission.RISK)]


@router.get("/risk/limits", operation_id="listRiskLimits", responses=GUARDED)
def list_limits(
    service: Served,
    _who: Reader,
    asked: Paged,
    state: Annotated[Literal["in_force", "past", "all"], Query()] = "in_force",
) -> Page[LimitUse]:
    """Limits of risk with what is used of each now, the last that were set first; or past ones."""
    before = asked.after(datetime, UUID)
    with service.database.read() as tx:
        rows = limits_and_use(tx, business_now(tx), state=state, before=before, limit=asked.rows)
    return asked.page(rows, lambda one: (one.valid_from, one.id))


@router.post(
    "/risk/limits",
    operation_id="setRiskLimit",
    response_model=LimitAnswer,
    responses={202: {"model": LimitAnswer}} | GUARDED | problems(404, 409),
)
def set_limit(
    service: Served, who: Officer, body: LimitOrder, key: IdempotencyKey = None
) -> Response:
    """Set a limit, which acts at once; one that lets more through, or ends, waits for another
    person: 202, and nothing has changed."""

    def act(tx: Tx, now: datetime) -> tuple[LimitAnswer, int]:
        answer = order_limit(tx, who, body, now)
        return answer, 202 if answer.status == "requested" else 200

    return write(service, who, "risk-limit", key, body, act)


@router.get("/risk/findings", operation_id="listRiskFindings", responses=GUARDED)
def list_findings(service: Served, _who: Reader, asked: Paged) -> Page[LimitFinding]:
    """What limits have left of what was asked for, the latest first: one for a cause and limit."""
    with service.database.read() as tx:
        rows = findings(tx, asked.after(int), asked.rows)
    return asked.page(rows, lambda one: one.number)


@on_wire
@dataclass(frozen=True, slots=True)
class TemplateList:
    items: list[StopTemplate]


@router.get("/risk/stop-templates", operation_id="listStopTemplates", responses=GUARDED)
def list_templates(service: Served, _who: Looker) -> TemplateList:
    """Named sets of protective stops, for whoever shares a flow or watches one."""
    with service.database.read() as tx:
        return TemplateList(stop_templates(tx))


@router.post(
    "/risk/stop-templates", operation_id="setStopTemplate", responses=GUARDED | problems(404)
)
def keep_template(service: Served, who: Officer, body: TemplateOrder) -> StopTemplate:
    """Keep a set of stops under a name, as its next version. Flows that took the one before keep
    what they took."""
    with service.database.transaction() as tx:
        return set_template(tx, Author(who.actor, RULES, business_now(tx)), body)
