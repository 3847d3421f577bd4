"""The gate of ability 2 on returns that are made up: noise is not promoted, an edge is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from commenda.automation.promoting import PromoteTerms, begins, decide, ends
from commenda.automation.sequential import Bounds, Differences, bounds, differences
from commenda.returns import (
    backtest_overfitting,
    bootstrap_interval,
    sharpe_sample,
)
from commenda.studies import Evidence, judge

BARS, CONFIGURATIONS, STUDIES = 1_000, 20, 200
CANARY = 720
"""Bars of a canary: thirty days by the hour."""


def test_the_interval_is_the_mixtures() -> None:
    # ρ² by hand for an error of 0.05 and 100 bars: (5.99146 + ln 6.99146) / 100 = 0.0793615;
    # at 100 bars tρ² = 7.93615, so 2·8.93615/793.615 · ln(sqrt(8.93615)/0.05) = 0.0920708.
    found = bounds(Differences(100, 0.5, 2.0), 0.05, 100)
    assert found is not None
    width = 2.0 * math.sqrt(2 * 8.93615 / 793.615 * math.log(math.sqrt(8.93615) / 0.05))
    assert found.low == pytest.approx(0.5 - width, rel=1e-5)
    assert found.high == pytest.approx(0.5 + width, rel=1e-5)


def test_differences_are_of_pairs() -> None:
    told = differences([(0.01, 0.02), (0.0, 0.03), (0.02, 0.01)])
    # 0.01, 0.03 and -0.01: mean 0.01, variance (0 + 0.0004 + 0.0004) / 2.
    assert (told.count, told.mean) == (3, pytest.approx(0.01))
    assert told.deviation == pytest.approx(0.02)
    assert bounds(differences([(0.1, 0.2)]), 0.05, 100) is None
    assert bounds(differences([(0.1, 0.1)] * 9), 0.05, 100) is None


def canary(pairs: Any, terms: PromoteTerms) -> str | None:
    """What becomes of a canary that is looked at after each bar."""
    for count in range(2, len(pairs) + 1):
        told = differences(pairs[:count])
        evidence = evidence_of(told, days=count / 24)
        found = ends(evidence, terms)
        if found is not None:
            return found.action
    return None


def evidence_of(told: Differences, **other: Any) -> dict[str, Any]:
    return {
        "step": "canary",
        "bars": told.count,
        "mean": told.mean,
        "deviation": told.deviation,
        "days": 1.0,
        "return": 0.0,
        "incumbentReturn": 0.0,
        "stands": 1,
        "canaryId": "c",
        "flowId": "f",
        "studyId": "s",
        "params": {},
        "termsVersion": 1,
    } | other


def study(returns: Any) -> dict[str, Any]:
    """A study of made-up configurations: its first half chooses, the second says what came of it.

    What the made-up returns cannot have (neighbours, trades) is as good as it can be, so that only
    the statistics stand in the way.
    """
    half = len(returns) // 2
    ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    best = int(np.argmax(ratios))
    found = backtest_overfitting(returns, 8)
    before = returns[:half].mean(axis=0) / returns[:half].std(axis=0, ddof=1)
    after = returns[half:].mean(axis=0) / returns[half:].std(axis=0, ddof=1)
    chosen = int(np.argmax(before))
    assert found is not None
    verdict = judge(
        Evidence(
            sample=sharpe_sample(returns[:, best]),
            configurations=returns.shape[1],
            variance=float(np.var(ratios, ddof=1)),
            overfitting=found.probability,
            loss=found.loss,
            efficiency=float(after[chosen] / before[chosen]),
            holdout=float(after[chosen]),
            plateau=1.0,
            neighbours=9,
            trades=100,
            interval=bootstrap_interval(
                returns[:, best], lambda rows: rows.mean(axis=1) / rows.std(axis=1), seed=1
            ),
        )
    )
    return {
        "step": "study",
        "studyId": "s",
        "verdict": verdict.grade,
        "deflatedSharpe": None,
        "overfitting": found.probability,
        "plateau": 1.0,
        "outOfSample": float(after[chosen]),
        "incumbent": 0.0,
        "params": {"fast": 2.0},
        "present": {"fast": 1.0},
        "termsVersion": 1,
        "equity": "10000",
        "drawdownLimit": None,
    }


def promoted(edge: float, studies: int) -> int:
    """How many of so many studies are promoted, of which each configuration earns `edge` a bar."""
    draws, terms, count = np.random.default_rng(11), PromoteTerms(), 0
    for _ in range(studies):
        returns = draws.normal(edge, 0.01, (BARS, CONFIGURATIONS))
        if begins(study(returns), terms) is None:
            continue
        pairs = np.column_stack(
            (draws.normal(0.0, 0.01, CANARY), draws.normal(edge, 0.01, CANARY))
        ).tolist()
        count += canary(pairs, terms) == "promote"
    return count


def test_of_pure_noise_nothing_is_promoted() -> None:
    assert promoted(0.0, STUDIES) == 0


def test_a_planted_edge_is_promoted() -> None:
    assert promoted(0.004, 5) == 5


def test_the_sequential_test_alone_errs_no_oftener_than_it_says() -> None:
    draws, terms = np.random.default_rng(5), PromoteTerms(most_days=365)
    ends_as = [
        canary(draws.standard_t(4, (CANARY, 2)).tolist(), PromoteTerms(most_days=365))
        for _ in range(STUDIES)
    ]
    wrong = sum(one is not None for one in ends_as)
    assert wrong <= terms.error * STUDIES


def test_it_ends_for_loss_time_and_other_terms() -> None:
    terms = PromoteTerms()
    told = Differences(200, 0.0, 0.01)
    assert ends(evidence_of(told), terms) is None
    for change, code in (
        ({"return": -0.1}, "lost_too_much"),
        ({"days": 30.0}, "canary_undecided"),
        ({"stands": 2}, "incumbent_changed"),
        ({"mean": -0.01}, "canary_worse"),
    ):
        found = decide(evidence_of(told, **change), terms)
        assert found is not None
        assert (found.action, found.because[0]["code"]) == ("back", code)
    found = decide(evidence_of(told, mean=0.01), terms)
    assert found is not None
    assert (found.action, found.because[0]["code"]) == ("promote", "canary_better")
    # However clear it looks, the first bars are no ground.
    assert decide(evidence_of(Differences(99, 0.01, 0.001)), terms) is None


def test_what_the_verdict_doubts_or_the_incumbent_beats_is_not_tried() -> None:
    terms = PromoteTerms()
    told = {
        "step": "study", "studyId": "s", "verdict": "promote", "deflatedSharpe": 0.97,
        "overfitting": 0.1, "plateau": 0.9, "outOfSample": 1.5, "incumbent": 1.0,
        "params": {"fast": 2.0}, "present": {"fast": 1.0}, "termsVersion": 3,
        "equity": "12345.678", "drawdownLimit": None,
    }  # fmt: skip
    found = decide(told, terms)
    assert found is not None
    assert (found.action, str(found.change["capital"])) == ("canary", "1234.56")
    for change in (
        {"verdict": "doubtful"},
        {"verdict": "overfit"},
        {"outOfSample": 1.0},
        {"outOfSample": None},
        {"incumbent": None},
        {"params": {"fast": 1.0}},
        {"equity": None},
        {"equity": "0.01"},
    ):
        assert decide(told | change, terms) is None
    assert isinstance(bounds(Differences(5, 0.0, 1.0), 0.05, 100), Bounds)
