"""What is carried out once a second person has decided; `operations` calls these by kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from commenda.funding.actions import conclude
from commenda.funding.model import RULES
from commenda.identity import Approval
from commenda.kit.db import Tx
from commenda.ledger import Author

DEPOSIT = "funding.deposit"
WITHDRAWAL = "funding.withdrawal"


def carry_out(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """Credit a deposit that has been seen to arrive; let the money held for a withdrawal go."""
    funding = conclude(
        tx, replace(author, rule_version=RULES), UUID(approval.subject), approved=True
    )
    return {"id": str(funding.id), "status": funding.status}


def turn_down(tx: Tx, author: Author, approval: Approval) -> None:
    """A deposit never arrived; what is held for a withdrawal is set free. Undecided counts too."""
    conclude(tx, replace(author, rule_version=RULES), UUID(approval.subject), approved=False)
