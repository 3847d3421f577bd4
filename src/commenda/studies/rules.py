"""What a study's trials say together: the best, the walk forward, PBO, plateau and heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from commenda.kernel import Array
from commenda.returns import (
    Interval,
    Overfitting,
    SharpeSample,
    Year,
    backtest_overfitting,
    bootstrap_interval,
    rounding,
    row_sharpe,
)
from commenda.studies.measures import Objective, is_number
from commenda.studies.model import Fold, Outcome, Trial, TrialState
from commenda.studies.space import Dimension, Space
from commenda.studies.splits import Walk, WalkForward
from commenda.studies.verdict import Evidence, Thresholds

COPIES = 0.95
"""Configurations whose returns are so closely correlated are one, as far as ranks go."""

MOST_COMPARED = 1_000
MOST_CELLS = 24
MOST_MAPS = 6


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every configuration ever evaluated on a strategy and its data: how many, and how unlike.

    `variance` is that of their Sharpe ratios of one bar, 0 for fewer than two.
    """

    configurations: int
    variance: float


@dataclass(frozen=True, slots=True)
class Picked:
    """What one fold chose where it learned, and what came of it where it was tested."""

    number: int
    fold: Fold


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The first objective over two parameters: the mean of each cell's trials, None without any.

    `cells[row][column]` belongs to `ys[row]` and `xs[column]`.
    """

    x: str
    y: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    cells: tuple[tuple[float | None, ...], ...]
    counts: tuple[tuple[int, ...], ...]


def finished(trials: Sequence[Trial]) -> list[tuple[Trial, Outcome]]:
    """The trials that ran to the end, with their outcomes."""
    return [
        (one, one.outcome)
        for one in trials
        if one.outcome is not None and one.outcome.state is TrialState.COMPLETE
    ]


def best_of(trials: Sequence[Trial], aim: Objective) -> Trial | None:
    """The trial that is best by the first objective; of equals the earlier one.

    None where all were ruined, or have nothing that the objective is defined of.
    """
    done = [pair for pair in finished(trials) if is_number(pair[1].values[0])]
    if not done:
        return None
    return max(done, key=lambda pair: (aim.signed(pair[1].values[0]), -pair[0].number))[0]


def pareto_front(trials: Sequence[Trial], aims: Sequence[Objective]) -> tuple[int, ...]:
    """Numbers of the trials that no other beats in one objective without losing in another.

    Those that were ruined are on no front, nor those of which an objective is undefined.
    """
    done = [pair for pair in finished(trials) if all(map(is_number, pair[1].values))]
    if not done:
        return ()
    table = np.array(
        [
            [aim.signed(value) for aim, value in zip(aims, outcome.values, strict=True)]
            for _, outcome in done
        ]
    )
    front = []
    for row, (trial, _) in zip(table, done, strict=True):
        beaten = (table >= row).all(axis=1) & (table > row).any(axis=1)
        if not beaten.any():
            front.append(trial.number)
    return tuple(front)


# --- Out of sample ----------------------------------------------------------------------------


def walked(trials: Sequence[Trial], aim: Objective) -> tuple[Picked, ...]:
    """For each fold the trial that was best where it learned, whatever became of it later."""
    done = [pair for pair in finished(trials) if pair[1].folds]
    if not done:
        return ()
    picked = []
    for place in range(len(done[0][1].folds)):
        trial, outcome = max(
            done, key=lambda pair: (aim.signed(pair[1].folds[place].train), -pair[0].number)
        )
        picked.append(Picked(trial.number, outcome.folds[place]))
    return tuple(picked)


def efficiency(picked: Sequence[Picked]) -> float | None:
    """Mean Sharpe ratio out of sample over that in sample; 0 where there was none to begin with.

    A ratio that is undefined is 0; infinitely bad where a choice was ruined.
    """
    if not picked:
        return None
    inside = sum(one.fold.train_sharpe or 0.0 for one in picked) / len(picked)
    outside = sum(one.fold.test_sharpe or 0.0 for one in picked) / len(picked)
    return outside / inside if inside > 0.0 else 0.0


def cross_validated(trials: Sequence[Trial]) -> Overfitting | None:
    """PBO of the configurations that are no near copies of one another; None for too few.

    A sampler crowds around its best. Among near copies ranks are chance, whatever the best is
    worth, so of configurations whose returns correlate above 0.95 the first evaluated stands for
    all.
    """
    seen: dict[tuple[float, ...], Array] = {}
    for trial, outcome in finished(trials):
        if outcome.periods is not None:
            seen.setdefault(tuple(trial.params.values()), outcome.periods)
    if len(seen) < 2:
        return None
    columns = list(seen.values())
    if len(columns) > MOST_COMPARED:
        places = np.linspace(0, len(columns) - 1, MOST_COMPARED).round().astype(int)
        columns = [columns[place] for place in places]
    table = np.stack(columns, axis=1)
    blocks = min(16, table.shape[0] // 10 // 2 * 2)
    kept = table[:, unlike(table)]
    if blocks < 4 or kept.shape[1] < 2:
        return None
    return backtest_overfitting(kept, blocks)


def unlike(table: Array) -> list[int]:
    """Columns of which no two correlate above `COPIES`, the earlier kept; one that is flat."""
    centred = table - table.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    flat = table.std(axis=0) <= rounding(table, axis=0)
    shapes = centred / np.where(flat, 1.0, size)
    kept: list[int] = []
    for place in range(table.shape[1]):
        if flat[place]:
            alike = any(flat[one] for one in kept)
        else:
            alike = bool((shapes[:, kept].T @ shapes[:, place] > COPIES).any())
        if not alike:
            kept.append(place)
    return kept


# --- Around the best --------------------------------------------------------------------------


def plateau(
    trials: Sequence[Trial], best: Trial, space: Space, aim: Objective, reach: float
) -> tuple[float | None, int]:
    """What the best's neighbours reach of it on average, and how many they are.

    A neighbour lies within `reach` of it in every dimension, or one step or choice away where that
    is farther. 0 where the best itself is worth nothing.
    """
    home = np.array(space.units(best.params))
    allowed = np.array([max(reach, _step(one)) + 1e-9 for one in space.dimensions])
    near: dict[tuple[float, ...], float | None] = {}
    for trial, outcome in finished(trials):
        away = np.abs(np.array(space.units(trial.params)) - home)
        if trial.params != best.params and (away <= allowed).all():
            near[tuple(trial.params.values())] = outcome.values[0]
    if not near or best.outcome is None:
        return None, 0
    own, mean = best.outcome.values[0] or 0.0, sum(one or 0.0 for one in near.values()) / len(near)
    if not aim.maximise:
        own, mean = mean, own  # the less, the better
    return (mean / own if own > 0.0 else 0.0), len(near)


def _step(dimension: Dimension) -> float:
    count = dimension.count
    return 1.0 / (count - 1) if count is not None and count > 1 and not dimension.log else 0.0


def heat_maps(trials: Sequence[Trial], space: Space) -> tuple[HeatMap, ...]:
    """A map for each pair of parameters, at most six."""
    pairs = list(combinations(space.dimensions, 2))[:MOST_MAPS]
    return tuple(heat_map(trials, x, y) for x, y in pairs)


def heat_map(trials: Sequence[Trial], x: Dimension, y: Dimension) -> HeatMap:
    """The first objective of the finished trials over `x` and `y`, where it is defined."""
    xs, ys = _cells(x), _cells(y)
    sums, counts = np.zeros((len(ys), len(xs))), np.zeros((len(ys), len(xs)), dtype=np.int64)
    for trial, outcome in finished(trials):
        if outcome.values[0] is not None:
            place = _nearest(ys, y, trial.params[y.name]), _nearest(xs, x, trial.params[x.name])
            sums[place] += outcome.values[0]
            counts[place] += 1
    cells = tuple(
        tuple(float(s / c) if c else None for s, c in zip(*rows, strict=True))
        for rows in zip(sums, counts, strict=True)
    )
    return HeatMap(x.name, y.name, xs, ys, cells, tuple(map(tuple, counts.tolist())))


def _cells(dimension: Dimension) -> tuple[float, ...]:
    count = dimension.count
    if count is not None and count <= MOST_CELLS:
        return dimension.values()
    middles = ((number + 0.5) / MOST_CELLS for number in range(MOST_CELLS))
    return tuple(sorted({dimension.at(middle) for middle in middles}))


def _nearest(cells: Sequence[float], dimension: Dimension, value: float) -> int:
    unit = dimension.unit(value)
    return min(range(len(cells)), key=lambda place: abs(dimension.unit(cells[place]) - unit))


# --- Evidence ---------------------------------------------------------------------------------


def evidence_of(
    trials: Sequence[Trial],
    best: Trial,
    space: Space,
    aims: Sequence[Objective],
    walk: WalkForward | None,
    ledger: Ledger,
    year: Year,
    seed: int,
    limits: Thresholds,
) -> Evidence:
    """All that speaks for or against the best trial."""
    outcome = best.outcome
    assert outcome is not None
    validated = cross_validated(trials)
    level, neighbours = plateau(trials, best, space, aims[0], limits.reach)
    kept = walk is not None and walk.kind is not Walk.PURGED and bool(outcome.folds)
    return Evidence(
        sample=sample_of(outcome),
        configurations=ledger.configurations,
        variance=ledger.variance,
        overfitting=validated.probability if validated else None,
        loss=validated.loss if validated else None,
        efficiency=efficiency(walked(trials, aims[0])),
        holdout=outcome.folds[-1].test_sharpe if kept else None,
        plateau=level,
        neighbours=neighbours,
        trades=outcome.trades,
        interval=sharpe_interval(outcome, year, seed, limits.confidence),
    )


def sample_of(outcome: Outcome) -> SharpeSample | None:
    """The Sharpe ratio of one bar with its moments; None where returns did not vary."""
    if outcome.sharpe is None or outcome.skew is None or outcome.kurtosis is None:
        return None
    return SharpeSample(outcome.sharpe, outcome.bars, outcome.skew, outcome.kurtosis)


def sharpe_interval(outcome: Outcome, year: Year, seed: int, confidence: float) -> Interval | None:
    """Of the annual Sharpe ratio, by blocks of the trial's periods."""
    if outcome.periods is None or outcome.sharpe is None or outcome.periods.size < 2:
        return None
    found = bootstrap_interval(outcome.periods, row_sharpe, seed=seed, confidence=confidence)
    if found is None:
        return None
    yearly = math.sqrt(year.periods * outcome.periods.size / outcome.bars)
    return Interval(found.low * yearly, found.high * yearly, confidence)
