"""Is the best of a study more than luck? The evidence, the thresholds, and the verdict.

Every test gives a finding; the worst of them is the verdict. What was not tested cannot speak for a
configuration, so it leaves the verdict at `doubtful`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from commenda.returns import (
    Interval,
    SharpeSample,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
)


class Grade(StrEnum):
    """What to do with the best configuration, from the best grade to the worst."""

    PROMOTE = "promote"
    DOUBTFUL = "doubtful"
    OVERFIT = "overfit"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a test's finding changes. Promotion and condemnation leave room for doubt between."""

    deflated_sharpe: float = 0.95
    """The papers' own 5 % level: luck would do as well one time in twenty."""

    deflated_sharpe_overfit: float = 0.80
    """Luck does as well one time in five: among a handful of studies one looks like this."""

    overfitting: float = 0.25
    """PBO: a choice that fails more often than one time in four is no process to rely on."""

    overfitting_overfit: float = 0.50
    """PBO: a choice that fails more often than it holds is worse than drawing lots."""

    loss: float = 0.05
    """A choice that hardly ever loses out of sample is sound, however its equals rank beside it:
    where most of a space is good, ranks are chance and PBO is about one half. The 5 % level."""

    efficiency: float = 0.50
    """Out of sample over in sample: Pardo ("The Evaluation and Optimization of Trading Strategies",
    2008) calls a strategy robust above 50 to 60 %."""

    efficiency_overfit: float = 0.0
    """What walked forward earned nothing has nothing to promote."""

    plateau: float = 0.60
    """Neighbours on average earn this much of the best, or its place is a spike of noise."""

    neighbours: int = 4
    """Fewer cannot tell a plateau from a spike: two on either side in one dimension."""

    reach: float = 0.10
    """How far a neighbour is, in each dimension, as a share of its range."""

    trades: int = 30
    """The least for which a mean is about normally distributed, by the usual rule of thumb."""

    confidence: float = 0.95
    """Of the minimum track record and of the bootstrap's interval."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the best configuration; None was not, or cannot be, measured.

    `configurations` and `variance` (of Sharpe ratios of one bar) are the ledger's: of every
    configuration ever evaluated on the strategy and the data. `interval` is of the annual ratio.
    """

    sample: SharpeSample | None
    configurations: int
    variance: float
    overfitting: float | None
    loss: float | None
    efficiency: float | None
    holdout: float | None
    plateau: float | None
    neighbours: int
    trades: int
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one test says: its name, its grade, the figure, and a sentence of it.

    `reason` names the sentence and `values` are the figures in it, for whoever says it in another
    language.
    """

    test: str
    grade: Grade
    value: float | None
    says: str
    reason: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst finding's grade, and all findings."""

    grade: Grade
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What stands against promotion; for `promote`, what speaks for it."""
        against = tuple(one.says for one in self.findings if one.grade is not Grade.PROMOTE)
        return against or tuple(one.says for one in self.findings)


ORDER = (Grade.PROMOTE, Grade.DOUBTFUL, Grade.OVERFIT)


def judge(evidence: Evidence, thresholds: Thresholds | None = None) -> Verdict:
    """The verdict on the best configuration of a study."""
    limits = thresholds or Thresholds()
    tests = (_deflated, _overfitting, _efficiency, _holdout, _plateau, _track, _trades, _interval)
    findings = tuple(test(evidence, limits) for test in tests)
    return Verdict(max((one.grade for one in findings), key=ORDER.index), findings)


def deflated(evidence: Evidence) -> float | None:
    """DSR of the best by the ledger's count and variance; None where its returns do not vary."""
    return deflated_sharpe(evidence.sample, max(1, evidence.configurations), evidence.variance)


def _graded(value: float, promote: float, overfit: float) -> Grade:
    """More is better: from `promote` on it is, up to `overfit` it is not."""
    if value >= promote:
        return Grade.PROMOTE
    return Grade.OVERFIT if value <= overfit else Grade.DOUBTFUL


def _deflated(evidence: Evidence, limits: Thresholds) -> Finding:
    value, test = deflated(evidence), "deflated_sharpe"
    if value is None:
        return _unknown(test, "the best configuration's returns do not vary", "flat")
    tried = evidence.configurations
    luck = expected_maximum_sharpe(max(1, tried), evidence.variance)
    assert evidence.sample is not None
    own = evidence.sample.sharpe
    return Finding(
        test,
        _graded(value, limits.deflated_sharpe, limits.deflated_sharpe_overfit),
        value,
        f"deflated Sharpe ratio {value:.3f}: {tried:,} configurations were tried"
        f" on this data; luck alone would reach {luck:.4f} a bar, the best has {own:.4f}",
        test,
        {"value": value, "configurations": tried, "luck": luck, "sharpe": own},
    )


def _overfitting(evidence: Evidence, limits: Thresholds) -> Finding:
    value, test = evidence.overfitting, "overfitting"
    if value is None:
        says = "too few different configurations to cross-validate"
        return _unknown(test, says, "too_alike")
    loss = evidence.loss or 0.0
    grade = _graded(-value, -limits.overfitting, -limits.overfitting_overfit)
    if loss <= limits.loss:
        grade = Grade.PROMOTE
    says = (
        f"probability of backtest overfitting {value:.3f}: so often the best of one half of the"
        f" history is in the lower half of all in the other; it loses there in {loss:.1%}"
    )
    return Finding(test, grade, value, says, test, {"value": value, "loss": loss})


def _efficiency(evidence: Evidence, limits: Thresholds) -> Finding:
    value, test = evidence.efficiency, "efficiency"
    if value is None:
        says = "nothing was tested out of sample: no walk forward was asked"
        return _unknown(test, says, "not_walked")
    grade = _graded(value, limits.efficiency, limits.efficiency_overfit)
    if math.isinf(value):
        says = "what the walk forward chose was ruined out of sample"
        return Finding(test, grade, value, says, "walk_ruined", {})
    says = f"walk-forward efficiency {value:.2f}: Sharpe ratio out of sample over in sample"
    return Finding(test, grade, value, says, test, {"value": value})


def _holdout(evidence: Evidence, _: Thresholds) -> Finding:
    value, test = evidence.holdout, "holdout"
    if value is None:
        says = "no range was kept from the search, or nothing varied in the last one"
        return _unknown(test, says, "no_holdout")
    says = f"Sharpe ratio {value:.2f} in the last range, on which nothing was ever chosen"
    return _passed(test, value > 0.0, value, says, value=value)


def _plateau(evidence: Evidence, limits: Thresholds) -> Finding:
    value, count, test = evidence.plateau, evidence.neighbours, "plateau"
    if value is None or count < limits.neighbours:
        says = f"{count} neighbours of the best were tried: too few to see a plateau"
        return _unknown(test, says, "few_neighbours", neighbours=count)
    if math.isinf(value):
        says = f"of {count} neighbours of the best some were ruined"
        return _passed(test, False, value, says, "neighbours_ruined", neighbours=count)
    says = f"{count} neighbours reach {value:.0%} of the best on average"
    return _passed(test, value >= limits.plateau, value, says, value=value, neighbours=count)


def _track(evidence: Evidence, limits: Thresholds) -> Finding:
    sample, test = evidence.sample, "track_record"
    if sample is None:
        return _unknown(test, "returns that do not vary have no track record", "flat")
    needed = minimum_track_record(sample, confidence=limits.confidence)
    bars, confidence = sample.observations, limits.confidence
    if not math.isfinite(needed):
        says = f"{bars:,.0f} bars of record; no number of bars would show a ratio above 0"
        return _passed(test, False, needed, says, "no_track_record", bars=bars)
    says = (
        f"{bars:,.0f} bars of record; {needed:,.0f} bars would show a ratio above 0"
        f" at {confidence:.0%}"
    )
    return _passed(
        test, bars >= needed, needed, says, needed=needed, bars=bars, confidence=confidence
    )


def _trades(evidence: Evidence, limits: Thresholds) -> Finding:
    made, wanted = evidence.trades, limits.trades
    says = f"{made:,} closed trades, {wanted} are wanted"
    return _passed("trades", made >= wanted, made, says, value=made, wanted=wanted)


def _interval(evidence: Evidence, _: Thresholds) -> Finding:
    interval = evidence.interval
    if interval is None:
        return _unknown("interval", "returns that do not vary have no interval", "flat")
    low, high, confidence = interval.low, interval.high, interval.confidence
    says = f"annual Sharpe ratio within {low:.2f} to {high:.2f} ({confidence:.0%}, block bootstrap)"
    return _passed("interval", low > 0.0, low, says, low=low, high=high, confidence=confidence)


def _passed(
    test: str, passed: bool, figure: float, says: str, reason: str | None = None, **values: float
) -> Finding:
    """Of a test that promotes or leaves in doubt, and condemns nothing."""
    grade = Grade.PROMOTE if passed else Grade.DOUBTFUL
    return Finding(test, grade, figure, says, reason or test, values)


def _unknown(test: str, says: str, reason: str, **values: float) -> Finding:
    return Finding(test, Grade.DOUBTFUL, None, says, reason, values)
