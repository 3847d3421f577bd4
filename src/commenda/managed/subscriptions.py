"""Subscribe, activate, mature: a subscription's way from a click to the end of its term."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.audit import record
from commenda.books import NewLeg, Scope, open_scopes, request_transfers
from commenda.copying import NewFollower, attach_legs, detach_legs
from commenda.kit import ids
from commenda.kit.db import Tx, array_text, learn
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.money import amount as checked_amount
from commenda.kit.money import plain, scale_of, split_amount
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Owner,
    OwnerKind,
    open_accounts,
    post,
    post_batch,
)
from commenda.managed.allocation import Allocation, Candidates, Policy, allocate
from commenda.managed.leaderboard import candidates_of
from commenda.managed.lifecycle import State
from commenda.managed.model import SubscriptionMade, SubscriptionOrder
from commenda.managed.products import OfferTo, offer_to
from commenda.managed.profit_share import Carry, add_carry, resubscribe

ACTIVATION_BATCH = 250


def subscribe(
    tx: Tx, author: Author, investor_id: UUID, order: SubscriptionOrder, key: str, secret: bytes
) -> SubscriptionMade:
    """Reserve the principal and draw the creators. `key` names the subscription for good.

    Codes `unknown_product`, `amount_outside_tier` for an amount that the product does not take and
    those of `amount`, `insufficient_custody` when the wallet or the authorisation does not cover
    it, `no_eligible_creator`, `allocation_capacity`.
    """
    amount = Decimal(plain(order.amount))
    offer = offer_to(tx, order.product_id, investor_id, author.now)
    _require_within_tier(offer, amount)
    if amount > offer.room:
        raise _not_covered()
    subscription_id = ids.derive("managed-subscription", investor_id, key)
    seed = ids.tie_break(secret, "allocation", subscription_id)
    candidates = candidates_of(offer.candidates)
    try:
        drawn = allocate(seed, amount, candidates, Policy(profiles=(offer.profile,)))
    except CommendaError as refusal:
        raise refusal.at("amount") from None  # what was asked for, not what the draw found
    correlation = ids.derive("managed", subscription_id)
    investor, asset = Owner(OwnerKind.INVESTOR, investor_id), offer.asset
    keys = [AccountKey("wallet", investor, asset), AccountKey("reserved", investor, asset)]
    open_already = zip(keys, (offer.wallet, offer.reserved), strict=True)
    learn(tx, {key: account for key, account in open_already if account is not None})
    wallet, reserved = open_accounts(tx, keys)
    lines = [Line(wallet, -amount), Line(reserved, amount)]
    posted = post(tx, author, Journal(f"reserve:{subscription_id}", "reserve", correlation, lines))
    if posted.refused_account is not None:
        raise _not_covered()
    _insert(tx, author.now, subscription_id, investor_id, amount, key, offer, drawn, candidates)
    record(
        tx,
        [
            author.event(
                "subscription.reserved",
                subscription_id,
                correlation,
                State.RESERVED,
                {"amount": str(amount), "alerts": list(drawn.alerts)},
            )
        ],
    )
    return SubscriptionMade(
        subscription_id, subscription_id, State.RESERVED, order.product_id, amount
    )


def _not_covered() -> CommendaError:
    return conflict(
        "insufficient_custody",
        "What is available in the wallet (money on hold is not), or the authorisation, does not"
        " cover this amount",
    ).at("amount", hint="bring money in, or authorise a higher limit")


def _require_within_tier(offer: OfferTo, amount: Decimal) -> None:
    checked_amount(amount, offer.asset)
    if not offer.minimum <= amount < offer.maximum:
        raise CommendaError(
            "amount_outside_tier", f"The tier {offer.tier} does not take this amount"
        ).at(
            "amount",
            amount,
            f"subscribe {plain(offer.minimum)} or more, and less than {plain(offer.maximum)}",
        )


def _insert(
    tx: Tx,
    now: datetime,
    subscription_id: UUID,
    investor_id: UUID,
    amount: Decimal,
    key: str,
    offer: OfferTo,
    drawn: Allocation,
    candidates: Candidates,
) -> None:
    asset, chosen = offer.asset, drawn.chosen
    carried = _take_carry(tx, investor_id, offer.product_id) if offer.carries else Carry()
    mark, left = resubscribe(amount, carried, scale_of(asset))
    if left != carried:
        _keep_carry(tx, investor_id, offer.product_id, left)
    amounts = split_amount(
        amount,
        [one.weight for one in chosen],
        [one.flow_id for one in chosen],
        scale_of(asset),
    )
    # One statement: each of its own would cost another round trip of the busiest write.
    tx.execute(
        "WITH subscription AS ("
        "  INSERT INTO managed_subscriptions (id, investor_id, product_id, request_key, amount,"
        "   asset, status, terms_valid_from, mark_net_deposits, mark_greatest_profit,"
        "   subscribed_at)"
        "  VALUES (%(id)s, %(investor)s, %(product)s, %(key)s, %(amount)s, %(asset)s, 'RESERVED',"
        "   %(terms)s, %(net)s, %(profit)s, %(now)s)),"
        " reservation AS ("
        "  INSERT INTO principal_reservations"
        "   (subscription_id, investor_id, reserved_amount, status, created_at, updated_at)"
        "  VALUES (%(id)s, %(investor)s, %(amount)s, 'reserved', %(now)s, %(now)s)),"
        " snapshot AS ("
        "  INSERT INTO allocation_snapshots"
        "   (subscription_id, version, seed, snapshot, created_at)"
        "  VALUES (%(id)s, %(version)s, %(seed)s, %(snapshot)s::jsonb, %(now)s))"
        " INSERT INTO managed_allocations"
        "  (subscription_id, flow_id, creator_id, leg_id, weight, amount)"
        " SELECT %(id)s, flow, creator, leg, weight, amount"
        " FROM unnest(%(flows)s::uuid[], %(creators)s::uuid[], %(legs)s::uuid[],"
        "  %(weights)s::numeric[], %(amounts)s::numeric[])"
        "   AS n (flow, creator, leg, weight, amount)",
        {
            "id": subscription_id,
            "investor": investor_id,
            "product": offer.product_id,
            "key": key,
            "amount": amount,
            "asset": asset,
            "terms": offer.terms_valid_from,
            "net": mark.net_deposits,
            "profit": mark.greatest_profit,
            "now": now,
            "version": drawn.version,
            "seed": drawn.seed,
            "snapshot": candidates.snapshot(drawn),
            "flows": array_text(one.flow_id for one in chosen),
            "creators": array_text(one.creator_id for one in chosen),
            "legs": array_text(ids.derive("leg", subscription_id, one.flow_id) for one in chosen),
            "weights": array_text(one.weight for one in chosen),
            "amounts": array_text(amounts),
        },
    )


def _take_carry(tx: Tx, investor_id: UUID, product_id: UUID) -> Carry:
    row = tx.execute(
        "SELECT loss, equity FROM loss_carries WHERE investor_id = %s AND product_id = %s"
        " FOR UPDATE",
        (investor_id, product_id),
    ).fetchone()
    return Carry(*row) if row else Carry()


def _keep_carry(tx: Tx, investor_id: UUID, product_id: UUID, carry: Carry) -> None:
    tx.execute(
        "UPDATE loss_carries SET loss = %s, equity = %s WHERE investor_id = %s AND product_id = %s",
        (carry.loss, carry.equity, investor_id, product_id),
    )


def activate_due(tx: Tx, author: Author, limit: int = ACTIVATION_BATCH) -> int:
    """Put principals reserved before now to work: a book each, a leg for each creator; how many.

    Entries for each: reserved −, scope + of each leg. The cash is to be moved to the legs' venues.
    """
    rows = tx.execute(
        "SELECT s.id, s.investor_id, s.asset, s.amount, p.term_days"
        " FROM managed_subscriptions s JOIN products p ON p.id = s.product_id"
        " WHERE s.status = 'RESERVED' AND s.subscribed_at < %s"
        " ORDER BY s.id LIMIT %s FOR UPDATE OF s SKIP LOCKED",
        (author.now, limit),
    ).fetchall()
    if not rows:
        return 0
    subscriptions = [row[0] for row in rows]
    legs = _allocated_legs(tx, subscriptions)
    scopes = [
        (
            Scope(
                subscription,
                "managed",
                Owner(OwnerKind.INVESTOR, investor),
                asset,
                ids.derive("managed", subscription),
            ),
            [NewLeg(leg, creator, part, at) for leg, _, creator, part, at in legs[subscription]],
        )
        for subscription, investor, asset, _, _ in rows
    ]
    cash = open_scopes(tx, scopes, author.now)
    reserved = open_accounts(
        tx, [AccountKey("reserved", scope.owner, scope.asset) for scope, _ in scopes]
    )
    journals = [
        Journal(
            f"activate:{scope.id}",
            "activate",
            scope.correlation_id,
            [
                Line(account, -sum((leg.capital for leg in parts), Decimal(0))),
                *(
                    Line(leg_cash, leg.capital)
                    for leg_cash, leg in zip(accounts, parts, strict=True)
                ),
            ],
        )
        for (scope, parts), accounts, account in zip(scopes, cash, reserved, strict=True)
    ]
    post_batch(tx, author, journals)
    attach_legs(
        tx,
        [
            NewFollower(flow, creator, investor, leg, part)
            for subscription, investor, _, _, _ in rows
            for leg, flow, creator, part, _ in legs[subscription]
        ],
        author.now,
    )
    for asset in sorted({row[2] for row in rows}):
        theirs = [row for row in rows if row[2] == asset]
        request_transfers(
            tx,
            reference=ids.derive("transfer", "activate", asset, *(row[0] for row in theirs)),
            asset=asset,
            amounts=[(leg[4], leg[3]) for row in theirs for leg in legs[row[0]]],
            correlation_id=ids.derive("managed", theirs[0][0]),
            now=author.now,
        )
    tx.execute(
        "UPDATE managed_subscriptions s SET status = 'ACTIVE', activated_at = %(now)s,"
        "  matures_at = %(now)s + make_interval(days => p.term_days)"
        " FROM products p WHERE p.id = s.product_id AND s.id = ANY (%(ids)s)",
        {"now": author.now, "ids": subscriptions},
    )
    tx.execute(
        "UPDATE principal_reservations SET status = 'deployed', updated_at = %s"
        " WHERE subscription_id = ANY (%s)",
        (author.now, subscriptions),
    )
    return len(rows)


def _allocated_legs(
    tx: Tx, subscriptions: Sequence[UUID]
) -> dict[UUID, list[tuple[UUID, UUID, UUID, Decimal, str]]]:
    """(leg, flow, creator, amount, venue) of each subscription's allocation."""
    legs: dict[UUID, list[tuple[UUID, UUID, UUID, Decimal, str]]] = {
        one: [] for one in subscriptions
    }
    for subscription, leg, flow, creator, amount, venue in tx.execute(
        "SELECT a.subscription_id, a.leg_id, a.flow_id, a.creator_id, a.amount, f.venue"
        " FROM managed_allocations a JOIN shared_flows f ON f.id = a.flow_id"
        " WHERE a.subscription_id = ANY (%s) ORDER BY a.subscription_id, a.leg_id",
        (list(subscriptions),),
    ):
        legs[subscription].append((leg, flow, creator, amount, venue))
    return legs


def cancel(tx: Tx, author: Author, subscription_id: UUID) -> State:
    """Give a reserved principal back before it is put to work; the state that results."""
    row = tx.execute(
        "SELECT status, investor_id, asset, amount, product_id, mark_greatest_profit"
        " FROM managed_subscriptions WHERE id = %s FOR UPDATE",
        (subscription_id,),
    ).fetchone()
    if row is None:
        raise unknown("subscription", subscription_id, "id")
    status, investor_id, asset, amount, product_id, carried = row
    if status != State.RESERVED:
        return State(status)
    investor = Owner(OwnerKind.INVESTOR, investor_id)
    reserved, wallet = open_accounts(
        tx, [AccountKey("reserved", investor, asset), AccountKey("wallet", investor, asset)]
    )
    lines = [Line(reserved, -amount), Line(wallet, amount)]
    correlation = ids.derive("managed", subscription_id)
    post(tx, author, Journal(f"cancel:{subscription_id}", "cancel", correlation, lines))
    if carried:  # the loss that it took up is carried on
        left = _take_carry(tx, investor_id, product_id)
        _keep_carry(tx, investor_id, product_id, add_carry(left, Carry(carried, amount)))
    tx.execute(
        "UPDATE managed_subscriptions SET status = 'CANCELLED' WHERE id = %s", (subscription_id,)
    )
    tx.execute(
        "UPDATE principal_reservations SET status = 'released', released_amount = reserved_amount,"
        " updated_at = %s WHERE subscription_id = %s",
        (author.now, subscription_id),
    )
    record(
        tx,
        [author.event("subscription.cancelled", subscription_id, correlation, State.CANCELLED)],
    )
    return State.CANCELLED


def mature_due(tx: Tx, now: datetime) -> int:
    """End the terms that are over: no new exposure from here on; how many."""
    rows = tx.execute(
        "UPDATE managed_subscriptions SET status = 'MATURED', matured_at = %(now)s"
        " WHERE status = 'ACTIVE' AND matures_at <= %(now)s RETURNING id",
        {"now": now},
    ).fetchall()
    _follow_no_more(tx, [row[0] for row in rows], now)
    return len(rows)


def begin_liquidation(tx: Tx, author: Author, subscription_ids: Sequence[UUID]) -> None:
    """Their books are asked to close: LIQUIDATING, and no new exposure."""
    _set_status(tx, subscription_ids, State.LIQUIDATING)
    _follow_no_more(tx, subscription_ids, author.now)


def end_liquidation(tx: Tx, author: Author, subscription_ids: Sequence[UUID]) -> None:
    """The last position of their books is really closed: LIQUIDATED."""
    _set_status(tx, subscription_ids, State.LIQUIDATED)


def _set_status(tx: Tx, subscription_ids: Sequence[UUID], state: State) -> None:
    tx.execute(
        "UPDATE managed_subscriptions SET status = %s WHERE id = ANY (%s)",
        (state, list(subscription_ids)),
    )


def _follow_no_more(tx: Tx, subscription_ids: Sequence[UUID], now: datetime) -> None:
    legs = tx.execute(
        "SELECT leg_id FROM managed_allocations WHERE subscription_id = ANY (%s)",
        (list(subscription_ids),),
    ).fetchall()
    detach_legs(tx, [row[0] for row in legs], now)
