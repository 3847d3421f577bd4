"""004-08: schedules that are paused, edited, deleted, built in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from commenda.income import Cadence
from commenda.kit import clock
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import Author, close_period
from commenda.operations import (
    JOBS,
    CatchUp,
    Clockwork,
    Job,
    Operation,
    Plan,
    Schedule,
    Status,
    create_schedule,
    delete_schedule,
    edit_schedule,
    jobs,
    list_runs,
    list_schedules,
    schedule_named,
)
from commenda.operations.cron import checked_rule
from nowhere import no_broker
from office import DAY, HOUR, MONDAY, STEP, Office, fail, statuses
from pool import Pool
from world import World

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
    operation = Operation(db, no_broker())
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
    work = Clockwork(Operation(db, no_broker()), (shipped("accrual"),), STEP, 0)
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
