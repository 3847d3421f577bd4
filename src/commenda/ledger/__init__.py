"""The double-entry ledger beneath everything.

A *journal* is one business event; its *entries* sum to zero for each asset. Entries are written
only by `post_journals`, in the transaction that creates their journal, and are never changed: a
correction is another journal. Each entry carries the balance before and after it, so an account
can be read at any version and the chain can be checked by anyone.

Signs. What the platform owes is positive: `wallet`, `reserved`, `scope`, `fee:*`,
`referral_pending`, `withdrawing`, `insurance`. What it has is negative: `external` (the bank or
chain outside), `venue` (cash at a trading venue). `position` holds what open positions cost;
`unallocated` holds fills until they are allocated and is zero between signals.

Which event posts what (signed; linear in fills):

========================  ======================================================================
event                     entries
========================  ======================================================================
deposit                   external −, wallet +
withdrawal                wallet −, external +
large withdrawal          asked for: wallet −, withdrawing +; approved: withdrawing −, external +;
                          rejected or expired: withdrawing −, wallet +
transfer to a venue       external +, venue −        (back: external −, venue +)
reserve                   wallet −, reserved +
activate                  reserved −, scope + for each leg
cancel                    reserved −, wallet +
fill of a parent order    unallocated −(q·p+f), position(unallocated) +q·p, venue +f
allocation of the fills   unallocated +, position(unallocated) −, and for each leg:
                          scope −(q·p+f), position(leg) +q·p; when a leg's quantity returns to
                          0 its position account is swept to the venue account
dust is taken over        below the venue's minimum, value v at the mark, cost c: scope +v,
                          position −c; the dust book's scope −v, position +v; venue c−v
funding                   scope ∓ for each leg, venue ± the venue's own total
settlement                scope − for each leg; fee:management, fee:profit_share for each leg's
                          creator, fee:platform, referral_pending for each level, wallet +;
                          a shortfall comes out of insurance
referral release          referral_pending −, wallet +
a copy is left            scope −, wallet +; a shortfall comes out of insurance
========================  ======================================================================

The realised profit of a position is a reading, not an entry: cash plus quantity times mark.
"""

from commenda.ledger.actions import open_accounts, post, post_batch
from commenda.ledger.checks import CHECKS
from commenda.ledger.model import (
    AccountKey,
    Author,
    Journal,
    Line,
    Outcome,
    Owner,
    OwnerKind,
    Posted,
)
from commenda.ledger.queries import balance_of, balances, lock_accounts, totals_by_asset

__all__ = [
    "CHECKS",
    "AccountKey",
    "Author",
    "Journal",
    "Line",
    "Outcome",
    "Owner",
    "OwnerKind",
    "Posted",
    "balance_of",
    "balances",
    "lock_accounts",
    "open_accounts",
    "post",
    "post_batch",
    "totals_by_asset",
]
