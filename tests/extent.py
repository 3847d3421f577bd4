"""How much of what is long is tested: a sample, or all of it with COMMENDA_TEST_ALL=1."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from typing import TypeVar

import pytest

T = TypeVar("T")

ALL = os.environ.get("COMMENDA_TEST_ALL", "0") not in ("", "0")

SEED = int(os.environ["COMMENDA_TEST_SEED"])
"""What is drawn from where tests are collected; within one, ask for the fixture `seed`."""

long = pytest.mark.skipif(not ALL, reason="long: `make test-all` runs it")
"""Marks what only `make test-all` runs."""


def up_to(few: int, every: int) -> int:
    """How often something drawn is repeated: a few times, or as often as in a full trial."""
    return every if ALL else few


def sampled(points: Iterable[T], count: int, seed: int) -> list[T]:
    """All points in their order, or `count` of them: the first, the last and some between, drawn
    by the seed."""
    known = list(points)
    if ALL or len(known) <= count:
        return known
    between = random.Random(seed).sample(range(1, len(known) - 1), count - 2)
    return [known[n] for n in (0, *sorted(between), len(known) - 1)]
