"""Money in and out at a user's request.

    deposit      pending -> done (credited) | rejected      with paper money done at once
    withdrawal   pending -> done (paid) | rejected (back)   below a day's limit at once

What is pending waits for two of the staff, or for one and a bank record (`statements`); or, a
withdrawal to an address that is new, for a day, in which its owner may cancel it. The money of a
pending withdrawal is held on the wallet from the moment it is asked for, so that it cannot be spent
twice; it leaves when it is approved, and a request that is rejected, cancelled or never decided
sets it free.

Operators hold money of a wallet, too: a freeze lasts until two of them void it, or its time comes.
"""

from commenda.funding.actions import deposit, pay_waiting, request_funding
from commenda.funding.bank import LARGEST_STATEMENT
from commenda.funding.checks import CHECKS
from commenda.funding.decisions import DEPOSIT, WITHDRAWAL, carry_out, turn_down, wallet_changes
from commenda.funding.freezes import UNFREEZE, hold_changes, unfreeze
from commenda.funding.model import RULES, Direction, FundingOrder, payment_reference
from commenda.funding.statements import (
    EntryStatus,
    StatementKind,
    StatementOrder,
    entries_of,
    read_in,
)

__all__ = [
    "CHECKS",
    "DEPOSIT",
    "LARGEST_STATEMENT",
    "RULES",
    "UNFREEZE",
    "WITHDRAWAL",
    "Direction",
    "EntryStatus",
    "FundingOrder",
    "StatementKind",
    "StatementOrder",
    "carry_out",
    "deposit",
    "entries_of",
    "hold_changes",
    "pay_waiting",
    "payment_reference",
    "read_in",
    "request_funding",
    "turn_down",
    "unfreeze",
    "wallet_changes",
]
