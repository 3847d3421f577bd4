"""One life of a book: opened, traded, valued, margined, closed.

A **scope** is one isolated book; inside it a **leg** is one creator's part, with its own cash
account and its own positions. Nothing is ever summed up by owner: two scopes of one person never
meet.

A product opens its books and asks for their closing; what values, margins and closes them is here,
once, for all products. A **product** is terms and a payout (`Product`). What is too little for a
venue's minimum goes to the platform's **dust book** at the mark.
"""

from commenda.books.cash import (
    carry_out_transfers,
    pass_on_income,
    post_funding,
    request_transfer,
    request_transfers,
)
from commenda.books.checks import CHECKS
from commenda.books.closing import close_due, request_closing
from commenda.books.dust import dust_leg
from commenda.books.forced import post_forced
from commenda.books.held import BookRisk, Exposure, books_at_risk, exposure
from commenda.books.margin import guard_margins
from commenda.books.model import (
    ClosedBook,
    Leg,
    NewLeg,
    OpenBook,
    Paid,
    Part,
    Payout,
    Product,
    Scope,
    Taken,
    Taking,
    Trigger,
)
from commenda.books.parts import request_part
from commenda.books.payout import PAYOUT_BATCH, pay_out, pay_out_due, pay_parts_due
from commenda.books.queries import legs_of, lock_closings
from commenda.books.reductions import carry_reductions
from commenda.books.rules import INITIAL, free_cash, is_dust, next_retry
from commenda.books.scopes import close_scopes, open_scopes, record_nav, scope_equity
from commenda.books.standing import PositionRisk, nearest_ends, positions_at_risk
from commenda.books.stuck import OpenClosing, open_closings
from commenda.books.takings import open_books, take_out

__all__ = [
    "CHECKS",
    "INITIAL",
    "PAYOUT_BATCH",
    "BookRisk",
    "ClosedBook",
    "Exposure",
    "Leg",
    "NewLeg",
    "OpenBook",
    "OpenClosing",
    "Paid",
    "Part",
    "Payout",
    "PositionRisk",
    "Product",
    "Scope",
    "Taken",
    "Taking",
    "Trigger",
    "books_at_risk",
    "carry_out_transfers",
    "carry_reductions",
    "close_due",
    "close_scopes",
    "dust_leg",
    "exposure",
    "free_cash",
    "guard_margins",
    "is_dust",
    "legs_of",
    "lock_closings",
    "nearest_ends",
    "next_retry",
    "open_books",
    "open_closings",
    "open_scopes",
    "pass_on_income",
    "pay_out",
    "pay_out_due",
    "pay_parts_due",
    "positions_at_risk",
    "post_forced",
    "post_funding",
    "record_nav",
    "request_closing",
    "request_part",
    "request_transfer",
    "request_transfers",
    "scope_equity",
    "take_out",
]
