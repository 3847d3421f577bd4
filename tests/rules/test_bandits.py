"""Capital among strategies as a bandit: published regret, replay, floors, caps and rests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.portfolios import Arm, Bandit, BanditRules, Policy, Prior
from commenda.portfolios.bandits import fill, posterior_draws, ucb1_indexes

UCB1 = BanditRules(Policy.UCB1, low=0.0, high=1.0)


def regret(rules: BanditRules, means: list[float], rounds: int, seed: int) -> float:
    """Of one play of Bernoulli rewards in which the first of the most capital is pulled."""
    rng = np.random.default_rng(seed)
    bandit, total = Bandit.begin(len(means), rules, seed), 0.0
    for _ in range(rounds):
        arm = int(np.argmax(bandit.shares()))
        total += max(means) - means[arm]
        bandit = bandit.after({arm: float(rng.random() < means[arm])})
    return total


# Regret


def test_ucb1_has_the_published_regret_of_three_arms() -> None:
    # The read-me of pybayesbandit 0.1 (PyPI), whose UCB is this rule: p 0.5, 0.8 and 0.3, 50
    # rounds, 100 plays: 7.6530 ± 1.7081. Tolerance: three standard errors of theirs and ours.
    played = [regret(UCB1, [0.5, 0.8, 0.3], 50, seed) for seed in range(100)]
    error = math.hypot(1.7081, float(np.std(played))) / 10
    assert np.mean(played) == pytest.approx(7.6530, abs=3 * error)


def test_thompson_for_normal_rewards_has_about_the_published_regret_of_wins_and_losses() -> None:
    # The same read-me, Thompson sampling with Beta(1, 1): 4.4560 ± 2.6086. A prior of that mean,
    # and of about its variance; the normal model is another one: within a quarter, and the errors.
    rules = BanditRules(draws=1, prior=Prior(0.5, 2.0, 2.0, 0.4))
    played = [regret(rules, [0.5, 0.8, 0.3], 50, seed) for seed in range(100)]
    error = math.hypot(2.6086, float(np.std(played))) / 10
    assert np.mean(played) == pytest.approx(4.4560, abs=4.4560 / 4 + 2 * error)


@pytest.mark.parametrize("means", [[0.9, 0.6], [0.9, 0.8], [0.55, 0.45]])
def test_the_regret_of_ucb1_stays_below_its_published_bound(means: list[float]) -> None:
    # Auer, Cesa-Bianchi and Fischer 2002, theorem 1, on distributions of two arms of their section
    # 4: at most 8 Σ ln n / Δ + (1 + π²/3) Σ Δ in the mean.
    rounds, gap = 300, means[0] - means[1]
    bound = 8 * math.log(rounds) / gap + (1 + math.pi**2 / 3) * gap
    played = np.mean([regret(UCB1, means, rounds, seed) for seed in range(12)])
    assert 0 < played < bound
    assert played < rounds * gap / 2  # better than by turns


def exact_regret(means: tuple[float, float], rounds: int) -> float:
    """Of UCB1 with two Bernoulli arms, over every course of wins and losses."""
    gaps = [max(means) - mean for mean in means]
    # One pull of each first; then where (pulls, wins) of the two can be, and how likely.
    at = {
        (1, a, 1, b): (means[0] if a else 1 - means[0]) * (means[1] if b else 1 - means[1])
        for a in (0, 1)
        for b in (0, 1)
    }
    total = sum(gaps)
    for past in range(2, rounds):
        after: dict[tuple[int, int, int, int], float] = {}
        for (n0, w0, n1, w1), chance in at.items():
            first = w0 / n0 + math.sqrt(2 * math.log(past) / n0)
            second = w1 / n1 + math.sqrt(2 * math.log(past) / n1)
            arm = 0 if first >= second else 1
            total += chance * gaps[arm]
            for won, part in ((1, means[arm]), (0, 1 - means[arm])):
                key = (n0 + 1, w0 + won, n1, w1) if arm == 0 else (n0, w0, n1 + 1, w1 + won)
                after[key] = after.get(key, 0.0) + chance * part
        at = after
    return total


def test_the_mean_regret_of_ucb1_is_that_over_every_course_there_is() -> None:
    expected = exact_regret((0.9, 0.6), 40)
    played = [regret(UCB1, [0.9, 0.6], 40, seed) for seed in range(200)]
    assert np.mean(played) == pytest.approx(expected, abs=4 * float(np.std(played)) / 200**0.5)
    assert float(np.std(played)) < expected  # so that it could fail


def test_the_regret_of_thompson_grows_as_its_published_constants_say() -> None:
    # Lai and Robbins 1985: 2σ²/Δ · ln n where the variance is known; Burnetas and Katehakis 1996,
    # which Thompson sampling reaches (Honda and Takemura 2014): Δ / (½ ln(1 + Δ²/σ²)) · ln n where
    # it is not. With Δ = σ = 1, from 200 to 2,000 rounds: 4.61 and 6.64, each with a quarter.
    plays, means, marks = 200, np.array([0.0, 1.0]), {}
    rng, arms, lost = np.random.default_rng(11), [Arm()] * 400, np.zeros(200)
    for past in range(1, 2_001):
        drawn = posterior_draws(arms, Prior(), 1, rng).reshape(plays, 2)
        pulled = drawn.argmax(axis=1)
        lost += 1.0 - means[pulled]
        for play, reward in enumerate(rng.normal(means[pulled])):
            at = 2 * play + int(pulled[play])
            arms[at] = arms[at].having_seen(reward)
        marks[past] = float(lost.mean())
    grown = marks[2_000] - marks[200]
    known, unknown = 2 * math.log(10), math.log(10) / (0.5 * math.log(2))
    assert 0.75 * known < grown < 1.25 * unknown


# What is believed


def test_what_is_believed_of_a_mean_is_the_conjugate_posterior() -> None:
    rewards = [0.3, 0.1, 0.5]
    arm = Arm()
    for reward in rewards:
        arm = arm.having_seen(reward)
    assert (arm.count, arm.mean) == (3, pytest.approx(0.3))
    assert arm.squares == pytest.approx(0.08)
    # Prior 0, 2, 3, 0.5: strength 5, centre 0.9/5, shape 4.5, scale
    # 0.5 + (0.08 + 2·3·0.09/5)/2 = 0.594; the variance of the mean is 0.594/3.5/5.
    prior = Prior(0.0, 2.0, 3.0, 0.5)
    drawn = posterior_draws([arm], prior, 400_000, np.random.default_rng(2))[:, 0]
    assert drawn.mean() == pytest.approx(0.18, abs=1e-3)
    assert drawn.var() == pytest.approx(0.594 / 3.5 / 5, rel=0.02)


def test_the_index_of_ucb1_is_worked_out_by_hand() -> None:
    arms = [Arm(4.0, 0.5), Arm(1.0, 0.2), Arm()]
    found = ucb1_indexes(arms, BanditRules(Policy.UCB1, low=0.0, high=1.0))
    assert found[0] == pytest.approx(0.5 + math.sqrt(2 * math.log(5) / 4))
    assert found[1] == pytest.approx(0.2 + math.sqrt(2 * math.log(5)))
    assert found[2] == math.inf


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_what_is_kept_of_rewards_is_their_count_mean_and_squares(rewards: list[float]) -> None:
    arm = Arm()
    for reward in rewards:
        arm = arm.having_seen(reward)
    assert arm.count == len(rewards)
    assert arm.mean == pytest.approx(np.mean(rewards), abs=1e-9)
    assert arm.squares == pytest.approx(np.var(rewards) * len(rewards), abs=1e-7)


# Replay and change


def course(rules: BanditRules, seed: int, means: list[list[float]]) -> tuple[Bandit, np.ndarray]:
    """Normal rewards of each strategy in every round; the shares of every round."""
    bandit = Bandit.begin(len(means[0]), rules, seed)
    rng, shares = np.random.default_rng(99), []
    for row in means:
        shares.append(bandit.shares())
        bandit = bandit.after(dict(enumerate(rng.normal(row, 0.5))))
    return bandit, np.array(shares)


def test_the_same_seed_and_rewards_share_alike_to_the_last_bit_from_any_round_on() -> None:
    rules = BanditRules(draws=50, floor=0.05, cap=0.6, discount=0.97, patience=4, cool_down=5)
    means = [[0.0, 0.2, 0.1, -0.2]] * 40
    whole, shares = course(rules, 7, means)
    again, same = course(rules, 7, means)
    assert whole == again
    assert shares.tobytes() == same.tobytes()
    assert shares.tobytes() != course(rules, 8, means)[1].tobytes()
    half, _ = course(rules, 7, means[:25])
    # What was stored as plain numbers goes on as if it had never stopped.
    stored = Bandit(rules, 7, tuple(Arm(*_fields(arm)) for arm in half.arms), half.round)
    assert stored.shares().tobytes() == shares[25].tobytes()


def _fields(arm: Arm) -> tuple[float, float, float, int, int]:
    return arm.count, arm.mean, arm.squares, arm.last_for, arm.rests_until


def test_who_forgets_follows_a_change_that_who_remembers_all_does_not() -> None:
    means = [[0.5, 0.0]] * 200 + [[0.0, 0.5]] * 60
    _, forgets = course(BanditRules(discount=0.9), 1, means)
    _, remembers = course(BanditRules(), 1, means)
    assert forgets[190:200, 0].mean() > 0.9
    assert remembers[190:200, 0].mean() > 0.9
    assert forgets[-10:, 1].mean() > 0.7
    assert remembers[-10:, 1].mean() < 0.1


# Floors, caps and rests


@given(
    st.integers(1, 8).flatmap(
        lambda width: st.tuples(
            st.lists(st.lists(st.floats(-9, 9), min_size=width, max_size=width), min_size=1),
            st.floats(0, 1 / width),
            st.floats(0, 1),
        )
    )
)
def test_everybody_has_the_floor_nobody_more_than_the_cap_and_the_best_the_most(
    drawn: tuple[list[list[float]], float, float],
) -> None:
    scores, floor, more = np.array(drawn[0]), drawn[1], drawn[2]
    cap = min(1.0, floor + more)
    found = fill(scores, floor, cap)
    assert (found >= floor - 1e-12).all()
    assert (found <= cap + 1e-12).all()
    assert found.sum(axis=1) == pytest.approx(min(1.0, cap * scores.shape[1]))
    best = np.take_along_axis(found, scores.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert (best == found.max(axis=1)).all()


def test_who_is_last_for_long_rests_without_capital_and_comes_back() -> None:
    rules = BanditRules(draws=200, floor=0.1, cap=0.8, patience=3, cool_down=4)
    bandit = Bandit.begin(3, rules, 5)
    history = []
    for _ in range(9):
        history.append(bandit.shares()[2])
        bandit = bandit.after({0: 0.02, 1: 0.01, 2: -0.01} if history[-1] else {0: 0.02, 1: 0.01})
    # Last in rounds 0 to 2; rests in 3 to 6; back, with its floor, in 7.
    assert [share > 0 for share in history] == [True] * 3 + [False] * 4 + [True] * 2
    assert min(share for share in history if share) >= 0.1
    assert bandit.arms[2].count == 5


def test_so_many_never_rest() -> None:
    rules = BanditRules(patience=1, cool_down=100, fewest=2, draws=10)
    bandit = Bandit.begin(4, rules, 1)
    for _ in range(20):
        bandit = bandit.after({i: i / 10 for i in bandit.active})
    assert bandit.active == [2, 3]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"floor": 0.5, "cap": 0.2}, "floor"),
        ({"discount": 0.0}, "discount"),
        ({"discount": math.nan}, "discount"),
        ({"policy": Policy.UCB1}, "low"),
        ({"low": 1.0, "high": 0.0}, "low"),
        ({"draws": 0}, "draws"),
        ({"patience": 2}, "cool_down"),
        ({"fewest": 0}, "fewest"),
    ],
)
def test_rules_that_share_nothing_are_refused(given: dict[str, float], field: str) -> None:
    with pytest.raises(CommendaError) as refused:
        BanditRules(**given)  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.field) == ("bad_bandit", field)


def test_floors_beyond_the_capital_and_rewards_of_nobody_are_refused() -> None:
    with pytest.raises(CommendaError) as refused:
        Bandit.begin(4, BanditRules(floor=0.3, cap=0.5), 1)
    assert refused.value.code == "quotas_do_not_meet"
    for rewards in ({5: 0.1}, {0: math.nan}):
        with pytest.raises(CommendaError) as refused:
            Bandit.begin(2, BanditRules(), 1).after(rewards)
        assert refused.value.code == "bad_reward"
