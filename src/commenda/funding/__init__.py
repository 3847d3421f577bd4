"""Money in and out at a user's request.

    deposit      pending -> done (credited) | rejected      with paper money done at once
    withdrawal   pending -> done (paid) | rejected (back)   below a day's limit at once

What is pending waits for a second person. The money of a pending withdrawal is set aside from
the moment it is asked for, so that it cannot be spent twice; a request that is rejected or never
decided gives it back.
"""

from commenda.funding.actions import deposit, request_funding
from commenda.funding.checks import CHECKS
from commenda.funding.decisions import (
    DEPOSIT,
    WITHDRAWAL,
    confirm_deposit,
    pay_withdrawal,
    reject_deposit,
    return_withdrawal,
)
from commenda.funding.model import Direction, Funding, FundingStatus, Order

__all__ = [
    "CHECKS",
    "DEPOSIT",
    "WITHDRAWAL",
    "Direction",
    "Funding",
    "FundingStatus",
    "Order",
    "confirm_deposit",
    "deposit",
    "pay_withdrawal",
    "reject_deposit",
    "request_funding",
    "return_withdrawal",
]
