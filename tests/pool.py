"""Pool income for tests: people with money, products, days that pass, and sums done by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import psycopg

from commenda.funding import deposit
from commenda.identity import register_users
from commenda.income import (
    RULES,
    Accrued,
    Cadence,
    Distributed,
    Holding,
    Product,
    ProductKind,
    Redemption,
    Terms,
    accrue_due,
    create_product,
    distribute_due,
    holding_by_id,
    product_by_id,
    redeem,
    set_rate,
    subscribe,
)
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.ledger import (
    AccountKey,
    Author,
    Owner,
    OwnerKind,
    balance_of,
    totals_by_asset,
)
from commenda.operations import verify

D = Decimal
ASSET = "USDT"
RATE = D("0.0002")
START = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
"""A Monday morning."""


def earned(amount: Decimal, rates: Iterable[Decimal]) -> Decimal:
    """What an amount has been paid after days at these rates: the whole, rounded down once."""
    whole = Fraction(amount) * sum(map(Fraction, rates)) * 10**8
    return D(whole.numerator // whole.denominator).scaleb(-8)


class Pool:
    """Pool income on one database, at one moment."""

    def __init__(self, database: Database, now: datetime = START) -> None:
        self.database = database
        self.now = now

    @property
    def author(self) -> Author:
        return Author("test", RULES, self.now)

    def day(self, number: int) -> date:
        """The so-manieth day after the first one."""
        return START.date() + timedelta(number)

    def advance(self, days: int = 0, hours: int = 0) -> Pool:
        self.now += timedelta(days=days, hours=hours)
        return self

    # --- people and products -------------------------------------------------------------

    def investor(self, name: str, amount: Decimal | int = 100_000) -> UUID:
        user = ids.derive("test-investor", name)
        with self.database.transaction() as tx:
            register_users(tx, [(user, name)], "investor", self.now)
            if amount:
                owner = Owner(OwnerKind.INVESTOR, user)
                deposit(tx, self.author, owner, ASSET, D(amount), f"first of {name}")
        return user

    def product(self, name: str = "flexible", **changes: Any) -> Product:
        fields: dict[str, Any] = {
            "asset": ASSET,
            "type": ProductKind.FIXED if changes.get("term_days") else ProductKind.FLEXIBLE,
            "cadence": Cadence.DAILY,
            "total_quota": D(1_000_000),
            "minimum": D(1),
            "daily_rate": RATE,
        }
        with self.database.transaction() as tx:
            return create_product(tx, self.author, Terms(name=name, **{**fields, **changes}))

    def set_rate(self, product: Product, from_day: date, rate: Decimal | str) -> None:
        with self.database.transaction() as tx:
            set_rate(tx, self.author, product.id, from_day, D(rate))

    # --- what happens --------------------------------------------------------------------

    def subscribe(
        self, user: UUID, product: Product, amount: Decimal | int | str, key: str = "one"
    ) -> Holding:
        with self.database.transaction() as tx:
            return subscribe(tx, self.author, user, product.id, D(amount), key)

    def redeem(self, holding: Holding) -> Redemption:
        with self.database.transaction() as tx:
            return redeem(tx, self.author, holding.user_id, holding.id)

    def accrue(self, chunk: int = 2000) -> Accrued:
        return accrue_due(self.database, self.author, chunk)

    def distribute(self, cadence: Cadence = Cadence.DAILY, chunk: int = 2000) -> Distributed:
        return distribute_due(self.database, self.author, cadence, chunk)

    def fill(self, product: Product, holdings: int, users: int = 100) -> None:
        """Many holdings at once, of many amounts, made now as `subscribe` makes them."""
        with psycopg.connect(self.database.owner_url) as owner:
            values = {
                "product": product.id,
                "n": holdings,
                "users": users,
                "now": self.now,
                "today": self.now.date(),
            }
            for statement in _FILL:
                owner.execute(statement, values)

    # --- what is read --------------------------------------------------------------------

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.transaction() as tx:
            return tx.execute(query, values).fetchall()  # type: ignore[arg-type]

    def column(self, query: str, *values: Any) -> list[Any]:
        return [row[0] for row in self.rows(query, *values)]

    def one(self, query: str, *values: Any) -> Any:
        ((value,),) = self.rows(query, *values)
        return value

    def wallet(self, user: UUID) -> Decimal:
        return self.balance(AccountKey("wallet", Owner(OwnerKind.INVESTOR, user), ASSET))

    def balance(self, key: AccountKey) -> Decimal:
        with self.database.transaction() as tx:
            return balance_of(tx, key)

    def expense(self, product: Product) -> Decimal:
        """What a product's income has cost, over all stripes; negative."""
        query = "SELECT sum(balance) FROM accounts WHERE kind = 'income_expense' AND owner_id = %s"
        return self.one(query, product.id) or D(0)

    def holding(self, holding: Holding) -> Holding:
        with self.database.transaction() as tx:
            return holding_by_id(tx, None, holding.id, self.now)

    def fresh(self, product: Product) -> Product:
        with self.database.transaction() as tx:
            return product_by_id(tx, product.id, self.now)

    def assert_sound(self) -> None:
        """Every invariant holds, and the ledger sums to exactly zero."""
        with self.database.transaction() as tx:
            assert [str(finding) for finding in verify(tx)] == []
        with self.database.transaction() as tx:
            assert set(totals_by_asset(tx).values()) <= {D(0)}


_AMOUNT = "100 + n %% 977 + (n * 7919 %% 100000000) * 0.00000001"
_FILL = (
    "INSERT INTO users (id, username, role, created_at)"
    " SELECT gen_random_uuid(), 'crowd ' || n, 'investor', %(now)s"
    " FROM generate_series(1, %(users)s) AS n",
    "INSERT INTO accounts (kind, owner_kind, owner_id, asset)"
    " SELECT 'wallet', 'investor', id, 'USDT' FROM users WHERE username LIKE 'crowd %%'",
    "INSERT INTO accounts (kind, owner_kind, owner_id, asset)"
    " VALUES ('external', 'platform', gen_random_uuid(), 'USDT')",
    "CREATE TEMP TABLE crowd ON COMMIT DROP AS SELECT n, gen_random_uuid() AS holding,"
    f" u.id AS user_id, {_AMOUNT} AS amount FROM generate_series(1, %(n)s) AS n"
    " JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM users"
    "   WHERE username LIKE 'crowd %%') u ON u.place = 1 + n %% %(users)s",
    "INSERT INTO accounts (kind, owner_kind, owner_id, asset, scope_id)"
    " SELECT 'holding', 'investor', user_id, 'USDT', holding FROM crowd ORDER BY n",
    "SELECT outcome FROM post_journals(ARRAY['crowd'], ARRAY['pool_in'], ARRAY[gen_random_uuid()],"
    "  ARRAY[%(now)s::timestamptz], 'test', 'test/1', %(now)s,"
    "  array_fill(1, ARRAY[1 + %(n)s]),"
    "  (SELECT max(id) FROM accounts WHERE kind = 'external')"
    "   || ARRAY(SELECT a.id FROM crowd c JOIN accounts a ON a.scope_id = c.holding ORDER BY n),"
    "  (SELECT -sum(amount) FROM crowd) || ARRAY(SELECT amount FROM crowd ORDER BY n))",
    "INSERT INTO pool_holdings (product_id, id, user_id, account_id, amount, accrued_through,"
    "  start_at, end_at, created_at)"
    " SELECT p.id, c.holding, c.user_id, a.id, c.amount, %(today)s,"
    "  (%(today)s + 1)::timestamp AT TIME ZONE 'UTC',"
    "  (%(today)s + 1 + p.term_days)::timestamp AT TIME ZONE 'UTC', %(now)s"
    " FROM crowd c JOIN accounts a ON a.scope_id = c.holding"
    " JOIN pool_products p ON p.id = %(product)s ORDER BY c.n",
    "UPDATE pool_products SET sold_amount = sold_amount + (SELECT sum(amount) FROM crowd)"
    " WHERE id = %(product)s",
    "ANALYZE pool_holdings",
)
