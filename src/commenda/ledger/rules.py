"""The ledger's arithmetic."""

from __future__ import annotations

import decimal
import zlib
from decimal import Decimal
from types import MappingProxyType

SCALE = 18
"""Decimals of numeric(38,18). More would be rounded in silence, entry by entry."""

_EXACT = decimal.Context(decimal.MAX_PREC, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX)


def has_excess_scale(number: Decimal) -> bool:
    """Whether a number has more decimals than the ledger keeps; zeros at its end are none."""
    return -int(number.normalize(_EXACT).as_tuple().exponent) > SCALE


STRIPES = MappingProxyType({"external": 8, "income_expense": 8})
"""In how many stripes accounts of a kind are kept: those that single events of many people touch
at the same time. A batch touches one stripe, with one entry."""


def stripe_of(kind: str, event: str) -> int:
    """The stripe of an account of this kind that takes part in `event`: always the same one."""
    return zlib.crc32(event.encode()) % STRIPES.get(kind, 1)
