"""The probability of backtest overfitting, by combinatorially symmetric cross-validation.

Bailey, Borwein, López de Prado and Zhu, "The Probability of Backtest Overfitting" (Journal of
Computational Finance 20(4), 2017; first published 2015). The history is cut into S blocks; for
every half of them the configuration that was best there is looked up in the other half. Overfit is
a choice that lands in the lower half of the configurations where it was not chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from commenda.kit.errors import CommendaError
from commenda.returns.rules import Array, rounding

CELLS = 1 << 20
"""Cells (splits × configurations) worked on at once: 8 MB for each array of them."""

MOST_BLOCKS = 20
"""184,756 splits; with every two blocks more it is four times as many."""


@dataclass(frozen=True, slots=True, eq=False)
class Overfitting:
    """What the splits say. `logits` has one λ = ln(ω / (1 − ω)) for each split.

    ω = rank / (N + 1) is where the best in sample ranks out of sample. `probability` (PBO) is the
    share with λ ≤ 0, `loss` the share in which that choice had a Sharpe ratio below zero.
    """

    probability: float
    loss: float
    logits: Array

    @property
    def splits(self) -> int:
        return self.logits.size


def backtest_overfitting(returns: Array, blocks: int = 16) -> Overfitting | None:
    """PBO of `returns` (T periods × N configurations) by the Sharpe ratio (ddof 1).

    `blocks` is even; the first T mod `blocks` periods are left out, so that blocks are of one
    length. A configuration without variation has a ratio of 0, and one that was ruined (a return
    of -1) has the least of all in every half that its ruin or a later period is in. Of equal
    ratios in sample the first is chosen, and out of sample it ranks behind its equals. None where
    fewer than two configurations vary: there is nothing to rank. Code `bad_matrix`.
    """
    table = np.asarray(returns, dtype=np.float64)
    _require_sound(table, blocks)
    table = table[table.shape[0] % blocks :]
    nothing = rounding(table, axis=0)
    if (table.std(axis=0, ddof=1) > nothing).sum() < 2:
        return None
    length = table.shape[0] // blocks
    # About its mean a column loses no digits where squares are subtracted.
    means = table.mean(axis=0)
    parts = (table - means).reshape(blocks, length, -1)
    dead = np.maximum.accumulate(table == -1.0).reshape(parts.shape).any(axis=1).astype(np.float64)
    sums, squares = parts.sum(axis=1), np.einsum("btn,btn->bn", parts, parts)
    chosen = _halves(blocks)
    at_once = max(1, CELLS // table.shape[1])
    logits, losses = np.empty(len(chosen)), 0

    def ratios(picked: Array) -> Array:
        count = length * blocks // 2
        centred = picked @ sums / count
        variance = (picked @ squares - count * centred**2) / (count - 1)
        deviation = np.sqrt(np.maximum(variance, 0.0))
        flat = deviation <= nothing
        found: Array = np.where(flat, 0.0, (means + centred) / np.where(flat, 1.0, deviation))
        # Equal ratios of other columns differ in their last digits, which must not rank them.
        return np.where(picked @ dead > 0.0, -np.inf, np.round(found, 12))

    for start in range(0, len(chosen), at_once):
        picked = chosen[start : start + at_once].astype(np.float64)
        best = ratios(picked).argmax(axis=1)
        outside = ratios(1.0 - picked)
        own = np.take_along_axis(outside, best[:, None], axis=1)
        rank = 1 + (outside < own).sum(axis=1)
        share = rank / (table.shape[1] + 1)
        logits[start : start + at_once] = np.log(share / (1.0 - share))
        losses += int((own < 0.0).sum())
    return Overfitting(
        probability=float(np.mean(logits <= 0.0)), loss=losses / len(chosen), logits=logits
    )


@cache
def _halves(blocks: int) -> npt.NDArray[np.bool_]:
    """Every choice of half of the blocks, one a row."""
    picked = np.zeros((comb(blocks, blocks // 2), blocks), dtype=np.bool_)
    for row, half in enumerate(combinations(range(blocks), blocks // 2)):
        picked[row, list(half)] = True
    picked.flags.writeable = False
    return picked


def _require_sound(table: Array, blocks: int) -> None:
    def refuse(message: str, field: str, value: object, hint: str) -> CommendaError:
        return CommendaError("bad_matrix", message).at(field, value, hint)

    if blocks % 2 or not 2 <= blocks <= MOST_BLOCKS:
        hint = f"an even number from 2 to {MOST_BLOCKS}"
        raise refuse("The blocks cannot be halved, or are too many", "blocks", blocks, hint)
    if table.ndim != 2 or table.shape[1] < 2 or table.shape[0] < 2 * blocks:
        hint = f"at least {2 * blocks} periods of at least two configurations"
        raise refuse("Too little to cross-validate", "returns", table.shape, hint)
    if not np.isfinite(table).all():
        raise refuse("A return is not a number", "returns", None, "leave that configuration out")
