"""The double-entry ledger beneath everything.

A *journal* is one business event; its *entries* sum to zero for each asset. Entries are written
only by `post_journals`, in the transaction that creates their journal, and are never changed: a
correction is another journal. Each entry carries the balance before and after it, so an account
can be read at any version and the chain can be checked by anyone.

Signs. What the platform owes is positive: `wallet`, `reserved`, `scope`, `holding`, `fee:*`,
`referral_pending`, `insurance`, and `withdrawing`, which was in use before withdrawals were held on
the wallet. What it has is negative: `external` (the bank or chain outside), `venue` (cash at a
trading venue), and so is what it spent: `income_expense`. `position` holds what open positions
cost; `unallocated` holds fills until they are allocated and is zero between signals. `receivable`
(what is still owed to the platform) and `rounding` (what no division can give away; nothing posts
to it yet) count on the side of what it has.

Which event posts what, under which natural key (signed; linear in fills). This is the only table of
it; a product's payout is a row here.

======================  =================  =========================================================
event                   journal key        entries
======================  =================  =========================================================
deposit                 deposit:           external −, wallet +
withdrawal              withdrawal:        wallet −, external +; a large one is asked for: held on
                                           the wallet; approved: posted, and the hold captured;
                                           rejected or expired: the hold voided
insurance set aside     insurance:         external −, insurance +
transfer to a venue     transfer:          external +, venue − (back: external −, venue +)
a copy begins           follow:            wallet −, scope + (a creator's own book, too)
a copy is left          leave:             scope −, wallet +; a shortfall comes out of insurance
a portfolio begins      portfolio:         wallet −, scope + (into the leg that keeps the cash)
a portfolio is          rebalance:         scope −/+ between the legs of one book
rebalanced
reserve                 reserve:           wallet −, reserved +
activate                activate:          reserved −, scope + for each leg
cancel                  cancel:            reserved −, wallet +
fill of a parent order  fill:              unallocated −(q·p+f), position(unallocated) +q·p, venue
                                           +f
allocation of the fills  allocation:        unallocated +, position(unallocated) −, and for each
                                           leg: scope −(q·p+f), position(leg) +q·p; when a leg's
                                           quantity returns to 0 its position account is swept to
                                           venue
dust is taken over      dust:              below the venue's minimum, value v at the mark, cost c:
                                           scope +v, position −c; the dust book's scope −v,
                                           position +v; venue c−v
funding                 funding:           scope ∓ for each leg, venue ± the venue's own total
settlement              settle:            scope − for each leg; fee:management, fee:profit_share
                                           for each leg's creator, fee:platform, referral_pending
                                           for each level, wallet +; receivable + for what shares
                                           had left owed; a shortfall comes out of insurance
partial withdrawal      part:              as a settlement, scope − for each leg's part of what
                                           leaves only
crystallisation         crystallise:       scope − for each leg's free cash; fee:management,
                                           fee:profit_share, fee:platform, referral_pending;
                                           receivable − for what is owed from now on, + for what is
                                           collected
referral release        referral-release:  referral_pending −, wallet +
pool subscription       pool-in:           wallet −, holding +
income of a day         income:            income_expense − (of the product), holding + for each of
                                           a chunk; effective when the day ends, or when it is
                                           posted where that period is closed
income is paid out      distribution:      holding −, wallet + (with a redemption `pool-income:`)
pool redemption         pool-out:          holding −, wallet +; fee:early_exit + for an early exit
reversal                reverse:           of a deposit or of insurance, and the key of what it
                                           undoes: the opposite of each of its entries
======================  =================  =========================================================

The realised profit of a position is a reading, not an entry: cash plus quantity times mark.
"""

from commenda.ledger.actions import open_accounts, post, post_batch
from commenda.ledger.batches import finish_batch, move_on_batch, take_up_batch
from commenda.ledger.browse import (
    JournalsWanted,
    account_by_id,
    accounts_where,
    closed_periods,
    entries_of_account,
    entries_of_journal,
    holds_where,
    journal_by_id,
    journals_where,
)
from commenda.ledger.checks import CHECKS
from commenda.ledger.decisions import (
    CLOSE_PERIOD,
    REVERSAL,
    carry_out_close,
    carry_out_reversal,
    period_changes,
    reversal_changes,
)
from commenda.ledger.export import export_journals
from commenda.ledger.holds import expire_holds, place_holds, void_holds
from commenda.ledger.model import (
    AccountKey,
    Author,
    Hold,
    HoldOutcome,
    HoldStatus,
    Journal,
    Line,
    Outcome,
    Owner,
    OwnerKind,
    Placed,
    Posted,
    Refusal,
)
from commenda.ledger.periods import AsOf, balances_as_of, close_period, closed_until, note_balances
from commenda.ledger.queries import (
    available_in,
    balance_of,
    balances,
    lock_accounts,
    totals_by_asset,
)
from commenda.ledger.reversals import is_reversed, reverse
from commenda.ledger.rules import stripe_of
from commenda.ledger.seals import JOURNALS
from commenda.ledger.statement_files import Statement, csv_text, draw_up
from commenda.ledger.statements import StatementWanted, printed, statement_period
from commenda.ledger.trial import (
    TransitAccount,
    TrialLine,
    asset_totals,
    is_owed,
    transit_accounts,
    trial_balance,
    trial_balance_at,
)

__all__ = [
    "CHECKS",
    "CLOSE_PERIOD",
    "JOURNALS",
    "REVERSAL",
    "AccountKey",
    "AsOf",
    "Author",
    "Hold",
    "HoldOutcome",
    "HoldStatus",
    "Journal",
    "JournalsWanted",
    "Line",
    "Outcome",
    "Owner",
    "OwnerKind",
    "Placed",
    "Posted",
    "Refusal",
    "Statement",
    "StatementWanted",
    "TransitAccount",
    "TrialLine",
    "account_by_id",
    "accounts_where",
    "asset_totals",
    "available_in",
    "balance_of",
    "balances",
    "balances_as_of",
    "carry_out_close",
    "carry_out_reversal",
    "close_period",
    "closed_periods",
    "closed_until",
    "csv_text",
    "draw_up",
    "entries_of_account",
    "entries_of_journal",
    "expire_holds",
    "export_journals",
    "finish_batch",
    "holds_where",
    "is_owed",
    "is_reversed",
    "journal_by_id",
    "journals_where",
    "lock_accounts",
    "move_on_batch",
    "note_balances",
    "open_accounts",
    "period_changes",
    "place_holds",
    "post",
    "post_batch",
    "printed",
    "reversal_changes",
    "reverse",
    "statement_period",
    "stripe_of",
    "take_up_batch",
    "totals_by_asset",
    "transit_accounts",
    "trial_balance",
    "trial_balance_at",
    "void_holds",
]
