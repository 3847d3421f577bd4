"""Weights by risk, within quotas, eased, and turned into lots."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.portfolios import (
    Easing,
    Estimator,
    Quota,
    Quotas,
    Wanted,
    covariance,
    hierarchical_weights,
    kelly_weights,
    nearest_lots,
    risk_budget_weights,
    risk_shares,
    target_volatility,
    trusted_means,
    turnover,
)
from commenda.portfolios.hierarchy import distances, leaves
from commenda.returns import edge_trust, shrunk_kelly

parts = st.floats(0.0, 1.0)


@st.composite
def covariances(draw: st.DrawFn) -> np.ndarray:
    """Of 1 to 8 strategies with volatilities from 0.1 % to 10 %, definite."""
    width = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    loads = rng.normal(size=(width + 3, width))
    matrix = loads.T @ loads / (width + 3)
    scales = 10.0 ** rng.uniform(-3, -1, width) / np.sqrt(np.diag(matrix))
    found: np.ndarray = matrix * np.outer(scales, scales)
    return found


# Target volatility


def test_a_strategy_gets_its_budget_of_the_target_volatility_up_to_its_cap() -> None:
    # 0.5 · 0.20 / 0.40 = 0.25; 0.3 · 0.20 / 0.10 = 0.6, held at 0.5; 0.2 · 0.20 / 0.08 = 0.5
    found = target_volatility([0.5, 0.3, 0.2], [0.40, 0.10, 0.08], 0.20, 0.5)
    assert found == pytest.approx([0.25, 0.5, 0.5], rel=1e-15)


@given(covariances(), st.floats(0.01, 1.0))
def test_budgets_that_add_up_to_1_never_pass_the_target(matrix: np.ndarray, target: float) -> None:
    width = matrix.shape[0]
    weights = target_volatility([1 / width] * width, np.sqrt(np.diag(matrix)), target)
    assert math.sqrt(weights @ matrix @ weights) <= target * (1 + 1e-12)


@pytest.mark.parametrize(
    ("budgets", "realised", "target", "code", "field"),
    [
        ([0.5, -0.1], [0.1, 0.1], 0.2, "bad_budgets", "budgets"),
        ([0.0, 0.0], [0.1, 0.1], 0.2, "bad_budgets", "budgets"),
        ([0.5, 0.5], [0.1, 0.0], 0.2, "no_variance", "realised"),
        ([0.5, 0.5], [0.1, math.nan], 0.2, "no_variance", "realised"),
        ([0.5, 0.5], [0.1, 0.1], 0.0, "not_positive", "target_volatility"),
    ],
)
def test_what_has_no_risk_to_size_by_is_refused(
    budgets: list[float], realised: list[float], target: float, code: str, field: str
) -> None:
    with pytest.raises(CommendaError) as refused:
        target_volatility(budgets, realised, target)
    assert (refused.value.code, refused.value.field) == (code, field)


# Covariance


def test_a_shrunk_covariance_keeps_the_whole_variance() -> None:
    table = np.random.default_rng(5).normal(size=(30, 6)) * [1, 2, 3, 4, 5, 6]
    for estimator in (Estimator.LEDOIT_WOLF, Estimator.OAS):
        found = covariance(table, estimator)
        assert 0 < found.shrinkage < 1
        assert np.trace(found.matrix) == pytest.approx(table.var(axis=0).sum())


def test_a_record_shorter_than_its_width_is_made_definite_by_shrinking() -> None:
    table = np.random.default_rng(6).normal(size=(5, 9))
    assert np.linalg.eigvalsh(covariance(table, Estimator.SAMPLE).matrix)[0] < 1e-12
    for estimator in (Estimator.LEDOIT_WOLF, Estimator.OAS):
        assert np.linalg.eigvalsh(covariance(table, estimator).matrix)[0] > 0.01


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ([[0.1, 0.2]], "bad_returns"),
        ([[0.1, math.nan], [0.2, 0.1]], "bad_returns"),
        ([[0.1, 0.3], [0.2, 0.3]], "no_variance"),
    ],
)
def test_returns_that_say_nothing_of_risk_are_refused(table: list[list[float]], code: str) -> None:
    with pytest.raises(CommendaError) as refused:
        covariance(np.array(table))
    assert refused.value.code == code


# Risk budgets


@given(covariances(), st.integers(0, 2**32 - 1))
def test_each_strategy_brings_its_budget_of_the_risk(matrix: np.ndarray, seed: int) -> None:
    budgets = np.random.default_rng(seed).dirichlet(np.ones(matrix.shape[0]))
    weights = risk_budget_weights(matrix, budgets)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert risk_shares(weights, matrix) == pytest.approx(budgets, abs=1e-9)


def test_equal_risk_of_uncorrelated_strategies_goes_by_inverse_volatility() -> None:
    # 1/0.1 : 1/0.2 : 1/0.4 = 4 : 2 : 1
    weights = risk_budget_weights(np.diag([0.01, 0.04, 0.16]))
    assert weights == pytest.approx([4 / 7, 2 / 7, 1 / 7])


def test_who_has_no_budget_has_no_weight() -> None:
    matrix = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.0], [0.0, 0.0, 0.01]])
    weights = risk_budget_weights(matrix, [0.5, 0.0, 0.5])
    assert weights == pytest.approx([1 / 3, 0.0, 2 / 3])


def test_two_opposite_strategies_have_no_risk_to_budget() -> None:
    matrix = np.array([[0.01, -0.02], [-0.02, 0.01]])
    with pytest.raises(CommendaError) as refused:
        risk_budget_weights(matrix)
    assert refused.value.code == "not_positive_definite"


# Hierarchical risk parity


def test_two_copies_share_what_one_of_them_would_have() -> None:
    # {a, a'} and b, uncorrelated, of one variance: the halves have equal risk.
    matrix = 0.04 * np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    order = leaves(distances(matrix))
    assert sorted(order) == [0, 1, 2]
    assert abs(order.index(0) - order.index(1)) == 1
    four = np.kron(np.eye(2), 0.04 * np.ones((2, 2)))
    assert hierarchical_weights(four) == pytest.approx([0.25] * 4)


@given(covariances())
def test_hierarchical_weights_are_above_0_and_a_whole(matrix: np.ndarray) -> None:
    weights = hierarchical_weights(matrix)
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1.0)


@given(covariances())
def test_neighbours_in_the_tree_are_its_leaves_once_each(matrix: np.ndarray) -> None:
    assert sorted(leaves(distances(matrix))) == list(range(matrix.shape[0]))


# Kelly


def test_a_fraction_of_kelly_is_that_part_of_the_inverse_covariance_times_the_means() -> None:
    matrix = np.array([[0.04, 0.01], [0.01, 0.09]])
    means = np.array([0.01, 0.02])
    # Σ⁻¹μ = [0.0009 − 0.0002, 0.0008 − 0.0001] / 0.0035 = [0.2, 0.2]
    assert kelly_weights(means, matrix, fraction=1.0) == pytest.approx([0.2, 0.2])
    assert kelly_weights(means, matrix, fraction=0.25) == pytest.approx([0.05, 0.05])


def test_what_has_no_edge_gets_nothing_and_the_rest_is_cash() -> None:
    matrix = np.diag([0.04, 0.04])
    assert kelly_weights([-0.01, 0.01], matrix, fraction=1.0) == pytest.approx([0.0, 0.25])


@given(covariances(), st.integers(0, 2**32 - 1), st.floats(0.1, 1.0), st.floats(0.2, 2.0))
def test_no_small_move_within_the_bounds_grows_faster(
    matrix: np.ndarray, seed: int, fraction: float, total: float
) -> None:
    width = matrix.shape[0]
    rng = np.random.default_rng(seed)
    means = rng.normal(size=width) * np.sqrt(np.diag(matrix)) * 0.2
    caps = rng.uniform(0.05, 1.0, width)
    weights = kelly_weights(means, matrix, fraction=fraction, caps=caps, total=total)
    assert (weights >= 0).all()
    assert (weights <= caps + 1e-12).all()
    assert weights.sum() <= total + 1e-9
    # Karush, Kuhn and Tucker: one price of capital, no less than anybody's marginal growth.
    marginal = fraction * means - matrix @ weights
    scale = np.abs(fraction * means).max()
    inner = (weights > 1e-6) & (weights < np.minimum(caps, total) - 1e-6)
    price = (
        marginal[inner].max() if inner.any() else max(0.0, marginal[weights <= 1e-6].max(initial=0))
    )
    if weights.sum() < total - 1e-6:
        price = 0.0
    assert marginal[inner] == pytest.approx(price, abs=1e-4 * scale)
    if inner.any() or weights.sum() < total - 1e-6:
        assert (marginal[weights <= 1e-6] <= price + 1e-4 * scale).all()
        assert price >= -1e-4 * scale


def test_an_edge_is_trusted_as_far_as_its_error_leaves_it() -> None:
    # A mean of twice its standard error: 4 / (4 + 1)
    assert edge_trust(0.02, 0.01) == pytest.approx(0.8)
    assert edge_trust(0.0, 0.01) == 0.0
    table = np.array([[0.01, -0.03], [0.03, 0.01]])
    # Means 0.02 and −0.01; errors 0.01 and 0.02: trusted to 0.8 and to 0.2.
    assert trusted_means(table) == pytest.approx([0.016, -0.002])


def test_a_counted_frequency_stakes_less_than_a_known_one() -> None:
    # p 0.6 of 100 at even money: Kelly 0.2, error 2 · √(0.24/100) = 0.09798, 0.04/(0.04 + 0.0096)
    assert shrunk_kelly(0.6, 1.0, 100) == pytest.approx(0.2 * 0.04 / 0.0496)
    assert shrunk_kelly(0.4, 1.0, 100) == 0.0
    with pytest.raises(CommendaError):
        shrunk_kelly(0.6, 1.0, 1)


def test_the_shrunk_stake_grows_faster_than_the_full_one_over_what_the_truth_may_be() -> None:
    # The truth is normal about the estimate: growth in the mean over 200,000 of them.
    rng = np.random.default_rng(3)
    truth, error = 0.6, 2 * math.sqrt(0.24 / 100)
    seen = np.clip(rng.normal(truth, error / 2, 200_000), 0.0, 1.0)
    trust = edge_trust(0.2, error)

    def growth(part: float) -> float:
        stakes = part * np.maximum(0.0, 2 * seen - 1)
        return float((truth * np.log1p(stakes) + (1 - truth) * np.log1p(-stakes)).mean())

    assert growth(trust) > growth(1.0)
    assert growth(trust) > max(growth(trust - 0.25), growth(trust + 0.15))


# Quotas


@st.composite
def quotas(draw: st.DrawFn) -> tuple[Quotas, list[float], float]:
    width = draw(st.integers(1, 7))
    floors = np.array(draw(st.lists(st.floats(0, 0.1), min_size=width, max_size=width)))
    rooms = np.array(draw(st.lists(st.floats(0.3, 1), min_size=width, max_size=width)))
    weights = draw(st.lists(st.floats(-1, 2), min_size=width, max_size=width))
    caps = floors + rooms
    low, high = float(floors.sum()), float(caps.sum())
    total = low + draw(parts) * (high - low)
    group: tuple[Quota, ...] = ()
    if width >= 4:
        share = total * floors[:2].sum() / low if low else 0.0
        within = min(max(share, floors[:2].sum()), caps[:2].sum())
        rest = total - within
        if floors[2:].sum() <= rest <= caps[2:].sum():
            group = (Quota((0, 1), within * 0.9, within * 1.1),)
    return Quotas(floors, caps, group), weights, total


@given(quotas())
def test_quotas_are_kept_and_what_keeps_them_stays(made: tuple[Quotas, list[float], float]) -> None:
    rules, weights, total = made
    found = rules.nearest(weights, total)
    assert found.sum() == pytest.approx(total, abs=1e-9)
    assert (found >= rules.floors - 1e-12).all()
    assert (found <= rules.caps + 1e-12).all()
    for group in rules.groups:
        together = found[list(group.members)].sum()
        assert group.floor - 1e-9 <= together <= group.cap + 1e-9
    assert rules.nearest(found, total) == pytest.approx(found, abs=1e-9)


@given(quotas(), st.integers(0, 2**32 - 1))
def test_no_other_weights_within_the_quotas_are_nearer(
    made: tuple[Quotas, list[float], float], seed: int
) -> None:
    rules, weights, total = made
    found = rules.nearest(weights, total)
    other = rules.nearest(np.random.default_rng(seed).normal(size=len(weights)), total)
    # A projection: whatever else is allowed lies at an obtuse angle behind it.
    assert (np.array(weights) - found) @ (other - found) <= 1e-7


def test_quotas_that_do_not_let_the_weights_add_up_are_refused() -> None:
    with pytest.raises(CommendaError) as refused:
        Quotas(np.zeros(3), np.full(3, 0.3)).nearest([0.3] * 3, 1.0)
    assert (refused.value.code, refused.value.field) == ("quotas_do_not_meet", "total")
    with pytest.raises(CommendaError) as refused:
        Quotas(np.full(2, 0.3), np.ones(2), groups=(Quota((0, 1), cap=0.5),))
    assert refused.value.code == "quotas_do_not_meet"
    with pytest.raises(CommendaError) as refused:
        Quotas(np.zeros(3), np.ones(3), groups=(Quota((0, 1)), Quota((1, 2))))
    assert refused.value.code == "bad_quota"


# Easing


def test_a_small_difference_is_left_alone_and_a_great_one_goes_by_steps() -> None:
    easing = Easing(band=0.02, step=0.1)
    found = easing.toward([0.30, 0.30, 0.40], [0.31, 0.60, 0.09])
    # The first stays; the second may go up by 0.1, and the third down by 0.1.
    assert found == pytest.approx([0.30, 0.40, 0.30])


def test_nothing_is_bought_with_money_that_is_not_there_yet() -> None:
    # One sells 0.1, the others would buy 0.05 and 0.15: 0.1 is there for both, cut alike.
    found = Easing(step=0.15, band=0.0).toward([0.6, 0.2, 0.2], [0.5, 0.25, 0.35])
    assert found == pytest.approx([0.5, 0.25, 0.35])
    eased = Easing(step=0.1).toward([0.8, 0.1, 0.1], [0.4, 0.3, 0.3])
    assert eased == pytest.approx([0.7, 0.15, 0.15])


@given(
    st.lists(st.tuples(parts, parts), min_size=1, max_size=8),
    st.floats(0, 0.1),
    st.floats(0.01, 0.5),
    st.floats(0, 2),
)
def test_easing_keeps_every_bound_and_never_passes_the_target(
    pairs: list[tuple[float, float]], band: float, step: float, most: float
) -> None:
    actual, target = map(np.array, zip(*pairs, strict=True))
    found = Easing(band, step, most).toward(actual, target)
    moved = found - actual
    assert (np.abs(moved) <= step + 1e-12).all()
    assert turnover(actual, found) <= most + 1e-9
    assert (moved[np.abs(target - actual) <= band] == 0).all()
    assert (np.abs(target - found) <= np.abs(target - actual) + 1e-12).all()
    assert found.sum() <= max(actual.sum(), target.sum()) + 1e-9


# Lots


def wanted(amount: str, price: str, lot: str, minimum: str = "0") -> Wanted:
    return Wanted("one", Decimal(amount), Decimal(price), Decimal(lot), Decimal(minimum))


def test_what_is_below_the_least_order_is_none_or_the_least_order() -> None:
    # 5 USDT are the least: at 30,000 that is 0.001 (of lots of 0.001), worth 30.
    assert wanted("20", "30000", "0.001", "5").neighbours() == (0, Decimal("0.001"))
    assert wanted("7", "0.5", "1", "5").neighbours() == (14, 15)
    assert wanted("4", "0.5", "1", "5").neighbours() == (0, 10)


def test_the_best_neighbours_are_chosen_under_the_budget() -> None:
    rows = [wanted("96", "10", "1"), wanted("-58", "10", "1"), wanted("47", "10", "1")]
    # Up to 100, 60 and 50 they would come to 210; 201 are wanted, and the budget.
    # One up at most: 90 + 60 + 40 misplaces 6 + 2 + 7, 100 + 50 + 40 4 + 8 + 7, 90 + 50 + 50
    # 6 + 8 + 3. Two: 100 + 60 + 40 misplaces 4 + 2 + 7 = 13, 90 + 60 + 50 11, 100 + 50 + 50 15.
    found = nearest_lots(rows, Decimal(201))
    assert [one.quantity for one in found.positions] == [9, -6, 5]
    assert (found.worth, found.misplaced, found.gap) == (200, 11, 0)


amounts = st.decimals(-500, 500, places=2)
positions = st.builds(
    Wanted,
    name=st.just("one"),
    amount=amounts,
    price=st.sampled_from([Decimal("0.37"), Decimal(3), Decimal(41), Decimal("211.5")]),
    lot=st.sampled_from([Decimal("0.1"), Decimal(1), Decimal(7)]),
    minimum_notional=st.sampled_from([Decimal(0), Decimal(5), Decimal(100)]),
)


@given(st.lists(positions, min_size=1, max_size=8), st.decimals(0, 200, places=2))
def test_branch_and_bound_finds_what_trying_all_finds(rows: list[Wanted], more: Decimal) -> None:
    budget = sum((abs(one.amount) for one in rows), Decimal(0)) + more
    best = min(
        sum(
            (abs(abs(one.amount) - q * one.price) for one, q in zip(rows, pick, strict=True)),
            Decimal(0),
        )
        for pick in product(*(one.neighbours() for one in rows))
        if sum(q * one.price for one, q in zip(rows, pick, strict=True)) <= budget
    )
    found = nearest_lots(rows, budget)
    assert (found.misplaced, found.gap) == (best, 0)
    for one, held in zip(rows, found.positions, strict=True):
        assert held.quantity % one.lot == 0
        assert held.quantity == 0 or abs(held.worth) >= one.minimum_notional
        assert held.worth * one.amount >= 0


@given(st.lists(positions, min_size=5, max_size=12), st.integers(13, 30))
def test_a_choice_that_was_cut_short_is_no_worse_than_it_says(
    rows: list[Wanted], nodes: int
) -> None:
    budget = sum((abs(one.amount) for one in rows), Decimal(0))
    best, found = nearest_lots(rows, budget), nearest_lots(rows, budget, most_nodes=nodes)
    assert best.misplaced <= found.misplaced <= best.misplaced + found.gap
    most = max(abs(one.amount) + one.neighbours()[1] * one.price for one in rows)
    assert found.gap <= most
    assert found.worth <= budget


def test_a_thousand_positions_are_placed_to_within_a_lot_in_no_time() -> None:
    rng = np.random.default_rng(1)
    rows = [
        Wanted(str(i), Decimal(f"{amount:.2f}"), Decimal(f"{price:.2f}"), Decimal("0.01"))
        for i, (amount, price) in enumerate(rng.uniform(10, 900, (1_000, 2)))
    ]
    budget = sum((one.amount for one in rows), Decimal(0))
    found = nearest_lots(rows, budget)
    assert found.worth <= budget
    assert found.gap <= max(one.lot * one.price for one in rows)


def test_more_than_the_budget_is_refused_with_what_it_comes_to() -> None:
    with pytest.raises(CommendaError) as refused:
        nearest_lots([wanted("90", "10", "1"), wanted("-20", "10", "1")], Decimal(100))
    assert refused.value.code == "over_budget"
    assert "110" in str(refused.value.hint)
