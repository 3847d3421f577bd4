"""What is carried out once a second person has decided; `operations` calls these by kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from commenda.funding.actions import conclude
from commenda.funding.model import RULES
from commenda.funding.queries import find, wallet_of
from commenda.identity import Approval, Changed
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.money import plain
from commenda.ledger import Author

DEPOSIT = "funding.deposit"
WITHDRAWAL = "funding.withdrawal"


def carry_out(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """Credit a deposit that has been seen to arrive; let the money held for a withdrawal go."""
    funding = conclude(
        tx, replace(author, rule_version=RULES), UUID(approval.subject), approved=True
    )
    return {"id": str(funding.id), "status": funding.status}


def wallet_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """The wallet that money comes to or goes from; nobody has held it for a deposit yet."""
    funding = find(tx, UUID(asked.subject))
    if funding is None:
        raise unknown("funding", asked.subject, "subject")
    username, balance = wallet_of(tx, funding.user_id, funding.asset)
    after = balance + (funding.amount if asked.kind == DEPOSIT else -funding.amount)
    called = {"username": username, "asset": funding.asset, "address": funding.address}
    return [
        Changed(
            "wallet",
            str(funding.user_id),
            called,
            {"balance": plain(balance)},
            {"balance": plain(after)},
        )
    ]


def turn_down(tx: Tx, author: Author, approval: Approval) -> None:
    """A deposit never arrived; what is held for a withdrawal is set free. Undecided counts too."""
    conclude(tx, replace(author, rule_version=RULES), UUID(approval.subject), approved=False)
