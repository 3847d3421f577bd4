"""Balances as of any moment, by either time, and periods that take no more entries once closed."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple
from uuid import UUID

import pytest

from commenda.audit import run_checks
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import (
    CHECKS,
    AccountKey,
    AsOf,
    Author,
    Journal,
    Line,
    Outcome,
    Owner,
    OwnerKind,
    asset_totals,
    balances_as_of,
    close_period,
    closed_periods,
    closed_until,
    note_balances,
    open_accounts,
    post,
    trial_balance,
)
from commenda.ledger import trial as trial_room
from scripted import D
from world import in_threads

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
KINDS = ("external", "scope", "scope", "fee:platform", "wallet", "wallet")


class Moved(NamedTuple):
    """An entry, as a plain record beside the ledger."""

    account: int
    amount: Decimal
    posted_at: datetime
    effective_at: datetime


class Books:
    """Random journals, some for earlier than they are posted, with everything known beside them."""

    def __init__(self, database: Database, seed: int = 1) -> None:
        self.database = database
        self.random = random.Random(seed)
        self.now = START
        self.moved: list[Moved] = []
        self.serial = 0
        keys = [
            AccountKey(
                kind,
                Owner.platform() if place == 0 else Owner(OwnerKind.INVESTOR, UUID(int=place)),
                "USDT",
            )
            for place, kind in enumerate(KINDS)
        ]
        with database.transaction() as tx:
            self.accounts = open_accounts(tx, keys)
        self.kinds = dict(zip(self.accounts, KINDS, strict=True))

    def post(self, lines: list[Line], effective_at: datetime | None = None) -> Outcome:
        """Post a journal and remember what came of it."""
        self.serial += 1
        key = f"journal-{self.serial}"
        effective = effective_at or self.now
        with self.database.transaction() as tx:
            posted = post(
                tx,
                Author("test", "test/1", self.now),
                Journal(key, "move", ids.derive("test", key), lines, effective),
            )
        if posted.outcome is Outcome.POSTED:
            self.moved += [Moved(*line, self.now, effective) for line in lines]
        return posted.outcome

    def post_any(self) -> None:
        """A random journal, effective at some time of the open period."""
        giving, *taking = self.random.sample(self.accounts, self.random.randint(2, 4))
        amounts = [D(self.random.randint(1, 10**9)) / D(10**8) for _ in taking]
        lines = [Line(giving, -sum(amounts, D(0)))]
        lines += [Line(account, amount) for account, amount in zip(taking, amounts, strict=True)]
        with self.database.transaction() as tx:
            earliest = closed_until(tx) or START
        effective = earliest + self.random.random() * (self.now - earliest)
        self.post(lines, self.random.choice([None, effective]))

    def close(self, until: datetime) -> bool:
        with self.database.transaction() as tx:
            return close_period(tx, Author("test", "test/1", self.now), until)

    def note(self, limit: int = 2000) -> None:
        while self.note_some(limit):
            pass

    def note_some(self, limit: int) -> int:
        with self.database.transaction() as tx:
            return note_balances(tx, limit)

    def live(self, steps: int = 120) -> None:
        """Let time pass, with journals, closes, and balances that are noted late or not at all."""
        for step in range(1, steps + 1):
            self.now += self.random.random() * HOUR
            for _ in range(self.random.randint(0, 3)):
                self.post_any()
            if step % 30 == 0:
                with self.database.transaction() as tx:
                    earliest = closed_until(tx) or START
                self.close(earliest + self.random.random() * (self.now - earliest))
            if step % 45 == 0:
                self.note(limit=self.random.randint(1, 7))

    def sum(self, account: int, moment: datetime, by: AsOf) -> Decimal:
        """What an account held, summed up over everything that was ever posted."""
        at: Callable[[Moved], datetime] = (
            (lambda one: one.posted_at) if by is AsOf.POSTED else (lambda one: one.effective_at)
        )
        return sum(
            (one.amount for one in self.moved if one.account == account and at(one) <= moment),
            D(0),
        )

    def sums(self, moment: datetime, by: AsOf) -> dict[int, Decimal]:
        return {account: self.sum(account, moment, by) for account in self.accounts}

    def balances(self, moment: datetime, by: AsOf) -> dict[int, Decimal]:
        with self.database.transaction() as tx:
            return balances_as_of(tx, self.accounts, moment, by)

    def moments(self) -> list[datetime]:
        """Times of entries exactly, just before them, between them, before all and after all."""
        exact = [
            time
            for one in self.random.sample(self.moved, 12)
            for time in (one.posted_at, one.effective_at)
        ]
        between = [START + self.random.random() * (self.now - START) for _ in range(12)]
        just_before = [time - timedelta(microseconds=1) for time in exact]
        return [*exact, *just_before, *between, START - HOUR, self.now, self.now + HOUR]


@pytest.fixture
def books(db: Database) -> Books:
    return Books(db)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("by", list(AsOf))
def test_a_balance_as_of_a_moment_is_the_sum_of_all_entries_until_then(
    db: Database, seed: int, by: AsOf
) -> None:
    books = Books(db, seed)
    books.live()
    assert len(books.moved) > 200
    for moment in books.moments():
        assert books.balances(moment, by) == books.sums(moment, by), (moment, by)


@pytest.mark.parametrize("seed", [4, 5])
def test_the_trial_balance_of_a_moment_is_the_sum_of_its_accounts(db: Database, seed: int) -> None:
    books = Books(db, seed)
    books.live()
    for by in AsOf:
        for moment in books.moments():
            assert_trial(books, moment, by)
    with db.transaction() as tx:
        assert trial_balance(tx) == trial_balance(tx, books.now)


def assert_trial(books: Books, moment: datetime, by: AsOf) -> None:
    """The trial balance of a moment is what plain sums over all entries come to."""
    sums = books.sums(moment, by)
    with books.database.transaction() as tx:
        lines = trial_balance(tx, moment, by)
    found = {}
    for line in lines:
        count, debit, credit = found.get(line.kind, (0, D(0), D(0)))
        found[line.kind] = (count + line.accounts, debit + line.debit, credit + line.credit)
        assert line.balance == line.credit - line.debit
    expected = {}
    for kind in KINDS:
        held = [sums[account] for account in books.accounts if books.kinds[account] == kind]
        expected[kind] = (
            sum(1 for one in held if one),
            -sum((one for one in held if one < 0), D(0)),
            sum((one for one in held if one > 0), D(0)),
        )
    assert found == expected
    for debit, credit, balance in asset_totals(lines).values():
        assert (balance, debit) == (0, credit)


def test_wherever_a_trial_balance_begins_it_comes_to_the_same(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.live()
    books.note()
    with books.database.transaction() as tx:
        ends = [
            one.until.isoformat().replace("+00:00", "Z") for one in closed_periods(tx, None, 100)
        ]
    assert len(ends) == 4
    chosen = set()
    for moment in books.moments():
        with books.database.transaction() as tx:
            chosen.add(trial_room.nearest_anchor(tx, moment))
        for by in AsOf:
            results = []
            for anchor in ("-infinity", "infinity", *ends):
                monkeypatch.setattr(
                    trial_room, "nearest_anchor", lambda _tx, _moment, at=anchor: at
                )
                with books.database.transaction() as tx:
                    results.append(trial_balance(tx, moment, by))
            monkeypatch.undo()
            assert all(one == results[0] for one in results), (moment, by)
    assert chosen >= {"-infinity", "infinity"}
    assert chosen & set(ends), "each of the three beginnings is the nearest one somewhere"


def note_and_die(books: Books, limit: int) -> None:
    """Killed before it commits."""
    with books.database.transaction() as tx:
        assert note_balances(tx, limit) == limit
        raise ZeroDivisionError


def test_noting_that_is_interrupted_half_way_is_taken_up_where_it_was(books: Books) -> None:
    books.live(25)
    until = books.now
    books.now += HOUR
    books.close(until)
    before = books.sums(until - timedelta(microseconds=1), AsOf.EFFECTIVE)
    assert books.note_some(2) == 2
    with pytest.raises(ZeroDivisionError):
        note_and_die(books, 2)
    books.post_any()
    moment = until - timedelta(microseconds=1)
    assert books.balances(moment, AsOf.EFFECTIVE) == before, "half a period is no beginning"
    with books.database.transaction() as tx:
        (period,) = closed_periods(tx, None, 10)
        assert period.noted_at is None
    books.note(limit=2)
    with books.database.transaction() as tx:
        (period,) = closed_periods(tx, None, 10)
        assert period.noted_at is not None
        noted = dict(tx.execute("SELECT account_id, balance FROM period_balances").fetchall())
    assert noted == {account: held for account, held in before.items() if account in noted}
    assert set(noted) == {one.account for one in books.moved}
    assert books.balances(books.now, AsOf.EFFECTIVE) == books.sums(books.now, AsOf.EFFECTIVE)
    with books.database.transaction() as tx:
        assert list(run_checks(tx, CHECKS)) == []


def test_a_closed_period_takes_no_more_entries(books: Books) -> None:
    external, scope = books.accounts[:2]
    books.now += 5 * HOUR
    assert books.close(START + 3 * HOUR)
    lines = [Line(external, D(-1)), Line(scope, D(1))]
    with pytest.raises(CommendaError) as caught:
        books.post(lines, START + 3 * HOUR - timedelta(microseconds=1))
    assert caught.value.code == "closed_period"
    assert caught.value.hint
    assert books.post(lines, START + 3 * HOUR) is Outcome.POSTED, "its end is not part of it"


def test_an_event_of_now_is_posted_though_the_books_were_closed_meanwhile(books: Books) -> None:
    """Its author's time was read before: it counts from the end of the closed period on."""
    external, scope = books.accounts[:2]
    books.now += 5 * HOUR
    assert books.close(books.now)
    with books.database.transaction() as tx:
        journal = Journal(
            "late", "move", ids.derive("late"), [Line(external, D(-1)), Line(scope, D(1))]
        )
        author = Author("test", "test/1", books.now - HOUR)
        assert post(tx, author, journal).outcome is Outcome.POSTED
        times = tx.execute("SELECT posted_at, effective_at FROM journals").fetchall()
    assert times == [(books.now, books.now)]
    books.note()
    with books.database.transaction() as tx:
        assert list(run_checks(tx, CHECKS)) == []


def test_the_end_of_the_closed_period_can_be_held(books: Books) -> None:
    """Who closes waits for a transaction that counts on it."""
    books.now += 5 * HOUR
    with books.database.transaction() as tx:
        assert closed_until(tx, hold=True) is None
        with ThreadPoolExecutor(1) as other:
            closing = other.submit(books.close, books.now)
            with pytest.raises(TimeoutError):
                closing.result(timeout=0.3)
            assert closed_until(tx) is None
            tx.execute("COMMIT")
            assert closing.result(timeout=30)


def test_a_period_is_closed_once_and_when_it_is_over(books: Books) -> None:
    books.now += 5 * HOUR
    assert books.close(START + HOUR)
    assert not books.close(START + HOUR)
    assert not books.close(START), "it lies within one that is closed"
    assert books.close(START + 2 * HOUR)
    with pytest.raises(CommendaError) as caught:
        books.close(books.now + timedelta(microseconds=1))
    assert caught.value.code == "bad_period"
    with books.database.transaction() as tx:
        assert closed_until(tx) == START + 2 * HOUR


def test_of_a_posting_and_a_close_at_the_same_time_one_is_first(books: Books) -> None:
    """What was posted first is in the period; what came second is refused: never in between."""
    external, scope = books.accounts[:2]
    outcomes = set()
    for n in range(25):
        books.now += HOUR
        until = books.now
        effective = until - timedelta(minutes=1)
        lines = [Line(external, D(-n - 1)), Line(scope, D(n + 1))]
        post_it = partial(refused_or_posted, books, lines, effective)
        order = (post_it, partial(books.close, until)) if n % 2 else None
        first, second = in_threads(*(order or (partial(books.close, until), post_it)))
        outcome = first if n % 2 else second
        outcomes.add(outcome)
        with books.database.transaction() as tx:
            row = tx.execute(
                "SELECT (SELECT count(*) FROM journals j WHERE j.effective_at < p.until"
                "   AND j.id > p.last_journal),"
                " (SELECT count(*) FROM journals j WHERE j.effective_at = %s)"
                " FROM ledger_periods p WHERE p.until = %s",
                (effective, until),
            ).fetchone()
        assert row == (0, 1 if outcome == "posted" else 0)
    books.note()
    assert outcomes <= {"posted", "closed_period"}
    assert books.balances(books.now, AsOf.EFFECTIVE) == books.sums(books.now, AsOf.EFFECTIVE)
    with books.database.transaction() as tx:
        assert list(run_checks(tx, CHECKS)) == []


def refused_or_posted(books: Books, lines: list[Line], effective: datetime) -> str:
    try:
        return str(books.post(lines, effective))
    except CommendaError as error:
        return error.code
