"""004-07, 004-08: what was missed is made up for, what was cut short is done again, in a log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from commenda.kit import clock
from commenda.kit.errors import CommendaError
from commenda.operations import (
    CatchUp,
    Interrupted,
    Job,
    Operation,
    Parameters,
    forget_runs,
    schedule_named,
)
from commenda.operations.clockwork import AT_ONCE
from office import DAY, HOUR, MONDAY, STEP, Office, statuses
from socketed import wait_until

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
    wait_until(office.work.poll)  # the server is told of the end of a session, and takes its time
    assert office.took() == ["05 01:00 accrue"]
    assert statuses(office.log(hourly)) == ["success"]


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
