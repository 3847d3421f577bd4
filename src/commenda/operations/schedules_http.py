"""Routes of schedules: what runs when, who may change it, and how it went."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from commenda.identity import Permission, Principal
from commenda.identity.access import may
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
    write,
)
from commenda.kit.wire import Whole
from commenda.ledger import Author
from commenda.operations import runs, schedules
from commenda.operations.cron import LONGEST
from commenda.operations.jobs import JOBS
from commenda.operations.runs import Run, request_run
from commenda.operations.schedules import (
    Name,
    Parameter,
    Plan,
    Preview,
    Remark,
    Rule,
    ShownSchedule,
    Status,
    Target,
    create_schedule,
    delete_schedule,
    edit_schedule,
    schedule_by_id,
)
from commenda.operations.ticks import RULES, CatchUp, Job

router = routes("schedules")
Reader = Annotated[Principal, may(Permission.OVERVIEW)]
Keeper = Annotated[Principal, may(Permission.SCHEDULES)]


class ScheduleChange(Body):
    """What to change; what is left out stays. Of a built-in one: rule, status and remark."""

    name: Name | None = None
    rule: Rule | None = None
    target: Target | None = None
    parameter: Parameter | None = None
    singleton: bool | None = None
    catch_up: CatchUp | None = None
    status: Status | None = None
    remark: Remark | None = None
    version: Annotated[Whole, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None, description="Change it only if this is still its version; 409 otherwise."
    )


class TargetView(Body):
    """A job that a schedule may name."""

    name: str
    about: str
    catch_up: CatchUp = Field(description="Of its schedules, where they do not say.")
    catch_ups: list[CatchUp] = Field(
        description="What they may choose: `every` takes a job that is right for any moment."
    )
    rule: str | None = Field(description="Of its built-in schedule, as it comes.")
    parameters: dict[str, Any] = Field(description="JSON schema of the parameter.")

    @classmethod
    def of(cls, job: Job) -> Self:
        own = {
            name: getattr(job, name) for name in ("name", "about", "catch_up", "catch_ups", "rule")
        }
        return cls(**own, parameters=job.parameters.model_json_schema())


@router.get("/schedules/targets", operation_id="listScheduleTargets", responses=GUARDED)
def list_targets(_who: Reader) -> list[TargetView]:
    """The jobs that a schedule may name, with what each may be told."""
    return [TargetView.of(one) for one in JOBS if isinstance(one, Job)]


@router.get("/schedules", operation_id="listSchedules", responses=GUARDED)
def list_schedules(service: Served, _who: Reader, asked: Paged) -> Page[ShownSchedule]:
    """Every schedule, in the order in which they were made."""
    with service.database.transaction() as tx:
        now = business_now(tx)
        rows = schedules.list_schedules(tx, asked.after(int) or 0, asked.rows)
    return asked.page([ShownSchedule.of(one, now) for one in rows], lambda one: one.number)


@router.get("/schedules/preview", operation_id="previewSchedule", responses=GUARDED)
def preview_schedule(
    service: Served, _who: Reader, rule: Annotated[str, Query(max_length=LONGEST)]
) -> Preview:
    """What a rule means and when it would next be due; nothing is saved."""
    with service.database.read() as tx:
        return schedules.preview(rule, business_now(tx))


@router.post(
    "/schedules",
    operation_id="createSchedule",
    status_code=201,
    response_model=ShownSchedule,
    responses=GUARDED | problems(409),
)
def post_schedule(service: Served, who: Keeper, body: Plan, key: IdempotencyKey = None) -> Response:
    """Make a schedule of a job; it is first due at its rule's next moment."""

    def act(tx: Tx, now: datetime) -> ShownSchedule:
        return ShownSchedule.of(create_schedule(tx, Author(who.actor, RULES, now), body), now)

    return write(service, who, "schedules.create", key, asdict(body), act, status=201)


@router.get(
    "/schedules/{schedule_id}", operation_id="getSchedule", responses=GUARDED | problems(404)
)
def get_schedule(service: Served, _who: Reader, schedule_id: UUID) -> ShownSchedule:
    """One schedule, when it is next due and how its last run went."""
    with service.database.transaction() as tx:
        return ShownSchedule.of(schedule_by_id(tx, schedule_id), business_now(tx))


@router.patch(
    "/schedules/{schedule_id}",
    operation_id="editSchedule",
    response_model=ShownSchedule,
    responses=GUARDED | problems(404, 409),
)
def patch_schedule(
    service: Served,
    who: Keeper,
    schedule_id: UUID,
    body: ScheduleChange,
    key: IdempotencyKey = None,
) -> Response:
    """Change a schedule, pause it (`status` paused) or resume it. A new rule counts from now on;
    what fell into a pause is not made up for."""
    given = {name: value for name, value in dict(body).items() if value is not None}
    version = given.pop("version", None)

    def act(tx: Tx, now: datetime) -> ShownSchedule:
        author = Author(who.actor, RULES, now)
        return ShownSchedule.of(edit_schedule(tx, author, schedule_id, given, version), now)

    request = {"id": str(schedule_id), **body.model_dump(mode="json")}
    return write(service, who, "schedules.edit", key, request, act)


@router.delete(
    "/schedules/{schedule_id}",
    operation_id="deleteSchedule",
    status_code=204,
    responses=GUARDED | problems(404, 409),
)
def remove_schedule(service: Served, who: Keeper, schedule_id: UUID) -> None:
    """Delete a schedule with its log; a built-in one can be paused only."""
    with service.database.transaction() as tx:
        delete_schedule(tx, Author(who.actor, RULES, business_now(tx)), schedule_id)


@router.post(
    "/schedules/{schedule_id}/run",
    operation_id="runSchedule",
    status_code=202,
    response_model=Run,
    responses=GUARDED | problems(404, 409),
)
def run_schedule(
    service: Served, who: Keeper, schedule_id: UUID, key: IdempotencyKey = None
) -> Response:
    """Ask for a run now, paused or not. The leading worker takes it up between two ticks; the log
    says how it went."""

    def act(tx: Tx, now: datetime) -> Run:
        return request_run(tx, Author(who.actor, RULES, now), schedule_id)

    return write(service, who, "schedules.run", key, {"id": str(schedule_id)}, act, status=202)


@router.get(
    "/schedules/{schedule_id}/runs",
    operation_id="listScheduleRuns",
    responses=GUARDED | problems(404),
)
def list_runs(service: Served, _who: Reader, schedule_id: UUID, asked: Paged) -> Page[Run]:
    """A schedule's log, the latest run first."""
    with service.database.transaction() as tx:
        schedule_by_id(tx, schedule_id)
        rows = runs.list_runs(tx, schedule_id, asked.after(int), asked.rows)
    return asked.page(rows, lambda run: run.id)
