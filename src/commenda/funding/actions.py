"""Deposit, and carry out what users ask for: at once, or once two of the staff have decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from commenda.audit import record
from commenda.funding import queries
from commenda.funding.model import RULES, Direction, Funding, FundingOrder, FundingStatus, Purpose
from commenda.funding.statements import match, release
from commenda.identity import LIFETIME, Principal, request_approval, take_back
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.money import amount as checked_amount
from commenda.kit.money import plain
from commenda.kit.rows import put
from commenda.ledger import (
    AccountKey,
    Author,
    Hold,
    HoldOutcome,
    Journal,
    Line,
    Outcome,
    Owner,
    OwnerKind,
    is_reversed,
    open_accounts,
    place_holds,
    post,
    stripe_of,
    void_holds,
)

DAY = timedelta(hours=24)
"""Of business time: what a user took out within it counts towards a large withdrawal."""

Money = Funding | FundingOrder


def deposit(
    tx: Tx, author: Author, owner: Owner, asset: str, amount: Decimal, reference: str
) -> None:
    """Credit money that arrived from outside to a wallet, once for each reference.

    Code `reference_conflict` where the reference was credited to another wallet, with another
    amount, or taken back.
    """
    amount = _positive(amount, asset)
    external, wallet = open_accounts(
        tx, [_outside(asset, reference), AccountKey("wallet", owner, asset)]
    )
    key = f"deposit:{reference}"
    lines = [Line(external, -amount), Line(wallet, amount)]
    journal = Journal(key, "deposit", ids.derive("deposit", reference), lines)
    posted = post(tx, author, journal)
    if posted.outcome is Outcome.REPLAYED and (
        is_reversed(tx, key)
        or not tx.execute(
            "SELECT 1 FROM entries WHERE account_id = %s AND journal_id = %s AND amount = %s",
            (wallet, posted.journal_id, amount),
        ).fetchone()
    ):
        raise conflict("reference_conflict", "This reference stands for another deposit").at(
            "reference", reference, "give every deposit a reference of its own"
        )


def request_funding(
    tx: Tx,
    principal: Principal,
    order: FundingOrder,
    key: str,
    now: datetime,
    *,
    paper: bool,
    large: Decimal,
    wait: timedelta = DAY,
    currencies: Sequence[str] = (),
) -> Funding:
    """Carry out a request at once, or ask two of the staff. `key` names one without a reference.

    A deposit is credited at once on `paper`. A withdrawal is paid at once while it stays below
    `large`, together with what was paid at once in the 24 hours before: many small ones are a large
    one. To an address that is new it is paid when `wait` is over since it was first named. Bank
    entries may stand for a deposit already, and `currencies` says which for which (`read_in`).
    A reference that was used before answers with the request it stands for. Codes
    `reference_conflict` where that was another, `insufficient_balance`, `not_a_withdrawal` for an
    address of a deposit.
    """
    _positive(order.amount, order.asset)
    # One request of a user at a time: of two with one reference, the second finds the first.
    tx.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", (principal.user_id,))
    named = ("key", key) if order.reference is None else ("reference", order.reference)
    request_id = ids.derive("funding", principal.user_id, order.direction, *named)
    known = queries.find(tx, request_id)
    if known is not None:
        return _same(known, order)
    author, not_before, small = Author(principal.actor, RULES, now), None, paper
    if order.direction is Direction.WITHDRAWAL:
        before = queries.paid_at_once(tx, principal.user_id, order.asset, now - DAY)
        small = before + order.amount < large
        not_before = _not_before(tx, author, principal.user_id, request_id, order.address, wait)
    elif order.address is not None:
        raise CommendaError("not_a_withdrawal", "A deposit goes to the wallet").at(
            "address", order.address, "leave it out"
        )
    at_once = small and not_before is None
    if not _begin(tx, author, principal.user_id, request_id, order, at_once=at_once):
        raise conflict(
            "insufficient_balance",
            "Your wallet has less than this available: what is on hold is not",
        ).at("amount", order.amount, "take out what is available, or wait until the rest is free")
    longer = LIFETIME + (timedelta(0) if not_before is None else wait)
    approval_id = None if small else _ask(tx, principal, request_id, order, now, longer)
    status, done_at = (FundingStatus.DONE, now) if at_once else (FundingStatus.PENDING, None)
    put(
        tx,
        "INSERT INTO funding_requests",
        order.model_dump()
        | {"id": request_id, "user_id": principal.user_id, "approval_id": approval_id}
        | {"status": status, "created_at": now, "done_at": done_at, "not_before": not_before},
    )
    if order.direction is Direction.DEPOSIT and not at_once:
        match(tx, author, currencies, order.amount)
    funding = queries.find(tx, request_id)
    assert funding is not None
    _record(tx, author, funding)
    return funding


def pay_waiting(tx: Tx, author: Author, limit: int = 500) -> int:
    """Pay the small withdrawals whose address is new no more; how many."""
    due = tx.execute(
        "SELECT id FROM funding_requests WHERE status = 'pending' AND approval_id IS NULL"
        " AND not_before <= %s ORDER BY not_before, id LIMIT %s FOR UPDATE SKIP LOCKED",
        (author.now, limit),
    ).fetchall()
    for (request,) in due:
        conclude(tx, replace(author, rule_version=RULES), request, approved=True)
    return len(due)


def cancel(tx: Tx, principal: Principal, request_id: UUID, now: datetime) -> Funding:
    """Take back a request of one's own that waits; its money is free again.

    Codes `unknown_funding`, `already_decided`, `approval_expired`.
    """
    funding = queries.find(tx, request_id)
    if funding is None or funding.user_id != principal.user_id:
        raise unknown("funding", request_id, "id")
    if funding.status == FundingStatus.PENDING and funding.approval_id is not None:
        take_back(tx, funding.approval_id, principal, now)
    return conclude(tx, Author(principal.actor, RULES, now), request_id, approved=False)


def conclude(tx: Tx, author: Author, request_id: UUID, *, approved: bool) -> Funding:
    """Carry out what was decided of a pending request. Codes `already_decided`, `address_waits`."""
    funding = queries.find(tx, request_id, lock=True)
    if funding is None or funding.status != FundingStatus.PENDING:
        raise conflict("already_decided", "This request is not pending").at(
            "id", request_id, "read its status: nothing is left to decide"
        )
    if approved and funding.not_before is not None and author.now < funding.not_before:
        raise conflict("address_waits", "The address is new: its owner may still cancel").at(
            "notBefore", funding.not_before, "approve it from then on"
        )
    owner = Owner(OwnerKind.INVESTOR, funding.user_id)
    if funding.direction == Direction.WITHDRAWAL and approved:
        paid = _withdraw(tx, author, owner, request_id, funding, held=True)
        assert paid, "what is held for a withdrawal is there until it is decided"
    elif funding.direction == Direction.WITHDRAWAL:
        void_holds(tx, author, [f"withdrawal:{request_id}"])
    elif approved:
        deposit(tx, author, owner, funding.asset, funding.amount, str(request_id))
    else:
        release(tx, request_id)
    status = FundingStatus.DONE if approved else FundingStatus.REJECTED
    tx.execute(
        "UPDATE funding_requests SET status = %s, done_at = %s WHERE id = %s",
        (status, author.now, request_id),
    )
    concluded = queries.find(tx, request_id)
    assert concluded is not None
    _record(tx, author, concluded)
    return concluded


def _not_before(
    tx: Tx, author: Author, user: UUID, request: UUID, address: str | None, wait: timedelta
) -> datetime | None:
    """Until when a withdrawal to an address waits; its owner is told of one that is new."""
    if address is None:
        return None
    since = queries.known_since(tx, user, address)
    until = (since or author.now) + wait
    if until <= author.now:
        return None
    if since is None:
        said = {"address": address, "notBefore": until.isoformat()}
        record(tx, [author.event("funding.new_address", request, user, "waits", said)])
    return until


def _outside(asset: str, event: str) -> AccountKey:
    """The stripe of what came from outside that takes part in an event."""
    stripe = stripe_of("external", event)
    return AccountKey("external", Owner.platform(), asset, stripe=stripe)


def _positive(amount: Decimal, asset: str) -> Decimal:
    if checked_amount(amount, asset) <= 0:
        raise CommendaError("not_positive", "The amount must be above 0").at("amount", amount)
    return amount


def _same(known: Funding, order: FundingOrder) -> Funding:
    if (known.amount, known.asset, known.address) != (order.amount, order.asset, order.address):
        raise conflict(
            "reference_conflict", f"This reference stands for another {known.direction}"
        ).at("reference", known.reference, "give every request a reference of its own")
    return known


def _begin(
    tx: Tx, author: Author, user: UUID, request_id: UUID, order: FundingOrder, *, at_once: bool
) -> bool:
    """Move or hold what the request itself does; False where the wallet lacks the money."""
    owner = Owner(OwnerKind.INVESTOR, user)
    if order.direction is Direction.WITHDRAWAL:
        take = _withdraw if at_once else _set_aside
        return take(tx, author, owner, request_id, order)
    if at_once:
        deposit(tx, author, owner, order.asset, order.amount, str(request_id))
    return True


def _withdraw(
    tx: Tx, author: Author, owner: Owner, request_id: UUID, money: Money, *, held: bool = False
) -> bool:
    """Let money go, from what was `held` for it; False where the wallet lacks it."""
    key, correlation = f"withdrawal:{request_id}", ids.derive(Direction.WITHDRAWAL, request_id)
    accounts = [AccountKey("wallet", owner, money.asset), _outside(money.asset, str(request_id))]
    wallet, external = open_accounts(tx, accounts)
    lines = [Line(wallet, -money.amount), Line(external, money.amount)]
    captures = key if held else None
    journal = Journal(key, "withdrawal", correlation, lines, captures=captures)
    return post(tx, author, journal).outcome is not Outcome.REFUSED


def _set_aside(tx: Tx, author: Author, owner: Owner, request_id: UUID, money: Money) -> bool:
    """Hold money on the wallet until somebody decides; False where the wallet lacks it."""
    key, correlation = f"withdrawal:{request_id}", ids.derive(Direction.WITHDRAWAL, request_id)
    (wallet,) = open_accounts(tx, [AccountKey("wallet", owner, money.asset)])
    hold = Hold(key, wallet, money.amount, Purpose.WITHDRAWAL, correlation)
    return place_holds(tx, author, [hold])[0].outcome is not HoldOutcome.REFUSED


def _ask(
    tx: Tx,
    principal: Principal,
    request_id: UUID,
    order: FundingOrder,
    now: datetime,
    lifetime: timedelta,
) -> UUID:
    payload = {
        "userId": str(principal.user_id),
        "amount": f"{order.amount:f}",
        "asset": order.asset,
        "reference": order.reference,
        "address": order.address,
    }
    kind, correlation = f"funding.{order.direction}", ids.derive(order.direction, request_id)
    named, about = str(request_id), [principal.user_id]
    return request_approval(
        tx, principal, kind, named, payload, correlation, now, lifetime=lifetime, about=about
    ).id


def _record(tx: Tx, author: Author, funding: Funding) -> None:
    about = {
        "userId": str(funding.user_id),
        "amount": plain(funding.amount),
        "asset": funding.asset,
    }
    correlation = ids.derive(funding.direction, funding.id)
    kind = f"funding.{funding.direction}"
    record(tx, [author.event(kind, funding.id, correlation, funding.status, about)])
