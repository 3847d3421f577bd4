"""What is carried out once a second person has decided; `operations` calls these by kind."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from commenda.funding.actions import conclude
from commenda.funding.model import RULES, Funding
from commenda.identity import Approval
from commenda.kit.db import Tx
from commenda.ledger import Author

DEPOSIT = "funding.deposit"
WITHDRAWAL = "funding.withdrawal"


def confirm_deposit(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """Credit a deposit that an operator has seen arrive."""
    return _outcome(conclude(tx, _under_rules(author), UUID(approval.subject), approved=True))


def reject_deposit(tx: Tx, author: Author, approval: Approval) -> None:
    """A deposit that never arrived."""
    conclude(tx, _under_rules(author), UUID(approval.subject), approved=False)


def pay_withdrawal(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """Let the money that is held for it go."""
    return _outcome(conclude(tx, _under_rules(author), UUID(approval.subject), approved=True))


def return_withdrawal(tx: Tx, author: Author, approval: Approval) -> None:
    """Set the money free that is held for it: rejected, or never decided."""
    conclude(tx, _under_rules(author), UUID(approval.subject), approved=False)


def _under_rules(author: Author) -> Author:
    """Whoever decided, under the rules by which it is carried out."""
    return Author(author.actor, RULES, author.now)


def _outcome(funding: Funding) -> dict[str, Any]:
    return {"id": str(funding.id), "status": funding.status}
