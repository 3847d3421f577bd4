"""The demo's pool products, and what people put into them and take out again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from commenda.demo.transfers import ask
from commenda.income import (
    RULES,
    Cadence,
    ProductKind,
    Terms,
    create_product,
    redeem,
    set_rate,
    subscribe,
)
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import Author, Owner, OwnerKind
from commenda.managed import deposit
from commenda.simulate import ASSET, Investor, Scenario

SAVERS = 0.5
"""The part of those who arrive that also saves."""
BY_TRANSFER = 0.75
"""The part of these whose money comes by a transfer that the staff decides."""
LEAST, MOST = 500, 20_000
LONGEST_STAY = 20
"""Days within which whoever holds a flexible product takes it back."""
IMPATIENT = 0.25
"""The part that leaves a fixed product halfway, where it may."""
EXPECTED = {"product_closed", "quota_exceeded", "below_minimum", "insufficient_balance"}
"""Refusals of a subscription: the product takes no more, or the money went elsewhere."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A product and its later rates, by the day of the demo from which they hold."""

    terms: Terms
    rates: Mapping[int, Decimal]


def _offered(
    name: str, cadence: Cadence, rate: str, quota: int, days: int | None = None, exit_at: str = ""
) -> Terms:
    return Terms(
        name=name,
        asset=ASSET,
        type=ProductKind.FLEXIBLE if days is None else ProductKind.FIXED,
        cadence=cadence,
        total_quota=Decimal(quota),
        minimum=Decimal(100),
        daily_rate=Decimal(rate),
        term_days=days,
        early_exit=bool(exit_at),
        early_exit_penalty=Decimal(exit_at or 0),
    )


OFFERED = (
    Offered(
        _offered("Savings", Cadence.DAILY, "0.0001", 150_000),
        {4: Decimal("0.00012"), 21: Decimal("0.00009")},
    ),
    Offered(
        _offered("Weekly savings", Cadence.WEEKLY, "0.00013", 120_000), {30: Decimal("0.00011")}
    ),
    Offered(_offered("Week deposit", Cadence.DAILY, "0.00016", 100_000, 7, "0.5"), {}),
    Offered(_offered("Month deposit", Cadence.WEEKLY, "0.00022", 250_000, 30), {}),
)


def offer_products(tx: Tx, scenario: Scenario) -> list[UUID]:
    """Offer the demo's products with their dated rates; their ids, in the order of OFFERED.

    Offered again, nothing changes.
    """
    author = Author("demo", RULES, scenario.start)
    names = [one.terms.name for one in OFFERED]
    found = tx.execute("SELECT name, id FROM pool_products WHERE name = ANY (%s)", (names,))
    known: dict[str, UUID] = dict(found.fetchall())
    for one in OFFERED:
        if one.terms.name not in known:
            made = known[one.terms.name] = create_product(tx, author, one.terms).id
            for day, rate in one.rates.items():
                set_rate(tx, author, made, (scenario.start + timedelta(days=day)).date(), rate)
    return [known[name] for name in names]


def save(
    tx: Tx, author: Author, scenario: Scenario, offered: Sequence[UUID], arrived: Sequence[Investor]
) -> None:
    """Some of those who arrive bring money for a pool product, too."""
    for one in arrived:
        if _draw(scenario, "saves", one.id) >= SAVERS:
            continue
        amount = _saved(scenario, one.id)
        if _draw(scenario, "transfers", one.id) < BY_TRANSFER:
            ask(tx, author, one.id, amount)
            continue
        deposit(tx, author, Owner(OwnerKind.INVESTOR, one.id), ASSET, amount, f"savings:{one.id}")
        put_in(tx, author, one.id, _wanted(scenario, offered, one.id), amount)


def save_credited(
    tx: Tx, author: Author, scenario: Scenario, offered: Sequence[UUID], credited: Sequence[UUID]
) -> None:
    """Those whose transfer was credited put it where they wanted to, but people who can sign in."""
    able = tx.execute(
        "SELECT id FROM users WHERE id = ANY (%s) AND password_hash IS NOT NULL", (list(credited),)
    ).fetchall()
    for one in credited:
        if (one,) not in able:
            wanted = _wanted(scenario, offered, one)
            put_in(tx, author, one, wanted, _saved(scenario, one))


def _saved(scenario: Scenario, saver: UUID) -> Decimal:
    return Decimal(int(LEAST * (MOST / LEAST) ** _draw(scenario, "saving", saver)))


def _wanted(scenario: Scenario, offered: Sequence[UUID], saver: UUID) -> UUID:
    return offered[int(_draw(scenario, "pool", saver) * len(offered))]


def put_in(tx: Tx, author: Author, investor: UUID, product: UUID, amount: Decimal) -> None:
    """Subscribe, once; where the product takes no more, the money stays in the wallet."""
    author = Author(author.actor, RULES, author.now)
    try:
        with tx.transaction():
            subscribe(tx, author, investor, product, amount, f"savings:{product}")
    except CommendaError as error:
        if error.code not in EXPECTED:
            raise


def take_out(tx: Tx, author: Author, scenario: Scenario) -> None:
    """Take back what is mature, and what its holder wants back; not of people who can sign in."""
    author = Author(author.actor, RULES, author.now)
    held = tx.execute(
        "SELECT h.id, h.user_id, h.created_at, h.end_at, p.early_exit FROM pool_holdings h"
        " JOIN pool_products p ON p.id = h.product_id JOIN users u ON u.id = h.user_id"
        " WHERE h.status = 'held' AND u.password_hash IS NULL ORDER BY h.product_id, h.sequence"
    ).fetchall()
    for holding, holder, since, ends, early in held:
        u = _draw(scenario, "stays", holding)
        if ends is None:
            until = since + timedelta(days=1 + u * LONGEST_STAY)
        else:
            until = since + (ends - since) / 2 if early and u < IMPATIENT else ends
        if until <= author.now:
            redeem(tx, author, holder, holding)


def _draw(scenario: Scenario, *what: object) -> float:
    return ids.uniform(scenario.secret, "savings", *what)
