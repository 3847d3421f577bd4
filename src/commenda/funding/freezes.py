"""Operators freeze money of a wallet: it stays its owner's and cannot be spent.

One of the staff freezes, at once; to set it free before its time takes another one's approval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from psycopg.rows import class_row
from pydantic import Field

from commenda.audit import record
from commenda.funding.model import RULES, Purpose
from commenda.identity import Approval, Changed, Principal, request_approval, waiting_for
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.money import amount as checked_amount
from commenda.kit.money import plain
from commenda.kit.times import iso
from commenda.kit.wire import Amount, Asset, Body, Internal, Moment, on_wire, one_of
from commenda.ledger import (
    AccountKey,
    Author,
    Hold,
    HoldOutcome,
    Owner,
    OwnerKind,
    open_accounts,
    place_holds,
    void_holds,
)

UNFREEZE: Final = "funding.unfreeze"


@on_wire
@dataclass(frozen=True, slots=True)
class Freeze:
    """Frozen money, and what became of it."""

    group: Annotated[str, Field(examples=["freeze:0b8e1f0c-5f0e-8a51-9c1d-3f1f6f0a7f10"])]
    purpose: Internal[str]
    user_id: UUID
    asset: Asset
    amount: Amount
    status: Annotated[str, one_of(("held", "captured", "voided", "expired"))]
    correlation_id: Internal[UUID]
    placed_at: datetime
    expires_at: datetime | None
    resolved_at: datetime | None
    approval_id: Annotated[
        UUID | None, Field(description="What somebody else decides: whether it is set free.")
    ] = None


class HoldOrder(Body):
    """Money of somebody's wallet that must stay where it is."""

    user_id: UUID
    asset: Asset = "USDT"
    amount: Annotated[Amount, Field(gt=0)]
    reason: Annotated[
        str,
        Field(
            min_length=1,
            max_length=500,
            pattern=r"^[^\x00]+$",
            examples=["court order 4 O 17/26"],
            description="Kept in the audit trail.",
        ),
    ]
    expires_at: Annotated[
        Moment | None, Field(description="Free again from then on; without it, until it is voided.")
    ] = None


def freeze(tx: Tx, author: Author, order: HoldOrder, key: str) -> Freeze:
    """Hold money of a wallet, once for each key.

    Codes `unknown_user`, `expired`, `insufficient_balance` and those of `amount`.
    """
    amount = checked_amount(order.amount, order.asset)
    if order.expires_at is not None and order.expires_at <= author.now:
        raise CommendaError("expired", "A freeze ends after now").at(
            "expiresAt",
            iso(order.expires_at),
            f"choose a moment after {iso(author.now)}, or none",
        )
    if not tx.execute("SELECT 1 FROM users WHERE id = %s", (order.user_id,)).fetchone():
        raise unknown("user", order.user_id, "userId")
    owner = Owner(OwnerKind.INVESTOR, order.user_id)
    (wallet,) = open_accounts(tx, [AccountKey("wallet", owner, order.asset)])
    group = f"{Purpose.FREEZE}:{ids.derive('freeze', author.actor, key)}"
    correlation = ids.derive("freeze", group)
    hold = Hold(group, wallet, amount, Purpose.FREEZE, correlation, expires_at=order.expires_at)
    outcome = place_holds(tx, author, [hold])[0].outcome
    if outcome is HoldOutcome.REFUSED:
        raise conflict(
            "insufficient_balance",
            "The wallet has less than this available: what is on hold already is not",
        ).at("amount", order.amount, "hold what is available")
    frozen = _find(tx, group)
    assert frozen is not None
    if outcome is HoldOutcome.PLACED:
        _record(tx, author, "hold.placed", frozen, reason=order.reason)
    return frozen


def ask_to_unfreeze(tx: Tx, principal: Principal, group: str, now: datetime) -> Freeze:
    """Ask another of the staff to set frozen money free; asked for already, it is that request.

    Codes `unknown_hold`, `hold_resolved`, and `not_a_freeze` for money that is held for something
    else, which alone sets it free.
    """
    asked = waiting_for(tx, UNFREEZE, group, now)
    found = _find(tx, group)
    if found is None:
        raise unknown("hold", group, "group")
    if found.purpose != Purpose.FREEZE:
        raise conflict("not_a_freeze", f"This money is held for a {found.purpose}").at(
            "group", group, f"decide the {found.purpose}"
        )
    if found.status != "held":
        raise _resolved(group)
    if asked is not None:
        return replace(found, approval_id=asked.id)
    payload = _about(found)
    correlation = found.correlation_id
    about = [found.user_id]
    asked = request_approval(tx, principal, UNFREEZE, group, payload, correlation, now, about=about)
    return replace(found, approval_id=asked.id)


def hold_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """Money that is frozen, and free; what came of it meanwhile is said as it is."""
    found = _find(tx, asked.subject)
    if found is None:
        return []
    owner = tx.execute("SELECT username FROM users WHERE id = %s", (found.user_id,)).fetchone()
    called = {"username": owner and owner[0], "asset": found.asset, "amount": plain(found.amount)}
    return [Changed("hold", found.group, called, {"status": found.status}, {"status": "voided"})]


def unfreeze(tx: Tx, author: Author, approval: Approval) -> dict[str, str]:
    """Void a freeze, as somebody asked and somebody else approved; code `hold_resolved`."""
    author, group = replace(author, rule_version=RULES), approval.subject
    if not void_holds(tx, author, [group]):
        raise _resolved(group)
    freed = _find(tx, group)
    assert freed is not None
    _record(tx, author, "hold.voided", freed)
    return {"group": group, "status": freed.status}


def _resolved(group: str) -> CommendaError:
    return conflict("hold_resolved", "This hold is not open any more").at(
        "group", group, "nothing is left to lift"
    )


def _find(tx: Tx, group: str) -> Freeze | None:
    with tx.cursor(row_factory=class_row(Freeze)) as cursor:
        return cursor.execute(
            "SELECT h.group_key AS group, h.purpose, a.owner_id AS user_id, a.asset, h.amount,"
            " h.status, h.correlation_id, h.placed_at, h.expires_at, h.resolved_at"
            " FROM holds h JOIN accounts a ON a.id = h.account_id WHERE h.group_key = %s"
            " ORDER BY h.account_id LIMIT 1",
            (group,),
        ).fetchone()


def _about(frozen: Freeze) -> dict[str, str]:
    who, amount = str(frozen.user_id), plain(frozen.amount)
    return {"userId": who, "amount": amount, "asset": frozen.asset}


def _record(tx: Tx, author: Author, kind: str, frozen: Freeze, **details: str) -> None:
    about = _about(frozen) | details
    event = author.event(kind, frozen.group, frozen.correlation_id, frozen.status, about)
    record(tx, [event])
