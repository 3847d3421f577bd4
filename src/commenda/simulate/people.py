"""What investors do: arrive, knock at a door when their term is over, come back with their money.

Each is one transaction's work with natural keys, called by the replay and by the living demo.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.books import Trigger
from commenda.identity import register_users
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.idempotency import attempt, once
from commenda.kit.money import just_below, plain
from commenda.ledger import Author, Owner, OwnerKind
from commenda.managed import (
    SubscriptionOrder,
    authorise_custody,
    deposit,
    request_liquidation,
    subscribe,
)
from commenda.referrals import refer
from commenda.simulate.population import Investor, product_id
from commenda.simulate.scenario import ASSET, Scenario


def arrive(
    tx: Tx,
    author: Author,
    investors: Sequence[Investor],
    everybody: Sequence[Investor],
    secret: bytes,
) -> None:
    """Investors register, deposit, authorise custody and subscribe.

    `everybody` is the population whose numbers their referrers are.
    """
    register_users(tx, [(one.id, one.username) for one in investors], "investor", author.now)
    for one in investors:
        if one.referrer is not None:
            refer(tx, one.id, everybody[one.referrer].id, author.now)
        owner = Owner(OwnerKind.INVESTOR, one.id)
        deposit(tx, author, owner, ASSET, one.deposit, f"investor:{one.id}")
        # Room for what the money may grow to before it is subscribed again.
        authorise_custody(tx, author, one.id, ASSET, one.deposit * 2)
        for place, wish in enumerate(one.wishes):
            product = product_id(wish.profile, wish.term_days, wish.tier)
            _subscribe(tx, author, one.id, product, wish.amount, f"arrival-{place}", secret)


def knock(tx: Tx, author: Author, scenario: Scenario, triggers: Sequence[Trigger]) -> None:
    """Matured subscriptions whose trigger is one of `triggers` are asked to liquidate."""
    matured = tx.execute(
        "SELECT id FROM managed_subscriptions WHERE status = 'MATURED' ORDER BY id"
    ).fetchall()
    asked: dict[Trigger, list[UUID]] = {}
    for (subscription,) in matured:
        trigger = _trigger(scenario, subscription)
        if trigger in triggers:
            asked.setdefault(trigger, []).append(subscription)
    for trigger, theirs in asked.items():
        request_liquidation(tx, author, theirs, trigger)


def _trigger(scenario: Scenario, subscription: UUID) -> Trigger:
    people = scenario.investors
    u = ids.uniform(scenario.secret, "door", subscription)
    if u < people.by_investor:
        return Trigger.INVESTOR
    return Trigger.OPERATOR if u < people.by_investor + people.by_operator else Trigger.SWEEP


def renew(
    tx: Tx, author: Author, scenario: Scenario, since: datetime, until: datetime, secret: bytes
) -> None:
    """Some whose subscription was settled since then put what they got into the same product.

    Nobody begins a term that would not be over by `until`.
    """
    rows = tx.execute(
        "SELECT s.id, s.investor_id, s.product_id, t.to_wallet, p.minimum, p.maximum"
        " FROM managed_subscriptions s JOIN settlements t ON t.subscription_id = s.id"
        " JOIN products p ON p.id = s.product_id"
        " WHERE s.settled_at >= %s AND %s + make_interval(days => p.term_days) < %s"
        " ORDER BY s.id",
        (since, author.now, until),
    ).fetchall()
    for subscription, investor, product, back, minimum, maximum in rows:
        amount = min(Decimal(int(back)), just_below(maximum, ASSET))
        wants = ids.uniform(scenario.secret, "again", subscription) < scenario.investors.again
        if wants and amount >= minimum:
            _subscribe(tx, author, investor, product, amount, f"again-{subscription}", secret)


def _subscribe(
    tx: Tx, author: Author, investor: UUID, product: UUID, amount: Decimal, key: str, secret: bytes
) -> None:
    """Once for each key. A refusal is kept as over HTTP: who was refused did not subscribe."""
    order = SubscriptionOrder(product_id=product, amount=amount)
    once(
        tx,
        "subscribe",
        str(investor),
        key,
        {"productId": product, "amount": plain(amount)},
        author.now,
        lambda: attempt(
            tx, lambda: subscribe(tx, author, investor, order, key, secret), status=201
        ),
    )
