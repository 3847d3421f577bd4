"""Exact money.

An amount is a `Decimal` with at most its asset's scale of decimals. Arithmetic that must be exact
and fast (splitting a total over thousands of parts) runs on whole *units*: 1 unit = 10^-scale.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Hashable, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any

from commenda.kit.errors import CommendaError, unknown

# Intermediate products of a numeric(38,18) amount with a price or rate need more than the
# default 28 digits; results are quantised to the asset's scale before they are kept.
CONTEXT = decimal.Context(prec=60, rounding=ROUND_HALF_EVEN)
decimal.setcontext(CONTEXT)
decimal.DefaultContext.prec = CONTEXT.prec  # threads started later copy this one

SCALES = {"USDT": 8}
"""Decimals of each asset."""

LARGEST = Decimal(10) ** 20
"""Amounts are numeric(38,18) in the database: at most 20 digits before the point."""


_WRITTEN = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_NO_NUMBER = re.compile(r"[-+]?(s?nan|inf|infinity)", re.IGNORECASE)
_WHOLE = re.compile(r"[-+]?[0-9]+")
_REAL = re.compile(_WRITTEN.pattern + r"(?:[eE][-+]?[0-9]+)?")


def number(text: str) -> Decimal:
    """The number that is written in ASCII digits with at most one point; ValueError for another.

    Python takes more for a number: digits of every script, `1_000`, blanks around it, `1e3`. What
    means a thousand to one reader and something else to the next is no amount.
    """
    if not _WRITTEN.fullmatch(text):
        raise ValueError("write it in digits with at most one point, such as 2500.00")
    return Decimal(text)


def whole(text: str) -> int:
    """The whole number that is written in ASCII digits; ValueError for another."""
    if not _WHOLE.fullmatch(text):
        raise ValueError("write a whole number in digits, such as 50")
    return int(text)


def real(text: str) -> float:
    """A measured number, which may have an exponent (`1e-4`); ValueError for another."""
    if not _REAL.fullmatch(text):
        raise ValueError("write a number in digits, such as 0.0005 or 5e-4")
    return float(text)


def scale_of(asset: str) -> int:
    """Decimals of `asset`; code `unknown_asset` for one that is not registered."""
    try:
        return SCALES[asset]
    except KeyError:
        raise unknown("asset", asset, "asset", f"use one of {', '.join(SCALES)}") from None


def amount(value: Decimal | int | str, asset: str, *, field: str = "amount") -> Decimal:
    """Accept an amount from outside: finite, not above numeric(38,18), within the asset's scale."""
    try:
        words = isinstance(value, str) and not _NO_NUMBER.fullmatch(value)
        found = number(str(value)) if words else Decimal(value)
    except (TypeError, ValueError):
        raise CommendaError("not_a_number", "An amount must be a number").at(
            field, value, "write it in digits with at most one point, such as 2500.00"
        ) from None
    if not found.is_finite():
        raise CommendaError("not_finite", "An amount must be finite").at(field, found)
    if abs(found) >= LARGEST:
        raise CommendaError("amount_overflow", "The amount is too large").at(field, found)
    scale = scale_of(asset)
    if found != quantise(found, scale):
        raise CommendaError("excess_scale", f"{asset} has {scale} decimals").at(
            field, found, f"round it to {scale} decimals"
        )
    return found


def just_below(number: Decimal, asset: str) -> Decimal:
    """The greatest amount of an asset that is less than `number`."""
    return number - Decimal(1).scaleb(-scale_of(asset))


@cache
def _step(scale: int) -> Decimal:
    return Decimal(1).scaleb(-scale)


def quantise(number: Decimal, scale: int, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """`number` with exactly `scale` decimals."""
    return number.quantize(_step(scale), rounding=rounding)


def floor_to(number: Decimal, step: Decimal) -> Decimal:
    """The multiple of `step` nearest to `number` on the side of zero."""
    return (number / step).to_integral_value(rounding=ROUND_DOWN) * step


def to_units(number: Decimal, scale: int) -> int:
    """Whole units of 10^-scale; refuses a number that has more decimals."""
    scaled = number.scaleb(scale)
    units = int(scaled)
    if units != scaled:
        raise CommendaError("excess_scale", f"More than {scale} decimals").at("amount", number)
    return units


def from_units(units: int, scale: int) -> Decimal:
    """The inverse of `to_units`."""
    return Decimal(units).scaleb(-scale)


def split(total: int, weights: Sequence[int], ties: Sequence[Any]) -> list[int]:
    """Divide `total` units in proportion to `weights`; the parts add up to the total exactly.

    Largest remainder (Hamilton): every part is floored, and the units left over go one each to
    the largest remainders, equal remainders by larger weight and then by smaller tie key.
    `total` may be negative; weights are not. All weights zero is an error.
    """
    if total < 0:
        return [-part for part in split(-total, weights, ties)]
    whole = sum(weights)
    if whole <= 0:
        raise CommendaError("nothing_to_split_by", "The weights add up to nothing").at(
            "weights", whole
        )
    parts = [total * weight // whole for weight in weights]
    left = total - sum(parts)
    if left:
        ranks = [(total * weight % whole, weight) for weight in weights]
        last = sorted(ranks, reverse=True)[left - 1]
        ahead = [i for i, rank in enumerate(ranks) if rank > last]
        # Only where the last of the units is are ties looked at.
        level = sorted((i for i, rank in enumerate(ranks) if rank == last), key=ties.__getitem__)
        for i in ahead + level[: left - len(ahead)]:
            parts[i] += 1
    return parts


def split_amount(
    total: Decimal, weights: Sequence[Decimal], ties: Sequence[Hashable], scale: int
) -> list[Decimal]:
    """`split` for decimals: the total is at `scale`, the weights may have any scale."""
    finest = max((-int(w.as_tuple().exponent) for w in weights), default=0)
    finest = max(finest, 0)
    shares = split(to_units(total, scale), [to_units(w, finest) for w in weights], ties)
    return [from_units(share, scale) for share in shares]


def round_to_total(
    total: int, exact: Sequence[Decimal], scale: int, ties: Sequence[Any]
) -> list[int]:
    """Round signed exact amounts to units so that they add up to `total` units.

    For facts whose total is known (a funding payment on a netted position) and whose parts have
    both signs, where `split` has no non-negative weights to work with. Each part is floored; the
    difference goes out one unit each by largest remainder, ties by key. When the total differs
    from the parts' own sum by more than rounding, the caller's inputs disagree: an error.
    """
    scaled = [value.scaleb(scale) for value in exact]
    floors = [int(value.to_integral_value(rounding=decimal.ROUND_FLOOR)) for value in scaled]
    left = total - sum(floors)
    if not 0 <= left <= len(floors):
        raise CommendaError("parts_disagree", "The parts do not round to the total").at(
            "total", total
        )
    order = sorted(range(len(floors)), key=lambda i: (floors[i] - scaled[i], ties[i]))
    for i in order[:left]:
        floors[i] += 1
    return floors


def plain(number: Decimal) -> str:
    """A decimal as people write it: no exponent, no trailing zeros."""
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
