"""Is a Sharpe ratio real? Tests that count its sample, its tails and how many were tried.

Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier" (Journal of Risk 15(2), 2012) for
the probabilistic Sharpe ratio and the minimum track record; the same, "The Deflated Sharpe Ratio"
(Journal of Portfolio Management 40(5), 2014) for the expected maximum and the deflation. All ratios
here are of one period (not annualised), and kurtosis is 3 for a normal distribution, not 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import overload

import numpy as np

from commenda.kit.errors import CommendaError
from commenda.returns.rules import Numbers, rounding

EULER_MASCHERONI = 0.5772156649015329
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class SharpeSample:
    """A Sharpe ratio of one period as it was measured: over how many returns, of what shape."""

    sharpe: float
    observations: float
    skew: float = 0.0
    kurtosis: float = 3.0

    def __post_init__(self) -> None:
        if not self.observations > 1.0:
            raise CommendaError("short_record", "A Sharpe ratio needs two returns").at(
                "observations", self.observations, "give a longer record"
            )

    @property
    def spread(self) -> float:
        """Standard deviation of the ratio's estimate, times √(observations − 1).

        √(1 − skew·SR + (kurtosis − 1)/4 · SR²). Code `bad_moments` where no distribution has such
        a skew and kurtosis (kurtosis ≥ 1 + skew² in all of them).
        """
        inside = 1.0 - self.skew * self.sharpe + (self.kurtosis - 1.0) / 4.0 * self.sharpe**2
        if not inside > 0.0:
            raise CommendaError("bad_moments", "No distribution has this skew and kurtosis").at(
                "kurtosis",
                self.kurtosis,
                "kurtosis is at least 1 + skew², and 3 for a normal distribution",
            )
        return math.sqrt(inside)


def sharpe_sample(returns: Numbers) -> SharpeSample | None:
    """What `returns` say of their Sharpe ratio; None for fewer than two, or without variation.

    The ratio is against a rate of zero with ddof 1; skew and kurtosis are of the population.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.size < 2 or values.std(ddof=1) <= rounding(values):
        return None
    mean = values.mean()
    centred = values - mean
    square = centred * centred
    variance = square.mean()
    return SharpeSample(
        sharpe=float(mean / math.sqrt(square.sum() / (values.size - 1))),
        observations=values.size,
        skew=float((square * centred).mean() / variance**1.5),
        kurtosis=float((square * square).mean() / variance**2),
    )


@overload
def probabilistic_sharpe(sample: SharpeSample, benchmark: float = 0.0) -> float: ...
@overload
def probabilistic_sharpe(sample: None, benchmark: float = 0.0) -> None: ...
def probabilistic_sharpe(sample: SharpeSample | None, benchmark: float = 0.0) -> float | None:
    """PSR: the probability that the true ratio is above `benchmark` (of one period).

    None of no sample, as of returns that do not vary.
    """
    if sample is None:
        return None
    distance = (sample.sharpe - benchmark) * math.sqrt(sample.observations - 1.0)
    return _NORMAL.cdf(distance / sample.spread)


def expected_maximum(trials: int) -> float:
    """Expected maximum of `trials` independent standard normals, by the paper's approximation.

    (1 − γ) Φ⁻¹(1 − 1/N) + γ Φ⁻¹(1 − 1/(N·e)), γ Euler's constant; 0 for a single one.
    """
    if trials < 1:
        raise CommendaError("bad_trials", "There is at least one trial").at(
            "trials", trials, "count what was measured as well"
        )
    if trials == 1:
        return 0.0
    return (1.0 - EULER_MASCHERONI) * _NORMAL.inv_cdf(
        1.0 - 1.0 / trials
    ) + EULER_MASCHERONI * _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """SR₀: the best ratio to expect of `trials` without skill whose ratios have this `variance`."""
    return math.sqrt(variance) * expected_maximum(trials)


@overload
def deflated_sharpe(sample: SharpeSample, trials: int, variance: float) -> float: ...
@overload
def deflated_sharpe(sample: None, trials: int, variance: float) -> None: ...
def deflated_sharpe(sample: SharpeSample | None, trials: int, variance: float) -> float | None:
    """DSR: the probability that the best of `trials` is better than luck alone would have it.

    `variance` is that of the trials' ratios of one period. It is PSR against SR₀, and None as PSR.
    """
    return probabilistic_sharpe(sample, expected_maximum_sharpe(trials, variance))


def minimum_track_record(
    sample: SharpeSample, benchmark: float = 0.0, confidence: float = 0.95
) -> float:
    """MinTRL: returns needed to say with `confidence` that the true ratio is above `benchmark`.

    Infinite where the ratio measured is not. The sample's own length does not matter.
    """
    if sample.sharpe <= benchmark:
        return math.inf
    needed = sample.spread * _NORMAL.inv_cdf(confidence) / (sample.sharpe - benchmark)
    return 1.0 + needed**2
