"""Holds: money set aside counts against the floor, is taken once, and is never set free twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from book import AUTHOR, NOW, Book, hold, move, wallet
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import (
    Hold,
    Outcome,
    Placed,
    Refusal,
    close_period,
    expire_holds,
    lock_accounts,
    open_accounts,
    place_holds,
    post,
    reverse,
    void_holds,
)
from world import in_threads

LATER = replace(AUTHOR, now=NOW + timedelta(minutes=10))


@pytest.fixture
def book(db: Database) -> Book:
    return Book(db)


def status(book: Book, group: str) -> list[tuple[str, int]]:
    """What became of the holds of a group, and how much was captured."""
    query = "SELECT status, captured FROM holds WHERE group_key = %s ORDER BY account_id"
    return [tuple(row) for row in book.rows(query, group)]


# --- What a hold does ------------------------------------------------------------------------


def test_what_is_held_cannot_be_spent_and_what_is_not_can(book: Book) -> None:
    a, b, *_ = book.wallets
    assert book.place(hold("g", a, 600)) == [("placed", None)]
    too_much = move("too much", (a, "-400.00000001"), (b, "400.00000001"))
    assert book.post(too_much) == [(None, "refused", a, "below_floor")]
    assert book.outcomes(move("the rest", (a, -400), (b, 400))) == ["posted"]
    assert book.place(hold("more", a, "0.00000001")) == [("refused", a)]
    book.assert_sound()


def test_a_hold_is_captured_in_part_and_the_rest_is_free(book: Book) -> None:
    a, b, *_ = book.wallets
    book.place(hold("g", a, 600))
    journal = move("take", (a, -250), (b, 250), captures="g")
    assert book.outcomes(journal) == ["posted"]
    assert status(book, "g") == [("captured", 250)]
    assert (book.balances()[0], book.held()[0]) == (750, 0)
    assert book.outcomes(journal) == ["replayed"]
    book.assert_sound()


def test_a_group_is_placed_whole_or_not_at_all(book: Book) -> None:
    a, b, *_ = book.wallets
    placed = book.place(hold("g", a, 600), hold("g", b, 1001), hold("h", a, 1000))
    assert placed == [("refused", b), ("refused", b), ("placed", None)]
    assert book.held()[:2] == [1000, 0]
    book.assert_sound()


REFUSED: list[tuple[str, Refusal, str, int]] = [
    ("of nobody", Refusal.UNKNOWN_HOLD, "nobody's", 1),
    ("voided", Refusal.HOLD_RESOLVED, "voided", 1),
    ("captured before", Refusal.HOLD_RESOLVED, "captured", 1),
    ("swept", Refusal.HOLD_RESOLVED, "swept", 1),
    ("past its time and not swept", Refusal.HOLD_EXPIRED, "due", 1),
    ("too small", Refusal.BEYOND_HOLD, "open", 11),
]


@pytest.mark.parametrize(
    ("reason", "group", "amount"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_hold_that_cannot_be_captured_refuses_its_journal_and_no_other(
    book: Book, reason: Refusal, group: str, amount: int
) -> None:
    a, b, *_ = book.wallets
    kept = [hold(name, a, 10) for name in ("voided", "captured", "open")]
    book.place(*kept, hold("swept", a, 10, minutes=1), hold("due", a, 10, minutes=5))
    with book.database.transaction() as tx:
        assert void_holds(tx, AUTHOR, ["voided"]) == ["voided"]
        assert expire_holds(tx, replace(AUTHOR, now=NOW + timedelta(minutes=1))) == 1
    book.post(move("before", (a, -1), (b, 1), captures="captured"))
    held, found = book.held(), status(book, group)
    refused, other = book.post(
        move("capture", (a, -amount), (b, amount), captures=group),
        move("other", (a, -1), (b, 1)),
        author=LATER,
    )
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, reason)
    assert other.outcome is Outcome.POSTED
    assert (book.held(), status(book, group)) == (held, found)
    book.assert_sound()


def test_what_captured_a_hold_is_not_reversed(book: Book) -> None:
    a, b, *_ = book.wallets
    book.place(hold("g", a, 10))
    (taken,) = book.post(move("take", (a, -10), (b, 10), captures="g"))
    assert taken.journal_id is not None
    with book.database.transaction() as tx, pytest.raises(CommendaError) as caught:
        reverse(tx, AUTHOR, taken.journal_id)
    assert caught.value.code == "not_reversible"


# --- Faults of the caller --------------------------------------------------------------------

FAULTS: list[tuple[str, str, Callable[[Book], Sequence[Hold]]]] = [
    ("nothing", "not_positive", lambda b: [hold("g", b.wallets[0], 0)]),
    ("less than nothing", "not_positive", lambda b: [hold("g", b.wallets[0], -1)]),
    ("NaN", "not_finite", lambda b: [hold("g", b.wallets[0], "NaN")]),
    ("signalling NaN", "not_finite", lambda b: [hold("g", b.wallets[0], "sNaN")]),
    ("infinity", "not_finite", lambda b: [hold("g", b.wallets[0], "Infinity")]),
    ("excess scale", "excess_scale", lambda b: [hold("g", b.wallets[0], "1.5e-18")]),
    ("nothing once rounded", "excess_scale", lambda b: [hold("g", b.wallets[0], "1e-19")]),
    ("overflow", "amount_overflow", lambda b: [hold("g", b.wallets[0], "1e20")]),
    ("unknown account", "unknown_account", lambda b: [hold("g", 10**9, 1)]),
    ("no floor", "not_holdable", lambda b: [hold("g", b.external, 1)]),
    ("expired", "expired", lambda b: [hold("g", b.wallets[0], 1, minutes=0)]),
    (
        "one account twice",
        "duplicate_hold",
        lambda b: [hold("g", b.wallets[0], 1), hold("g", b.wallets[0], 2)],
    ),
]


@pytest.mark.parametrize(
    ("code", "holds"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_fault_of_the_caller_has_a_code_and_holds_nothing(
    book: Book, code: str, holds: Callable[[Book], Sequence[Hold]]
) -> None:
    before = book.state()
    good = hold("good", book.wallets[0], 1)
    with pytest.raises(CommendaError) as caught:
        book.place(good, *holds(book))
    assert caught.value.code == code
    assert book.state() == before
    assert book.place(good) == [("placed", None)]
    book.assert_sound()


@pytest.mark.parametrize(
    ("state", "statement"),
    [
        ("23514", "UPDATE accounts SET held = balance + 1 WHERE floored"),
        ("23514", "UPDATE accounts SET held = -1"),
        ("23514", "UPDATE accounts SET held = 1 WHERE NOT floored"),
        ("23514", "UPDATE holds SET amount = 0"),
        ("23514", "UPDATE holds SET amount = 'NaN'"),
        ("23514", "UPDATE holds SET status = 'voided'"),
        ("23514", "UPDATE holds SET captured = 1"),
        ("23514", "UPDATE holds SET captured = amount + 1, status = 'captured', journal_id = 1"),
        (
            "23505",
            "INSERT INTO holds (group_key, account_id, amount, purpose, actor, rule_version,"
            " correlation_id, placed_at) SELECT group_key, account_id + 1, amount, purpose, actor,"
            " rule_version, correlation_id, placed_at FROM holds",
        ),
    ],
)
def test_even_the_owner_cannot_write_a_hold_that_does_not_add_up(
    book: Book, state: str, statement: str
) -> None:
    book.place(hold("g", book.wallets[0], 10))
    with psycopg.connect(book.database.owner_url) as owner:
        with pytest.raises(psycopg.Error) as caught:
            owner.execute(statement)  # type: ignore[call-overload]
        assert caught.value.sqlstate == state
        owner.rollback()
    book.assert_sound()


# --- At the same time ------------------------------------------------------------------------


def test_the_same_holds_from_twenty_callers_are_placed_once(book: Book) -> None:
    holds = [hold("g", book.wallets[0], 7), hold("g", book.wallets[1], 8)]
    got = in_threads(*[partial(book.place, *holds)] * 20)
    assert sorted(got) == [[Placed("placed", None)] * 2] + [[Placed("replayed", None)] * 2] * 19  # type: ignore[arg-type]
    assert book.held()[:2] == [7, 8]
    book.assert_sound()


def test_a_group_has_the_holds_of_one_caller(book: Book) -> None:
    """Two that place it on different accounts have no account on which to wait for each other."""

    def place(*accounts: int) -> str:
        with book.database.transaction() as tx:
            (outcome, _), *_ = place_holds(tx, AUTHOR, [hold("g", one, 5) for one in accounts])
            time.sleep(0.1)
        return outcome

    a, b, c, d = book.wallets
    for _ in range(3):
        assert sorted(in_threads(partial(place, a), partial(place, b, c, d))) == [
            "placed",
            "replayed",
        ]
        assert sum(book.held()) in (5, 15)
        with book.database.transaction() as tx:
            void_holds(tx, AUTHOR, ["g"])
        with psycopg.connect(book.database.owner_url) as owner:
            owner.execute("DELETE FROM holds")
    book.assert_sound()


def test_of_a_capture_a_void_and_a_sweep_one_gets_the_hold(book: Book) -> None:
    a, b, *_ = book.wallets
    journals = [move(f"take-{n}", (a, -10), (b, 10), captures=f"g{n}") for n in range(30)]
    late = replace(AUTHOR, now=NOW + timedelta(minutes=1))
    book.place(*(hold(f"g{n}", a, 10, minutes=1) for n in range(30)))

    def sweep() -> int:
        with book.database.transaction() as tx:
            return expire_holds(tx, late)

    def void(n: int) -> int:
        with book.database.transaction() as tx:
            return len(void_holds(tx, AUTHOR, [f"g{n}"]))

    def take(n: int) -> int:
        return book.outcomes(journals[n]).count("posted")

    def several(one: Callable[[int], int], numbers: Sequence[int]) -> int:
        return sum(one(n) for n in numbers)

    taken, voided, swept = in_threads(
        partial(several, take, range(30)),
        partial(several, void, range(29, -1, -1)),
        lambda: time.sleep(0.05) or sweep(),
    )
    assert taken + voided + swept == 30
    assert book.balances()[0] == 1000 - 10 * taken
    assert book.held()[0] == 0
    book.assert_sound()


def wait_for(book: Book, sessions: int) -> None:
    """Until so many sessions wait for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    while book.rows(waiting)[0][0] < sessions:
        time.sleep(0.01)


@contextmanager
def waiting(book: Book, account: int, call: Callable[[], Any]) -> Iterator[list[Any]]:
    """A call that waits for an account until the block ends; its answer is in the list then."""
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(call()))
    with book.database.transaction() as tx:
        lock_accounts(tx, [account])
        thread.start()
        wait_for(book, 1)
        yield got
    thread.join()


def test_a_hold_that_is_placed_while_its_capture_waits_comes_after_it(book: Book) -> None:
    """It is on an account that the capture has not locked, where another may void it meanwhile."""
    a, b, c, _ = book.wallets
    book.place(hold("other", b, 50))
    capture = partial(book.post, move("take", (a, -1), (c, 1), captures="late"))
    with waiting(book, a, capture) as got:
        book.place(hold("late", b, 5))
    ((posted,),) = got
    assert (posted.outcome, posted.reason) == (Outcome.REFUSED, Refusal.UNKNOWN_HOLD)
    assert status(book, "late") == [("held", 0)]
    assert book.held()[1] == 55
    book.assert_sound()


def test_a_hold_that_is_placed_while_its_voiding_waits_comes_after_it(book: Book) -> None:
    a, b, *_ = book.wallets
    book.place(hold("early", a, 50))

    def void() -> list[str]:
        with book.database.transaction() as tx:
            return void_holds(tx, AUTHOR, ["early", "late"])

    with waiting(book, a, void) as got:
        book.place(hold("late", b, 5))
    assert got == [["early"]]
    assert book.held()[:2] == [0, 5]
    book.assert_sound()


def test_books_are_closed_while_who_locked_first_posts_next(book: Book) -> None:
    """Who locked an account and posts later, who waits for that account, and the closing between
    the two would stand in a circle: PostgreSQL lets the posting go before the closing."""
    a, b, *_ = book.wallets
    got: list[object] = []

    def close() -> None:
        with book.database.transaction() as tx:
            got.append(close_period(tx, AUTHOR, NOW))

    def follow() -> None:
        got.append(book.outcomes(move("behind", (a, -1), (b, 1))))

    threads = [threading.Thread(target=follow), threading.Thread(target=close)]
    with book.database.transaction() as tx:
        lock_accounts(tx, [a])
        for sessions, thread in enumerate(threads, start=1):
            thread.start()
            wait_for(book, sessions)
        assert post(tx, AUTHOR, move("ahead", (a, -1), (b, 1))).outcome is Outcome.POSTED
    for thread in threads:
        thread.join()
    assert got in ([["posted"], True], [True, ["posted"]])
    book.assert_sound()


def test_the_same_accounts_are_opened_in_any_order_at_the_same_time(db: Database) -> None:
    def opened(numbers: Sequence[int]) -> dict[int, int]:
        with db.transaction() as tx:
            return dict(zip(numbers, open_accounts(tx, [wallet(n) for n in numbers]), strict=True))

    for begin in range(0, 3000, 600):
        numbers = range(begin, begin + 600)
        there, back = in_threads(partial(opened, numbers), partial(opened, numbers[::-1]))
        assert there == back
