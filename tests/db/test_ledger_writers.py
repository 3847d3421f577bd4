"""Who may write the ledger, undoing, stripes, many at once, and one effect for each client key."""

from __future__ import annotations

import random
import time
from collections import Counter
from functools import partial
from typing import Any

import psycopg
import pytest

from book import AUTHOR, EXTERNAL, NOW, Book, move
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.idempotency import once
from commenda.ledger import Outcome, Refusal, balance_of, open_accounts, post, reverse, stripe_of
from scripted import D
from world import in_threads


@pytest.fixture
def book(db: Database) -> Book:
    return Book(db)


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
