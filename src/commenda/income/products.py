"""Products and their dated rates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from commenda.audit import record
from commenda.income import queries
from commenda.income.accrual import open_from
from commenda.income.model import Product, ProductStatus, Rate, Terms
from commenda.income.rules import DAY, day_of, require_rate, require_terms
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.kit.money import plain, scale_of
from commenda.kit.times import iso
from commenda.ledger import Author


def create_product(tx: Tx, author: Author, terms: Terms) -> Product:
    """PoolProduct a product from now on, at its rate from today on.

    Codes of `rules.require_terms`, and `product_name_taken`.
    """
    require_terms(terms)
    product_id = ids.derive("pool-product", terms.name)
    if not queries.insert_product(tx, product_id, terms, scale_of(terms.asset), author.now):
        raise conflict("product_name_taken", "Another product has this name").at(
            "name", terms.name, "give it a name of its own"
        )
    rate = Rate(day_of(author.now), terms.daily_rate, author.actor, author.now)
    queries.insert_rate(tx, product_id, rate)
    details = {"name": terms.name, "dailyRate": plain(terms.daily_rate)}
    event = author.event(
        "pool_product.created", product_id, product_id, ProductStatus.OPEN, details
    )
    record(tx, [event])
    return queries.product_by_id(tx, product_id, author.now)


def close_product(tx: Tx, author: Author, product_id: UUID) -> Product:
    """Take a product off the market; what is held of it goes on. Again, nothing happens."""
    queries.product_by_id(tx, product_id, author.now, lock=True)
    closed = tx.execute(
        "UPDATE pool_products SET status = 'closed' WHERE id = %s AND status = 'open'",
        (product_id,),
    ).rowcount
    if closed:
        event = author.event("pool_product.closed", product_id, product_id, ProductStatus.CLOSED)
        record(tx, [event])
    return queries.product_by_id(tx, product_id, author.now)


def set_rate(tx: Tx, author: Author, product_id: UUID, from_day: date, daily_rate: Decimal) -> Rate:
    """Let a product pay another rate from a day on; the same rate again changes nothing.

    Codes `bad_rate`; `rate_is_past` for a day that has begun, or one whose income was accrued for
    somebody already; `already_dated` where the day has another rate.
    """
    require_rate(daily_rate)
    product = queries.product_by_id(tx, product_id, author.now, lock=True)
    earliest = max(day_of(author.now) + DAY, open_from(tx, product))
    if from_day < earliest or queries.is_earned(tx, product_id, from_day):
        raise conflict("rate_is_past", "A rate is set before the day it is for has begun").at(
            "fromDay", iso(from_day), f"choose a day after {iso(day_of(author.now))}"
        )
    rate = Rate(from_day, daily_rate, author.actor, author.now)
    if not queries.insert_rate(tx, product_id, rate):
        known = next(one for one in queries.rates_of(tx, product_id) if one.from_day == from_day)
        if known.daily_rate != daily_rate:
            raise conflict("already_dated", "This day has another rate").at(
                "fromDay", iso(from_day), "set the rate from another day on"
            )
        return known
    details = {"fromDay": iso(from_day), "dailyRate": plain(daily_rate)}
    event = author.event("pool_product.rate_set", product_id, product_id, iso(from_day), details)
    record(tx, [event])
    return rate
