"""Paying out: what holdings have earned moves to the wallets, daily or weekly as products say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from commenda.income import queries
from commenda.income.accrual import CHUNK, for_each_product
from commenda.income.model import RULES, Cadence, Distributed
from commenda.income.rules import day_of, payout_day
from commenda.kit.db import Database, Tx
from commenda.ledger import Author, finish_batch, move_on_batch, take_up_batch

DISTRIBUTION = "income_distribution"
"""The kind of the batches; their journals are of kind `income`."""


def distribute_due(
    database: Database,
    author: Author,
    cadence: Cadence,
    chunk: int = CHUNK,
    told: Callable[[Distributed], object] = lambda _: None,
) -> Distributed:
    """Pay out what was accrued and not paid yet, of the products with this cadence.

    Once a day, or once a week from Monday on, when the days before are accrued: again it goes on
    where it was cut short, and else does nothing. A product that fails keeps no other from being
    paid; its error is raised at the end. `told` hears of each transaction that is done.
    """
    day = payout_day(cadence, day_of(author.now))
    author = replace(author, rule_version=RULES)
    with database.transaction() as tx:
        products = queries.to_be_paid(tx, cadence, day)
    done: list[Distributed] = []

    def pay_out(product_id: UUID) -> None:
        while True:
            with database.transaction() as tx:
                part = distribute_chunk(tx, author, product_id, day, chunk)
            if part is None:
                return
            told(part)
            done.append(part)

    for_each_product(products, pay_out, "paid out")
    return Distributed(sum(p.payments for p in done), sum((p.amount for p in done), Decimal(0)))


def distribute_chunk(
    tx: Tx, author: Author, product_id: UUID, day: date, chunk: int
) -> Distributed | None:
    """Pay out the next holdings; None where none is left. Locks the batch, then accounts."""
    key = f"distribution:{product_id}:{day.isoformat()}"
    batch = take_up_batch(tx, key, DISTRIBUTION, author.now)
    if batch.finished_at is not None:
        return None
    last, payments, amount = queries.distribute_income(
        tx, author, product_id, day, batch.cursor, chunk
    )
    if last is None:
        finish_batch(tx, key, author.now)
        return None
    move_on_batch(tx, key, last, payments, amount)
    return Distributed(payments, amount)
