"""SQL of pool products, their rates and holdings."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from commenda.income.model import (
    Cadence,
    Holding,
    HoldingEntry,
    HoldingStatus,
    Product,
    Rate,
    Terms,
)
from commenda.income.rules import day_of
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.rows import first, records
from commenda.ledger import Author

# --- Products --------------------------------------------------------------------------------

_PRODUCTS: LiteralString = (
    "SELECT p.id, p.name, p.asset, p.scale, p.kind, p.term_days, p.cadence, p.total_quota,"
    " p.sold_amount, p.minimum, p.early_exit, p.early_exit_penalty, p.accrued_through, p.status,"
    " p.created_at, r.daily_rate, n.daily_rate AS next_rate, n.from_day AS next_rate_from"
    " FROM pool_products p"
    " CROSS JOIN LATERAL (SELECT daily_rate FROM pool_rates WHERE product_id = p.id"
    "   AND from_day <= %(today)s ORDER BY from_day DESC LIMIT 1) r"
    " LEFT JOIN LATERAL (SELECT daily_rate, from_day FROM pool_rates WHERE product_id = p.id"
    "   AND from_day > %(today)s ORDER BY from_day LIMIT 1) n ON true"
)


def product_by_id(tx: Tx, product_id: UUID, now: datetime, *, lock: bool = False) -> Product:
    """A product with the rate in force; code `unknown_product`, also where no rate is in force."""
    end: LiteralString = " WHERE p.id = %(id)s" + (" FOR NO KEY UPDATE OF p" if lock else "")
    found = first(tx, Product, _PRODUCTS + end, {"id": product_id, "today": day_of(now)})
    if found is None:
        raise unknown("product", product_id, "product")
    return found


def product_named(tx: Tx, named: str, now: datetime) -> Product:
    """The product of this name, or else of this id; code `unknown_product`."""
    end: LiteralString = (
        " WHERE p.name = %(named)s OR p.id::text = lower(%(named)s)"
        " ORDER BY p.name = %(named)s DESC LIMIT 1"
    )
    found = first(tx, Product, _PRODUCTS + end, {"named": named, "today": day_of(now)})
    if found is None:
        raise unknown("product", named, "product")
    return found


def product_name(tx: Tx, product_id: UUID) -> str:
    """What a product is called; code `unknown_product`."""
    row = tx.execute("SELECT name FROM pool_products WHERE id = %s", (product_id,)).fetchone()
    if row is None:
        raise unknown("product", product_id, "product")
    return str(row[0])


def products(
    tx: Tx,
    now: datetime,
    *,
    only_open: bool = False,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 100,
) -> list[Product]:
    """Products, the latest first, before a (created_at, id): at most `limit`."""
    query = _PRODUCTS + " WHERE true"
    if only_open:
        query += " AND p.status = 'open'"
    if before is not None:
        query += " AND (p.created_at, p.id) < (%(at)s, %(last)s)"
    at, last = before or (None, None)
    query += " ORDER BY p.created_at DESC, p.id DESC LIMIT %(limit)s"
    values = {"today": day_of(now), "at": at, "last": last, "limit": limit}
    return records(tx, Product, query, values)


def insert_product(tx: Tx, product_id: UUID, terms: Terms, scale: int, now: datetime) -> bool:
    """Store a product; whether its name was free."""
    return bool(
        tx.execute(
            "INSERT INTO pool_products (id, name, asset, scale, kind, term_days, cadence,"
            " total_quota, minimum, early_exit, early_exit_penalty, accrued_through, created_at)"
            " VALUES (%(id)s, %(name)s, %(asset)s, %(scale)s, %(type)s, %(term_days)s, %(cadence)s,"
            " %(total_quota)s, %(minimum)s, %(early_exit)s, %(early_exit_penalty)s, %(accrued)s,"
            " %(now)s) ON CONFLICT DO NOTHING",
            terms.model_dump()
            | {"id": product_id, "scale": scale, "accrued": day_of(now), "now": now},
        ).rowcount
    )


def sell(tx: Tx, product_id: UUID, amount: Decimal) -> bool:
    """Take an amount from a product's quota; whether there is that much left."""
    return bool(
        tx.execute(
            "UPDATE pool_products SET sold_amount = sold_amount + %(amount)s"
            " WHERE id = %(id)s AND sold_amount + %(amount)s <= total_quota",
            {"id": product_id, "amount": amount},
        ).rowcount
    )


def give_back(tx: Tx, product_id: UUID, amount: Decimal) -> None:
    """Return an amount to a product's quota."""
    tx.execute(
        "UPDATE pool_products SET sold_amount = sold_amount - %s WHERE id = %s",
        (amount, product_id),
    )


# --- Rates -----------------------------------------------------------------------------------


def rates_of(tx: Tx, product_id: UUID) -> list[Rate]:
    """All rates of a product, in the order of their days."""
    rates: LiteralString = "SELECT from_day, daily_rate, set_by, set_at FROM pool_rates"
    return records(tx, Rate, rates + " WHERE product_id = %s ORDER BY from_day", (product_id,))


def insert_rate(tx: Tx, product_id: UUID, rate: Rate) -> bool:
    """Store a rate; whether the day had none."""
    return bool(
        tx.execute(
            "INSERT INTO pool_rates (product_id, from_day, daily_rate, set_by, set_at)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (product_id, rate.from_day, rate.daily_rate, rate.set_by, rate.set_at),
        ).rowcount
    )


def is_earned(tx: Tx, product_id: UUID, day: date) -> bool:
    """Whether some holding has the income of this day or a later one already."""
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM pool_holdings WHERE product_id = %s AND accrued_through >= %s"
        " AND accrued_through >= (start_at AT TIME ZONE 'UTC')::date)",
        (product_id, day),
    ).fetchone()
    return row is not None and bool(row[0])


# --- Holdings --------------------------------------------------------------------------------

_HOLDINGS: LiteralString = (
    "SELECT h.id, h.sequence, h.user_id, h.product_id, p.name AS product_name, p.asset,"
    " h.account_id, h.amount, h.total_income, h.carry,"
    " CASE WHEN h.status = 'held' THEN a.balance - h.amount ELSE 0 END AS accrued_unpaid,"
    " r.daily_rate, h.accrued_through, h.start_at, h.end_at,"
    " coalesce(h.end_at, h.created_at) AS redeemable_at, h.status, h.created_at, h.redeemed_at"
    " FROM pool_holdings h JOIN pool_products p ON p.id = h.product_id"
    " JOIN accounts a ON a.id = h.account_id"
    " CROSS JOIN LATERAL (SELECT daily_rate FROM pool_rates WHERE product_id = p.id"
    "   AND from_day <= %(today)s ORDER BY from_day DESC LIMIT 1) r"
)


def find_holding(
    tx: Tx, holding_id: UUID, now: datetime, *, user_id: UUID | None = None, lock: bool = False
) -> Holding | None:
    """A holding, if it was made; by `user_id`, where one is named."""
    query = _HOLDINGS + " WHERE h.id = %(id)s"
    if user_id is not None:
        query += " AND h.user_id = %(user)s"
    if lock:
        query += " FOR NO KEY UPDATE OF h"
    return first(tx, Holding, query, {"id": holding_id, "user": user_id, "today": day_of(now)})


def holding_by_id(
    tx: Tx, user_id: UUID | None, holding_id: UUID, now: datetime, *, lock: bool = False
) -> Holding:
    """A holding of a user, or of anybody; code `unknown_holding`."""
    found = find_holding(tx, holding_id, now, user_id=user_id, lock=lock)
    if found is None:
        raise unknown("holding", holding_id, "holding")
    return found


def holdings_of(
    tx: Tx,
    user_id: UUID,
    now: datetime,
    *,
    status: HoldingStatus | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Holding]:
    """A user's holdings, the latest first, before a sequence number: at most `limit`."""
    query = _HOLDINGS + " WHERE h.user_id = %(user)s"
    if status is not None:
        query += " AND h.status = %(status)s"
    if before is not None:
        query += " AND h.sequence < %(before)s"
    query += " ORDER BY h.sequence DESC LIMIT %(limit)s"
    asked = {"status": status, "before": before, "limit": limit}
    return records(tx, Holding, query, asked | {"user": user_id, "today": day_of(now)})


def entries_of(
    tx: Tx, holding: Holding, *, before: int | None = None, limit: int = 100
) -> list[HoldingEntry]:
    """What moved a holding, the latest first, before a version: at most `limit`."""
    query: LiteralString = (
        "SELECT e.version, j.kind AS type, e.amount, e.balance_before, e.balance_after,"
        " j.key AS ref_no, j.effective_at, j.posted_at AS created_at"
        " FROM entries e JOIN journals j ON j.id = e.journal_id WHERE e.account_id = %(account)s"
    )
    if before is not None:
        query += " AND e.version < %(before)s"
    query += " ORDER BY e.version DESC LIMIT %(limit)s"
    values = {"account": holding.account_id, "before": before, "limit": limit}
    return records(tx, HoldingEntry, query, values)


def mark_redeemed(
    tx: Tx, holding: Holding, income: Decimal, carry: Decimal, through: date, now: datetime
) -> None:
    """Close a holding with the income it was still due."""
    tx.execute(
        "UPDATE pool_holdings SET status = 'redeemed', redeemed_at = %s,"
        " total_income = total_income + %s, carry = %s, accrued_through = %s"
        " WHERE product_id = %s AND sequence = %s",
        (now, income, carry, through, holding.product_id, holding.sequence),
    )


# --- Accrual and distribution ----------------------------------------------------------------


def accrued_before(tx: Tx, day: date) -> list[tuple[UUID, date]]:
    """The products with days to accrue up to this one, and the last day each of them has."""
    return tx.execute(
        "SELECT id, accrued_through FROM pool_products WHERE accrued_through < %s"
        " ORDER BY created_at, id",
        (day,),
    ).fetchall()


def pass_idle_days(tx: Tx, through: date) -> None:
    """Move products that nobody holds past the days up to this one: there is nothing to accrue."""
    tx.execute(
        "UPDATE pool_products p SET accrued_through = %(through)s"
        " WHERE accrued_through < %(through)s AND sold_amount = 0 AND NOT EXISTS"
        "  (SELECT FROM posting_batches WHERE key = format('income:%%s:%%s', p.id,"
        "    to_char(p.accrued_through + 1, 'YYYY-MM-DD')))",
        {"through": through},
    )


def accrue_income(
    tx: Tx,
    author: Author,
    product: Product,
    day: date,
    rate: Decimal,
    after: int,
    limit: int,
    expense: int,
    effective: datetime | None,
) -> tuple[int | None, int, Decimal]:
    """A day's income of the next holdings: the last of them, how many were paid, and how much."""
    by = (author.actor, author.rule_version, author.now)
    row = tx.execute(
        "SELECT last_sequence, holdings, amount"
        " FROM accrue_income(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (product.id, day, rate, after, limit, expense, product.scale, product.id, *by, effective),
    ).fetchone()
    return row or (None, 0, Decimal(0))


def distribute_income(
    tx: Tx, author: Author, product_id: UUID, day: date, after: int, limit: int
) -> tuple[int | None, int, Decimal]:
    """Pay out the next holdings: the last of them, how many payments, and how much."""
    row = tx.execute(
        "SELECT last_sequence, payments, amount FROM distribute_income(%s, %s, %s, %s, %s, %s, %s)",
        (product_id, day, after, limit, author.actor, author.rule_version, author.now),
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def to_be_paid(tx: Tx, cadence: Cadence, day: date) -> list[UUID]:
    """The products of this cadence that somebody holds and that have all income before a day."""
    return [
        row[0]
        for row in tx.execute(
            "SELECT id FROM pool_products WHERE cadence = %s AND sold_amount > 0"
            " AND accrued_through >= %s - 1 ORDER BY created_at, id",
            (cadence, day),
        )
    ]
