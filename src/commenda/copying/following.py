"""Follow a flow: money out of the wallet into a book of its own, settings, a place in the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from commenda.audit import record
from commenda.books import NewLeg, Scope, open_scopes, request_transfer
from commenda.copying.model import CopyMode, Flow, FollowSettings
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.money import amount as checked_amount
from commenda.kit.money import plain
from commenda.kit.rows import columns
from commenda.ledger import AccountKey, Author, Journal, Line, Owner, open_accounts, post


class NewFollower(NamedTuple):
    """A leg that is to follow a flow from its next signal on."""

    flow_id: UUID
    creator_id: UUID
    follower_id: UUID
    leg_id: UUID
    amount: Decimal


def attach_legs(
    tx: Tx,
    followers: Sequence[NewFollower],
    now: datetime,
    *,
    mode: CopyMode = CopyMode.TARGET,
    is_leader: bool = False,
) -> list[UUID]:
    """Let legs follow flows; returns the ids of their subscriptions."""
    subscriptions = [ids.derive("flow-subscription", one.flow_id, one.leg_id) for one in followers]
    tx.execute(
        "INSERT INTO flow_subscriptions (id, flow_id, creator_id, follower_id, leg_id,"
        " investment_amount, is_leader, copy_mode, subscribed_at, updated_at)"
        " SELECT n.*, %s, %s, %s, %s FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[],"
        "  %s::uuid[], %s::numeric[]) AS n ON CONFLICT DO NOTHING",
        (is_leader, mode, now, now, subscriptions, *columns(followers, 5)),
    )
    return subscriptions


def detach_legs(tx: Tx, leg_ids: Sequence[UUID], now: datetime) -> None:
    """Let legs follow nobody any more: no new exposure from here on."""
    tx.execute(
        "UPDATE flow_subscriptions SET status = 'cancelled', updated_at = %s"
        " WHERE leg_id = ANY (%s) AND status <> 'cancelled'",
        (now, list(leg_ids)),
    )


def resize_legs(tx: Tx, legs: Sequence[tuple[UUID, Decimal]], now: datetime) -> None:
    """Let legs follow with a part, a fraction, of what they followed with."""
    tx.execute(
        "UPDATE flow_subscriptions s SET updated_at = %s,"
        "  investment_amount = round(s.investment_amount * n.part, 8)"
        " FROM unnest(%s::uuid[], %s::numeric[]) AS n (leg_id, part) WHERE s.leg_id = n.leg_id",
        (now, [leg for leg, _ in legs], [part for _, part in legs]),
    )


def follow_with(tx: Tx, legs: Sequence[tuple[UUID, Decimal]], now: datetime) -> None:
    """Let legs follow with these amounts."""
    tx.execute(
        "UPDATE flow_subscriptions s SET updated_at = %s, investment_amount = n.amount"
        " FROM unnest(%s::uuid[], %s::numeric[]) AS n (leg_id, amount) WHERE s.leg_id = n.leg_id",
        (now, [leg for leg, _ in legs], [amount for _, amount in legs]),
    )


def follow(
    tx: Tx,
    author: Author,
    *,
    flow: Flow,
    follower: Owner,
    amount: Decimal,
    asset: str,
    key: str,
    mode: CopyMode = CopyMode.TARGET,
    settings: FollowSettings | None = None,
    is_leader: bool = False,
) -> UUID:
    """Put `amount` of the follower's wallet into a book of its own that copies `flow`.

    A creator's own vault is such a book too, as the flow's leader. `key` is the request's natural
    key: the same key opens the same book once. Codes `not_positive` and those of `amount`,
    `own_flow`, `below_minimum_investment`, `flow_is_full`, `flow_not_active`,
    `insufficient_balance`.
    """
    amount = checked_amount(amount, asset, field="investmentAmount")
    if amount <= 0:
        raise CommendaError("not_positive", "The amount must be above 0").at(
            "investmentAmount", amount, "give an amount above 0"
        )
    if not is_leader:
        _require_open(tx, flow, follower, amount)
    kind = "vault" if is_leader else "copy"
    scope = Scope(
        id=ids.derive("scope", kind, follower.id, flow.id, key),
        kind=kind,
        owner=follower,
        asset=asset,
        correlation_id=ids.derive("copy", follower.id, flow.id, key),
    )
    leg = NewLeg(ids.derive("leg", scope.id, flow.id), flow.creator_id, amount, flow.venue)
    wallet = open_accounts(tx, [AccountKey("wallet", follower, asset)])[0]
    cash = open_scopes(tx, [(scope, [leg])], author.now)[0][0]
    lines = [Line(wallet, -amount), Line(cash, amount)]
    posted = post(tx, author, Journal(f"follow:{scope.id}", "follow", scope.correlation_id, lines))
    if posted.refused_account is not None:
        raise conflict(
            "insufficient_balance",
            "The wallet has less than this available: what is on hold is not",
        ).at("investmentAmount", amount, "deposit first, or invest less")
    request_transfer(
        tx,
        reference=ids.derive("transfer", scope.id),
        venue=flow.venue,
        asset=asset,
        amount=amount,
        correlation_id=scope.correlation_id,
        now=author.now,
    )
    place = NewFollower(flow.id, flow.creator_id, follower.id, leg.id, amount)
    (subscription,) = attach_legs(tx, [place], author.now, mode=mode, is_leader=is_leader)
    if settings is not None:
        _write_settings(tx, subscription, settings, author.now)
    if not is_leader:
        count_follower(tx, flow.id, 1, amount)
    said = {"flowId": str(flow.id), "amount": f"{amount:f}", "copyMode": mode.value}
    event = author.event("copy.subscribed", subscription, scope.correlation_id, "active", said)
    record(tx, [event])
    return subscription


def _require_open(tx: Tx, flow: Flow, follower: Owner, amount: Decimal) -> None:
    if follower.id == flow.creator_id:
        raise conflict("own_flow", "Your own book leads this flow already").at(
            "flowId", flow.id, "follow a flow of another creator"
        )
    least = require_room(tx, flow, "flowId")
    if amount < least:
        raise CommendaError("below_minimum_investment", "Less than the flow's minimum").at(
            "investmentAmount", amount, f"invest at least {plain(least)}"
        )


def require_room(tx: Tx, flow: Flow, field: str) -> Decimal:
    """Whether a flow, which `field` names, takes one more follower; the least that it takes of one.

    Its row is locked, so that the count of followers and the new one are a single decision. Codes
    `flow_not_active`, `flow_is_full`.
    """
    row = tx.execute(
        "SELECT status, max_followers, min_investment FROM shared_flows f WHERE id = %s"
        " AND canary_of IS NULL AND NOT EXISTS (SELECT FROM strategy_stages t"
        "  JOIN strategy_versions v ON v.id = t.version_id"
        "  JOIN strategies n ON n.id = v.strategy_id AND n.name = f.strategy"
        "  WHERE v.version = f.strategy_version AND t.left_at IS NULL"
        "   AND t.stage IN ('conformance', 'failed', 'paper')) FOR NO KEY UPDATE",
        (flow.id,),
    ).fetchone()
    if row is None or row[0] != "active":
        raise conflict("flow_not_active", "This flow takes no followers").at(
            field, flow.id, "choose one that is active"
        )
    _, most, least = row
    if most is not None and count_followers(tx, flow.id) >= most:
        raise conflict("flow_is_full", "The flow has all the followers it takes").at(
            field, flow.id, f"it takes {most}: choose another, or wait until somebody leaves"
        )
    return Decimal(least)


def count_followers(tx: Tx, flow_id: UUID) -> int:
    """Who follows a flow now, those who paused included; not its leader."""
    row = tx.execute(
        "SELECT (SELECT count(*) FROM flow_subscriptions"
        "   WHERE flow_id = %(flow)s AND status = 'active' AND NOT is_leader)"
        " + (SELECT count(*) FROM flow_subscriptions"
        "   WHERE flow_id = %(flow)s AND status = 'paused' AND NOT is_leader)",
        {"flow": flow_id},
    ).fetchone()
    assert row is not None
    return int(row[0])


def count_follower(tx: Tx, flow_id: UUID, change: int, value: Decimal) -> None:
    """Show one follower more or less, and their money, until the stats are computed anew."""
    tx.execute(
        "UPDATE flow_stats SET followers = greatest(0, followers + %s),"
        " total_aum = greatest(0, total_aum + %s) WHERE flow_id = %s",
        (change, change * value, flow_id),
    )


def change_settings(
    tx: Tx, author: Author, subscription_id: UUID, follower_id: UUID, changes: dict[str, Any]
) -> None:
    """Change a copy's settings; `auto_follow` off pauses it, on takes it up again.

    Codes `unknown_subscription`, `subscription_cancelled`, `leader_must_follow`.
    """
    row = tx.execute(
        "SELECT s.status, s.is_leader, s.auto_follow, s.notify_on_signal, s.max_slippage,"
        " c.correlation_id FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
        " JOIN scopes c ON c.id = l.scope_id AND c.kind IN ('copy', 'vault')"
        " WHERE s.id = %s AND s.follower_id = %s FOR UPDATE OF s",
        (subscription_id, follower_id),
    ).fetchone()
    if row is None:
        raise unknown_subscription(subscription_id)
    status, is_leader, *values, correlation_id = row
    if status == "cancelled":
        raise conflict("subscription_cancelled", "This copy was left").at(
            "subscriptionId", subscription_id, "follow the flow anew"
        )
    settings = replace(FollowSettings(*values), **changes)
    if is_leader and not settings.auto_follow:
        raise conflict(
            "leader_must_follow", "The creator's own book trades whatever the flow does"
        ).at("autoFollow", "false", "pause the flow")
    _write_settings(tx, subscription_id, settings, author.now)
    written = {name: str(getattr(settings, name)) for name in FollowSettings.__slots__}
    result = " ".join(written.values())  # two changes at one moment are two events
    event = author.event("copy.settings_changed", subscription_id, correlation_id, result, written)
    record(tx, [event])


def _write_settings(tx: Tx, subscription_id: UUID, one: FollowSettings, now: datetime) -> None:
    status = "active" if one.auto_follow else "paused"
    tx.execute(
        "UPDATE flow_subscriptions SET auto_follow = %(auto_follow)s, status = %(status)s,"
        " notify_on_signal = %(notify_on_signal)s, max_slippage = %(max_slippage)s,"
        " updated_at = %(now)s WHERE id = %(id)s",
        asdict(one) | {"status": status, "now": now, "id": subscription_id},
    )


def unknown_subscription(subscription_id: UUID) -> CommendaError:
    """Also for another's."""
    return unknown("subscription", subscription_id, "subscriptionId")
