"""A breaker is closed by two people: one asks, another approves."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from commenda.identity import Approval, Changed, Principal, request_approval, waiting_for
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.ledger import Author
from commenda.risk.breakers import Breaker, Standing, close_breaker, find_breaker, is_selling
from commenda.risk.model import RULES

RESUME: Final = "risk.resume"


def request_resume(
    tx: Tx, who: Principal, breaker_id: UUID, reason: str, now: datetime
) -> Approval:
    """Ask another person to close a breaker; asked for already, it is that request.

    Codes `unknown_breaker`, `breaker_closed`.
    """
    asked = waiting_for(tx, RESUME, str(breaker_id), now)
    breaker = _standing(tx, breaker_id)
    if asked is not None:
        return asked
    payload = {"reason": reason, "version": breaker.version, "breaker": breaker.said()}
    correlation = ids.derive("risk-breaker", breaker_id)
    return request_approval(tx, who, RESUME, str(breaker_id), payload, correlation, now)


def resume_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """A breaker that is open, and closed."""
    one = find_breaker(tx, UUID(asked.subject))
    called = {"level": one.level, "subject": one.called or one.subject, "measure": one.measure}
    before = {"state": one.state, "effect": one.effect, "reason": one.reason}
    return [Changed("breaker", asked.subject, called, before, {"state": Standing.CLOSED.value})]


def carry_out_resume(tx: Tx, author: Author, asked: Approval) -> dict[str, str]:
    """Close a breaker, as somebody asked and somebody else approved.

    Codes `breaker_closed`; `breaker_changed` where it was opened anew, or made stronger, since it
    was asked for: whoever approves decided about another state; `breaker_busy` while what it takes
    out of the market is being sold.
    """
    breaker = _standing(tx, UUID(asked.subject))
    if is_selling(tx, breaker.id):
        raise conflict("breaker_busy", "What it takes out of the market is being sold").at(
            "id", breaker.id, "approve it once those orders are over"
        )
    if breaker.version != asked.payload["version"]:
        raise conflict("breaker_changed", "The breaker has changed since that was asked for").at(
            "version", breaker.version, "look at it again, and ask anew where it is to be closed"
        )
    author = Author(author.actor, RULES, author.now)
    close_breaker(tx, author, breaker, str(asked.payload["reason"]), {"approval": str(asked.id)})
    return {"breaker": str(breaker.id), "state": Standing.CLOSED.value}


def _standing(tx: Tx, breaker_id: UUID) -> Breaker:
    breaker = find_breaker(tx, breaker_id, lock=True)
    if breaker.state == Standing.CLOSED:
        raise conflict("breaker_closed", "This breaker is closed").at(
            "id", breaker_id, "nothing is left to resume"
        )
    return breaker
