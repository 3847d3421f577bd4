"""log(u) to twenty digits, the same on every machine: what the draw of creators goes by."""

from __future__ import annotations

import math
from decimal import Context, Decimal
from functools import cache

LOG = Context(prec=20)
_FINE, _ONE = Context(prec=45), 1 << 130
_EDGE, _CLOSE = Decimal("1e-33"), Decimal("-0.001")


@cache
def _table() -> tuple[tuple[int, ...], int]:
    """log((2j + 1) / 512) for each j from 128 on, and log(2), as multiples of 2^-130."""
    middles = [_FINE.divide(Decimal(2 * j + 1), Decimal(512)) for j in range(128, 256)]
    logs = [_FINE.ln(one) for one in middles]
    whole = [int(_FINE.multiply(one, Decimal(_ONE))) for one in (*logs, _FINE.ln(Decimal(2)))]
    return tuple(whole[:-1]), whole[-1]


def logarithm(u: float) -> Decimal:
    """log(u) to the 20 digits of `LOG.ln`, for u in (0, 1), in a fifth of the time.

    u is c · 2^e with c in [1/2, 1). c lies near the middle m of one of 128 steps, whose logarithm
    is known, and log(c / m) = 2 artanh((c - m) / (c + m)), of whose series seven terms are enough.
    All is whole numbers, of more digits than are asked for; where these could be rounded to either
    side, and close to 1, `LOG.ln` is asked.
    """
    c, exponent = math.frexp(u)
    whole = int(c * 2**53)
    step = int(c * 256)
    logs, log2 = _table()
    middle = (2 * step + 1) << 44
    x = ((whole - middle) << 131) // (whole + middle)  # twice the argument
    square = (x * x) >> 132
    series, power = x, x
    for odd in (3, 5, 7, 9, 11, 13):
        power = (power * square) >> 130
        series += power // odd
    exact = _FINE.divide(Decimal(exponent * log2 + logs[step - 128] + series), Decimal(_ONE))
    low, high = LOG.subtract(exact, _EDGE), LOG.add(exact, _EDGE)
    return low if low == high and exact < _CLOSE else LOG.ln(Decimal(u))
