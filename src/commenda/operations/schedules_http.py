"""Routes of schedules: what runs when, who may change it, and how it went."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import Field, JsonValue

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import (
    GUARDED,
    Answer,
    Body,
    IdempotencyKey,
    Served,
    answer_once,
    problems,
    wire,
)
from commenda.ledger import Author
from commenda.operations import runs, schedules
from commenda.operations.cron import LONGEST
from commenda.operations.jobs import JOBS
from commenda.operations.runs import Run, RunStatus, request_run
from commenda.operations.schedules import (
    LONGEST_NAME,
    LONGEST_REMARK,
    Plan,
    Schedule,
    Status,
    create_schedule,
    delete_schedule,
    edit_schedule,
    schedule_by_id,
    upcoming,
)
from commenda.operations.ticks import RULES, CatchUp, Job

router = APIRouter(tags=["schedules"])
Reader = Annotated[Principal, may(Permission.OVERVIEW)]
Keeper = Annotated[Principal, may(Permission.SCHEDULES)]

Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_NAME,
        pattern=r"^[^\x00-\x1f\x7f-\x9f]+$",
        examples=["weekly income"],
    ),
]
Rule = Annotated[
    str,
    Field(
        max_length=LONGEST,
        description="Cron, UTC: minute hour day month weekday, or six fields with seconds first.",
        examples=["30 */5 * * * *", "0 8 * * mon-fri"],
    ),
]
Target = Annotated[
    str, Field(max_length=100, description="One of the list of targets.", examples=["nav"])
]
Parameter = Annotated[
    dict[str, JsonValue], Field(description="As the target's schema says.", examples=[{}])
]
Remark = Annotated[str, Field(max_length=LONGEST_REMARK, pattern=r"^[^\x00]*$")]
_SINGLETON = "While a run is asked for or under way, no other is."


class NewSchedule(Body):
    """A schedule to make."""

    name: Name
    rule: Rule
    target: Target
    parameter: Parameter = Field(default_factory=dict)
    singleton: bool = Field(default=True, description=_SINGLETON)
    catch_up: CatchUp | None = Field(
        default=None,
        description="What becomes of missed moments: one run for each of them, in order, or one"
        " for all; the target's own choice by default.",
    )
    status: Status = Status.ACTIVE
    remark: Remark = ""


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
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None, description="Change it only if this is still its version; 409 otherwise."
    )


class ScheduleView(Body):
    """The specification's Crontab. Times are business times."""

    id: UUID
    name: str
    type: Literal["job"]
    rule: str
    target: str
    parameter: dict[str, Any]
    singleton: bool
    catch_up: CatchUp
    status: Status
    remark: str
    built_in: bool
    version: int
    created_at: datetime
    next_at: datetime | None = Field(
        description="The first moment that is not done; past while it waits. None when paused."
    )
    upcoming: list[datetime] = Field(description="The rule's next five moments.")
    retry_at: datetime | None = Field(description="When the run that failed is tried again.")
    last_at: datetime | None = Field(description="When the clock last had it run.")
    last_error: str | None
    failures: int = Field(description="Of runs by the clock, in a row.")

    @classmethod
    def of(cls, one: Schedule, now: datetime) -> Self:
        moments = upcoming(one, now)
        known = {name: getattr(one, name) for name in cls.model_fields if name != "upcoming"}
        next_at = one.next_at if one.status is Status.ACTIVE else None
        return cls(**(known | {"next_at": next_at, "upcoming": moments}))


class SchedulePage(Body):
    items: list[ScheduleView]
    next_cursor: str | None


class RunView(Body):
    """The specification's CrontabLog."""

    id: int
    crontab_id: UUID
    target: str
    parameter: dict[str, Any]
    scheduled_for: datetime = Field(
        description="Business time: the moment of the rule that it stands for, or of the request."
    )
    status: RunStatus
    exception_info: str | None
    requested_by: str | None = Field(description="None: by the clock.")
    attempts: int
    created_at: datetime = Field(description="Wall time, as the two below.")
    started_at: datetime | None = Field(description="The last attempt.")
    finished_at: datetime | None

    @classmethod
    def of(cls, run: Run) -> Self:
        known = {name: getattr(run, name) for name in cls.model_fields if name != "crontab_id"}
        return cls(crontab_id=run.schedule_id, **known)


class RunPage(Body):
    items: list[RunView]
    next_cursor: str | None


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
        schema = job.parameters.model_json_schema()
        return cls(
            name=job.name,
            about=job.about,
            catch_up=job.catch_up,
            catch_ups=list(job.catch_ups),
            rule=job.rule,
            parameters=schema,
        )


Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("/schedules/targets", operation_id="listScheduleTargets", responses=GUARDED)
def list_targets(_who: Reader) -> list[TargetView]:
    """The jobs that a schedule may name, with what each may be told."""
    return [TargetView.of(one) for one in JOBS if isinstance(one, Job)]


@router.get("/schedules", operation_id="listSchedules", responses=GUARDED)
def list_schedules(
    service: Served, _who: Reader, cursor: Cursor = None, limit: Limit = 50
) -> SchedulePage:
    """Every schedule, in the order in which they were made."""
    after = key_after(cursor, int) or 0
    with service.database.transaction() as tx:
        now = business_now(tx)
        rows = schedules.list_schedules(tx, after, limit + 1)
    page = page_of(rows, limit, lambda one: one.number)
    return SchedulePage(
        items=[ScheduleView.of(one, now) for one in page.items], next_cursor=page.next_cursor
    )


@router.post(
    "/schedules",
    operation_id="createSchedule",
    status_code=201,
    response_model=ScheduleView,
    responses=GUARDED | problems(409),
)
def post_schedule(
    service: Served, who: Keeper, body: NewSchedule, key: IdempotencyKey = None
) -> JSONResponse:
    """Make a schedule of a job; it is first due at its rule's next moment."""
    plan = Plan(**{name: getattr(body, name) for name in NewSchedule.model_fields})
    return _once(
        service,
        who,
        "schedules.create",
        key,
        body.model_dump(mode="json"),
        lambda tx, author: _shown(create_schedule(tx, author, plan), author.now, 201),
    )


@router.get(
    "/schedules/{schedule_id}", operation_id="getSchedule", responses=GUARDED | problems(404)
)
def get_schedule(service: Served, _who: Reader, schedule_id: UUID) -> ScheduleView:
    """One schedule, when it is next due and how its last run went."""
    with service.database.transaction() as tx:
        return ScheduleView.of(schedule_by_id(tx, schedule_id), business_now(tx))


@router.patch(
    "/schedules/{schedule_id}",
    operation_id="editSchedule",
    response_model=ScheduleView,
    responses=GUARDED | problems(404, 409),
)
def patch_schedule(
    service: Served,
    who: Keeper,
    schedule_id: UUID,
    body: ScheduleChange,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Change a schedule, pause it (`status` paused) or resume it. A new rule counts from now on;
    what fell into a pause is not made up for."""
    changes = {
        name: value
        for name in ScheduleChange.model_fields
        if name != "version" and (value := getattr(body, name)) is not None
    }

    def act(tx: Tx, author: Author) -> Answer:
        return _shown(edit_schedule(tx, author, schedule_id, changes, body.version), author.now)

    request = {"id": str(schedule_id), **body.model_dump(mode="json")}
    return _once(service, who, "schedules.edit", key, request, act)


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
    response_model=RunView,
    responses=GUARDED | problems(404, 409),
)
def run_schedule(
    service: Served, who: Keeper, schedule_id: UUID, key: IdempotencyKey = None
) -> JSONResponse:
    """Ask for a run now, paused or not. The leading worker takes it up between two ticks; the log
    says how it went."""
    return _once(
        service,
        who,
        "schedules.run",
        key,
        {"id": str(schedule_id)},
        lambda tx, author: Answer(wire(RunView.of(request_run(tx, author, schedule_id))), 202),
    )


@router.get(
    "/schedules/{schedule_id}/runs",
    operation_id="listScheduleRuns",
    responses=GUARDED | problems(404),
)
def list_runs(
    service: Served,
    _who: Reader,
    schedule_id: UUID,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> RunPage:
    """A schedule's log, the latest run first."""
    before = key_after(cursor, int)
    with service.database.transaction() as tx:
        schedule_by_id(tx, schedule_id)
        rows = runs.list_runs(tx, schedule_id, before, limit + 1)
    page = page_of(rows, limit, lambda run: run.id)
    return RunPage(items=[RunView.of(run) for run in page.items], next_cursor=page.next_cursor)


def _once(
    service: Served,
    who: Principal,
    operation: str,
    key: str | None,
    request: dict[str, Any],
    act: Callable[[Tx, Author], Answer],
) -> JSONResponse:
    with service.database.transaction() as tx:
        author = Author(who.actor, RULES, business_now(tx))
        return answer_once(
            tx, operation, str(who.user_id), key, request, author.now, lambda: act(tx, author)
        )


def _shown(one: Schedule, now: datetime, status: int = 200) -> Answer:
    return Answer(wire(ScheduleView.of(one, now)), status)
