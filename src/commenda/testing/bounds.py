"""Whether a step stays within its arrays: looked at first, for compiled code looks at no bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from commenda.kernel import Program, keep_bounds
from commenda.testing.recording import CASH, COSTS
from commenda.testing.subject import Subject

MOST_BARS, BARS_AT_EDGES = 20_000, 1_000


@lru_cache(maxsize=16)
def beyond_bounds(subject: Subject) -> str | None:
    """The first index out of bounds, with the step interpreted; None if there is none.

    With the parameters it is examined with, and with each of them at both ends of its range.
    """
    for named, program, count in _programs(subject):
        try:
            keep_bounds(program, subject.bars.between(0, count), cash=CASH, costs=COSTS)
        except IndexError as error:
            return f"{named}{error}"
        except Exception:  # what else it raises is for the checks that run it
            continue
    return None


def _programs(subject: Subject) -> Iterator[tuple[str, Program, int]]:
    whole = min(len(subject.bars), MOST_BARS)
    yield "", subject.make(subject.bars.between(0, whole)), whole
    for param in subject.strategy.params if subject.strategy else ():
        for value in (param.low, param.high):
            with suppress(Exception):  # a parameter that contradicts another
                assert subject.strategy is not None
                bound = subject.strategy.bind(**{**subject.params, param.name: value})
                yield f"{param.name} = {value:g}: ", bound, min(whole, BARS_AT_EDGES)
