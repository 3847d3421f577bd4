"""Money in and out at a user's request.

    deposit      pending -> done (credited) | rejected      with paper money done at once
    withdrawal   pending -> done (paid) | rejected (back)   below a day's limit at once

What is pending waits for a second person. The money of a pending withdrawal is held on the wallet
from the moment it is asked for, so that it cannot be spent twice; it leaves when it is approved,
and a request that is rejected or never decided sets it free.

Operators hold money of a wallet, too: a freeze lasts until it is voided or its time has come.
"""

from commenda.funding.actions import deposit, request_funding
from commenda.funding.checks import CHECKS
from commenda.funding.decisions import DEPOSIT, WITHDRAWAL, carry_out, turn_down
from commenda.funding.model import Direction, FundingOrder

__all__ = [
    "CHECKS",
    "DEPOSIT",
    "WITHDRAWAL",
    "Direction",
    "FundingOrder",
    "carry_out",
    "deposit",
    "request_funding",
    "turn_down",
]
