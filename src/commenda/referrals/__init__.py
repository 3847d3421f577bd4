"""Referral: a person who brings an investor earns a part of what the platform earns from them.

The tree is a plain one: every user has at most one referrer, and rings are refused. When a
subscription settles with a profit share, the platform's cut of that share pays the nearest
referrers, two levels by default and three at most, together never above half of the cut. The
commission is pending for thirty days and then the payee's own; a clawback is a negative entry.
"""

from commenda.referrals.actions import chains, record_commissions, refer, release_due
from commenda.referrals.checks import CHECKS
from commenda.referrals.rules import (
    HOLD,
    ReferralShare,
    chain_of,
    release_at,
    require_acyclic,
    require_rates,
    split_referral,
)

__all__ = [
    "CHECKS",
    "HOLD",
    "ReferralShare",
    "chain_of",
    "chains",
    "record_commissions",
    "refer",
    "release_at",
    "release_due",
    "require_acyclic",
    "require_rates",
    "split_referral",
]
