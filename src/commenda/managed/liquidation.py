"""Ask for the liquidation of subscriptions.

Three triggers (the investor's withdrawal, the sweep of matured terms, the operator's batch) ask and
get the state back; none of them trades. `books` really closes what was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from commenda.books import Trigger, lock_closings, request_closing
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.ledger import Author
from commenda.managed.lifecycle import State, require_transition
from commenda.managed.model import SubscriptionState
from commenda.managed.settlement import MANAGED
from commenda.managed.subscriptions import cancel


def request_liquidation(
    tx: Tx,
    author: Author,
    subscription_ids: Sequence[UUID],
    trigger: Trigger,
) -> dict[UUID, State]:
    """Ask for the liquidation of subscriptions; their states now.

    One that is on its way already, or settled, keeps its state: asking twice changes nothing. An
    active one is asked for only where its product allows an early exit. Codes `bad_transition`,
    `early_exit_not_allowed`, `unknown_subscription`.
    """
    lock_closings(tx, subscription_ids)
    rows = tx.execute(
        "SELECT s.id, s.status, p.early_exit FROM managed_subscriptions s"
        " JOIN products p ON p.id = s.product_id WHERE s.id = ANY (%s)"
        " ORDER BY s.id FOR UPDATE OF s",
        (list(subscription_ids),),
    ).fetchall()
    missing = set(subscription_ids) - {row[0] for row in rows}
    if missing:
        raise unknown("subscription", min(missing), "id")
    begun = {State.LIQUIDATING, State.LIQUIDATED, State.SETTLED}
    states = {row[0]: State(row[1]) for row in rows}
    asked = {}
    for subscription, status, early_exit in rows:
        if status not in begun:
            require_transition(State(status), State.LIQUIDATING, early_exit=early_exit)
            asked[subscription] = subscription
            states[subscription] = State.LIQUIDATING
    request_closing(tx, author, MANAGED, asked, trigger)
    return states


def withdraw(tx: Tx, author: Author, subscription_id: UUID) -> SubscriptionState:
    """End a subscription at its investor's wish: one that still waits is cancelled, of any other
    the liquidation is asked for. Codes of `request_liquidation`."""
    state = cancel(tx, author, subscription_id)
    if state is not State.CANCELLED:
        asked = request_liquidation(tx, author, [subscription_id], Trigger.INVESTOR)
        state = asked[subscription_id]
    return SubscriptionState(subscription_id, state)


def sweep_matured(tx: Tx, author: Author, limit: int = 1000) -> int:
    """The sweep: ask for the liquidation of matured subscriptions; how many."""
    rows = tx.execute(
        "SELECT id FROM managed_subscriptions WHERE status = 'MATURED' ORDER BY id LIMIT %s",
        (limit,),
    ).fetchall()
    if not rows:
        return 0
    return len(request_liquidation(tx, author, [row[0] for row in rows], Trigger.SWEEP))
