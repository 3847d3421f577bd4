"""Luck against skill: published numbers of the Sharpe tests, PBO by CSCV, bootstraps, Kelly."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.returns import (
    Blocks,
    SharpeSample,
    backtest_overfitting,
    block_indexes,
    bootstrap_interval,
    deflated_sharpe,
    expected_maximum,
    expected_maximum_sharpe,
    kelly_fraction,
    minimum_track_record,
    probabilistic_sharpe,
    row_sharpe,
    sharpe_sample,
)

DAYS = 250  # of a year, in the paper's example

# Sharpe tests


def test_deflated_sharpe_of_the_published_example() -> None:
    # QT1: Bailey and López de Prado 2014, the numerical example: SR₀ 0.1132, DSR 0.9004
    sample = SharpeSample(2.5 / math.sqrt(DAYS), 1_250, skew=-3.0, kurtosis=10.0)
    assert expected_maximum_sharpe(100, 0.5 / DAYS) == pytest.approx(0.113172, abs=5e-7)
    assert deflated_sharpe(sample, 100, 0.5 / DAYS) == pytest.approx(0.9003968, abs=5e-8)


def test_expected_maximum_of_ten_normals_of_the_published_approximation() -> None:
    # Bailey, Borwein, López de Prado and Zhu 2014, "Pseudo-Mathematics": E[max of 10] = 1.57
    assert expected_maximum(10) == pytest.approx(1.574598, abs=5e-7)
    assert expected_maximum(1) == 0.0
    with pytest.raises(CommendaError, match="at least one"):
        expected_maximum(0)


@pytest.mark.parametrize("trials", [10, 100, 1_000])
def test_expected_maximum_is_near_the_mean_of_drawn_maxima(trials: int) -> None:
    # The approximation is asymptotic: 1.5746 against 1.5388 (exact) for ten.
    drawn = np.random.default_rng(7).normal(size=(4_000, trials)).max(axis=1).mean()
    assert expected_maximum(trials) == pytest.approx(drawn, abs=0.06)


def test_probabilistic_sharpe_of_the_published_example() -> None:
    # Bailey and López de Prado 2012: annual SR 1.585 on 24 months, skew -2.448, kurtosis 10.164
    sample = SharpeSample(1.585 / math.sqrt(12), 24, skew=-2.448, kurtosis=10.164)
    assert probabilistic_sharpe(sample) == pytest.approx(0.9132343, abs=5e-8)


@pytest.mark.parametrize(("per_year", "years"), [(252, 2.73098), (12, 3.23980)])
def test_minimum_track_record_of_the_published_examples(per_year: int, years: float) -> None:
    # Bailey and López de Prado 2012: normal returns, SR 2 against 1 at 95 %, daily and monthly
    sample = SharpeSample(2.0 / math.sqrt(per_year), per_year)
    needed = minimum_track_record(sample, 1.0 / math.sqrt(per_year), 0.95)
    assert needed / per_year == pytest.approx(years, abs=5e-6)


def test_a_record_of_the_minimum_length_is_just_long_enough() -> None:
    sample = SharpeSample(0.1, 100, skew=-1.0, kurtosis=6.0)
    needed = minimum_track_record(sample, 0.02, 0.9)
    long_enough = SharpeSample(0.1, needed, skew=-1.0, kurtosis=6.0)
    assert probabilistic_sharpe(long_enough, 0.02) == pytest.approx(0.9)
    assert minimum_track_record(sample, 0.1) == math.inf


@given(
    sharpe=st.floats(0.01, 0.12),
    fewer=st.integers(2, 10_000),
    more=st.integers(1, 10_000),
    variance=st.floats(1e-5, 1e-2),
)
def test_deflated_sharpe_falls_with_the_number_of_trials(
    sharpe: float, fewer: int, more: int, variance: float
) -> None:
    sample = SharpeSample(sharpe, 1_000, skew=-0.5, kurtosis=5.0)
    one = probabilistic_sharpe(sample)
    assert one == deflated_sharpe(sample, 1, variance)
    assert one > deflated_sharpe(sample, fewer, variance)
    assert deflated_sharpe(sample, fewer, variance) >= deflated_sharpe(
        sample, fewer + more, variance
    )


def test_the_best_of_many_without_skill_is_rarely_called_skilled() -> None:
    # The point of the deflation: of 200 lots of 50 series of noise, PSR believes nearly every best.
    rng = np.random.default_rng(11)
    believed = {"deflated": 0, "plain": 0}
    for _ in range(200):
        samples = [sharpe_sample(row) for row in rng.normal(size=(50, 500))]
        known = [sample for sample in samples if sample is not None]
        best = max(known, key=lambda one: one.sharpe)
        variance = float(np.var([one.sharpe for one in known], ddof=1))
        believed["plain"] += probabilistic_sharpe(best) > 0.95
        believed["deflated"] += deflated_sharpe(best, len(known), variance) > 0.95
    assert believed["plain"] > 150
    assert believed["deflated"] < 20


def test_moments_of_a_sample_by_hand() -> None:
    # Deviations -1, -1, 2 of the mean 1: m2 = 2, m3 = 2, m4 = 6; sample deviation √3.
    sample = sharpe_sample([0.0, 0.0, 3.0])
    assert sample is not None
    assert sample.sharpe == pytest.approx(1 / math.sqrt(3))
    assert sample.skew == pytest.approx(2 / 2**1.5)
    assert sample.kurtosis == pytest.approx(6 / 4)
    assert sample.observations == 3
    assert sharpe_sample([0.01]) is None
    assert sharpe_sample([0.01, 0.01]) is None


def test_moments_that_no_distribution_has_are_refused() -> None:
    with pytest.raises(CommendaError) as refused:
        probabilistic_sharpe(SharpeSample(2.0, 100, skew=3.0, kurtosis=3.0))
    assert (refused.value.code, refused.value.field) == ("bad_moments", "kurtosis")
    with pytest.raises(CommendaError, match="two returns"):
        SharpeSample(1.0, 1)


# PBO


def published_matrix() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """M[t, n] = ((7t + 13n + (t·n²) mod 17) mod 23 − 11)/1000 of acceptance part 3."""
    t, n = np.arange(64)[:, None], np.arange(5)[None, :]
    return ((7 * t + 13 * n + (t * n**2) % 17) % 23 - 11) / 1_000


def test_overfitting_of_the_reference_matrix() -> None:
    # Acceptance part 3: 44 of 70 splits, and none with column 2 raised by 0.02
    found = backtest_overfitting(published_matrix(), blocks=8)
    assert found.splits == 70
    assert found.probability == 44 / 70
    raised = published_matrix()
    raised[:, 2] += 0.02
    assert backtest_overfitting(raised, blocks=8).probability == 0.0


def overfit_one_by_one(table: np.ndarray, blocks: int) -> tuple[float, float]:
    """The paper's algorithm, split by split: PBO, and the share of choices that lose."""
    parts = np.split(table, blocks)
    overfit, lost, splits = 0, 0, 0
    for half in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[i] for i in half])
        outside = np.concatenate([parts[i] for i in range(blocks) if i not in half])
        best = int(np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1)))
        beyond = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        rank = 1 + int((beyond < beyond[best]).sum())
        overfit += rank / (table.shape[1] + 1) <= 0.5
        lost += beyond[best] < 0.0
        splits += 1
    return overfit / splits, lost / splits


@pytest.mark.parametrize(("columns", "blocks"), [(2, 2), (7, 6), (40, 10)])
def test_overfitting_agrees_with_the_splits_one_by_one(columns: int, blocks: int) -> None:
    table = np.random.default_rng(columns).normal(0.0003, 0.01, size=(blocks * 9, columns))
    found = backtest_overfitting(table, blocks)
    assert (found.probability, found.loss) == overfit_one_by_one(table, blocks)
    # A level far above the variation costs no digits.
    shifted = backtest_overfitting(table + 1e3, blocks)
    assert shifted.splits == found.splits


def test_choosing_among_noise_is_overfit_half_of_the_time() -> None:
    rng = np.random.default_rng(5)
    found = [backtest_overfitting(rng.normal(size=(480, 50)), 8).probability for _ in range(60)]
    # Of 60 matrices the mean has a standard error of about 0.02.
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


def test_choosing_a_planted_winner_is_never_overfit() -> None:
    noise = np.random.default_rng(6).normal(size=(480, 50))
    noise[:, 17] += 1.0
    found = backtest_overfitting(noise, 8)
    assert (found.probability, found.loss) == (0.0, 0.0)


def test_sixteen_blocks_of_five_hundred_configurations_are_all_split() -> None:
    table = np.random.default_rng(8).normal(size=(1_600, 500))
    assert backtest_overfitting(table, 16).splits == 12_870


def test_a_configuration_that_never_trades_ranks_as_zero() -> None:
    table = np.random.default_rng(9).normal(-1.0, 0.1, size=(80, 3))
    table[:, 1] = 0.0
    found = backtest_overfitting(table, 4)
    assert (found.probability, found.loss) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("shape", "blocks", "field"),
    [((80, 3), 5, "blocks"), ((80, 3), 22, "blocks"), ((80, 1), 4, "returns")],
)
def test_what_cannot_be_cross_validated_is_refused(
    shape: tuple[int, int], blocks: int, field: str
) -> None:
    with pytest.raises(CommendaError) as refused:
        backtest_overfitting(np.zeros(shape), blocks)
    assert (refused.value.code, refused.value.field) == ("bad_matrix", field)


def test_returns_that_are_not_numbers_are_refused() -> None:
    table = np.zeros((80, 3))
    table[4, 1] = np.nan
    with pytest.raises(CommendaError, match="not a number"):
        backtest_overfitting(table, 4)


# Bootstrap


@pytest.mark.parametrize("kind", list(Blocks))
def test_blocks_are_runs_that_wrap_around(kind: Blocks) -> None:
    drawn = block_indexes(50, 400, 10.0, kind, np.random.default_rng(1))
    assert drawn.shape == (400, 50)
    goes_on = (drawn[:, 1:] == (drawn[:, :-1] + 1) % 50).mean()
    # A new block goes on by chance one time in 50.
    breaks = 0.1 if kind is Blocks.STATIONARY else 4 / 49
    assert goes_on == pytest.approx(1 - breaks * 49 / 50, abs=0.01)
    # Every return is drawn equally often, the ends too: 400 of each, deviation about 60.
    counts = np.bincount(drawn.ravel(), minlength=50)
    assert counts.min() > 150


@pytest.mark.parametrize("kind", list(Blocks))
def test_the_interval_covers_the_truth_as_often_as_it_says(kind: Blocks) -> None:
    # 200 records of dependent returns (AR(1) of 0.3) whose true mean is 0.1.
    rng = np.random.default_rng(3)
    covered = 0
    for number in range(200):
        shocks = rng.normal(size=500)
        for i in range(1, shocks.size):
            shocks[i] += 0.3 * shocks[i - 1]
        found = bootstrap_interval(
            0.1 + shocks,
            lambda rows: rows.mean(axis=1),
            seed=number,
            samples=400,
            confidence=0.9,
            length=12,
            kind=kind,
        )
        covered += found.low <= 0.1 <= found.high
    # Binomial(200, 0.9): deviation 4.2; blocks of finite length cover a little less.
    assert 160 <= covered <= 195


def test_an_interval_depends_on_the_seed_alone() -> None:
    returns = np.random.default_rng(2).normal(0.05, 1.0, 800)
    first = bootstrap_interval(returns, row_sharpe, seed=4, samples=300)
    assert first == bootstrap_interval(returns, row_sharpe, seed=4, samples=300)
    assert first != bootstrap_interval(returns, row_sharpe, seed=5, samples=300)
    assert first.low < returns.mean() / returns.std(ddof=1) < first.high
    with pytest.raises(CommendaError, match="two returns"):
        bootstrap_interval([0.1], row_sharpe, seed=1)


def test_rows_that_do_not_vary_have_no_ratio() -> None:
    assert row_sharpe(np.array([[0.1, 0.1, 0.1], [0.0, 0.0, 3.0]])) == pytest.approx(
        np.array([math.nan, 1 / math.sqrt(3)]), nan_ok=True
    )


# Kelly


def test_kelly_at_even_money() -> None:
    # Kelly 1956: the edge itself, 2p − 1
    assert kelly_fraction(0.6) == pytest.approx(0.2)
    assert kelly_fraction(0.4) == 0.0
    assert kelly_fraction(0.5, odds=2.0) == pytest.approx(0.25)


@given(p=st.floats(0.51, 0.99), odds=st.floats(1.0, 10.0), other=st.floats(0.0, 0.99))
def test_no_other_stake_grows_faster_than_kellys(p: float, odds: float, other: float) -> None:
    def growth(stake: float) -> float:
        return p * math.log1p(odds * stake) + (1.0 - p) * math.log1p(-stake)

    assert growth(kelly_fraction(p, odds)) >= growth(other) - 1e-12


def test_stakes_on_impossible_odds_are_refused() -> None:
    with pytest.raises(CommendaError, match="probability"):
        kelly_fraction(1.5)
    with pytest.raises(CommendaError, match="above 0"):
        kelly_fraction(0.5, odds=0.0)
