"""Capital among strategies as a bandit: what did well gets more, what is little known is tried.

A **round** is a period between two allocations; each strategy that held capital in it tells a
reward (a return over its risk, as a rule). Two policies say how good each may be:

* UCB1 (Auer, Cesa-Bianchi and Fischer, "Finite-time Analysis of the Multiarmed Bandit Problem",
  Machine Learning 47, 2002): mean + √(c · ln n / nᵢ), c = 2 for rewards within 0 and 1.
* Thompson sampling for normal rewards of unknown mean and variance, with the conjugate
  normal-inverse-gamma prior (Thompson 1933; Honda and Takemura, "Optimality of Thompson Sampling
  for Gaussian Bandits Depends on Priors", AISTATS 2014). What is remembered may fade (Raj and
  Kalyani, "Taming Non-Stationary Bandits", 2017).

Who looks best is filled up to its cap, then the next, with a floor for each; Thompson's share is
the mean over draws. Who has been last for long rests, without capital, and comes back after a
cool-down.

A state is plain numbers, and a draw depends on the seed and the round alone: the same rewards lead
to the same shares, on every machine and after every restart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from commenda.kit.errors import CommendaError, conflict
from commenda.portfolios.rules import Array


class Policy(StrEnum):
    UCB1 = "ucb1"
    THOMPSON = "thompson"


@dataclass(frozen=True, slots=True)
class Prior:
    """Normal-inverse-gamma: the mean is about `mean`, known as if from `strength` rewards; the
    variance is scale / (shape + 1) at its mode."""

    mean: float = 0.0
    strength: float = 1.0
    shape: float = 1.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("strength", "shape", "scale"):
            if not getattr(self, name) > 0.0:
                raise CommendaError("not_positive", "A prior's figure is above 0").at(
                    name, getattr(self, name), "1 knows little"
                )


@dataclass(frozen=True, slots=True)
class BanditRules:
    """How capital is shared.

    `floor` and `cap`: of each who does not rest. `discount`: what is kept of what was known, each
    round; 1 forgets nothing. `low`, `high`: rewards are clipped there and UCB1 sees them as 0 to 1.
    `exploration`: UCB1's c. `draws`: of Thompson, each round; 1 plays the winner of one draw.
    `patience`: who is last in so many rounds running rests for `cool_down` rounds; 0: nobody does,
    and never more than leave `fewest`.
    """

    policy: Policy = Policy.THOMPSON
    floor: float = 0.0
    cap: float = 1.0
    discount: float = 1.0
    low: float = -math.inf
    high: float = math.inf
    exploration: float = 2.0
    prior: Prior = Prior()
    draws: int = 1_000
    patience: int = 0
    cool_down: int = 0
    fewest: int = 2

    def __post_init__(self) -> None:
        bounded = math.isfinite(self.low) and math.isfinite(self.high)
        checks = (
            ("floor", 0.0 <= self.floor <= self.cap <= 1.0, "0 <= floor <= cap <= 1"),
            ("discount", 0.0 < self.discount <= 1.0, "above 0 and at most 1"),
            ("low", self.low < self.high, "below high"),
            ("low", bounded or self.policy is not Policy.UCB1, "UCB1 needs bounds of rewards"),
            ("exploration", self.exploration >= 0.0, "0 or more; 2 is UCB1's own"),
            ("draws", 1 <= self.draws <= 100_000, "from 1 to 100000"),
            ("patience", self.patience >= 0, "0 or more rounds"),
            ("cool_down", self.cool_down >= bool(self.patience), "1 or more rounds"),
            ("fewest", self.fewest >= 1, "1 or more"),
        )
        for name, sound, hint in checks:
            if not sound:
                raise CommendaError("bad_bandit", "These rules share no capital").at(
                    name, getattr(self, name), hint
                )


@dataclass(frozen=True, slots=True)
class Arm:
    """What is known of one strategy: rewards counted (faded), their mean, their squares about it.

    `last_for`: rounds running in which it was last; `rests_until`: the round in which it is back.
    """

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0
    last_for: int = 0
    rests_until: int = 0

    def faded(self, discount: float) -> Arm:
        return replace(self, count=self.count * discount, squares=self.squares * discount)

    def having_seen(self, reward: float) -> Arm:
        """Welford's update."""
        count = self.count + 1.0
        mean = self.mean + (reward - self.mean) / count
        squares = self.squares + (reward - self.mean) * (reward - mean)
        return replace(self, count=count, mean=mean, squares=squares)


@dataclass(frozen=True, slots=True)
class Bandit:
    """The state before a round, and the rules. `round` counts from 0."""

    rules: BanditRules
    seed: int
    arms: tuple[Arm, ...]
    round: int = 0

    @classmethod
    def begin(cls, count: int, rules: BanditRules, seed: int) -> Bandit:
        """Nothing known yet. Code `quotas_do_not_meet` where floors come to more than the whole."""
        if count < 1 or rules.floor * count > 1.0 + 1e-12:
            raise conflict("quotas_do_not_meet", "The floors come to more than the capital").at(
                "floor", rules.floor, f"at most {1 / max(count, 1):.6g} for {count} strategies"
            )
        return cls(rules, seed, (Arm(),) * count)

    @property
    def active(self) -> list[int]:
        """Who does not rest in this round."""
        return [i for i, arm in enumerate(self.arms) if arm.rests_until <= self.round]

    def shares(self) -> Array:
        """The part of the capital for each in this round; 1 together, or what the caps allow."""
        active = self.active
        found = np.zeros(len(self.arms))
        scores = self.scores(active)
        found[active] = fill(scores, self.rules.floor, self.rules.cap).mean(axis=0)
        return found

    def scores(self, active: Sequence[int]) -> Array:
        """How good each active one may be: one row of indexes, or a row for each draw."""
        arms = [self.arms[i] for i in active]
        if self.rules.policy is Policy.UCB1:
            return ucb1_indexes(arms, self.rules)[None, :]
        rng = np.random.default_rng([self.seed, self.round])
        # Drawn for all, so that nobody's draw depends on who rests.
        return posterior_draws(self.arms, self.rules.prior, self.rules.draws, rng)[:, list(active)]

    def after(self, rewards: Mapping[int, float]) -> Bandit:
        """The state after a round in which these strategies told rewards; code `bad_reward`."""
        for i, reward in rewards.items():
            if not 0 <= i < len(self.arms) or not math.isfinite(reward):
                raise CommendaError("bad_reward", "No reward of a strategy").at(
                    "rewards", f"{i}: {reward}", "a finite number of a strategy that is there"
                )
        arms = [arm.faded(self.rules.discount) for arm in self.arms]
        for i, reward in rewards.items():
            arms[i] = arms[i].having_seen(min(max(reward, self.rules.low), self.rules.high))
        known = replace(self, arms=tuple(arms), round=self.round + 1)
        return known._with_rests() if self.rules.patience else known

    def _with_rests(self) -> Bandit:
        """Who is last by its mean is counted, and rests once it has been for long enough."""
        rules, arms = self.rules, list(self.arms)
        seen = [i for i in self.active if arms[i].count > 0.0]
        last = min(seen, key=lambda i: (arms[i].mean, i)) if len(seen) > 1 else None
        for i, arm in enumerate(arms):
            arms[i] = replace(arm, last_for=arm.last_for + 1 if i == last else 0)
        if (
            last is not None
            and arms[last].last_for >= rules.patience
            and len(self.active) > rules.fewest
        ):
            until = self.round + rules.cool_down
            arms[last] = replace(arms[last], last_for=0, rests_until=until)
        return replace(self, arms=tuple(arms))


def ucb1_indexes(arms: Sequence[Arm], rules: BanditRules) -> Array:
    """Mean + √(c · ln n / nᵢ) of rewards as 0 to 1; infinite for who was never tried."""
    counts = np.array([arm.count for arm in arms])
    means = np.array([(arm.mean - rules.low) / (rules.high - rules.low) for arm in arms])
    logarithm = math.log(max(counts.sum(), 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        bonus = np.sqrt(rules.exploration * logarithm / counts)
    found: Array = np.where(counts > 0.0, means + bonus, np.inf)
    return found


def posterior_draws(
    arms: Sequence[Arm], prior: Prior, draws: int, rng: np.random.Generator
) -> Array:
    """Draws (rows) of each strategy's mean from what is believed of it."""
    count = np.array([arm.count for arm in arms])
    mean = np.array([arm.mean for arm in arms])
    squares = np.array([arm.squares for arm in arms])
    strength, shape = prior.strength + count, prior.shape + count / 2.0
    centre = (prior.strength * prior.mean + count * mean) / strength
    apart = prior.strength * count * (mean - prior.mean) ** 2 / strength
    scale = prior.scale + (squares + apart) / 2.0
    variance = scale / rng.gamma(shape, size=(draws, len(arms)))
    normal = rng.standard_normal((draws, len(arms)))
    found: Array = centre + normal * np.sqrt(variance / strength)
    return found


def fill(scores: Array, floor: float, cap: float) -> Array:
    """For each row: `floor` to each, then up to `cap` in the order of the scores until 1 is out.

    Equal scores in the order of the strategies. Where the caps add up to less, the rest is cash.
    """
    count = scores.shape[1]
    if floor * count > 1.0 + 1e-12:
        raise conflict("quotas_do_not_meet", "The floors come to more than the capital").at(
            "floor", floor, f"at most {1 / count:.6g} for {count} strategies"
        )
    places: npt.NDArray[np.int64] = np.arange(count)
    by_rank = floor + np.clip(1.0 - floor * count - places * (cap - floor), 0.0, cap - floor)
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable")
    found: Array = by_rank[ranks]
    return found
