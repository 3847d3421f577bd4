"""004-08: runs that fail, are asked for by hand, and of which there is one at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from commenda.kit.errors import CommendaError
from commenda.operations import (
    Status,
    jobs,
    upcoming,
)
from office import DAY, HOUR, MONDAY, Office, fail, statuses
from world import in_threads

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
