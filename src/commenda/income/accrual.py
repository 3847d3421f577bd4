"""The income of each day, once, in order: a batch of short transactions for each product and day.

A day is begun under the product's lock, so that whoever subscribes, redeems or sets a rate knows
what is being accrued. Its chunks lock the batch, then holdings, then accounts. A worker that dies
leaves its chunk undone; whoever comes next goes on, and two workers take turns.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from commenda.income import queries
from commenda.income.model import RULES, Accrued, Product
from commenda.income.rules import DAY, day_of, effective_at, rate_on
from commenda.kit.db import AWAY, Database, Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import (
    AccountKey,
    Author,
    Owner,
    OwnerKind,
    closed_until,
    finish_batch,
    move_on_batch,
    open_accounts,
    stripe_of,
    take_up_batch,
)

CHUNK = 2000
"""Holdings of one transaction and journal."""
ACCRUAL = "income_accrual"
"""The kind of the journals and of their batches."""

_NOTHING = Accrued(0, 0, Decimal(0))
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenDay:
    """One product's day that is being accrued."""

    product: Product
    day: date
    key: str
    rate: Decimal
    expense: int


def accrue_due(
    database: Database,
    author: Author,
    chunk: int = CHUNK,
    told: Callable[[Accrued], object] = lambda _: None,
) -> Accrued:
    """Accrue each missed day of each product once, in order, at its own rate, up to yesterday.

    A product that fails keeps no other from being accrued; its error is raised at the end.
    `told` hears of each transaction that is done.
    """
    yesterday = day_of(author.now) - DAY
    with database.transaction() as tx:
        queries.pass_idle_days(tx, yesterday)
        behind = queries.accrued_before(tx, yesterday)
    accrued_through = dict(behind)
    done: list[Accrued] = []

    def accrue_all(product_id: UUID) -> None:
        through = accrued_through[product_id]
        for n in range((yesterday - through).days):
            day = through + (n + 1) * DAY
            done.append(accrue_product_day(database, author, product_id, day, chunk, told))

    for_each_product(accrued_through, accrue_all, "accrued")
    return sum(done, _NOTHING)


def for_each_product(products: Iterable[UUID], act: Callable[[UUID], object], what: str) -> None:
    """Act for products in turn; one that fails holds up no other, and its error is raised last."""
    errors = []
    for product_id in products:
        try:
            act(product_id)
        except AWAY:
            raise
        except Exception as error:
            _log.exception("the income of the product %s cannot be %s", product_id, what)
            errors.append(error)
    if errors:
        raise errors[0]


def accrue_product_day(
    database: Database,
    author: Author,
    product_id: UUID,
    day: date,
    chunk: int = CHUNK,
    told: Callable[[Accrued], object] = lambda _: None,
) -> Accrued:
    """Accrue one day of a product, or what is left of it; what this call did.

    Codes `day_not_over`, `day_out_of_order` where an earlier day is not finished.
    """
    author = replace(author, rule_version=RULES)
    with database.transaction() as tx:
        work = begin_day(tx, author, product_id, day)
    if work is None:
        return _NOTHING
    done = _NOTHING
    while True:
        with database.transaction() as tx:
            part = accrue_chunk(tx, author, work, chunk)
        if part is None:
            break
        told(part)
        done += part
    with database.transaction() as tx:
        finished = finish_day(tx, author, work)
    told(finished)
    return done + finished


def open_from(tx: Tx, product: Product) -> date:
    """The first day of which no accrual has begun; final while the product is locked."""
    following = product.accrued_through + DAY
    key = accrual_key(product.id, following)
    begun = tx.execute("SELECT 1 FROM posting_batches WHERE key = %s", (key,)).fetchone()
    return following if begun is None else following + DAY


def expense_of(product: Product, event: str) -> AccountKey:
    """The account that pays a product's income, the stripe of it that takes part in an event."""
    kind = "income_expense"
    owner = Owner(OwnerKind.PRODUCT, product.id)
    return AccountKey(kind, owner, product.asset, stripe=stripe_of(kind, event))


def accrual_key(product_id: UUID, day: date) -> str:
    """The name of a product's day: of its batch, and before a sequence number of a journal."""
    return f"income:{product_id}:{day.isoformat()}"


def begin_day(tx: Tx, author: Author, product_id: UUID, day: date) -> OpenDay | None:
    """Begin a product's day or go on with it; None where it is finished."""
    product = queries.product_by_id(tx, product_id, author.now, lock=True)
    if day <= product.accrued_through:
        return None
    if day >= day_of(author.now):
        raise CommendaError("day_not_over", "A day is accrued when it is over").at(
            "day", day.isoformat()
        )
    if day > product.accrued_through + DAY:
        raise CommendaError("day_out_of_order", "The day before is not accrued yet").at(
            "day", day.isoformat(), f"accrue {(product.accrued_through + DAY).isoformat()} first"
        )
    key = accrual_key(product_id, day)
    take_up_batch(tx, key, ACCRUAL, author.now)
    (expense,) = open_accounts(tx, [expense_of(product, key)])
    return OpenDay(product, day, key, rate_on(queries.rates_of(tx, product_id), day), expense)


def accrue_chunk(tx: Tx, author: Author, work: OpenDay, chunk: int) -> Accrued | None:
    """Accrue the next holdings; None where none is left."""
    batch = take_up_batch(tx, work.key, ACCRUAL, author.now)
    if batch.finished_at is not None:
        return None
    last, paid, amount = queries.accrue_income(
        tx,
        author,
        work.product,
        work.day,
        work.rate,
        batch.cursor,
        chunk,
        work.expense,
        effective_at(work.day, closed_until(tx, hold=True)),
    )
    if last is None:
        return None
    move_on_batch(tx, work.key, last, paid, amount)
    return Accrued(0, paid, amount)


def finish_day(tx: Tx, author: Author, work: OpenDay) -> Accrued:
    """Note that nothing of the day is left to accrue."""
    queries.product_by_id(tx, work.product.id, author.now, lock=True)
    if take_up_batch(tx, work.key, ACCRUAL, author.now).finished_at is not None:
        return _NOTHING
    finish_batch(tx, work.key, author.now)
    tx.execute(
        "UPDATE pool_products SET accrued_through = %(day)s"
        " WHERE id = %(id)s AND accrued_through = %(day)s - 1",
        {"id": work.product.id, "day": work.day},
    )
    return Accrued(1, 0, Decimal(0))
