"""The ledger: whole or not at all, once, never below the floor, and nobody else may write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest

from book import AUTHOR, NOW, Book, move
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import (
    AccountKey,
    Journal,
    Outcome,
    Owner,
    OwnerKind,
    Refusal,
    close_period,
    open_accounts,
)
from ledger_lines import first
from scripted import D


@pytest.fixture
def book(db: Database) -> Book:
    return Book(db)


def test_a_journal_is_posted_once_and_replayed_after(book: Book) -> None:
    a, b, *_ = book.wallets
    (first,) = book.post(move("pay", (a, -5), (b, 5)))
    (again,) = book.post(move("pay", (a, -5), (b, 5)))
    assert (first.outcome, again.outcome) == (Outcome.POSTED, Outcome.REPLAYED)
    assert first.journal_id == again.journal_id
    assert book.balances()[:2] == [995, 1005]
    book.assert_sound()


def test_a_wallet_cannot_go_below_zero(book: Book) -> None:
    a, b, *_ = book.wallets
    (posted,) = book.post(move("too much", (a, "-1000.00000001"), (b, "1000.00000001")))
    assert posted == (None, Outcome.REFUSED, a, Refusal.BELOW_FLOOR)
    assert book.outcomes(move("all of it", (a, -1000), (b, 1000))) == ["posted"]
    assert book.balances()[:2] == [0, 2000]
    book.assert_sound()


def test_a_refused_journal_can_be_posted_when_there_is_money(book: Book) -> None:
    a, b, *_ = book.wallets
    assert book.outcomes(move("big", (a, -1500), (b, 1500))) == ["refused"]
    book.post(move("more", (book.external, -600), (a, 600)))
    assert book.outcomes(move("big", (a, -1500), (b, 1500))) == ["posted"]
    book.assert_sound()


def test_of_a_batch_one_is_refused_and_the_rest_post(book: Book) -> None:
    a, b, c, _ = book.wallets
    book.post(move("before", (a, -1), (b, 1)))
    posted = book.post(
        move("1", (a, -900), (b, 900)),
        move("2", (a, -900), (c, 900)),  # only 99 are left
        move("before", (a, -1), (b, 1)),
        move("3", (b, -1500), (c, 1500)),  # with the 900 of the first
    )
    assert [one.outcome for one in posted] == ["posted", "refused", "replayed", "posted"]
    assert posted[1].refused_account == a
    assert book.balances()[:3] == [99, 401, 2500]
    book.assert_sound()


def test_what_a_refused_journal_would_have_brought_is_not_there_for_the_next(book: Book) -> None:
    a, b, c, _ = book.wallets
    outcomes = book.outcomes(
        move("1", (a, -1100), (b, 1100)),
        move("2", (b, -2000), (c, 2000)),
        move("3", (c, -1), (a, 1)),
    )
    assert outcomes == ["refused", "refused", "posted"]
    book.assert_sound()


def test_scopes_and_venues_have_no_floor(book: Book) -> None:
    """A fill is a fact: it is booked whatever it costs."""
    owner = Owner(OwnerKind.INVESTOR, UUID(int=1))
    with book.database.transaction() as tx:
        scope, venue = open_accounts(
            tx,
            [
                AccountKey("scope", owner, "USDT", UUID(int=7), UUID(int=8)),
                AccountKey("venue", Owner.venue("paper"), "USDT"),
            ],
        )
    assert book.outcomes(move("fill", (scope, -10), (venue, 10))) == ["posted"]
    assert book.outcomes(move("fee", (scope, -1), (venue, 1))) == ["posted"]


def test_reservations_have_a_floor_too(book: Book) -> None:
    with book.database.transaction() as tx:
        (reserved,) = open_accounts(
            tx, [AccountKey("reserved", Owner(OwnerKind.INVESTOR, UUID(int=1)), "USDT")]
        )
    assert book.outcomes(move("free", (reserved, -1), (book.wallets[0], 1))) == ["refused"]


def test_one_account_twice_in_a_journal_is_two_entries_in_order(book: Book) -> None:
    a, b, *_ = book.wallets
    book.post(move("twice", (a, -3), (b, 1), (b, 2)))
    with book.database.transaction() as tx:
        rows = tx.execute(
            "SELECT amount, balance_before, balance_after FROM entries WHERE account_id = %s"
            " ORDER BY version",
            (b,),
        ).fetchall()
    assert rows == [(1000, 0, 1000), (1, 1000, 1001), (2, 1001, 1003)]
    book.assert_sound()


FAULTS: list[tuple[str, str, Callable[[Book], Sequence[Journal]]]] = [
    ("unbalanced", "unbalanced_journal", lambda b: [bad(b, 1, "-0.99999999")]),
    ("one line", "empty_journal", lambda b: [move("bad", (b.external, 1))]),
    ("no line", "empty_journal", lambda b: [move("bad")]),
    ("nothing but zeros", "empty_journal", lambda b: [bad(b, 0, 0)]),
    ("NaN", "not_finite", lambda b: [bad(b, "NaN", "NaN")]),
    ("one NaN", "not_finite", lambda b: [bad(b, "NaN", 1)]),
    ("signalling NaN", "not_finite", lambda b: [bad(b, "sNaN", 1)]),
    ("infinity", "not_finite", lambda b: [bad(b, "Infinity", 1)]),
    ("infinities that cancel", "not_finite", lambda b: [bad(b, "Infinity", "-Infinity")]),
    ("excess scale", "excess_scale", lambda b: [bad(b, "1e-19", "-1e-19")]),
    ("scale lost in rounding", "excess_scale", lambda b: [bad(b, "1.5e-18", "-1.5e-18")]),
    ("overflow", "amount_overflow", lambda b: [bad(b, "-1e20", "1e20")]),
    (
        "overflowing sum",
        "amount_overflow",
        lambda b: [bad(b, "-9e19", "9e19"), bad(b, "-9e19", "9e19", "second")],
    ),
    ("unknown account", "unknown_account", lambda b: [move("bad", (10**9, 1), (b.external, -1))]),
    ("same key twice", "duplicate_journal_key", lambda b: [bad(b, 1, -1), bad(b, 2, -2)]),
    ("beyond even Decimal", "not_finite", lambda b: [bad(b, "9e999999", "9e999999")]),
    ("beyond even numeric", "amount_overflow", lambda b: [bad(b, "-1e200000", "1e200000")]),
    (
        "decimals behind sixty zeros",
        "excess_scale",
        lambda b: [bad(b, f"1.{'0' * 65}1", f"-1.{'0' * 65}1")],
    ),
    (
        "in the future",
        "effective_in_future",
        lambda b: [effective(b, NOW + timedelta(microseconds=1))],
    ),
    (
        "before the books were closed",
        "closed_period",
        lambda b: [effective(b, CLOSED - timedelta(microseconds=1))],
    ),
    (
        "one hold captured twice",
        "duplicate_capture",
        lambda b: [bad(b, 1, -1, captures="x"), bad(b, 1, -1, "second", captures="x")],
    ),
    ("undoes what is not there", "unknown_journal", lambda b: [bad(b, 1, -1, reverses=10**9)]),
    (
        "undoes what was undone",
        "already_reversed",
        lambda b: [bad(b, 1, -1, reverses=first(b)), bad(b, 1, -1, "second", reverses=first(b))],
    ),
]
CLOSED = NOW - timedelta(days=1)


def bad(book: Book, one: str | int, other: str | int, key: str = "bad", **more: Any) -> Journal:
    return move(key, (book.external, one), (book.wallets[0], other), **more)


def effective(book: Book, moment: datetime) -> Journal:
    return bad(book, -1, 1, effective_at=moment)


@pytest.mark.parametrize(
    ("code", "journals"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_fault_of_the_caller_has_a_code_and_posts_nothing(
    book: Book, code: str, journals: Callable[[Book], Sequence[Journal]]
) -> None:
    with book.database.transaction() as tx:
        close_period(tx, AUTHOR, CLOSED)
    before = book.state()
    good = move("good", (book.wallets[0], -1), (book.wallets[1], 1))
    for others in ([good], []):  # a journal that is posted alone goes another way
        with pytest.raises(CommendaError) as caught:
            book.post(*others, *journals(book))
        assert caught.value.code == code
    assert book.state() == before
    assert book.outcomes(good) == ["posted"]
    book.assert_sound()


def test_what_is_effective_now_or_at_the_end_of_a_closed_period_is_posted(book: Book) -> None:
    with book.database.transaction() as tx:
        close_period(tx, AUTHOR, CLOSED)
    now, then = effective(book, NOW), effective(book, CLOSED)
    assert book.outcomes(now) == ["posted"]
    assert book.outcomes(move("then", *then.lines, effective_at=CLOSED)) == ["posted"]


def test_a_journal_alone_is_written_as_in_a_batch(book: Book) -> None:
    a, b, *_ = book.wallets
    amount = D("1E+2") + D("1E-18")
    india = timezone(timedelta(hours=5, minutes=30))
    asked = [
        move(
            key, (a, -amount), (b, amount), effective_at=datetime(2024, 2, 29, 23, 30, 0, 1, india)
        )
        for key in ("alone", "one", "two")
    ]
    ids = [book.post(asked[0])[0].journal_id, *(one.journal_id for one in book.post(*asked[1:]))]
    for journal_id, journal in zip(ids, asked, strict=True):
        assert book.rows(
            "SELECT j.correlation_id, j.effective_at, e.account_id, e.amount FROM journals j"
            " JOIN entries e ON e.journal_id = j.id"
            f" WHERE j.id = {journal_id} ORDER BY e.account_id"
        ) == [
            (journal.correlation_id, journal.effective_at, a, -amount),
            (journal.correlation_id, journal.effective_at, b, amount),
        ]


def test_books_are_not_closed_before_the_period_is_over(book: Book) -> None:
    with book.database.transaction() as tx, pytest.raises(CommendaError) as caught:
        close_period(tx, AUTHOR, NOW + timedelta(microseconds=1))
    assert caught.value.code == "bad_period"
    assert book.rows("SELECT * FROM ledger_periods") == []


def test_trailing_zeros_are_no_excess_scale(book: Book) -> None:
    amount = D("1.0000000000000000000000")
    assert book.outcomes(move("zeros", (book.wallets[0], -amount), (book.external, amount))) == [
        "posted"
    ]
    book.assert_sound()


def test_amounts_balance_for_each_asset_and_not_across(book: Book) -> None:
    with psycopg.connect(book.database.owner_url) as owner:
        owner.execute(
            "INSERT INTO accounts (kind, owner_kind, owner_id, asset)"
            " VALUES ('external', 'platform', gen_random_uuid(), 'BTC')"
        )
        row = owner.execute("SELECT max(id) FROM accounts").fetchone()
    assert row is not None
    with pytest.raises(CommendaError) as caught:
        book.post(move("swap", (book.external, -1), (row[0], 1)))
    assert caught.value.code == "unbalanced_journal"
    book.assert_sound()


def test_an_account_of_an_unknown_asset_is_not_opened(book: Book) -> None:
    with book.database.transaction() as tx, pytest.raises(CommendaError) as caught:
        open_accounts(tx, [AccountKey("wallet", Owner.platform(), "DOGE")])
    assert caught.value.code == "unknown_asset"
