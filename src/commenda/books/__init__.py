"""One life of a book: opened, traded, valued, margined, closed.

A **scope** is one isolated book; inside it a **leg** is one creator's part, with its own cash
account and its own positions. Nothing is ever summed up by owner: two scopes of one person never
meet. What is too little for a venue's minimum goes to the platform's **dust book** at the mark
(`take_over`).
"""

from commenda.books.cash import (
    carry_out_transfers,
    funded_until,
    post_funding,
    request_transfer,
    request_transfers,
)
from commenda.books.checks import CHECKS
from commenda.books.closing import intend_closing, refusals
from commenda.books.dust import dust_leg, dust_of, take_over
from commenda.books.model import Leg, NewLeg, Scope
from commenda.books.queries import legs_of
from commenda.books.rules import is_dust, next_retry
from commenda.books.scopes import close_scopes, open_scopes, record_nav, scope_equity

__all__ = [
    "CHECKS",
    "Leg",
    "NewLeg",
    "Scope",
    "carry_out_transfers",
    "close_scopes",
    "dust_leg",
    "dust_of",
    "funded_until",
    "intend_closing",
    "is_dust",
    "legs_of",
    "next_retry",
    "open_scopes",
    "post_funding",
    "record_nav",
    "refusals",
    "request_transfer",
    "request_transfers",
    "scope_equity",
    "take_over",
]
