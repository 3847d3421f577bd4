"""Schedules: made, edited, paused and deleted by their operators.

A schedule is a row: a cron rule, the name of a job in the code, and what that job is told. The
built-in ones come from the jobs themselves (`operations.jobs`); an operator may pause and re-time
them. Times are business times. Every change is an event of the audit trail, and edits count: a
schedule's `version` is one more with each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any, Literal, LiteralString, Self
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import Field, JsonValue
from pydantic.alias_generators import to_camel

from commenda.audit import record
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.wire import Internal, as_json, on_wire
from commenda.ledger import Author
from commenda.operations.cron import EITHER_DAY, checked_rule, either_day, moments, next_after
from commenda.operations.cron import LONGEST as LONGEST_RULE
from commenda.operations.jobs import job_named
from commenda.operations.ticks import CatchUp, Job, printable

UPCOMING = 5
"""How many of a rule's next moments are shown."""
LONGEST_NAME, LONGEST_REMARK = 100, 500
_TEXTS = {
    "name": (
        re.compile(rf"(?=.*\S)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{LONGEST_NAME}}}"),
        f"1 to {LONGEST_NAME} characters, none of control",
    ),
    "remark": (
        re.compile(rf"[^\x00\ud800-\udfff]{{0,{LONGEST_REMARK}}}"),
        f"up to {LONGEST_REMARK} characters of text",
    ),
}
_OF_BUILT_IN = frozenset({"rule", "status", "remark"})
"""What an operator may change of a built-in schedule."""
_OF_JOB = frozenset({"target", "parameter", "catch_up"})
_NOTED = ("name", "rule", "target", "parameter", "singleton", "catch_up", "status", "next_at")


class Status(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"


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
        max_length=LONGEST_RULE,
        description="Cron, UTC: minute hour day month weekday, or six fields with seconds first;"
        f" {EITHER_DAY}.",
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


@on_wire
@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule to make."""

    name: Name
    rule: Rule
    target: Target
    parameter: Parameter = field(default_factory=dict)
    singleton: Annotated[
        bool, Field(description="While a run is asked for or under way, no other is.")
    ] = True
    catch_up: Annotated[
        CatchUp | None,
        Field(
            description="What becomes of missed moments: one run for each of them, in order, or one"
            " for all; the target's own choice by default."
        ),
    ] = None
    status: Status = Status.ACTIVE
    remark: Remark = ""


@on_wire
@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Plan):
    """The specification's Crontab: a row of `schedules`. Times are business times."""

    id: UUID
    number: Internal[int]
    type: Literal["job"] = "job"
    catch_up: CatchUp
    built_in: bool = False
    version: int = 1
    created_at: datetime
    next_at: Internal[datetime]
    """The first moment of the rule that is not done."""
    retry_at: Annotated[
        datetime | None, Field(description="When the run that failed is tried again.")
    ] = None
    last_at: Annotated[datetime | None, Field(description="When the clock last had it run.")] = None
    last_error: str | None = None
    failures: Annotated[int, Field(description="Of runs by the clock, in a row.")] = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "catch_up", CatchUp(self.catch_up))
        object.__setattr__(self, "status", Status(self.status))

    def is_due(self, at: datetime) -> bool:
        return (
            self.status is Status.ACTIVE
            and self.next_at <= at
            and (self.retry_at is None or self.retry_at <= at)
        )


@on_wire
@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule means, before anything is saved."""

    rule: Rule
    note: Annotated[str | None, Field(description="What is easily misread in it.")]
    upcoming: Annotated[list[datetime], Field(description="Its next five moments.")]


def preview(rule: str, now: datetime) -> Preview:
    """A rule with its next moments past `now`; code `bad_cron_rule`."""
    checked = checked_rule(rule)
    return Preview(checked, note_of(checked), list(islice(moments(checked, now), UPCOMING)))


def note_of(rule: str) -> str | None:
    """What is easily misread in a rule."""
    return EITHER_DAY if either_day(rule) else None


@on_wire
@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSchedule(Schedule):
    """A schedule with what is to come."""

    due_at: Annotated[
        datetime | None,
        Field(
            alias="nextAt",
            description="The first moment that is not done; past while it waits. None when paused.",
        ),
    ]
    note: Annotated[str | None, Field(description="What is easily misread in the rule.")]
    upcoming: Annotated[list[datetime], Field(description="The rule's next five moments.")]

    @classmethod
    def of(cls, one: Schedule, now: datetime) -> Self:
        due_at = one.next_at if one.status is Status.ACTIVE else None
        return cls(
            **asdict(one), due_at=due_at, note=note_of(one.rule), upcoming=upcoming(one, now)
        )


# --- Reading -----------------------------------------------------------------------------------

_COLUMNS = [one.name for one in fields(Schedule)]
_FIXED = frozenset({"id", "number", "type", "built_in", "created_at"})
_SELECT = sql.SQL("SELECT {} FROM schedules {}")
_LIST = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))


def find_schedule(tx: Tx, schedule_id: UUID, *, lock: bool = False) -> Schedule | None:
    """A schedule, if there is one. Whoever writes to it or begins a run of it locks it first."""
    found = _read(tx, "WHERE id = %s FOR UPDATE" if lock else "WHERE id = %s", schedule_id)
    return found[0] if found else None


def schedule_by_id(tx: Tx, schedule_id: UUID, *, lock: bool = False) -> Schedule:
    """A schedule; code `unknown_schedule`."""
    found = find_schedule(tx, schedule_id, lock=lock)
    if found is None:
        raise unknown("schedule", schedule_id, "id")
    return found


def schedule_named(tx: Tx, name: str) -> Schedule:
    """A schedule by its name or the text of its id; code `unknown_schedule`."""
    where = "WHERE name = %s OR id::text = lower(%s) ORDER BY name <> %s LIMIT 1"
    found = _read(tx, where, name, name, name)
    if not found:
        raise unknown("schedule", name, "name")
    return found[0]


def list_schedules(tx: Tx, after: int, limit: int) -> list[Schedule]:
    """Schedules past a number, in the order in which they were made: at most `limit`."""
    return _read(tx, "WHERE number > %s ORDER BY number LIMIT %s", after, limit)


def upcoming(one: Schedule, now: datetime) -> list[datetime]:
    """The next moments of a schedule's rule: from the first that is not done or, paused, from now.

    What is past in it waits for a worker, or for a failed run to succeed.
    """
    if one.status is Status.PAUSED:
        return list(islice(moments(one.rule, now), UPCOMING))
    return [one.next_at, *islice(moments(one.rule, one.next_at), UPCOMING - 1)]


def _read(tx: Tx, where: LiteralString, *values: object) -> list[Schedule]:
    with tx.cursor(row_factory=class_row(Schedule)) as cursor:
        return cursor.execute(_SELECT.format(_LIST, sql.SQL(where)), values).fetchall()


# --- Changing ----------------------------------------------------------------------------------


def create_schedule(tx: Tx, author: Author, plan: Plan) -> Schedule:
    """Make a schedule, first due at its rule's next moment.

    Codes: `bad_name`, `bad_remark`, `bad_cron_rule`, `bad_target`, `bad_parameter`, `bad_catch_up`,
    `schedule_name_taken`.
    """
    asked = asdict(plan) | {"catch_up": plan.catch_up or _target(plan.target).catch_up}
    made = _checked(new_schedule(tx, author.now, next_after(plan.rule, author.now), **asked))
    _store_named(tx, made)
    note_change(tx, author, made, "schedule.created", made.status)
    return made


def edit_schedule(
    tx: Tx,
    author: Author,
    schedule_id: UUID,
    changes: Mapping[str, Any],
    version: int | None = None,
) -> Schedule:
    """Change fields of `Plan`; with `version`, only if that is still the schedule's.

    A new rule counts from now on, and so does one that is resumed: what was missed under the old
    one, or fell into the pause, is not made up for.

    Codes: those of `create_schedule`, `unknown_schedule`, `schedule_changed`,
    `built_in_schedule` for what is fixed of a built-in one.
    """
    before = schedule_by_id(tx, schedule_id, lock=True)
    if version not in (None, before.version):
        raise conflict("schedule_changed", "Somebody else has changed this schedule").at(
            "version", version, f"look at version {before.version}, then change that"
        )
    fixed = {
        name for name in changes.keys() - _OF_BUILT_IN if changes[name] != getattr(before, name)
    }
    if before.built_in and fixed:
        raise _built_in(before, min(fixed), "pause or re-time it, or make a schedule of your own")
    after = replace(before, **changes)
    # One whose job is gone can still be paused.
    after = _checked(after) if changes.keys() & _OF_JOB else _sound(after)
    if after == before:
        return before
    changed = [name for name in changes if getattr(after, name) != getattr(before, name)]
    if after.rule != before.rule or (after.status, before.status) == (Status.ACTIVE, Status.PAUSED):
        after = replace(after, next_at=next_after(after.rule, author.now))
    after = replace(after, version=before.version + 1, retry_at=None)
    _store_named(tx, after)
    was = {name: getattr(before, name) for name in [*changed, "next_at"]}
    note_change(tx, author, after, "schedule.edited", f"version {after.version}", before=was)
    return after


def delete_schedule(tx: Tx, author: Author, schedule_id: UUID) -> None:
    """Delete a schedule with its log. Codes `unknown_schedule`, `built_in_schedule`."""
    one = schedule_by_id(tx, schedule_id, lock=True)
    if one.built_in:
        raise _built_in(one, "id", "pause it")
    tx.execute("DELETE FROM schedules WHERE id = %s", (one.id,))
    note_change(tx, author, one, "schedule.deleted", "deleted")


def new_schedule(tx: Tx, now: datetime, next_at: datetime, **said: Any) -> Schedule:
    """A schedule that is not stored yet, with its number in the list and its id."""
    row = tx.execute("SELECT nextval('schedules_number_seq')").fetchone()
    assert row is not None
    number: int = row[0]
    made = ids.derive("schedule", number)
    return Schedule(id=made, number=number, created_at=now, next_at=next_at, **said)


_STORE = sql.SQL("INSERT INTO schedules ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}").format(
    _LIST,
    sql.SQL(", ").join(map(sql.Placeholder, _COLUMNS)),
    sql.SQL(", ").join(
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name))
        for name in _COLUMNS
        if name not in _FIXED
    ),
)


def store_schedule(tx: Tx, one: Schedule) -> None:
    """Store a new schedule, or all that can change of one that the caller has locked."""
    tx.execute(_STORE, asdict(one) | {"parameter": Jsonb(one.parameter)})


def note_change(
    tx: Tx, author: Author, one: Schedule, kind: str, result: str, **details: object
) -> None:
    """Record what somebody did with a schedule, and how it is now."""
    shown = {key: getattr(one, key) for key in _NOTED} | details
    if either_day(one.rule):
        shown["note"] = EITHER_DAY
    record(tx, [author.event(kind, one.id, one.id, result, as_json(shown))])


# --- Checks ------------------------------------------------------------------------------------


def _checked(one: Schedule) -> Schedule:
    """The schedule with its rule and parameters as they are stored."""
    job = _target(one.target)
    if one.catch_up not in job.catch_ups:
        raise CommendaError(
            "bad_catch_up",
            f"{job.name} acts for the present only: one run makes up for all that was missed",
        ).at("catchUp", one.catch_up.value, f"choose '{CatchUp.ONE}'")
    told = job.told(one.parameter).model_dump(mode="json", by_alias=True)
    return _sound(replace(one, parameter=told))


def _sound(one: Schedule) -> Schedule:
    """The schedule, but for what belongs to its job, as it is stored."""
    for name, (pattern, wanted) in _TEXTS.items():
        if not pattern.fullmatch(getattr(one, name)):
            raise CommendaError(f"bad_{name}", f"This is no {name} for a schedule").at(
                name, printable(getattr(one, name)), f"give it {wanted}"
            )
    return replace(one, rule=checked_rule(one.rule))


def _target(name: str) -> Job:
    job = job_named(name)
    if job is None:
        raise CommendaError("bad_target", "There is no such job").at(
            "target", name, "choose from the list of targets"
        )
    return job


def _store_named(tx: Tx, one: Schedule) -> None:
    try:
        with tx.transaction():
            store_schedule(tx, one)
    except psycopg.errors.UniqueViolation:
        raise conflict("schedule_name_taken", "Another schedule has this name").at(
            "name", one.name, "choose another"
        ) from None


def _built_in(one: Schedule, name: str, hint: str) -> CommendaError:
    return conflict("built_in_schedule", "This belongs to a built-in schedule").at(
        to_camel(name), one.name, hint
    )
