"""The ledger: whole or not at all, once, never below the floor, and nobody else may write it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest

from book import AUTHOR, EXTERNAL, NOW, Book, move
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.idempotency import once
from commenda.ledger import (
    AccountKey,
    Journal,
    Outcome,
    Owner,
    OwnerKind,
    Refusal,
    balance_of,
    close_period,
    open_accounts,
    post,
    reverse,
    stripe_of,
)
from world import D, in_threads


@pytest.fixture
def book(db: Database) -> Book:
    return Book(db)


# --- posting ---------------------------------------------------------------------------------


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


# --- faults of the caller --------------------------------------------------------------------

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


def first(book: Book) -> int:
    return int(book.rows("SELECT min(id) FROM journals")[0][0])


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
    with pytest.raises(CommendaError) as caught:
        book.post(good, *journals(book))
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


# --- who may write ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET amount = amount",
        "DELETE FROM entries",
        "TRUNCATE entries",
        "INSERT INTO entries VALUES (1, 1, 99, 'USDT', 1, 0, 1)",
        "UPDATE entries_3 SET amount = amount",
        "DELETE FROM entries_3",
        "INSERT INTO entries_3 VALUES (1, 1, 99, 'USDT', 1, 0, 1)",
        "UPDATE journals SET actor = 'me'",
        "DELETE FROM journals",
        "INSERT INTO journals (key, kind, actor, rule_version, correlation_id, posted_at,"
        " effective_at, entry_count)"
        " VALUES ('k', 'k', 'a', 'r', gen_random_uuid(), now(), now(), 2)",
        "UPDATE accounts SET balance = balance + 1",
        "UPDATE accounts SET version = 0",
        "DELETE FROM accounts",
        "INSERT INTO accounts (kind, owner_kind, owner_id, asset, balance)"
        " VALUES ('wallet', 'investor', gen_random_uuid(), 'USDT', 1000)",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "SET ROLE postgres",
        "DROP TABLE entries",
        "UPDATE accounts SET held = 0",
        "UPDATE accounts SET last_posted_at = NULL",
        "INSERT INTO accounts (kind, owner_kind, owner_id, asset, held)"
        " VALUES ('wallet', 'investor', gen_random_uuid(), 'USDT', 1)",
        "INSERT INTO holds (group_key, account_id, amount, purpose, actor, rule_version,"
        " correlation_id, placed_at)"
        " VALUES ('g', 1, 1, 'p', 'a', 'r', gen_random_uuid(), now())",
        "UPDATE holds SET amount = amount",
        "UPDATE holds SET status = 'voided'",
        "DELETE FROM holds",
        "TRUNCATE holds",
        "UPDATE journal_seals SET digest = digest",
        "DELETE FROM journal_seals",
        "TRUNCATE journal_seals",
        "INSERT INTO ledger_periods (until, closed_by, closed_at) VALUES (now(), 'me', now())",
        "UPDATE ledger_periods SET until = now()",
        "DELETE FROM ledger_periods",
        "UPDATE period_balances SET balance = 0",
        "UPDATE period_balances SET open_from = 1",
        "DELETE FROM period_balances",
        "UPDATE posting_batches SET key = 'mine'",
        "DELETE FROM posting_batches",
        "UPDATE journals SET reverses = NULL",
        "DELETE FROM idempotency",
        "DELETE FROM audit_events",
        "UPDATE audit_events SET result = 'fine'",
    ],
)
def test_the_database_refuses_the_application_to_write_history(book: Book, statement: str) -> None:
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        book.database.transaction() as tx,
    ):
        tx.execute(statement)  # type: ignore[arg-type]
    book.assert_sound()


@pytest.mark.parametrize(
    ("state", "statement"),
    [
        (
            "CO001",
            "INSERT INTO entries VALUES (1, {e}, 99, 'USDT', -1, 0, -1),"
            " (1, {w}, 99, 'USDT', 2, 0, 2)",
        ),
        ("CO001", "INSERT INTO entries VALUES (1, {e}, 99, 'USDT', -1, 0, -1)"),
        # Balanced, but of a journal that another transaction has written.
        (
            "CO002",
            "INSERT INTO entries VALUES (1, {e}, 99, 'USDT', -1, 0, -1),"
            " (1, {w}, 99, 'USDT', 1, 0, 1)",
        ),
        (
            "CO002",
            "INSERT INTO entries VALUES (999, {e}, 99, 'USDT', -1, 0, -1),"
            " (999, {w}, 99, 'USDT', 1, 0, 1)",
        ),
        ("23514", "INSERT INTO entries VALUES (1, {e}, 99, 'USDT', -1, 0, -2)"),
        ("23514", "INSERT INTO entries VALUES (1, {e}, 99, 'USDT', 'NaN', 0, 'NaN')"),
        ("23505", "INSERT INTO entries VALUES (1, {e}, 1, 'USDT', -1, 0, -1)"),
        ("23514", "UPDATE accounts SET balance = -1 WHERE id = {w}"),
        ("23514", "UPDATE accounts SET balance = 'NaN' WHERE id = {e}"),
    ],
)
def test_even_the_owner_cannot_write_what_does_not_add_up(
    book: Book, state: str, statement: str
) -> None:
    with psycopg.connect(book.database.owner_url) as owner:
        with pytest.raises(psycopg.Error) as caught:
            owner.execute(statement.format(e=book.external, w=book.wallets[0]))  # type: ignore[arg-type]
        assert caught.value.sqlstate == state
        owner.rollback()
    book.assert_sound()


# --- undoing, and accounts in stripes ---------------------------------------------------------


def test_a_reversal_goes_back_along_the_balances_that_there_were(book: Book) -> None:
    """Of 60 given and 100 got, 40 are left: enough to give the 100 back, once the 60 are in."""
    a, b, *_ = book.wallets
    book.post(move("empty", (a, -1000), (book.external, 1000)))
    (both,) = book.post(move("both", (book.external, -100), (a, 100), (a, -60), (b, 60)))
    assert both.journal_id is not None
    with book.database.transaction() as tx:
        assert reverse(tx, AUTHOR, both.journal_id).outcome is Outcome.POSTED
    assert book.balances()[:2] == [0, 1000]
    book.assert_sound()


def test_what_is_spent_cannot_be_undone(book: Book) -> None:
    a, b, *_ = book.wallets
    (gift,) = book.post(move("gift", (book.external, -500), (a, 500)))
    book.post(move("spent", (a, "-1000.00000001"), (b, "1000.00000001")))
    assert gift.journal_id is not None
    with book.database.transaction() as tx:
        assert reverse(tx, AUTHOR, gift.journal_id) == (None, "refused", a, Refusal.BELOW_FLOOR)
    book.assert_sound()


def test_stripes_of_an_account_take_turns_balance_and_add_up(db: Database) -> None:
    """Each event always takes the same stripe, so that repeated it is the same event."""
    book = Book(db)
    events = [f"deposit-{n}" for n in range(200)]
    keys = [EXTERNAL._replace(stripe=stripe_of("external", event)) for event in events]
    with db.transaction() as tx:
        stripes = open_accounts(tx, keys)
        assert open_accounts(tx, keys) == stripes
    journals = [
        move(event, (stripe, -1), (book.wallets[0], 1))
        for event, stripe in zip(events, stripes, strict=True)
    ]
    assert set(book.outcomes(*journals)) == {"posted"}
    assert set(book.outcomes(*journals)) == {"replayed"}
    taken = book.rows("SELECT stripe, version FROM accounts WHERE kind = 'external'")
    filling = Counter({0: len(book.wallets)})
    assert dict(taken) == Counter(key.stripe for key in keys) + filling
    assert len(taken) == 8
    with db.transaction() as tx:
        assert balance_of(tx, EXTERNAL) == -4200 == balance_of(tx, keys[0])
    book.assert_sound()


# --- at the same time ------------------------------------------------------------------------

SECONDS = 4.0


def test_four_threads_of_random_batches_neither_deadlock_nor_lose_a_cent(
    db: Database, seed: int
) -> None:
    book = Book(db, wallets=30)
    deadline = time.monotonic() + SECONDS

    def work(number: int) -> Counter[str]:
        rng = random.Random(seed + number)
        outcomes: Counter[str] = Counter()
        moved = 0
        while time.monotonic() < deadline:
            journals = []
            for n in range(rng.choice([1, 1, 5, 40])):
                a, b = rng.sample([book.external, *book.wallets], 2)
                amount = D(rng.randint(1, 90_000)) / 100
                journals.append(move(f"{number}-{moved}-{n}", (a, -amount), (b, amount)))
            moved += 1
            outcomes.update(book.outcomes(*journals))
        return outcomes

    totals = sum(in_threads(*[partial(work, number) for number in range(4)]), Counter[str]())
    print(totals)
    assert totals["posted"] > 500
    assert totals["refused"] > 0
    assert totals["replayed"] == 0
    assert book.counts()[0] == totals["posted"] + 30
    assert sum(book.balances()) >= 0
    assert min(book.balances()) >= 0
    book.assert_sound()


def test_the_same_journal_from_twenty_callers_is_posted_once(book: Book) -> None:
    a, b, *_ = book.wallets
    results = in_threads(*[partial(book.post, move("pay", (a, -7), (b, 7)))] * 20)
    outcomes = Counter(posted.outcome for (posted,) in results)
    assert outcomes == {"posted": 1, "replayed": 19}
    assert len({posted.journal_id for (posted,) in results}) == 1
    assert book.balances()[:2] == [993, 1007]


def test_twenty_callers_cannot_spend_the_same_money(book: Book) -> None:
    a, b, *_ = book.wallets
    results = in_threads(
        *[partial(book.outcomes, move(f"pay-{n}", (a, -100), (b, 100))) for n in range(20)]
    )
    assert Counter(outcome for (outcome,) in results) == {"posted": 10, "refused": 10}
    assert book.balances()[:2] == [0, 2000]
    book.assert_sound()


# --- one effect for each client key ----------------------------------------------------------


class Service:
    """An operation that pays out of a wallet, behind an idempotency key."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.acted = 0

    def pay(self, key: str, amount: int, who: str = "ines") -> tuple[dict[str, Any], bool]:
        a, b, *_ = self.book.wallets
        with self.book.database.transaction() as tx:

            def act() -> dict[str, Any]:
                self.acted += 1
                journal = move(f"{who}:{key}", (a, -amount), (b, amount))
                posted = post(tx, AUTHOR, journal)
                if posted.outcome is Outcome.REFUSED:
                    return {"refused": "insufficient_balance"}
                return {"journal": posted.journal_id}

            return once(tx, "pay", who, key, {"amount": amount}, NOW, act)


def test_the_same_key_replays_the_recorded_outcome(book: Book) -> None:
    service = Service(book)
    first, replayed = service.pay("k1", 10)
    assert not replayed
    assert service.pay("k1", 10) == (first, True)
    assert (service.acted, book.balances()[0]) == (1, 990)


def test_a_refusal_is_recorded_and_replayed_too(book: Book) -> None:
    service = Service(book)
    assert service.pay("k1", 5000) == ({"refused": "insufficient_balance"}, False)
    book.post(move("more", (book.external, -9000), (book.wallets[0], 9000)))
    assert service.pay("k1", 5000) == ({"refused": "insufficient_balance"}, True)
    assert service.pay("k2", 5000)[1] is False
    assert book.balances()[0] == 5000


def test_another_body_under_the_same_key_conflicts(book: Book) -> None:
    service = Service(book)
    service.pay("k1", 10)
    with pytest.raises(CommendaError) as caught:
        service.pay("k1", 11)
    assert caught.value.code == "idempotency_conflict"
    assert book.balances()[0] == 990


def test_a_key_belongs_to_its_principal(book: Book) -> None:
    service = Service(book)
    service.pay("k1", 10, "ines")
    assert service.pay("k1", 20, "jon")[1] is False
    assert book.balances()[0] == 970


def test_twenty_copies_of_one_request_have_one_effect(book: Book) -> None:
    service = Service(book)
    results = in_threads(*[partial(service.pay, "k1", 10)] * 20)
    assert sorted(replayed for _, replayed in results) == [False] + [True] * 19
    assert len({str(outcome) for outcome, _ in results}) == 1
    assert (service.acted, book.balances()[0]) == (1, 990)
    book.assert_sound()


def test_a_request_that_crashes_leaves_its_key_free(book: Book) -> None:
    def crash() -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), book.database.transaction() as tx:
        once(tx, "pay", "ines", "k1", {"amount": 10}, NOW, crash)
    assert Service(book).pay("k1", 10)[1] is False
