"""Managed wealth: one click subscribes to a profile, a term and a tier.

The principal is reserved, creators are drawn reproducibly and their snapshot stored; then the
subscription becomes an isolated book with a leg for each creator, which copies them until the
term is over; it is really liquidated, and settled through one path. A part of it can be withdrawn
before, and shares can fall due by periods. `lifecycle.py` has the states, `waterfall.py`,
`interim.py` and `profit_share.py` the money, `allocation.py` the draw.
"""

from commenda.funding import deposit
from commenda.managed.checks import CHECKS
from commenda.managed.crystallisation import crystallise_due
from commenda.managed.custody import authorise_custody, available_to_subscribe
from commenda.managed.decisions import (
    RETURN_MATRIX,
    SETTLE_BATCH,
    batch_changes,
    change_matrix,
    matrix_changes,
    settle_batch,
)
from commenda.managed.due import Agenda, agenda
from commenda.managed.leaderboard import list_flow, score_flows
from commenda.managed.lifecycle import State
from commenda.managed.liquidation import request_liquidation, sweep_matured
from commenda.managed.model import RULES, ExpectedReturn, Offer, Profile, SubscriptionOrder
from commenda.managed.overdue import alert_overdue
from commenda.managed.products import offer_of, publish_offer, require_adjacent
from commenda.managed.profit_share import HurdleKind
from commenda.managed.settlement import MANAGED, settle
from commenda.managed.subscriptions import (
    ACTIVATION_BATCH,
    activate_due,
    cancel,
    mature_due,
    subscribe,
)
from commenda.managed.trace import trace
from commenda.managed.waterfall import FeeTerms
from commenda.managed.withdrawals import Withdrawal, request_withdrawal, withdrawals_of

__all__ = [
    "ACTIVATION_BATCH",
    "CHECKS",
    "MANAGED",
    "RETURN_MATRIX",
    "RULES",
    "SETTLE_BATCH",
    "Agenda",
    "ExpectedReturn",
    "FeeTerms",
    "HurdleKind",
    "Offer",
    "Profile",
    "State",
    "SubscriptionOrder",
    "Withdrawal",
    "activate_due",
    "agenda",
    "alert_overdue",
    "authorise_custody",
    "available_to_subscribe",
    "batch_changes",
    "cancel",
    "change_matrix",
    "crystallise_due",
    "deposit",
    "list_flow",
    "matrix_changes",
    "mature_due",
    "offer_of",
    "publish_offer",
    "request_liquidation",
    "request_withdrawal",
    "require_adjacent",
    "score_flows",
    "settle",
    "settle_batch",
    "subscribe",
    "sweep_matured",
    "trace",
    "withdrawals_of",
]
