"""004-08, 000-25: schedules as rows: what was missed, singletons, pauses, edits, runs by hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast
from uuid import UUID

import psycopg
import pytest

from commenda.execution import Broker
from commenda.income import Cadence
from commenda.kit import clock
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import Author, close_period
from commenda.operations import (
    JOBS,
    CatchUp,
    Clockwork,
    Interrupted,
    Job,
    Operation,
    Parameters,
    Plan,
    Run,
    Schedule,
    Status,
    Step,
    create_schedule,
    delete_schedule,
    edit_schedule,
    forget_runs,
    jobs,
    list_runs,
    list_schedules,
    request_run,
    schedule_by_id,
    schedule_named,
    upcoming,
)
from commenda.operations.clockwork import AT_ONCE
from commenda.operations.cron import checked_rule
from pool import Pool
from world import World, in_threads

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(minutes=15)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Payout(Parameters):
    cadence: Literal["daily", "weekly"] = "daily"
    at_most: int | None = None


class Office:
    """A business with two jobs: `accrue` makes every missed moment up, `report` looks at now."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        with database.transaction() as tx:
            clock.set_pace(tx, MONDAY, Decimal(1440), quick_until=MONDAY + timedelta(days=365))
        self.database = database
        self.operation = Operation(database, cast(Broker, None))
        self.done: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens inside the next run, before it has done anything."""
        self.jobs: tuple[Step | Job, ...] = (
            Step("first", lambda _, at: self.done.append(f"{at:%d %H:%M} first")),
            Job("accrue", self.noting("accrue"), "Accrues.", None, CatchUp.EVERY, any_moment=True),
            Job("report", self.noting("report"), "Reports.", None, CatchUp.ONE, Payout),
            Step("last", lambda _, at: None),
        )
        monkeypatch.setattr(jobs, "JOBS", self.jobs)
        self.workers: list[Clockwork] = []
        self.work = self.worker()

    def noting(self, name: str) -> Callable[[Operation, datetime, Any], None]:
        def act(_operation: Operation, at: datetime, told: Parameters) -> None:
            happens, self.meanwhile = self.meanwhile, lambda: None
            happens()
            given = f" {told.cadence}" if isinstance(told, Payout) else ""
            self.done.append(f"{at:%d %H:%M} {name}{given}")

        return act

    def worker(self) -> Clockwork:
        self.workers.append(Clockwork(self.operation, self.jobs, STEP, len(self.workers)))
        return self.workers[-1]

    @property
    def author(self) -> Author:
        with self.database.transaction() as tx:
            return Author("operator:ada", "operation/1", clock.business_now(tx))

    def schedule(
        self, target: str = "accrue", rule: str = "0 0 * * *", name: str | None = None, **plan: Any
    ) -> Schedule:
        author = self.author
        with self.database.transaction() as tx:
            return create_schedule(
                tx, author, Plan(target if name is None else name, rule, target, **plan)
            )

    def edit(self, one: Schedule, **changes: Any) -> Schedule:
        author = self.author
        with self.database.transaction() as tx:
            return edit_schedule(tx, author, one.id, changes)

    def ask(self, one: Schedule) -> Run:
        author = self.author
        with self.database.transaction() as tx:
            return request_run(tx, author, one.id)

    def seen(self, one: Schedule) -> Schedule:
        with self.database.transaction() as tx:
            return schedule_by_id(tx, one.id)

    def log(self, one: Schedule) -> list[Run]:
        """The earliest first."""
        with self.database.transaction() as tx:
            return list_runs(tx, one.id, None, 1000)[::-1]

    def away(self, until: datetime) -> None:
        """Nobody works until then: the business goes on without ticks."""
        with self.database.transaction() as tx:
            clock.advance(tx, until - STEP)

    def ticks(self, count: int) -> None:
        for _ in range(count):
            assert self.work.poll()

    def took(self) -> list[str]:
        """What jobs have done since this was last asked; steps left out."""
        done = [one for one in self.done if not one.endswith("first")]
        self.done.clear()
        return done

    def column(self, query: str) -> list[Any]:
        with self.database.transaction() as tx:
            return [row[0] for row in tx.execute(query)]  # type: ignore[call-overload]


@pytest.fixture
def office(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    office = Office(db, monkeypatch)
    yield office
    for worker in office.workers:
        worker.close()


def fail() -> None:
    raise ValueError("no such thing")


def statuses(runs: list[Run]) -> list[str]:
    return [str(run.status) for run in runs]


# --- Moments that nobody was there for ---------------------------------------------------------


def test_every_missed_day_is_made_up_for_once_and_in_order(office: Office) -> None:
    """004-08: what accrues wants each day."""
    daily = office.schedule("accrue")
    office.away(MONDAY + 4 * DAY + 7 * HOUR)
    office.ticks(2)
    assert office.took() == [f"{day:02} 00:00 accrue" for day in (6, 7, 8, 9)]
    assert statuses(office.log(daily)) == ["success"] * 4
    assert [run.scheduled_for for run in office.log(daily)] == [
        MONDAY + n * DAY for n in (1, 2, 3, 4)
    ]
    seen = office.seen(daily)
    assert (seen.next_at, seen.last_at) == (MONDAY + 5 * DAY, MONDAY + 4 * DAY + 7 * HOUR)


def test_a_report_is_made_once_for_all_that_was_missed(office: Office) -> None:
    """004-08: what reports wants one, about the present; it stands for the latest moment."""
    daily = office.schedule("report")
    office.away(MONDAY + 4 * DAY + 7 * HOUR)
    office.ticks(2)
    assert office.took() == ["09 07:00 report daily"]
    (run,) = office.log(daily)
    assert (run.scheduled_for, run.status) == (MONDAY + 4 * DAY, "success")
    assert office.seen(daily).next_at == MONDAY + 5 * DAY


def test_a_long_absence_is_made_up_for_over_several_ticks(office: Office) -> None:
    minutely = office.schedule("accrue", "* * * * *")
    office.away(MONDAY + 2 * HOUR + STEP)  # 135 minutes
    office.ticks(1)
    assert len(office.took()) == AT_ONCE
    assert office.seen(minutely).next_at == MONDAY + timedelta(minutes=AT_ONCE + 1)
    office.ticks(1)
    assert len(office.took()) == 150 - AT_ONCE


def test_six_fields_name_seconds(office: Office) -> None:
    """The specification's own rule, `30 */5 * * * *`."""
    often = office.schedule("accrue", "30 */5 * * * *")
    office.ticks(1)
    assert [run.scheduled_for for run in office.log(often)] == [
        MONDAY + timedelta(minutes=n, seconds=30) for n in (0, 5, 10)
    ]


def test_jobs_keep_their_place_in_the_tick_whoever_made_the_schedule(office: Office) -> None:
    office.schedule("report", "0 * * * *", "by name a")
    office.schedule("accrue", "0 * * * *", "by name b")
    office.away(MONDAY + HOUR)
    office.ticks(1)
    assert office.done == ["05 01:00 first", "05 01:00 accrue", "05 01:00 report daily"]


def test_a_moment_that_comes_by_twice_is_run_once(office: Office) -> None:
    """An edit inside the tick makes a moment due again that is done."""
    hourly = office.schedule("accrue", "0 * * * *")
    office.away(MONDAY + HOUR)

    def retime() -> None:
        office.edit(hourly, rule="0 */2 * * *")
        office.edit(hourly, rule="0 * * * *")

    office.meanwhile = retime
    office.ticks(2)
    assert office.took() == ["05 01:00 accrue"]
    assert office.seen(hourly).next_at == MONDAY + 2 * HOUR


# --- Cut short ---------------------------------------------------------------------------------


def test_a_run_that_is_cut_short_is_tried_again_and_those_that_are_done_are_not(
    office: Office,
) -> None:
    daily = office.schedule("accrue")
    office.away(MONDAY + 3 * DAY)
    ran: list[str] = []

    def cut(_operation: Operation, at: datetime, _told: Parameters) -> None:
        ran.append(f"{at:%d}")
        if len(ran) == 2:
            raise psycopg.OperationalError("the server closed the connection")

    office.work.jobs = (Job("accrue", cut, "", None, CatchUp.EVERY),)
    with pytest.raises(psycopg.OperationalError):
        office.work.poll()
    assert statuses(office.log(daily)) == ["success", "running"]
    office.ticks(1)
    assert ran == ["06", "07", "07", "08"]
    assert [(run.attempts, run.status) for run in office.log(daily)] == [
        (1, "success"),
        (2, "success"),
        (1, "success"),
    ]


WORKER = Path(__file__).with_name("schedule_worker.py")


def test_a_worker_that_is_killed_between_the_days_loses_and_repeats_none(
    office: Office, tmp_path: Path
) -> None:
    """kill -9 inside a run, before its end is noted, and after it: the next process goes on."""
    daily = office.schedule("accrue")
    office.away(MONDAY + 12 * DAY)
    lines = tmp_path / "ran"
    for kill_at in (3, 2, 4, 99):
        process = subprocess.run(
            [sys.executable, WORKER, str(lines), str(kill_at)],
            env=os.environ
            | {
                "COMMENDA_TEST_OWNER_URL": office.database.owner_url,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            timeout=120,
            check=False,
        )
        assert process.returncode == (0 if kill_at == 99 else -signal.SIGKILL)
    ran = lines.read_text().split()
    # The 3rd run of the first process, the 2nd of the second, the 4th of the third were killed
    # before their end was noted; they alone are run again.
    expected = [6, 7, 8, 8, 9, 9, 10, 11, 12, 12, 13, 14, 15, 16, 17]
    assert ran == [f"{day:02}" for day in expected]
    log = office.log(daily)
    assert statuses(log) == ["success"] * 12
    assert [run.attempts for run in log] == [1, 1, 2, 2, 1, 1, 2, 1, 1, 1, 1, 1]


def test_when_the_leader_dies_its_runs_by_hand_have_failed_and_the_clocks_are_repeated(
    office: Office,
) -> None:
    by_hand = office.schedule("report", name="by hand")
    by_clock = office.schedule("report", "0 1 * * *", "by clock")
    office.ask(by_hand)
    office.away(MONDAY + HOUR)
    with office.database.transaction() as tx:
        tx.execute("UPDATE schedule_runs SET status = 'running', attempts = 1")
        tx.execute("INSERT INTO open_tick (at) VALUES (%s)", (MONDAY + HOUR,))
        tx.execute(
            "INSERT INTO schedule_runs (schedule_id, target, parameter, scheduled_for, status,"
            " attempts) VALUES (%s, 'report', '{}', %s, 'running', 1)",
            (by_clock.id, MONDAY + HOUR),
        )
    office.ticks(1)
    assert office.took() == ["05 01:00 report daily"]
    (asked,) = office.log(by_hand)
    assert asked.status == "failed"
    assert "cut short" in str(asked.exception_info)
    assert [(run.status, run.attempts) for run in office.log(by_clock)] == [("success", 2)]
    assert office.ask(by_hand).status == "requested", "it blocks nobody any more"


def test_a_former_leader_cannot_note_the_end_of_a_run_that_another_repeats(office: Office) -> None:
    hourly = office.schedule("accrue", "0 * * * *")
    office.away(MONDAY + HOUR)
    second = office.worker()

    def overtaken() -> None:
        """The connection breaks inside the run; another worker leads and does it again."""
        assert office.work._session is not None
        office.work._session.close()
        office.meanwhile = lambda: None
        assert second.poll()

    office.meanwhile = overtaken
    assert not office.work.poll()
    assert office.took() == ["05 01:00 accrue", "05 01:00 accrue"]
    (run,) = office.log(hourly)
    assert (run.status, run.attempts) == ("success", 2)
    assert office.seen(hourly).next_at == MONDAY + 2 * HOUR
    second.close()


def test_a_worker_that_is_stopped_inside_a_run_leaves_it_to_the_next(office: Office) -> None:
    hourly = office.schedule("accrue", "0 * * * *")
    office.away(MONDAY + HOUR)

    def stop() -> None:
        raise Interrupted

    office.meanwhile = stop
    assert not office.work.poll()
    office.work.close()
    office.work = office.worker()
    office.ticks(1)
    assert office.took() == ["05 01:00 accrue"]
    assert statuses(office.log(hourly)) == ["success"]


# --- Failures ----------------------------------------------------------------------------------


def test_a_failed_day_is_tried_again_later_and_the_next_days_wait_for_it(office: Office) -> None:
    daily = office.schedule("accrue")
    office.away(MONDAY + 3 * DAY)
    office.meanwhile = fail
    office.ticks(1)
    assert office.took() == []
    seen, (run,) = office.seen(daily), office.log(daily)
    assert (run.scheduled_for, run.status) == (MONDAY + DAY, "failed")
    assert run.exception_info == "ValueError: no such thing"
    assert (seen.next_at, seen.failures) == (MONDAY + DAY, 1)
    assert seen.last_error == "ValueError: no such thing"
    assert seen.retry_at == MONDAY + 3 * DAY + timedelta(seconds=30)
    assert upcoming(seen, MONDAY + 3 * DAY)[:2] == [MONDAY + DAY, MONDAY + 2 * DAY]
    office.ticks(1)
    assert office.took() == [f"{day:02} 00:00 accrue" for day in (6, 7, 8)]
    seen = office.seen(daily)
    assert (seen.failures, seen.last_error, seen.retry_at) == (0, None, None)
    assert [run.attempts for run in office.log(daily)] == [2, 1, 1]


def test_retries_back_off_to_a_quarter_of_an_hour(office: Office) -> None:
    daily = office.schedule("accrue")
    waits = []
    for n in range(7):
        at = MONDAY + DAY + n * HOUR
        office.away(at)
        office.meanwhile = fail
        office.ticks(1)
        retry = office.seen(daily).retry_at
        assert retry is not None
        waits.append((retry - at).total_seconds())
    assert waits == [30, 60, 120, 240, 480, 900, 900]


def test_what_is_not_made_up_for_goes_on_after_a_failure(office: Office) -> None:
    hourly = office.schedule("report", "0 * * * *")
    office.away(MONDAY + HOUR)
    office.meanwhile = fail
    office.ticks(1)
    seen = office.seen(hourly)
    assert (seen.next_at, seen.retry_at, seen.failures) == (MONDAY + 2 * HOUR, None, 1)
    office.ticks(4)
    assert office.took() == ["05 02:00 report daily"]
    assert statuses(office.log(hourly)) == ["failed", "success"]
    assert office.seen(hourly).failures == 0


def test_a_job_that_goes_on_failing_is_told_once_until_it_succeeds(office: Office) -> None:
    office.schedule("accrue", name="income")
    office.away(MONDAY + DAY)
    for _ in range(6):
        office.meanwhile = fail
        office.ticks(1)
    alerts = office.column(
        "SELECT to_char(happened_at, 'DD HH24:MI') FROM audit_events"
        " WHERE kind = 'alert.job_failed' AND subject = 'income' ORDER BY id"
    )
    assert alerts == ["06 00:00"]
    counted = "SELECT count || ' ' || (closed_at IS NULL) FROM alerts WHERE subject = 'income'"
    assert office.column(counted) == ["6 true"]
    office.ticks(4)
    assert office.column(counted) == ["6 false"]


def test_a_failing_job_stops_nobody_else(office: Office) -> None:
    office.schedule("accrue", "0 * * * *")
    office.schedule("report", "0 * * * *")
    office.away(MONDAY + HOUR)
    office.meanwhile = fail
    office.ticks(1)
    assert office.took() == ["05 01:00 report daily"]


def test_a_message_that_cannot_be_stored_as_it_is_is_stored_all_the_same(office: Office) -> None:
    one = office.schedule("report", "0 * * * *")
    office.away(MONDAY + HOUR)

    def fail_badly() -> None:
        raise ValueError("a\x00b\ud800" + "c" * 5000)

    office.meanwhile = fail_badly
    office.ticks(1)
    (run,) = office.log(one)
    assert str(run.exception_info).startswith("ValueError: ab?ccc")
    assert len(str(run.exception_info)) <= 1000


def test_a_schedule_whose_job_is_gone_fails_and_says_so(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = office.schedule("report", "0 * * * *")
    office.away(MONDAY + HOUR)
    office.work.jobs = office.jobs[:2]
    office.ticks(1)
    (run,) = office.log(one)
    assert run.status == "failed"
    assert "bad_target" in str(run.exception_info)
    monkeypatch.setattr(jobs, "JOBS", office.work.jobs)
    assert office.edit(one, status=Status.PAUSED).status is Status.PAUSED
    with pytest.raises(CommendaError, match="bad_target"):
        office.edit(one, parameter={"cadence": "weekly"})


# --- By hand, and singletons -------------------------------------------------------------------


def test_a_run_by_hand_is_done_between_two_ticks_with_what_the_schedule_is_told(
    office: Office,
) -> None:
    """000-25: run now."""
    weekly = office.schedule("report", "0 0 * * mon", parameter={"cadence": "weekly"})
    office.ticks(1)
    asked = office.ask(weekly)
    assert (asked.status, asked.requested_by) == ("requested", "operator:ada")
    with office.database.transaction() as tx:
        tx.execute("UPDATE business_clock SET mode = 'driven', pace = NULL")  # no tick is due
    assert office.work.poll()
    assert not office.work.poll()
    assert office.took() == ["05 00:15 report weekly"]
    (run,) = office.log(weekly)
    assert (run.id, run.status, run.attempts) == (asked.id, "success", 1)
    assert run.started_at is not None
    assert run.finished_at is not None
    seen = office.seen(weekly)
    assert (seen.next_at, seen.last_at) == (MONDAY + 7 * DAY, None), "the clock's own is untouched"


def test_a_paused_schedule_runs_by_hand(office: Office) -> None:
    one = office.schedule("accrue", "0 * * * *", status=Status.PAUSED)
    office.away(MONDAY + 3 * HOUR)
    office.ask(one)
    office.ticks(1)
    assert office.took() == ["05 03:00 accrue"]


def test_a_run_by_hand_that_fails_is_logged_and_told(office: Office) -> None:
    one = office.schedule("accrue")
    office.ask(one)
    office.meanwhile = fail
    office.work.poll()
    (run,) = office.log(one)
    assert (run.status, run.exception_info) == ("failed", "ValueError: no such thing")
    assert office.seen(one).failures == 0, "the clock's own is untouched"
    assert office.column("SELECT subject FROM audit_events WHERE kind = 'alert.job_failed'") == [
        "accrue"
    ]


def test_of_a_singleton_one_run_is_asked_for_at_a_time(office: Office) -> None:
    one = office.schedule("accrue")
    office.ask(one)
    with pytest.raises(CommendaError) as refused:
        office.ask(one)
    assert refused.value.code == "already_running"
    office.work.poll()
    office.ask(one)
    assert statuses(office.log(one)) == ["success", "requested"]


def test_two_who_ask_for_a_singleton_at_once_get_one_run(office: Office) -> None:
    one = office.schedule("accrue")

    def ask() -> str:
        try:
            return str(office.ask(one).status)
        except CommendaError as error:
            return error.code

    assert sorted(in_threads(*[ask] * 4)) == ["already_running"] * 3 + ["requested"]


def test_runs_of_what_is_no_singleton_queue_up(office: Office) -> None:
    one = office.schedule("accrue", singleton=False)
    for _ in range(3):
        office.ask(one)
    for _ in range(3):
        office.work.poll()
    assert statuses(office.log(one)) == ["success"] * 3


def test_beside_a_run_by_hand_the_clock_skips_a_report_and_holds_back_an_accrual(
    office: Office,
) -> None:
    """A skipped day of income would be lost; a skipped report is made at the next moment."""
    accrual, report = (office.schedule(name, "0 * * * *") for name in ("accrue", "report"))
    office.away(MONDAY + HOUR)
    office.ask(accrual)
    office.ask(report)
    office.ticks(1)  # the tick, then the first of those that were asked for
    assert office.took() == ["05 01:00 accrue"]
    skipped = office.log(report)[1]
    assert (skipped.status, skipped.attempts) == ("skipped", 0)
    assert office.seen(report).next_at == MONDAY + 2 * HOUR
    assert office.seen(accrual).next_at == MONDAY + HOUR
    office.ticks(1)
    assert office.took() == ["05 01:00 accrue", "05 01:15 report daily"]
    assert office.seen(accrual).next_at == MONDAY + 2 * HOUR


# --- Pauses, edits, deletions ------------------------------------------------------------------


def test_a_pause_is_not_made_up_for(office: Office) -> None:
    daily = office.schedule("accrue")
    office.edit(daily, status=Status.PAUSED)
    office.away(MONDAY + 3 * DAY + HOUR)
    office.ticks(1)
    office.edit(daily, status=Status.ACTIVE)
    assert office.seen(daily).next_at == MONDAY + 4 * DAY
    office.away(MONDAY + 4 * DAY)
    office.ticks(1)
    assert office.took() == ["09 00:00 accrue"]


def test_a_new_rule_counts_from_now_on(office: Office) -> None:
    one = office.schedule("accrue")
    office.away(MONDAY + 3 * DAY + HOUR)
    edited = office.edit(one, rule="30 * * * *")
    assert (edited.next_at, edited.version) == (MONDAY + 3 * DAY + timedelta(minutes=90), 2)
    office.ticks(3)
    assert office.took() == ["08 01:30 accrue"]


def test_an_edit_of_the_rule_inside_a_run_stands(office: Office) -> None:
    hourly = office.schedule("accrue", "0 * * * *")
    office.away(MONDAY + HOUR)
    office.meanwhile = lambda: office.edit(hourly, rule="0 12 * * *")
    office.ticks(1)
    assert statuses(office.log(hourly)) == ["success"]
    assert office.seen(hourly).next_at == MONDAY + 12 * HOUR


def test_a_remark_moves_nothing(office: Office) -> None:
    one = office.schedule("accrue")
    office.away(MONDAY + 3 * DAY)
    assert office.edit(one, remark="for the desk").next_at == MONDAY + DAY
    assert office.edit(one, remark="for the desk").version == 2, "nothing was changed"


def test_an_edit_mends_what_waits_for_its_retry(office: Office) -> None:
    one = office.schedule("accrue")
    office.away(MONDAY + DAY)
    for n in range(6):
        office.away(MONDAY + DAY + n * HOUR)
        office.meanwhile = fail
        office.ticks(1)
    edited = office.edit(one, remark="mended")
    assert (edited.retry_at, edited.failures, edited.next_at) == (None, 6, MONDAY + DAY)


def test_a_schedule_that_is_deleted_inside_its_run_is_gone(office: Office) -> None:
    one = office.schedule("accrue", "0 * * * *")
    office.away(MONDAY + HOUR)

    def delete() -> None:
        author = office.author
        with office.database.transaction() as tx:
            delete_schedule(tx, author, one.id)

    office.meanwhile = delete
    office.ticks(5)
    assert office.took() == ["05 01:00 accrue"]
    assert office.column("SELECT id FROM schedule_runs") == []
    with pytest.raises(CommendaError, match="unknown_schedule"):
        office.seen(one)


def test_two_who_edit_at_once_cannot_overwrite_each_other(office: Office) -> None:
    one = office.schedule("accrue")
    office.edit(one, remark="hers")
    author = office.author
    with office.database.transaction() as tx, pytest.raises(CommendaError) as refused:
        edit_schedule(tx, author, one.id, {"remark": "his"}, version=1)
    assert refused.value.code == "schedule_changed"


@pytest.mark.parametrize(
    ("plan", "code", "field"),
    [
        ({"rule": "0 25 * * *"}, "bad_cron_rule", "rule.hour"),
        ({"target": "rm -rf"}, "bad_target", "target"),
        ({"target": "first"}, "bad_target", "target"),  # a step is nobody's to schedule
        ({"parameter": {"cadence": "hourly"}}, "bad_parameter", "parameter.cadence"),
        ({"parameter": {"url": "https://example.org"}}, "bad_parameter", "parameter.url"),
        ({"target": "accrue", "parameter": {"x": 1}}, "bad_parameter", "parameter.x"),
        ({"catch_up": CatchUp.EVERY}, "bad_catch_up", "catchUp"),
        ({"name": "taken"}, "schedule_name_taken", "name"),
        ({"name": ""}, "bad_name", "name"),
        ({"name": " "}, "bad_name", "name"),
        ({"name": "n" * 101}, "bad_name", "name"),
        ({"name": "a\nb"}, "bad_name", "name"),
        ({"name": "a\x00b"}, "bad_name", "name"),
        ({"name": "not text \udcff"}, "bad_name", "name"),
        ({"remark": "r" * 501}, "bad_remark", "remark"),
        ({"remark": "a\x00b"}, "bad_remark", "remark"),
        ({"remark": "not text \udcff"}, "bad_remark", "remark"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_named(
    office: Office, plan: dict[str, Any], code: str, field: str
) -> None:
    office.schedule("accrue", name="taken")
    other = office.schedule("report", name="other")
    for act in (
        lambda: office.schedule(**({"name": "new", "target": "report"} | plan)),
        lambda: office.edit(other, **plan),
    ):
        with pytest.raises(CommendaError) as refused:
            act()
        assert (refused.value.code, refused.value.field) == (code, field)
    assert office.seen(other).version == 1


def test_names_and_remarks_are_as_long_as_they_may_be(office: Office) -> None:
    one = office.schedule(name="é" * 100, remark="two\nlines " + "r" * 490)
    assert office.seen(one) == one


def test_parameters_are_stored_as_the_job_reads_them(office: Office) -> None:
    one = office.schedule("report", parameter={"atMost": 3})
    assert one.parameter == {"cadence": "daily", "atMost": 3}
    assert office.seen(one) == one


def test_every_change_is_in_the_audit_trail(office: Office) -> None:
    one = office.schedule("accrue")
    office.edit(one, rule="0 6 * * *")
    office.edit(one, status=Status.PAUSED)
    office.ask(one)
    author = office.author
    with office.database.transaction() as tx:
        delete_schedule(tx, author, one.id)
    with office.database.transaction() as tx:
        events = tx.execute(
            "SELECT kind, actor, details->>'rule', details->'before'->>'rule' FROM audit_events"
            " WHERE correlation_id = %s AND subject = %s ORDER BY id",
            (one.id, str(one.id)),
        ).fetchall()
    assert events == [
        ("schedule.created", "operator:ada", "0 0 * * *", None),
        ("schedule.edited", "operator:ada", "0 6 * * *", "0 0 * * *"),
        ("schedule.edited", "operator:ada", "0 6 * * *", None),
        ("schedule.run_requested", "operator:ada", "0 6 * * *", None),
        ("schedule.deleted", "operator:ada", "0 6 * * *", None),
    ]


# --- The built-in ones -------------------------------------------------------------------------


def test_the_jobs_of_the_code_name_rules_that_can_be_read() -> None:
    found = [one for one in JOBS if isinstance(one, Job)]
    names = [one.name for one in JOBS]
    assert len(names) == len(set(names))
    for job in found:
        assert job.about
        assert job.rule is None or checked_rule(job.rule) == job.rule
        assert job.told({}) == job.parameters(), "a built-in schedule tells its job the defaults"


def builtin(office: Office, **job: Any) -> Schedule:
    """A job with a schedule of its own, once a worker leads."""
    given = {"about": "Nightly.", "rule": "0 0 * * *"} | job
    office.work.jobs = (Job("nightly", office.noting("nightly"), **given),)
    office.ticks(1)
    with office.database.transaction() as tx:
        return schedule_named(tx, "nightly")


def test_a_job_brings_its_schedule_which_is_due_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = builtin(office)
    assert office.took() == ["05 00:15 nightly"]
    assert (one.built_in, one.remark, one.rule, one.next_at) == (
        True,
        "Nightly.",
        "0 0 * * *",
        MONDAY + DAY,
    )
    other = office.worker()
    office.work.close()
    other.jobs = office.work.jobs
    assert other.poll()
    other.close()
    with office.database.transaction() as tx:
        assert len(list_schedules(tx, 0, 10)) == 1, "the next worker finds it"


def test_a_built_in_schedule_may_be_paused_and_retimed_and_stays_so(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = builtin(office)
    monkeypatch.setattr(jobs, "JOBS", office.work.jobs)
    office.edit(one, rule="0 6 * * *", status=Status.PAUSED, remark="later")
    for changes in ({"name": "x"}, {"singleton": False}):
        with pytest.raises(CommendaError, match="built_in_schedule"):
            office.edit(one, **changes)
    author = office.author
    with office.database.transaction() as tx, pytest.raises(CommendaError) as refused:
        delete_schedule(tx, author, one.id)
    assert refused.value.code == "built_in_schedule"
    office.work.close()
    office.work = office.worker()
    office.ticks(1)
    seen = office.seen(one)
    assert (seen.rule, seen.status, seen.version) == ("0 6 * * *", Status.PAUSED, 2)


def test_a_built_in_schedule_finds_another_name_where_its_own_is_taken(office: Office) -> None:
    office.schedule("accrue", name="nightly")
    builtin(office)
    assert office.column("SELECT name FROM schedules WHERE built_in") == ["nightly (built in)"]


def test_books_are_valued_once_a_day_however_often_the_job_is_called(db: Database) -> None:
    """Run by hand or re-timed, it must not make a day's NAV into two."""
    world = World(db)
    world.creator("anna")
    nav = shipped("nav")
    operation = Operation(world.database, world.broker)
    for hours in (1, 2, 21, 1, 23):
        world.advance(hours)
        nav.act(operation, world.now, nav.told({}))
    points = world.column("SELECT at FROM nav_history WHERE leg_id IS NULL ORDER BY at")
    assert points == [MONDAY + HOUR, MONDAY + DAY, MONDAY + 2 * DAY]


@pytest.mark.parametrize(("told", "monday", "tuesday"), [({}, 4, 6), ({"cadence": "weekly"}, 2, 2)])
def test_income_is_accrued_and_paid_by_the_jobs_of_the_code(
    db: Database, told: dict[str, str], monday: int, tuesday: int
) -> None:
    """004-07: daily products each day, weekly ones on Mondays; 2 a day each, from Sunday on."""
    pool = Pool(db, MONDAY - 2 * DAY)
    ann = pool.investor("ann", 20_000)
    for cadence in Cadence:
        pool.subscribe(ann, pool.product(cadence, cadence=cadence), 10_000, cadence)
    operation = Operation(db, cast(Broker, None))
    accrual, payout = (shipped(name) for name in ("accrual", "payout"))
    paid = []
    for at in (MONDAY, MONDAY + HOUR, MONDAY + DAY, MONDAY + DAY + HOUR):  # they are hourly
        accrual.act(operation, at, accrual.told({}))
        payout.act(operation, at, payout.told(told))
        paid.append(pool.wallet(ann))
    assert paid == [monday, monday, tuesday, tuesday]
    assert pool.one("SELECT sum(total_income) FROM pool_holdings") == 8
    pool.assert_sound()


def test_income_that_failed_is_tried_again_within_the_hour() -> None:
    assert {shipped(name).rule for name in ("accrual", "payout")} == {"0 * * * *"}


def test_the_jobs_that_are_right_for_any_moment_are_named() -> None:
    """The others look at marks, at positions, or at how far another job has come."""
    found = {one.name for one in JOBS if isinstance(one, Job) and CatchUp.EVERY in one.catch_ups}
    assert found == {"accrual", "approvals", "holds", "referrals", "withdrawals"}
    assert all(one.catch_up in one.catch_ups for one in JOBS if isinstance(one, Job))


def test_each_missed_day_of_income_may_have_its_own_run_although_books_were_closed(
    db: Database,
) -> None:
    pool = Pool(db, MONDAY)
    ann = pool.investor("ann", 10_000)
    held = pool.subscribe(ann, pool.product(), 10_000)
    with db.transaction() as tx:
        clock.set_pace(tx, MONDAY, Decimal(1440), quick_until=MONDAY + 365 * DAY)
    work = Clockwork(Operation(db, cast(Broker, None)), (shipped("accrual"),), STEP, 0)
    assert work.poll()
    author = Author("operator:ada", "operation/1", MONDAY + STEP)
    with db.transaction() as tx:
        built_in = schedule_named(tx, "accrual")
        edit_schedule(tx, author, built_in.id, {"status": Status.PAUSED})
        plan = Plan("day by day", "0 0 * * *", "accrual", catch_up=CatchUp.EVERY)
        daily = create_schedule(tx, author, plan)
    with db.transaction() as tx:
        clock.advance(tx, MONDAY + 4 * DAY + HOUR)
        assert close_period(tx, replace(author, now=MONDAY + 4 * DAY), MONDAY + 3 * DAY)
    assert work.poll()
    work.close()
    with db.transaction() as tx:
        log = list_runs(tx, daily.id, None, 10)
    assert statuses(log) == ["success"] * 4, [run.exception_info for run in log]
    assert pool.holding(held).total_income == 6
    times = pool.rows(
        "SELECT posted_at, effective_at FROM journals WHERE kind = 'income_accrual' ORDER BY id"
    )
    assert [posted for posted, _ in times] == [MONDAY + 3 * DAY] * 2 + [MONDAY + 4 * DAY]
    assert all(MONDAY + 3 * DAY <= effective <= posted for posted, effective in times)
    pool.assert_sound()


def shipped(name: str) -> Job:
    return next(one for one in JOBS if isinstance(one, Job) and one.name == name)


# --- The log -----------------------------------------------------------------------------------


def test_the_log_is_forgotten_after_90_days_but_for_the_last_hundred_of_each(
    office: Office,
) -> None:
    busy = office.schedule("accrue", "0 * * * *", "busy")
    rare = office.schedule("report", "0 0 1 1 *", "rare")
    office.away(MONDAY + 200 * DAY)
    with office.database.transaction() as tx:
        for one, count in ((busy, 4000), (rare, 7)):
            tx.execute(
                "INSERT INTO schedule_runs (schedule_id, target, parameter, scheduled_for, status)"
                " SELECT %s, 'x', '{}', %s + n * interval '1 hour', 'success'"
                " FROM generate_series(1, %s) n",
                (one.id, MONDAY, count),
            )
        now = clock.business_now(tx)
        assert forget_runs(tx, 500) == 500
        while forget_runs(tx):
            pass
    assert len(office.log(rare)) == 7, "however old, the last hundred are kept"
    oldest = office.column(
        f"SELECT min(scheduled_for) FROM schedule_runs WHERE schedule_id = '{busy.id}'"
    )
    assert oldest == [now - 90 * DAY - (now - 90 * DAY - MONDAY) % HOUR + HOUR]
    with office.database.transaction() as tx:
        clock.advance(tx, now + 365 * DAY)
        while forget_runs(tx):
            pass
        left = tx.execute(
            "SELECT count(*), max(id) = (SELECT max(id) FROM schedule_runs WHERE schedule_id = %s)"
            " FROM schedule_runs WHERE schedule_id = %s",
            (busy.id, busy.id),
        ).fetchone()
    assert left == (100, True)


def test_an_id_and_a_name_find_a_schedule(office: Office) -> None:
    one = office.schedule("accrue", name="income of the night")
    with office.database.transaction() as tx:
        assert schedule_named(tx, "income of the night") == one
        assert schedule_named(tx, str(one.id)) == one
        with pytest.raises(CommendaError, match="unknown_schedule"):
            schedule_named(tx, str(UUID(int=0)))
