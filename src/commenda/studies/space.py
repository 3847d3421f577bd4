"""Where a study searches: a strategy's parameters, narrowed by whoever asks.

A dimension is written as `5:50`, `20:200:10` (by steps of 10), `0.001:0.1:log`, or `0.02|0.04|0.08`
(one of these). It lies within what the strategy's own declaration allows, and a parameter that is
whole there is whole here. A parameter that no dimension names keeps its default, or the value fixed
for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from commenda.kit.errors import CommendaError, not_found
from commenda.kit.money import real
from commenda.strategies import Param, Strategy

Params = dict[str, float]

FORM = "low:high, low:high:step, low:high:log or a|b|c"


@dataclass(frozen=True, slots=True)
class Dimension:
    """One parameter and what it may be: `choices`, or `low` to `high`, both allowed.

    `step` None is any number in between; `log` means that factors count, not differences.
    """

    name: str
    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False
    choices: tuple[float, ...] = ()

    def __str__(self) -> str:
        if self.choices:
            return "|".join(map(_written, self.choices))
        ends = f"{_written(self.low)}:{_written(self.high)}"
        if self.log:
            return f"{ends}:log"
        implied = self.step is None or self.step == self.whole
        return ends if implied else f"{ends}:{_written(self.step or 0.0)}"

    @property
    def count(self) -> int | None:
        """How many values there are; None where any number in between will do."""
        if self.choices:
            return len(self.choices)
        if self.whole and self.log:
            return int(self.high - self.low) + 1
        return None if self.step is None else round((self.high - self.low) / self.step) + 1

    def values(self) -> tuple[float, ...]:
        """Every value, ascending; code `endless_dimension` where there is no end of them."""
        if self.choices:
            return self.choices
        if self.count is None:
            raise CommendaError(
                "endless_dimension",
                f"{self.name} may be any number in between, which a grid cannot try",
            ).at(
                self.name,
                self,
                f"give a step, such as {self.name}={self.low:g}:{self.high:g}:"
                f"{(self.high - self.low) / 10:g}",
            )
        step = self.step or 1.0
        return tuple(self._rounded(self.low + step * i) for i in range(self.count))

    def unit(self, value: float) -> float:
        """Where `value` stands between the ends, from 0 to 1; choices are equally far apart."""
        if self.choices:
            return self.choices.index(value) / max(1, len(self.choices) - 1)
        if self.high == self.low:
            return 0.0
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def at(self, unit: float) -> float:
        """The value that stands nearest to `unit`."""
        share = min(1.0, max(0.0, unit))
        if self.choices:
            return self.choices[round(share * (len(self.choices) - 1))]
        if self.log:
            value = self.low * (self.high / self.low) ** share
            return float(round(value)) if self.whole else min(self.high, max(self.low, value))
        value = self.low + share * (self.high - self.low)
        if self.step is None:
            return value
        return self._rounded(self.low + self.step * round((value - self.low) / self.step))

    def _rounded(self, value: float) -> float:
        # 0.1 + 0.2 is no value that anybody asked for.
        return float(f"{min(value, self.high):.12g}")


@dataclass(frozen=True, slots=True)
class Space:
    """The dimensions searched, and the values of the parameters that are not."""

    dimensions: tuple[Dimension, ...]
    fixed: tuple[tuple[str, float], ...] = ()

    @property
    def size(self) -> int | None:
        """How many configurations there are; None where there is no end of them."""
        counts = [one.count for one in self.dimensions]
        return None if None in counts else math.prod(filter(None, counts))

    def whole(self, found: Mapping[str, float]) -> Params:
        """The searched values together with the fixed ones."""
        return {**dict(self.fixed), **found}

    def grid(self) -> Iterator[Params]:
        """Every configuration, the last dimension running fastest."""
        names = [one.name for one in self.dimensions]
        for values in product(*(one.values() for one in self.dimensions)):
            yield dict(zip(names, values, strict=True))

    def units(self, params: Mapping[str, float]) -> tuple[float, ...]:
        """A configuration as a point of the unit cube."""
        return tuple(one.unit(params[one.name]) for one in self.dimensions)

    def texts(self) -> dict[str, str]:
        """Each dimension as it is written; `space_of` reads it back."""
        return {one.name: str(one) for one in self.dimensions}

    def longest_warmup(self, strategy: Strategy) -> int:
        """The most bars that any configuration looks back, judged by the corners."""
        return max(map(strategy.look_back, self.corners(strategy)))

    def corners(self, strategy: Strategy) -> Iterator[Params]:
        """Every dimension at either of its ends, the other parameters fixed or at their defaults.

        A strategy may refuse one of them.
        """
        names = [one.name for one in self.dimensions]
        given = {p.name: p.default for p in strategy.params} | dict(self.fixed)
        for corner in product(*((one.low, one.high) for one in self.dimensions)):
            yield given | dict(zip(names, corner, strict=True))


def space_of(
    strategy: Strategy, texts: Mapping[str, str], fixed: Mapping[str, object] | None = None
) -> Space:
    """The space that `texts` write, within what `strategy` declares.

    Codes `bad_space` (how it is written, nothing to search, or a parameter both searched and
    fixed), `unknown_parameter` and `bad_parameter` (beyond the strategy's own range).
    """
    if not texts:
        raise _bad("space", "", f"name a parameter and what it may be: {FORM}")
    known = {param.name: param for param in strategy.params}
    for name in (*texts, *(fixed or {})):
        if name not in known:
            raise not_found("unknown_parameter", f"{strategy.name} has no parameter {name}").at(
                name,
                texts.get(name, (fixed or {}).get(name)),
                f"its parameters are {', '.join(known)}",
            )
    both = sorted(set(texts) & set(fixed or {}))
    if both:
        raise _bad(both[0], texts[both[0]], "search it or fix it")
    settled = tuple((name, known[name].checked(value)) for name, value in (fixed or {}).items())
    # In declared order, so that however it was written the same space is searched alike.
    searched = [name for name in known if name in texts]
    return Space(tuple(_dimension(known[name], texts[name]) for name in searched), settled)


def texts_of(written: str) -> dict[str, str]:
    """`fast=5:50,slow=20:200:10` by name; code `bad_space`."""
    texts: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in written.split(","))):
        name, equals, text = part.partition("=")
        if not equals or not name.strip() or name.strip() in texts:
            raise _bad("space", part, "write fast=5:50,slow=20:200:10, each name once")
        texts[name.strip()] = text.strip()
    return texts


def _dimension(param: Param, text: str) -> Dimension:
    whole = param.kind is int
    if "|" in text or ":" not in text:
        numbers = sorted({param.checked(_number(param, one)) for one in text.split("|")})
        return Dimension(param.name, numbers[0], numbers[-1], whole=whole, choices=tuple(numbers))
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise _bad(param.name, text, FORM)
    low, high = (param.checked(_number(param, one)) for one in parts[:2])
    last = parts[2].strip() if len(parts) == 3 else ""
    if low >= high or (last == "log" and low <= 0.0):
        raise _bad(param.name, text, "low is below high, and above 0 where it is by log")
    if last == "log":
        return Dimension(param.name, low, high, log=True, whole=whole)
    if not last:
        return Dimension(param.name, low, high, step=1.0 if whole else None, whole=whole)
    step = _number(param, last)
    if not 0.0 < step <= high - low or (whole and step % 1.0):
        kind = "whole steps" if whole else "steps"
        raise _bad(param.name, text, f"{kind} above 0, and no longer than from low to high")
    steps = math.floor((high - low) / step + 1e-9)
    return Dimension(param.name, low, float(f"{low + steps * step:.12g}"), step=step, whole=whole)


def _written(value: float) -> str:
    """The shortest text that is read back as the same number."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _number(param: Param, text: str) -> float:
    try:
        return real(text)
    except ValueError:
        raise _bad(param.name, text, FORM) from None


def _bad(field: str, value: str, hint: str) -> CommendaError:
    return CommendaError("bad_space", "Not a search space").at(field, value, hint)
