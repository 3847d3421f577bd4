"""Leave a copy: stop following, really close what it holds, pay its cash back, close the book.

Leaving is asked for and answered at once; a later batch trades. It closes everything that is due
with one parent order for each instrument and side. A book that is flat is paid out in one journal;
the others stay with the venue's reason and a time for the next try. What stays too little for the
venue is taken over by the platform's own book (`trading.take_over`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from commenda.audit import Event, record
from commenda.books import (
    close_scopes,
    dust_of,
    intend_closing,
    next_retry,
    refusals,
    request_transfer,
    take_over,
)
from commenda.copying import queries
from commenda.copying.flows import close_flow
from commenda.copying.following import count_follower, count_followers, unknown_subscription
from commenda.execution import Broker, execute_orders, in_flight, open_quantities, orders_of
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Outcome,
    Owner,
    lock_accounts,
    open_accounts,
    post_batch,
)

EXIT_BATCH = 500


def request_leave(tx: Tx, author: Author, subscription_id: UUID, follower_id: UUID) -> bool:
    """Ask to leave a copy; False where that was asked before, which changes nothing.

    The creator's own book leaves last, and closes the flow. Codes `unknown_subscription`,
    `flow_has_followers`.
    """
    row = tx.execute(
        "SELECT s.flow_id, s.is_leader, c.id, c.correlation_id, s.investment_amount"
        " FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
        " JOIN scopes c ON c.id = l.scope_id AND c.kind IN ('copy', 'vault')"
        " WHERE s.id = %s AND s.follower_id = %s",
        (subscription_id, follower_id),
    ).fetchone()
    if row is None:
        raise unknown_subscription(subscription_id)
    flow_id, is_leader, scope_id, correlation_id, amount = row
    # As in `follow`: of a leader that leaves and a follower that comes, one is first.
    tx.execute("SELECT FROM shared_flows WHERE id = %s FOR NO KEY UPDATE", (flow_id,))
    if is_leader:
        _require_no_followers(tx, flow_id)
    stopped = tx.execute(
        "UPDATE flow_subscriptions SET status = 'cancelled', updated_at = %s"
        " WHERE id = %s AND status <> 'cancelled'",
        (author.now, subscription_id),
    ).rowcount
    if not stopped:
        return False
    tx.execute(
        "INSERT INTO copy_exits (scope_id, subscription_id, requested_at, next_retry_at)"
        " VALUES (%s, %s, %s, %s)",
        (scope_id, subscription_id, author.now, author.now),
    )
    if is_leader:
        close_flow(tx, author, flow_id)
    else:
        count_follower(tx, flow_id, -1, amount)
    _note(tx, author, "copy.leave_requested", [(subscription_id, correlation_id)], "cancelled", {})
    return True


def _require_no_followers(tx: Tx, flow_id: UUID) -> None:
    followers = count_followers(tx, flow_id)
    if followers:
        raise CommendaError(
            "flow_has_followers",
            "The creator's own book leads those who follow",
            field="subscriptionId",
            value=followers,
            mend="pause the flow, and leave once nobody follows it",
        )


def close_due(database: Database, broker: Broker, author: Author) -> int:
    """Try every exit that is due now; how many books were closed and paid out.

    What a batch asks of the venue is stored first. A batch that was killed is taken up by the
    next call, whenever it comes. An order that fails raises its error once the others are done.
    """
    with database.transaction() as tx:
        _begin_batch(tx, broker, author)
    with database.transaction() as tx:
        batches = [
            (batch, orders_of(tx, "liquidation", batch))
            for (batch,) in tx.execute(
                "SELECT DISTINCT batch_id FROM copy_exit_attempts WHERE outcome IS NULL ORDER BY 1"
            ).fetchall()
        ]
    closed = 0
    errors: list[Exception] = []
    for batch, orders in batches:
        errors += execute_orders(database, broker, orders, author)
        with database.transaction() as tx:
            closed += _conclude(tx, broker, author, batch)
    if errors:
        raise errors[0]
    return closed


def _begin_batch(tx: Tx, broker: Broker, author: Author) -> None:
    rows = tx.execute(
        "SELECT scope_id, attempts FROM copy_exits WHERE closed_at IS NULL AND next_retry_at <= %s"
        " ORDER BY scope_id LIMIT %s FOR UPDATE SKIP LOCKED",
        (author.now, EXIT_BATCH),
    ).fetchall()
    scopes = [row[0] for row in rows]
    # What a signal has planned for a book would be traded after the book is closed.
    waiting = in_flight(tx, scopes) | queries.planned(tx, scopes) | _tried(tx, scopes)
    due = [row for row in rows if row[0] not in waiting]
    if not due:
        return
    scopes = [row[0] for row in due]
    batch = ids.derive("copy-exit-batch", author.now.isoformat(), scopes[0], due[0][1])
    tx.execute(
        "INSERT INTO copy_exit_attempts (batch_id, scope_id, attempt)"
        " SELECT %s, * FROM unnest(%s::uuid[], %s::integer[])",
        (batch, scopes, [row[1] for row in due]),
    )
    intend_closing(tx, broker, author, batch, scopes)


def _tried(tx: Tx, scope_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the scopes that an unfinished batch is closing."""
    rows = tx.execute(
        "SELECT scope_id FROM copy_exit_attempts WHERE scope_id = ANY (%s) AND outcome IS NULL",
        (list(scope_ids),),
    )
    return {row[0] for row in rows}


def _conclude(tx: Tx, broker: Broker, author: Author, batch: UUID) -> int:
    attempts = tx.execute(
        "SELECT a.scope_id, a.attempt FROM copy_exit_attempts a"
        " JOIN copy_exits x ON x.scope_id = a.scope_id"
        " WHERE a.batch_id = %s AND a.outcome IS NULL ORDER BY a.scope_id FOR UPDATE OF a, x",
        (batch,),
    ).fetchall()
    # What another call of the same batch has asked for and not yet sold is that call's to conclude.
    waiting = in_flight(tx, [row[0] for row in attempts])
    attempts = [row for row in attempts if row[0] not in waiting]
    dust = dust_of(tx, broker, author.now, attempts)
    if dust:
        # What paying out locks, here already: all accounts of a transaction in one order.
        wallets, insurances = _ways_out(tx, _books(tx, [row[0] for row in attempts]))
        take_over(tx, broker, author, batch, dust, also_locked=[*wallets, *insurances])
    holding = {row[0] for row in open_quantities(tx, [row[0] for row in attempts])}
    flat = [scope for scope, _ in attempts if scope not in holding]
    if flat:
        _pay_out(tx, author, flat)
    reasons = refusals(tx, batch)
    stuck = [
        (scope, attempt, reasons.get(scope, "partly filled"))
        for scope, attempt in attempts
        if scope in holding
    ]
    if stuck:
        _keep(tx, author, stuck)
    tx.execute(
        "UPDATE copy_exit_attempts a SET outcome = n.outcome, reason = n.reason"
        " FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS n (scope_id, outcome, reason)"
        " WHERE a.batch_id = %s AND a.scope_id = n.scope_id",
        (
            [*flat, *(scope for scope, _, _ in stuck)],
            ["closed"] * len(flat) + ["failed"] * len(stuck),
            [*[None] * len(flat), *(reason for _, _, reason in stuck)],
            batch,
        ),
    )
    return len(flat)


@dataclass(frozen=True, slots=True)
class _Book:
    """A book that is to be closed."""

    scope_id: UUID
    subscription_id: UUID
    owner: Owner
    asset: str
    correlation_id: UUID
    cash: int
    """Its account."""
    venue: str


def _books(tx: Tx, scope_ids: Sequence[UUID]) -> list[_Book]:
    rows = tx.execute(
        "SELECT c.id, x.subscription_id, c.owner_kind, c.owner_id, c.asset, c.correlation_id,"
        " l.account_id, l.venue FROM copy_exits x JOIN scopes c ON c.id = x.scope_id"
        " JOIN legs l ON l.scope_id = c.id WHERE c.id = ANY (%s) ORDER BY c.id",
        (list(scope_ids),),
    ).fetchall()
    return [
        _Book(scope, subscription, Owner(kind, owner), *rest)
        for scope, subscription, kind, owner, *rest in rows
    ]


def _ways_out(tx: Tx, books: Sequence[_Book]) -> tuple[list[int], list[int]]:
    """The wallet that each book is paid to, and the insurance that pays what is missing."""
    wallets = open_accounts(tx, [AccountKey("wallet", one.owner, one.asset) for one in books])
    insurances = open_accounts(
        tx, [AccountKey("insurance", Owner.platform(), one.asset) for one in books]
    )
    return wallets, insurances


def _pay_out(tx: Tx, author: Author, scope_ids: Sequence[UUID]) -> None:
    """One journal for each book: its cash to the wallet; what is missing, insurance pays."""
    books = _books(tx, scope_ids)
    wallets, insurances = _ways_out(tx, books)
    balances = lock_accounts(tx, [*(one.cash for one in books), *wallets, *insurances])
    journals = {
        one.scope_id: Journal(
            f"leave:{one.scope_id}",
            "leave",
            one.correlation_id,
            [
                Line(one.cash, -balances[one.cash]),
                Line(wallet if balances[one.cash] > 0 else insurance, balances[one.cash]),
            ],
        )
        for one, wallet, insurance in zip(books, wallets, insurances, strict=True)
        if balances[one.cash]
    }
    posted = post_batch(tx, author, list(journals.values()))
    assert all(one.outcome is Outcome.POSTED for one in posted), "paid once, under the lock"
    numbers = {scope: one.journal_id for scope, one in zip(journals, posted, strict=True)}
    for one in books:
        request_transfer(
            tx,
            reference=ids.derive("transfer", "leave", one.scope_id),
            venue=one.venue,
            asset=one.asset,
            amount=-balances[one.cash],
            correlation_id=one.correlation_id,
            now=author.now,
        )
    close_scopes(tx, scope_ids, author.now)
    tx.execute(
        "UPDATE copy_exits x SET closed_at = %s, next_retry_at = NULL, reason = NULL,"
        "  paid = greatest(n.cash, 0), shortfall = greatest(-n.cash, 0), journal_id = n.journal"
        " FROM unnest(%s::uuid[], %s::numeric[], %s::bigint[]) AS n (scope_id, cash, journal)"
        " WHERE x.scope_id = n.scope_id",
        (
            author.now,
            [one.scope_id for one in books],
            [balances[one.cash] for one in books],
            [numbers.get(one.scope_id) for one in books],
        ),
    )
    for one in books:
        paid = {"equity": f"{balances[one.cash]:f}"}
        subject = [(one.subscription_id, one.correlation_id)]
        _note(tx, author, "copy.closed", subject, "closed", paid)


def _keep(tx: Tx, author: Author, stuck: Sequence[tuple[UUID, int, str]]) -> None:
    """What could not be closed stays, with the reason and a time for the next try."""
    rows = tx.execute(
        "UPDATE copy_exits x SET attempts = n.attempt + 1, reason = n.reason,"
        "  next_retry_at = n.retry"
        " FROM unnest(%s::uuid[], %s::integer[], %s::text[], %s::timestamptz[])"
        "   AS n (scope_id, attempt, reason, retry), scopes c"
        " WHERE x.scope_id = n.scope_id AND c.id = x.scope_id"
        " RETURNING x.subscription_id, c.correlation_id, n.attempt, n.reason",
        (
            [scope for scope, _, _ in stuck],
            [attempt for _, attempt, _ in stuck],
            [reason for _, _, reason in stuck],
            [next_retry(attempt, author.now) for _, attempt, _ in stuck],
        ),
    ).fetchall()
    for subscription, correlation, attempt, reason in rows:
        details = {"attempt": attempt, "reason": reason}
        subject = [(subscription, correlation)]
        _note(tx, author, "copy.close_failed", subject, "cancelled", details)


def _note(
    tx: Tx,
    author: Author,
    kind: str,
    subjects: Sequence[tuple[UUID, UUID]],
    result: str,
    details: Mapping[str, object],
) -> None:
    """Record an event of subscriptions, each (id, correlation id)."""
    record(
        tx,
        [
            Event(
                kind,
                str(subscription),
                correlation,
                result,
                author.actor,
                author.rule_version,
                author.now,
                details,
            )
            for subscription, correlation in subjects
        ],
    )
