"""Share a flow, follow it, publish its signals and copy them.

Copying a signal is a chain of small transactions, each safe to repeat:

    publish -> plan (a chunk of followers each) -> intend parents
            -> work at the venue -> record fills -> allocate (a chunk each) -> finish

`copy_signal` calls them one after the other; the durable workflow in `jobs.py` calls the same
ones as recorded steps. Signals of one flow are copied one at a time and in order: processed
together, two signals would both compute their difference from the same old position.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.copying import queries
from commenda.copying.model import CopyMode, Flow
from commenda.copying.queries import Execution
from commenda.copying.rules import order_quantity, signal_type
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Owner,
    lock_accounts,
    open_accounts,
    post,
)
from commenda.strategies import catalogue
from commenda.trading import (
    CHUNK,
    Desk,
    NewLeg,
    Scope,
    execute_order,
    intend,
    open_scopes,
    orders_of,
    other_value,
    quantities_of,
    request_transfer,
)

RULES = "copying/1"


def share_flow(tx: Tx, flow: Flow, now: datetime) -> None:
    """Publish a creator's strategy as a flow; sharing it again changes nothing."""
    strategy = catalogue().get(flow.strategy)
    if strategy is None:
        raise CommendaError(
            "unknown_strategy",
            "No such strategy",
            field="strategy",
            value=flow.strategy,
            mend=f"use one of {', '.join(catalogue())}",
        )
    tx.execute(
        "INSERT INTO shared_flows (id, creator_id, title, description, tags, status, max_followers,"
        " min_investment, strategy, strategy_version, source_hash, params, instrument_id,"
        " created_at, updated_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (
            flow.id,
            flow.creator_id,
            flow.title,
            flow.description,
            list(flow.tags),
            flow.status,
            flow.max_followers,
            flow.min_investment,
            strategy.name,
            strategy.version,
            strategy.source_hash,
            Jsonb(strategy.resolve(dict(flow.params))),
            flow.instrument_id,
            now,
            now,
        ),
    )


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
        (
            is_leader,
            mode,
            now,
            now,
            subscriptions,
            [one.flow_id for one in followers],
            [one.creator_id for one in followers],
            [one.follower_id for one in followers],
            [one.leg_id for one in followers],
            [one.amount for one in followers],
        ),
    )
    return subscriptions


def follow(
    tx: Tx,
    author: Author,
    *,
    flow: Flow,
    follower: Owner,
    amount: Decimal,
    asset: str,
    venue: str,
    key: str,
    mode: CopyMode = CopyMode.TARGET,
    is_leader: bool = False,
) -> UUID:
    """Put `amount` of the follower's wallet into a book of its own that copies `flow`.

    A creator's own vault is such a book too, as the flow's leader. `key` is the request's natural
    key: the same key opens the same book once. Codes `below_minimum_investment`, `flow_is_full`,
    `flow_not_active`, `insufficient_balance`.
    """
    if not is_leader:
        _require_open(tx, flow, amount)
    scope = Scope(
        id=ids.derive("scope", "vault" if is_leader else "copy", follower.id, flow.id, key),
        kind="vault" if is_leader else "copy",
        owner=follower,
        asset=asset,
        correlation_id=ids.derive("copy", follower.id, flow.id, key),
    )
    leg = NewLeg(ids.derive("leg", scope.id, flow.id), flow.creator_id, amount)
    wallet = open_accounts(tx, [AccountKey("wallet", follower, asset)])[0]
    cash = open_scopes(tx, [(scope, [leg])], author.now)[0][0]
    posted = post(
        tx,
        author,
        Journal(
            f"follow:{scope.id}",
            "follow",
            scope.correlation_id,
            [Line(wallet, -amount), Line(cash, amount)],
        ),
    )
    if posted.refused_account is not None:
        raise CommendaError(
            "insufficient_balance",
            "The wallet does not hold this amount",
            field="investmentAmount",
            value=str(amount),
            mend="deposit first, or invest less",
        )
    request_transfer(
        tx,
        reference=ids.derive("transfer", scope.id),
        venue=venue,
        asset=asset,
        amount=amount,
        correlation_id=scope.correlation_id,
        now=author.now,
    )
    follower_leg = NewFollower(flow.id, flow.creator_id, follower.id, leg.id, amount)
    return attach_legs(tx, [follower_leg], author.now, mode=mode, is_leader=is_leader)[0]


def _require_open(tx: Tx, flow: Flow, amount: Decimal) -> None:
    # The row lock makes the count of followers and the new one a single decision.
    row = tx.execute(
        "SELECT status, max_followers, min_investment,"
        " (SELECT count(*) FROM flow_subscriptions s WHERE s.flow_id = f.id"
        "   AND s.status = 'active' AND NOT s.is_leader)"
        " FROM shared_flows f WHERE id = %s FOR UPDATE",
        (flow.id,),
    ).fetchone()
    if row is None or row[0] != "active":
        raise CommendaError(
            "flow_not_active", "This flow takes no followers", field="flowId", value=str(flow.id)
        )
    _, most, least, followers = row
    if most is not None and followers >= most:
        raise CommendaError(
            "flow_is_full", "The flow has all the followers it takes", field="flowId", value=most
        )
    if amount < least:
        raise CommendaError(
            "below_minimum_investment",
            "Less than the flow's minimum",
            field="investmentAmount",
            value=str(amount),
            mend=f"invest at least {least.normalize():f}",
        )


def publish_signal(
    tx: Tx,
    *,
    flow: Flow,
    natural_key: str,
    target: Decimal,
    reference_price: Decimal,
    now: datetime,
    base: str,
    quote: str,
    trigger_price: Decimal | None = None,
    node_id: str = "strategy-runner",
) -> tuple[UUID, bool]:
    """Store a signal once; (its id, whether it is new).

    Delivered again under the same natural key it is the same signal. The flow's row is locked, so
    that sequence numbers have no gap and no tie.
    """
    signal_id = ids.derive("signal", flow.id, natural_key)
    row = tx.execute(
        "SELECT last_sequence FROM shared_flows WHERE id = %s FOR NO KEY UPDATE", (flow.id,)
    ).fetchone()
    assert row is not None, "a signal's flow is shared before it publishes"
    sequence = row[0] + 1
    last = tx.execute(
        "SELECT target FROM trading_signals WHERE flow_id = %s AND sequence = %s",
        (flow.id, sequence - 1),
    ).fetchone()
    previous = last[0] if last else Decimal(0)
    kind = signal_type(previous, target)
    new = tx.execute(
        "INSERT INTO trading_signals (id, flow_id, sequence, natural_key, creator_id, signal_type,"
        " instrument_id, from_token, to_token, amount_in_percentage, slippage_tolerance,"
        " previous_target, target, reference_price, trigger_price, node_id, node_type, created_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (
            signal_id,
            flow.id,
            sequence,
            natural_key,
            flow.creator_id,
            kind,
            flow.instrument_id,
            *((quote, base) if kind == "buy" else (base, quote)),
            abs(target - previous) * 100,
            Decimal("0.01"),
            previous,
            target,
            reference_price,
            trigger_price,
            node_id,
            flow.strategy,
            now,
        ),
    ).rowcount
    if new:
        tx.execute(
            "UPDATE shared_flows SET last_sequence = %s, last_signal_at = %s, updated_at = %s"
            " WHERE id = %s",
            (sequence, now, now, flow.id),
        )
    return signal_id, bool(new)


def plan(tx: Tx, desk: Desk, signal_id: UUID, now: datetime) -> bool:
    """Decide what the next chunk of followers does on a signal; True while more may follow.

    Differences are computed under the lock of each leg's cash account, from equity at the price
    the signal carries.
    """
    signal = queries.find_signal(tx, signal_id)
    followers = queries.next_followers(tx, signal, CHUNK)
    if not followers or signal.status != "published":
        return False
    instrument = desk.instrument(signal.instrument_id)
    legs = [follower.leg_id for follower in followers]
    cash = lock_accounts(tx, [follower.account_id for follower in followers])
    held = quantities_of(tx, legs, signal.instrument_id)
    elsewhere = other_value(tx, legs, signal.instrument_id, desk.marks(now))
    zero = Decimal(0)
    executions = []
    for follower in followers:
        quantity = held.get(follower.leg_id, zero)
        equity = (
            cash[follower.account_id]
            + quantity * signal.reference_price
            + elsewhere.get(follower.leg_id, zero)
        )
        requested, reason = order_quantity(
            CopyMode(follower.copy_mode),
            equity=equity,
            held=quantity,
            price=signal.reference_price,
            previous_target=signal.previous_target,
            target=signal.target,
            lot=instrument.lot,
        )
        executions.append(Execution(follower.subscription_id, follower.leg_id, requested, reason))
    queries.insert_executions(tx, signal.id, executions, now)
    return len(followers) == CHUNK


def intend_parents(tx: Tx, desk: Desk, signal_id: UUID, now: datetime) -> list[UUID]:
    """Turn a signal's planned executions into one parent order for each side."""
    signal = queries.find_signal(tx, signal_id)
    if signal.status == "published":
        intend(
            tx,
            cause="signal",
            cause_id=signal.id,
            correlation_id=signal.id,
            venue=desk.venue.name,
            instrument_id=signal.instrument_id,
            requests=queries.requests_of(tx, signal.id),
            reference_price=signal.reference_price,
            trigger_price=signal.trigger_price,
            now=now,
        )
        queries.set_status(tx, signal.id, "planned")
    return [order.id for order in orders_of(tx, "signal", signal.id)]


def finish(tx: Tx, signal_id: UUID, now: datetime) -> None:
    """Write each execution's outcome and close the signal."""
    signal = queries.find_signal(tx, signal_id)
    if signal.status != "processed":
        queries.complete_executions(tx, signal, now)
        queries.set_status(tx, signal_id, "processed", now)


def copy_signal(database: Database, desk: Desk, signal_id: UUID, now: datetime) -> None:
    """Copy a signal to everybody who follows its flow, after all earlier ones of the flow.

    Every part of it can be repeated: killed anywhere and called again, it goes on.
    """
    with database.transaction() as tx:
        earlier = queries.unprocessed_before(tx, queries.find_signal(tx, signal_id))
    for one in [*earlier, signal_id]:
        _copy_one(database, desk, one, now)


def _copy_one(database: Database, desk: Desk, signal_id: UUID, now: datetime) -> None:
    author = Author("copying", RULES, now)
    more = True
    while more:
        with database.transaction() as tx:
            more = plan(tx, desk, signal_id, now)
    with database.transaction() as tx:
        order_ids = intend_parents(tx, desk, signal_id, now)
    for order_id in order_ids:
        execute_order(database, desk, order_id, author)
    with database.transaction() as tx:
        finish(tx, signal_id, now)
