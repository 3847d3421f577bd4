"""A small ledger for its tests: an external account and wallets, each filled with 1,000."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from commenda.audit import run_checks
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.ledger import (
    CHECKS,
    AccountKey,
    Author,
    Hold,
    Journal,
    Line,
    Owner,
    OwnerKind,
    Placed,
    Posted,
    balances,
    open_accounts,
    place_holds,
    post_batch,
    totals_by_asset,
)

NOW = datetime(2026, 1, 5, tzinfo=UTC)
AUTHOR = Author("test", "test/1", NOW)
EXTERNAL = AccountKey("external", Owner.platform(), "USDT")

Amount = Decimal | str | int


def wallet(n: int) -> AccountKey:
    return AccountKey("wallet", Owner(OwnerKind.INVESTOR, UUID(int=n + 1)), "USDT")


def move(key: str, *lines: tuple[int, Amount], **more: Any) -> Journal:
    posted = [Line(account, Decimal(amount)) for account, amount in lines]
    return Journal(key, "move", ids.derive("test", key), posted, **more)


def hold(group: str, account: int, amount: Amount, minutes: float | None = None) -> Hold:
    """A hold of a group, which expires so many minutes from NOW."""
    expires = None if minutes is None else NOW + timedelta(minutes=minutes)
    correlation = ids.derive("test", group)
    return Hold(group, account, Decimal(amount), "test", correlation, group, expires)


class Book:
    """The accounts, what may be done to them, and what they are worth."""

    def __init__(self, database: Database, wallets: int = 4) -> None:
        self.database = database
        with database.transaction() as tx:
            self.external, *self.wallets = open_accounts(
                tx, [EXTERNAL, *(wallet(n) for n in range(wallets))]
            )
        self.post(*(move(f"fill-{w}", (self.external, -1000), (w, 1000)) for w in self.wallets))

    def post(self, *journals: Journal, author: Author = AUTHOR) -> list[Posted]:
        with self.database.transaction() as tx:
            return post_batch(tx, author, journals)

    def outcomes(self, *journals: Journal) -> list[str]:
        return [posted.outcome for posted in self.post(*journals)]

    def place(self, *holds: Hold, author: Author = AUTHOR) -> list[Placed]:
        with self.database.transaction() as tx:
            return place_holds(tx, author, holds)

    def balances(self) -> list[Decimal]:
        with self.database.transaction() as tx:
            found = balances(tx, self.wallets)
        return [found[one] for one in self.wallets]

    def held(self) -> list[Decimal]:
        return [row[0] for row in self.rows("SELECT held FROM accounts WHERE floored ORDER BY id")]

    def counts(self) -> tuple[int, ...]:
        """How many journals, entries and holds there are."""
        (row,) = self.rows(
            "SELECT (SELECT count(*) FROM journals), (SELECT count(*) FROM entries),"
            " (SELECT count(*) FROM holds)"
        )
        return row

    def state(self) -> tuple[object, ...]:
        return self.counts(), self.balances(), self.held()

    def rows(self, query: str, *values: object) -> Sequence[Any]:
        with self.database.transaction() as tx:
            return tx.execute(query, values).fetchall()  # type: ignore[call-overload]

    def assert_sound(self) -> None:
        with self.database.transaction() as tx:
            assert [str(finding) for finding in run_checks(tx, CHECKS)] == []
            assert set(totals_by_asset(tx).values()) == {Decimal(0)}
