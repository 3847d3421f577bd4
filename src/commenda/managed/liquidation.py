"""Really close what a subscription holds: ask, trade, retry with a reason, conclude.

Three doors (the investor's withdrawal, the sweep of matured terms, the operator's batch) ask for
a liquidation and get the state back; none of them trades. A batch then closes everything that is
due with one parent order for each instrument and side, and concludes: flat subscriptions are
LIQUIDATED, the others stay LIQUIDATING with the venue's reason and a time for the next try. What
stays too little for the venue is taken over by the platform's own book (`trading.take_over`).
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from commenda.audit import Event, record
from commenda.books import dust_of, intend_closing, refusals, take_over
from commenda.copying import planned
from commenda.execution import Broker, execute_orders, in_flight, open_quantities, orders_of
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import Author
from commenda.managed.lifecycle import State, next_retry, require_transition
from commenda.managed.model import Door


def request_liquidation(
    tx: Tx, author: Author, subscription_ids: Sequence[UUID], door: Door
) -> dict[UUID, State]:
    """Ask for the liquidation of subscriptions; their states now.

    One that is on its way already, or settled, keeps its state: asking twice changes nothing. An
    active one is asked for only where its product allows an early exit, or by the margin guard.
    Codes `bad_transition`, `early_exit_not_allowed`, `unknown_subscription`.
    """
    rows = tx.execute(
        "SELECT s.id, s.status, p.early_exit FROM managed_subscriptions s"
        " JOIN products p ON p.id = s.product_id WHERE s.id = ANY (%s)"
        " ORDER BY s.id FOR UPDATE OF s",
        (list(subscription_ids),),
    ).fetchall()
    missing = set(subscription_ids) - {row[0] for row in rows}
    if missing:
        raise CommendaError(
            "unknown_subscription", "No such subscription", field="id", value=str(min(missing))
        )
    states = {row[0]: State(row[1]) for row in rows}
    begun = {State.LIQUIDATING, State.LIQUIDATED, State.SETTLED}
    asked = []
    for subscription, status, early_exit in rows:
        if status in begun:
            continue
        allowed = early_exit or door is Door.MARGIN
        require_transition(State(status), State.LIQUIDATING, early_exit=allowed)
        asked.append(subscription)
        states[subscription] = State.LIQUIDATING
    tx.execute(
        "UPDATE managed_subscriptions SET status = 'LIQUIDATING', liquidation_door = %s,"
        " liquidation_requested_at = %s, next_retry_at = %s WHERE id = ANY (%s)",
        (door, author.now, author.now, asked),
    )
    tx.execute(
        "UPDATE flow_subscriptions f SET status = 'cancelled', updated_at = %s"
        " FROM managed_allocations a"
        " WHERE a.subscription_id = ANY (%s) AND f.leg_id = a.leg_id AND f.status <> 'cancelled'",
        (author.now, asked),
    )
    record(
        tx,
        [
            Event(
                "liquidation.requested",
                str(subscription),
                ids.derive("managed", subscription),
                State.LIQUIDATING,
                author.actor,
                author.rule_version,
                author.now,
                {"door": door},
            )
            for subscription in asked
        ],
    )
    return states


def sweep_matured(tx: Tx, author: Author, limit: int = 1000) -> int:
    """The sweep's door: ask for the liquidation of matured subscriptions; how many."""
    rows = tx.execute(
        "SELECT id FROM managed_subscriptions WHERE status = 'MATURED' ORDER BY id LIMIT %s",
        (limit,),
    ).fetchall()
    return len(request_liquidation(tx, author, [row[0] for row in rows], Door.SWEEP))


def liquidate_due(database: Database, broker: Broker, author: Author) -> int:
    """Try every liquidation that is due now; how many became LIQUIDATED.

    The batch and what it asks of the venue are stored first and named by the time. A batch that
    was cut short is taken up by the next call, whenever it comes. An order that fails raises its
    error once the others are done.
    """
    batch_id = ids.derive("liquidation-batch", author.now.isoformat())
    with database.transaction() as tx:
        _begin_batch(tx, broker, author, batch_id)
    with database.transaction() as tx:
        batches = [(batch, orders_of(tx, "liquidation", batch)) for batch in _open_batches(tx)]
    liquidated = 0
    errors: list[Exception] = []
    for batch, orders in batches:
        errors += execute_orders(database, broker, orders, author)
        with database.transaction() as tx:
            liquidated += _conclude(tx, broker, author, batch)
    if errors:
        raise errors[0]
    return liquidated


def _open_batches(tx: Tx) -> list[UUID]:
    """Batches that have not concluded all their subscriptions, oldest first."""
    rows = tx.execute(
        "SELECT b.id FROM managed_subscriptions s"
        " JOIN liquidation_attempts a ON a.subscription_id = s.id AND a.outcome IS NULL"
        " JOIN liquidation_batches b ON b.id = a.batch_id"
        " WHERE s.status = 'LIQUIDATING' GROUP BY b.id ORDER BY b.begun_at, b.id"
    ).fetchall()
    return [row[0] for row in rows]


def _tried(tx: Tx, subscription_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the subscriptions that an open batch is closing."""
    rows = tx.execute(
        "SELECT subscription_id FROM liquidation_attempts"
        " WHERE subscription_id = ANY (%s) AND outcome IS NULL",
        (list(subscription_ids),),
    )
    return {row[0] for row in rows}


def _begin_batch(tx: Tx, broker: Broker, author: Author, batch_id: UUID) -> None:
    due = tx.execute(
        "SELECT id, liquidation_attempts FROM managed_subscriptions"
        " WHERE status = 'LIQUIDATING' AND next_retry_at <= %s ORDER BY id FOR UPDATE SKIP LOCKED",
        (author.now,),
    ).fetchall()
    # What a signal has planned for a book would be traded after the book is closed.
    asked = [row[0] for row in due]
    waiting = in_flight(tx, asked) | planned(tx, asked) | _tried(tx, asked)
    due = [row for row in due if row[0] not in waiting]
    if not due:
        return
    new = tx.execute(
        "INSERT INTO liquidation_batches (id, begun_at) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (batch_id, author.now),
    ).rowcount
    if not new:
        return
    subscriptions = [row[0] for row in due]
    tx.execute(
        "INSERT INTO liquidation_attempts (batch_id, subscription_id, attempt)"
        " SELECT %s, * FROM unnest(%s::uuid[], %s::integer[])",
        (batch_id, subscriptions, [row[1] for row in due]),
    )
    intend_closing(tx, broker, author, batch_id, subscriptions)


def _conclude(tx: Tx, broker: Broker, author: Author, batch_id: UUID) -> int:
    attempts = tx.execute(
        "SELECT a.subscription_id, a.attempt FROM liquidation_attempts a"
        " JOIN managed_subscriptions s ON s.id = a.subscription_id"
        " WHERE a.batch_id = %s AND a.outcome IS NULL AND s.status = 'LIQUIDATING'"
        " ORDER BY a.subscription_id"
        " FOR UPDATE OF a, s",
        (batch_id,),
    ).fetchall()
    # What another call of the same batch has asked for and not yet sold is that call's to conclude.
    waiting = in_flight(tx, [row[0] for row in attempts])
    attempts = [row for row in attempts if row[0] not in waiting]
    subscriptions = [row[0] for row in attempts]
    take_over(tx, broker, author, batch_id, dust_of(tx, broker, author.now, attempts))
    holding = {row[0] for row in open_quantities(tx, subscriptions)}
    reasons = refusals(tx, batch_id)
    flat = [one for one in subscriptions if one not in holding]
    tx.execute(
        "UPDATE managed_subscriptions SET status = 'LIQUIDATED', liquidated_at = %s,"
        " next_retry_at = NULL, failure_reason = NULL WHERE id = ANY (%s)",
        (author.now, flat),
    )
    stuck = [(one, attempt) for one, attempt in attempts if one in holding]
    tx.execute(
        "UPDATE managed_subscriptions s SET liquidation_attempts = n.attempt + 1,"
        " failure_reason = n.reason, next_retry_at = n.retry"
        " FROM unnest(%s::uuid[], %s::integer[], %s::text[], %s::timestamptz[])"
        "   AS n (id, attempt, reason, retry) WHERE s.id = n.id",
        (
            [one for one, _ in stuck],
            [attempt for _, attempt in stuck],
            [reasons.get(one, "partly filled") for one, _ in stuck],
            [next_retry(attempt, author.now) for _, attempt in stuck],
        ),
    )
    tx.execute(
        "UPDATE liquidation_attempts a SET outcome = s.status, reason = s.failure_reason"
        " FROM managed_subscriptions s WHERE s.id = a.subscription_id AND a.batch_id = %s"
        "  AND a.subscription_id = ANY (%s)",
        (batch_id, subscriptions),
    )
    tx.execute(
        "UPDATE liquidation_batches SET concluded_at = %s WHERE id = %s", (author.now, batch_id)
    )
    record(
        tx,
        [
            Event(
                "liquidation.concluded" if one in set(flat) else "liquidation.failed",
                str(one),
                ids.derive("managed", one),
                State.LIQUIDATED if one in set(flat) else State.LIQUIDATING,
                author.actor,
                author.rule_version,
                author.now,
                {"attempt": attempt, "reason": None if one not in holding else reasons.get(one)},
            )
            for one, attempt in attempts
        ],
    )
    return len(flat)
