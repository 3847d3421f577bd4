"""Alerts over HTTP: what is the matter, and who looks after it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query, Response
from pydantic import Field

from commenda.alerts.actions import Wanted, acknowledge, alerts_where, standing
from commenda.alerts.model import KINDS, Alert, AlertState, Severity, Standing
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.web import (
    GUARDED,
    Body,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    one_of,
    problems,
    routes,
    write,
)
from commenda.kit.wire import WORDS

router = routes("alerts")
Reader = Annotated[Principal, may(Permission.OVERVIEW)]
Looker = Annotated[Principal, may(Permission.ACKNOWLEDGE)]


class Acknowledgement(Body):
    note: str = Field(
        min_length=1,
        max_length=500,
        pattern=WORDS,
        examples=["The venue was called: it trades again at noon"],
        description="What is the cause and what is done about it, for whoever looks next.",
    )


@router.get("/alerts", operation_id="listAlerts", responses=GUARDED)
def list_alerts(
    service: Served,
    who: Reader,
    asked: Paged,
    state: Annotated[
        AlertState | Literal["open"] | None, Query(description="`open` is new or acknowledged.")
    ] = None,
    kind: Annotated[str | None, Query(), one_of(one.name for one in KINDS)] = None,
    severity: Severity | None = None,
    subject: Annotated[
        str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00]+$")
    ] = None,
) -> Page[Alert]:
    """What somebody should look at, the last raised first."""
    wanted = Wanted(state, kind, severity, subject)
    with service.database.read() as tx:
        rows = alerts_where(tx, wanted, who.permissions, asked.after(datetime, int), asked.rows)
    return asked.page(rows, lambda one: (one.last_at, one.id))


@router.get("/alerts/standing", operation_id="getAlertStanding", responses=GUARDED)
def get_standing(service: Served, who: Reader) -> Standing:
    """How many alerts are open, and how many of them nobody has acknowledged."""
    with service.database.read() as tx:
        return standing(tx, who.permissions)


@router.post(
    "/alerts/{alert_id}/acknowledge",
    operation_id="acknowledgeAlert",
    response_model=Alert,
    responses=GUARDED | problems(404, 409),
)
def acknowledge_alert(
    service: Served, who: Looker, alert_id: str, body: Acknowledgement, key: IdempotencyKey = None
) -> Response:
    """Say that somebody looks after an alert, and how. It stays open until its cause is gone; one
    that comes back after that is new."""
    digits = alert_id.isascii() and alert_id.isdigit() and len(alert_id) < 19
    if not digits:
        raise unknown("alert", alert_id, "alertId")

    def act(tx: Tx, now: datetime) -> Alert:
        return acknowledge(tx, who, int(alert_id), body.note, now)

    asked = {"alert": int(alert_id), "note": body.note}
    return write(service, who, "acknowledge", key, asked, act)
