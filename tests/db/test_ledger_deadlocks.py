"""Everybody at once on the same accounts: no deadlock reaches a caller, and nothing is lost."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import psycopg

from book import AUTHOR, NOW, Book, hold, move
from commenda.kit.db import Database
from commenda.ledger import (
    AccountKey,
    Owner,
    OwnerKind,
    close_period,
    expire_holds,
    lock_accounts,
    note_balances,
    open_accounts,
    place_holds,
    post,
    post_batch,
    reverse,
    void_holds,
)
from extent import up_to
from world import in_threads

SECONDS = up_to(12, 60)
"""For how long everybody is at it."""

THREADS = 7
WALLETS = 80


class Crowd:
    """What all of them touch, and what each does of everything that a ledger does."""

    def __init__(self, database: Database, seed: int) -> None:
        self.book = Book(database, wallets=WALLETS)
        self.database = database
        self.seed = seed
        self.groups: deque[str] = deque(maxlen=200)
        self.journals: deque[int] = deque(maxlen=200)
        self.deadline = 0.0
        person = Owner(OwnerKind.INVESTOR, UUID(int=1))
        scopes = [AccountKey("scope", person, "USDT", UUID(int=n + 1)) for n in range(20)]
        with database.transaction() as tx:
            self.shared = [self.book.external, *self.book.wallets, *open_accounts(tx, scopes)]
            # Opened last, so that whoever locks theirs first goes against the order of ids.
            self.own = [
                open_accounts(tx, [AccountKey("scope", person, "USDT", UUID(int=100 + n))])[0]
                for n in range(THREADS)
            ]

    def run(self, seconds: float) -> Counter[str]:
        self.deadline = time.monotonic() + seconds
        calls = [partial(self._work, number) for number in range(THREADS)]
        return sum(in_threads(*calls), Counter[str]())

    def _work(self, number: int) -> Counter[str]:
        rng = random.Random(self.seed + number)
        done: Counter[str] = Counter()
        deeds = [self.transfer] * 6 + [self.fan_out, self.batch, self.reverse, self.settle]
        deeds += [self.place] * 4 + [self.capture] * 4 + [self.void, self.sweep]
        while time.monotonic() < self.deadline:
            for deed in rng.sample(deeds, len(deeds)):
                name = f"{number}-{sum(done.values())}"
                done[f"{deed.__name__} {deed(name, rng)}"] += 1
            if number == 0:
                done[f"close {self.close(done['close closed'])}"] += 1
        return done

    def lines(self, count: int, rng: random.Random) -> list[tuple[int, Decimal]]:
        """A fan-out from outside to accounts, some of them several times; all in any order."""
        takers = rng.choices(self.shared[1:], k=count - 1)
        amounts = [Decimal(rng.randint(1, 500)) / 100 for _ in takers]
        outside = (self.book.external, -sum(amounts, Decimal(0)))
        lines = [outside, *zip(takers, amounts, strict=True)]
        return rng.sample(lines, len(lines))

    def transfer(self, name: str, rng: random.Random) -> str:
        a, b = rng.sample(self.shared, 2)
        amount = Decimal(rng.randint(1, 30_000)) / 100
        return self._post(move(f"transfer-{name}", (a, -amount), (b, amount)))

    def fan_out(self, name: str, rng: random.Random) -> str:
        lines = self.lines(rng.randint(200, 2000), rng)
        if rng.random() < 0.5:
            net: dict[int, Decimal] = {}
            for account, amount in lines:
                net[account] = net.get(account, Decimal(0)) + amount
            lines = list(net.items())
        return self._post(move(f"fan-out-{name}", *lines))

    def batch(self, name: str, rng: random.Random) -> str:
        journals = []
        for n in range(rng.randint(100, 1000)):
            a, b = rng.sample(self.shared, 2)
            amount = Decimal(rng.randint(1, 300)) / 100
            journals.append(move(f"batch-{name}-{n}", (a, -amount), (b, amount)))
        return "posted" if "posted" in self.book.outcomes(*journals) else "refused"

    def reverse(self, name: str, rng: random.Random) -> str:
        if not self.journals:
            return "nothing"
        with self.database.transaction() as tx:
            return reverse(tx, AUTHOR, rng.choice(list(self.journals))).outcome

    def settle(self, name: str, rng: random.Random) -> str:
        """Lock accounts that nobody else touches, read them, and pay out of them to all."""
        own = self.own[int(name.split("-")[0])]
        with self.database.transaction() as tx:
            cash = lock_accounts(tx, [own])[own]
            takers = rng.sample(self.shared, 20)
            paid = [(one, Decimal(rng.randint(1, 900)) / 100) for one in takers]
            out = sum((amount for _, amount in paid), Decimal(0))
            lines = [(own, -out - cash), (self.book.external, cash), *paid]
            return post(tx, AUTHOR, move(f"settle-{name}", *lines)).outcome

    def place(self, name: str, rng: random.Random) -> str:
        wallets = rng.sample(self.book.wallets, rng.randint(1, 6))
        minutes = rng.choice([None, 1])
        holds = [hold(f"g-{name}", one, rng.randint(1, 90), minutes) for one in wallets]
        outcome = self.book.place(*holds)[0].outcome
        self.groups.append(f"g-{name}")
        return outcome

    def capture(self, name: str, rng: random.Random) -> str:
        """What one group holds, beside a transfer; now and then placed in the same transaction,
        which locks first what it will touch in several calls."""
        taker, a, b = rng.sample(self.shared, 3)
        with self.database.transaction() as tx:
            if rng.random() < 0.3 or not self.groups:
                group = f"c-{name}"
                held = rng.sample(self.book.wallets, rng.randint(1, 4))
                lock_accounts(tx, [*held, taker, a, b])
                place_holds(tx, AUTHOR, [hold(group, one, 3) for one in held])
            else:
                group = rng.choice(list(self.groups))
                rows = tx.execute("SELECT account_id FROM holds WHERE group_key = %s", (group,))
                held = [row[0] for row in rows] or self.book.wallets[:1]
            lines = [line for one in held for line in ((one, -1), (taker, 1))]
            journals = [
                move(f"beside-{name}", (a, -1), (b, 1)),
                move(f"capture-{name}", *lines, captures=group),
            ]
            return post_batch(tx, AUTHOR, journals)[1].outcome

    def void(self, name: str, rng: random.Random) -> str:
        if not self.groups:
            return "nothing"
        with self.database.transaction() as tx:
            groups = rng.choices(list(self.groups), k=5)
            return "freed" if void_holds(tx, AUTHOR, groups) else "nothing"

    def sweep(self, name: str, rng: random.Random) -> str:
        late = replace(AUTHOR, now=NOW + timedelta(minutes=rng.choice([0, 1])))
        with self.database.transaction() as tx:
            return "freed" if expire_holds(tx, late, limit=20) else "nothing"

    def close(self, times: int) -> str:
        before = NOW - timedelta(days=100) + timedelta(minutes=times)
        with self.database.transaction() as tx:
            closed = close_period(tx, AUTHOR, before)
        with self.database.transaction() as tx:
            note_balances(tx, 50)
        return "closed" if closed else "closed before"

    def _post(self, journal: object) -> str:
        (posted,) = self.book.post(journal)  # type: ignore[arg-type]
        if posted.journal_id is not None:
            self.journals.append(posted.journal_id)
        return posted.outcome


def test_no_deadlock_reaches_anybody_and_nothing_is_lost(db: Database, seed: int) -> None:
    crowd = Crowd(db, seed)
    done = crowd.run(SECONDS)
    print("\n".join(f"{n:6} {what}" for what, n in sorted(done.items())))
    for needed in (
        "transfer posted",
        "fan_out posted",
        "batch posted",
        "reverse posted",
        "settle posted",
        "place placed",
        "capture posted",
        "capture refused",
        "void freed",
        "sweep freed",
        "close closed",
    ):
        assert done[needed], needed
    crowd.book.assert_sound()


def test_who_locks_accounts_as_they_come_does_deadlock(db: Database, seed: int) -> None:
    """The same fan-outs, each account locked when its line is reached: the test above can fail."""
    crowd = Crowd(db, seed)
    deadlocked = threading.Event()
    deadline = time.monotonic() + 20

    def work(number: int) -> None:
        rng = random.Random(seed + number)
        with psycopg.connect(db.owner_url) as owner:
            while not deadlocked.is_set() and time.monotonic() < deadline:
                try:
                    for account, amount in crowd.lines(200, rng):
                        owner.execute(
                            "UPDATE accounts SET balance = balance + %s WHERE id = %s",
                            (amount, account),
                        )
                except psycopg.errors.DeadlockDetected:
                    deadlocked.set()
                owner.rollback()

    in_threads(*[partial(work, number) for number in range(THREADS)])
    assert deadlocked.is_set()
