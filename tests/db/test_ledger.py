"""The ledger: whole or not at all, once, never below the floor, and nobody else may write it."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commenda.audit import run_checks
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.idempotency import once
from commenda.ledger import (
    CHECKS,
    AccountKey,
    Author,
    Journal,
    Line,
    Outcome,
    Owner,
    OwnerKind,
    Posted,
    balances,
    open_accounts,
    post,
    post_batch,
    totals_by_asset,
)
from world import D, empty, in_threads

NOW = datetime(2026, 1, 5, tzinfo=UTC)
AUTHOR = Author("test", "test/1", NOW)
EXTERNAL = AccountKey("external", Owner.platform(), "USDT")


def wallet(n: int) -> AccountKey:
    return AccountKey("wallet", Owner(OwnerKind.INVESTOR, UUID(int=n + 1)), "USDT")


def move(key: str, *lines: tuple[int, Decimal | str | int]) -> Journal:
    posted = [Line(account, D(amount)) for account, amount in lines]
    return Journal(key, "move", ids.derive("test", key), posted)


@pytest.fixture
def book(db: Database) -> Book:
    return Book(db)


class Book:
    """An external account and wallets, each filled with 1,000."""

    def __init__(self, database: Database, wallets: int = 4) -> None:
        self.database = database
        with database.transaction() as tx:
            self.external, *self.wallets = open_accounts(
                tx, [EXTERNAL, *(wallet(n) for n in range(wallets))]
            )
        self.post(*(move(f"fill-{w}", (self.external, -1000), (w, 1000)) for w in self.wallets))

    def post(self, *journals: Journal) -> list[Posted]:
        with self.database.transaction() as tx:
            return post_batch(tx, AUTHOR, journals)

    def outcomes(self, *journals: Journal) -> list[str]:
        return [posted.outcome for posted in self.post(*journals)]

    def balances(self) -> list[Decimal]:
        with self.database.transaction() as tx:
            found = balances(tx, self.wallets)
        return [found[one] for one in self.wallets]

    def counts(self) -> tuple[int, ...]:
        with self.database.transaction() as tx:
            row = tx.execute(
                "SELECT (SELECT count(*) FROM journals), (SELECT count(*) FROM entries)"
            ).fetchone()
        assert row is not None
        return row

    def assert_sound(self) -> None:
        with self.database.transaction() as tx:
            assert [str(finding) for finding in run_checks(tx, CHECKS)] == []
            assert set(totals_by_asset(tx).values()) == {D(0)}


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
    assert posted == (None, Outcome.REFUSED, a)
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
]


def bad(book: Book, one: str | int, other: str | int, key: str = "bad") -> Journal:
    return move(key, (book.external, one), (book.wallets[0], other))


@pytest.mark.parametrize(
    ("code", "journals"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_fault_of_the_caller_has_a_code_and_posts_nothing(
    book: Book, code: str, journals: Callable[[Book], Sequence[Journal]]
) -> None:
    before = book.counts(), book.balances()
    good = move("good", (book.wallets[0], -1), (book.wallets[1], 1))
    with pytest.raises(CommendaError) as caught:
        book.post(good, *journals(book))
    assert caught.value.code == code
    assert (book.counts(), book.balances()) == before
    assert book.outcomes(good) == ["posted"]
    book.assert_sound()


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


# --- against an independent auditor ----------------------------------------------------------


@dataclass
class Auditor:
    """What a ledger should do, in a few plain lines that share nothing with it."""

    floored: set[int]
    balance: Counter[int] = field(default_factory=Counter)
    posted: set[str] = field(default_factory=set)

    def judge(self, key: str, lines: Sequence[tuple[int, int]]) -> str:
        if key in self.posted:
            return "replayed"
        after = Counter(self.balance)
        for account, amount in lines:
            after[account] += amount
            if account in self.floored and after[account] < 0:
                return "refused"
        self.balance = after
        self.posted.add(key)
        return "posted"


def flattened(parts: list[list[tuple[int, int]]]) -> list[tuple[int, int]]:
    return [line for part in parts for line in part]


@st.composite
def batches(draw: st.DrawFn) -> list[list[tuple[str, list[tuple[int, int]]]]]:
    """Batches of journals over 5 accounts, in cents; keys repeat between batches, not within."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    return [
        [
            (f"k{key}", draw(st.lists(transfers, min_size=1, max_size=2).map(flattened)))
            for key in draw(st.lists(st.integers(0, 12), min_size=size, max_size=size, unique=True))
        ]
        for size in sizes
    ]


transfers = st.tuples(st.permutations(range(5)), st.integers(1, 90)).map(
    lambda t: [(t[0][0], -t[1]), (t[0][1], t[1])]
)


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(batches())
def test_batches_do_what_an_independent_auditor_says(
    database: Database, plan: list[list[tuple[str, list[tuple[int, int]]]]]
) -> None:
    """Account 0 is external; 1 to 3 are wallets with 100; 4 is a scope, without a floor."""
    empty(database)
    scope = AccountKey("scope", Owner(OwnerKind.INVESTOR, UUID(int=1)), "USDT", UUID(int=5))
    with database.transaction() as tx:
        accounts = open_accounts(tx, [EXTERNAL, wallet(0), wallet(1), wallet(2), scope])
    auditor = Auditor(floored={1, 2, 3})
    start = [(f"start-{n}", [(0, -100), (n, 100)]) for n in (1, 2, 3)]
    for batch in [start, *plan]:
        expected = [auditor.judge(key, lines) for key, lines in batch]
        journals = [
            move(key, *[(accounts[n], D(amount) / 100) for n, amount in lines])
            for key, lines in batch
        ]
        with database.transaction() as tx:
            posted = post_batch(tx, AUTHOR, journals)
        assert [one.outcome for one in posted] == expected
    with database.transaction() as tx:
        found = balances(tx, accounts)
        assert [found[one] * 100 for one in accounts] == [auditor.balance[n] for n in range(5)]
        assert [str(finding) for finding in run_checks(tx, CHECKS)] == []


# --- at the same time ------------------------------------------------------------------------

SECONDS = 4.0


def test_four_threads_of_random_batches_neither_deadlock_nor_lose_a_cent(db: Database) -> None:
    seed = int(os.environ.get("COMMENDA_TEST_SEED", 0)) or random.randrange(10**6)
    print(f"seed {seed} (COMMENDA_TEST_SEED)")
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
