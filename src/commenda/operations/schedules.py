"""Schedules as their operators see them: made, edited, paused, run by hand, deleted.

A schedule is a row: a cron rule, the name of a job in the code, and what that job is told. The
built-in ones come from the jobs themselves (`operations.jobs`); an operator may pause and re-time
them. Times are business times. Every change is an event of the audit trail, and edits count: a
schedule's `version` is one more with each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

import psycopg
from pydantic.alias_generators import to_camel

from commenda.audit import Event, record
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.ledger import Author
from commenda.operations import schedule_queries as queries
from commenda.operations.cron import checked_rule, moments, next_after
from commenda.operations.jobs import job_named
from commenda.operations.schedule_queries import Run, Schedule, Status
from commenda.operations.ticks import RULES, CatchUp, Job, printable

UPCOMING = 5
"""How many of a rule's next moments are shown."""
LONGEST_NAME, LONGEST_REMARK = 100, 500
_NAME = re.compile(rf"(?=.*\S)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{LONGEST_NAME}}}")
_REMARK = re.compile(rf"[^\x00\ud800-\udfff]{{0,{LONGEST_REMARK}}}")
_OF_BUILT_IN = frozenset({"rule", "status", "remark"})
"""What an operator may change of a built-in schedule."""
_OF_JOB = frozenset({"target", "parameter", "catch_up"})
_NOTED = ("name", "rule", "target", "parameter", "singleton", "catch_up", "status", "next_at")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of a new schedule; without `catch_up` that of its job."""

    name: str
    rule: str
    target: str
    parameter: Mapping[str, Any] = field(default_factory=dict)
    singleton: bool = True
    catch_up: CatchUp | None = None
    status: Status = Status.ACTIVE
    remark: str = ""


def create_schedule(tx: Tx, author: Author, plan: Plan) -> Schedule:
    """Make a schedule, first due at its rule's next moment.

    Codes: `bad_name`, `bad_remark`, `bad_cron_rule`, `bad_target`, `bad_parameter`, `bad_catch_up`,
    `schedule_name_taken`.
    """
    number = queries.next_number(tx)
    made = _checked(
        Schedule(
            id=ids.derive("schedule", number),
            number=number,
            **(asdict(plan) | {"catch_up": plan.catch_up or _target(plan.target).catch_up}),
            type="job",
            built_in=False,
            version=1,
            created_at=author.now,
            next_at=next_after(plan.rule, author.now),
            retry_at=None,
            last_at=None,
            last_error=None,
            failures=0,
        )
    )
    with _unique_name(tx, made.name):
        queries.insert(tx, made)
    _note(tx, author, made, "schedule.created", made.status)
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
    with _unique_name(tx, after.name):
        queries.update(tx, after)
    _note(
        tx,
        author,
        after,
        "schedule.edited",
        f"version {after.version}",
        before={name: getattr(before, name) for name in [*changed, "next_at"]},
    )
    return after


def delete_schedule(tx: Tx, author: Author, schedule_id: UUID) -> None:
    """Delete a schedule with its log. Codes `unknown_schedule`, `built_in_schedule`."""
    one = schedule_by_id(tx, schedule_id, lock=True)
    if one.built_in:
        raise _built_in(one, "id", "pause it")
    queries.delete(tx, one.id)
    _note(tx, author, one, "schedule.deleted", "deleted")


def request_run(tx: Tx, author: Author, schedule_id: UUID) -> Run:
    """Ask for a run beside the rule, which the leading worker takes up in a moment.

    A paused schedule runs, too. Codes `unknown_schedule`, and `already_running` where one run of a
    singleton is asked for or under way.
    """
    one = schedule_by_id(tx, schedule_id, lock=True)
    if one.singleton and queries.open_run_of(tx, one.id):
        raise conflict("already_running", "A run of this schedule is asked for or under way").at(
            "id", one.id, "wait for it to end: its log says when"
        )
    run = queries.insert_request(tx, one, author)
    _note(tx, author, one, "schedule.run_requested", f"run {run.id}")
    return run


def schedule_by_id(tx: Tx, schedule_id: UUID, *, lock: bool = False) -> Schedule:
    """A schedule; code `unknown_schedule`."""
    found = queries.find(tx, schedule_id, lock=lock)
    if found is None:
        raise _unknown("id", str(schedule_id))
    return found


def schedule_named(tx: Tx, name: str) -> Schedule:
    """A schedule by its name or the text of its id; code `unknown_schedule`."""
    found = queries.named(tx, name)
    if found is None:
        raise _unknown("name", name)
    return found


def upcoming(one: Schedule, now: datetime) -> list[datetime]:
    """The next moments of a schedule's rule: from the first that is not done or, paused, from now.

    What is past in it waits for a worker, or for a failed run to succeed.
    """
    if one.status is Status.PAUSED:
        return list(islice(moments(one.rule, now), UPCOMING))
    return [one.next_at, *islice(moments(one.rule, one.next_at), UPCOMING - 1)]


# --- What is checked and noted -----------------------------------------------------------------


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
    _require_text("name", one.name, _NAME, f"1 to {LONGEST_NAME} characters, none of control")
    _require_text("remark", one.remark, _REMARK, f"up to {LONGEST_REMARK} characters of text")
    return replace(one, rule=checked_rule(one.rule))


def _require_text(name: str, text: str, pattern: re.Pattern[str], wanted: str) -> None:
    if not pattern.fullmatch(text):
        raise CommendaError(f"bad_{name}", f"This is no {name} for a schedule").at(
            name, printable(text), f"give it {wanted}"
        )


def _target(name: str) -> Job:
    job = job_named(name)
    if job is None:
        raise CommendaError("bad_target", "There is no such job").at(
            "target", name, "choose from the list of targets"
        )
    return job


@contextmanager
def _unique_name(tx: Tx, name: str) -> Iterator[None]:
    try:
        with tx.transaction():
            yield
    except psycopg.errors.UniqueViolation:
        raise conflict("schedule_name_taken", "Another schedule has this name").at(
            "name", name, "choose another"
        ) from None


def _built_in(one: Schedule, name: str, hint: str) -> CommendaError:
    return conflict("built_in_schedule", "This belongs to a built-in schedule").at(
        to_camel(name), one.name, hint
    )


def _unknown(field: str, value: str) -> CommendaError:
    return unknown("schedule", value, field)


def _note(tx: Tx, author: Author, one: Schedule, kind: str, result: str, **details: object) -> None:
    shown = {key: getattr(one, key) for key in _NOTED} | details
    plain = json.loads(json.dumps({to_camel(key): shown[key] for key in shown}, default=str))
    record(tx, [Event(kind, str(one.id), one.id, result, author.actor, RULES, author.now, plain)])
