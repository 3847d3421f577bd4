"""The conformance suite: what it must catch, and that the catalogue keeps every promise."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commenda.kernel import (
    Array,
    Bars,
    Program,
    cancel_all,
    compiled,
    limit_order,
    market_order,
)
from commenda.kernel.bars import CLOSE
from commenda.strategies import CATALOGUE, Param, Strategy, as_bars, strategy
from commenda.testing import (
    CHECKS,
    Finding,
    Make,
    Subject,
    Verdict,
    assert_conforms,
    check_strategy,
    found,
    precomputed,
    sample_bars,
    subject_of,
)
from commenda.testing.lookahead import with_another_future
from commenda.testing.pytest_strategies import StrategyConformance

BARS = sample_bars(2_000)
CHECK = {check.name: check for check in CHECKS}
LEVEL = Param("level", default=0.5, low=0.0, high=1.0)


def finding(name: str, subject: Subject | Strategy | Make, bars: Bars = BARS) -> Finding:
    """What the check `name` finds."""
    examined = subject if isinstance(subject, Subject) else subject_of(subject, bars=bars)
    return found(CHECK[name], examined)


def plain_strategy(step, *, state: int = 1, warmup: int = 0) -> Strategy:
    """A strategy of one plain Python function."""
    return strategy(
        name="tried",
        version="1",
        params=[LEVEL],
        state_size=lambda _: state,
        warmup=lambda _: warmup,
        python=True,
    )(step)


def crossing(bars: Bars) -> Array:
    """Honest and vectorised: long while the average of 10 closes is above that of 40."""
    sums = np.concatenate(([0.0], np.cumsum(bars.close)))
    targets = np.full(len(bars), np.nan)
    if len(bars) >= 40:
        fast = (sums[40:] - sums[30:-10]) / 10
        slow = (sums[40:] - sums[:-40]) / 40
        targets[39:] = np.where(fast > slow, 1.0, 0.0)
    return targets


def peeking(bars: Bars) -> Array:
    """The same, but at one bar in 500 it knows whether the next one closes higher."""
    targets = crossing(bars)
    for i in range(250, len(bars) - 1, 500):
        targets[i] = 1.0 if bars.close[i + 1] > bars.close[i] else -1.0
    return targets


# The catalogue


@pytest.fixture(scope="module", params=CATALOGUE, ids=lambda each: each.name)
def shipped(request: pytest.FixtureRequest) -> Strategy:
    each: Strategy = request.param
    return each


class TestCatalogue(StrategyConformance):
    @pytest.fixture
    def subject(self, shipped: Strategy) -> Subject:
        return subject_of(shipped)


@pytest.mark.parametrize("name", ["truncation", "perturbation", "modes", "restore", "warm-up"])
def test_the_catalogue_keeps_its_promises_on_real_bars(
    shipped: Strategy, name: str, market_data: Path
) -> None:
    bars = as_bars(pl.read_parquet(market_data / "binance_usdm_ETHUSDT_5m.parquet"))
    seen = finding(name, shipped, bars.between(0, 8_000))
    assert seen.verdict is Verdict.PASSED, seen


# Look-ahead


@pytest.mark.parametrize("name", ["truncation", "perturbation"])
def test_one_glance_ahead_in_500_bars_is_caught_and_its_bar_named(name: str) -> None:
    assert finding(name, precomputed(crossing)).verdict is Verdict.PASSED
    seen = finding(name, precomputed(peeking))
    assert seen.verdict is Verdict.FAILED
    assert seen.bar is not None
    assert seen.bar % 500 == 250
    assert f"at bar {seen.bar} (2025-03-" in seen.said


def test_a_glance_in_a_later_window_is_caught_too() -> None:
    bars = sample_bars(6_000)

    def late(given: Bars) -> Array:
        targets = crossing(given)
        at = np.flatnonzero(given.ts == bars.ts[4_321])
        if at.size and at[0] + 1 < len(given):
            targets[at[0]] = float(given.close[at[0] + 1] > given.close[at[0]]) - 0.5
        return targets

    assert finding("truncation", precomputed(late), bars).bar == 4_321
    assert finding("perturbation", precomputed(late), bars).bar == 4_321


def test_scaling_by_all_of_the_history_is_caught() -> None:
    def scaled(bars: Bars) -> Array:
        return np.where(bars.close > bars.close.mean(), 1.0, -1.0)

    for name in ("truncation", "perturbation"):
        assert finding(name, precomputed(scaled)).verdict is Verdict.FAILED


def test_a_plain_step_that_closes_over_all_bars_is_caught_also_at_a_window_s_last_bar() -> None:
    def make(bars: Bars) -> Program:
        def step(state, bar, position, params):
            at = int(state[0])
            state[0] += 1.0
            if at != 999 or at + 1 == len(bars):
                return 0.0
            return 1.0 if bars.close[at + 1] > bar[CLOSE] else -1.0

        return Program("closure 1", step, np.empty(0), 1, 0)

    for name in ("truncation", "perturbation"):
        seen = finding(name, make, BARS.between(0, 1_200))
        assert (seen.verdict, seen.bar) == (Verdict.FAILED, 999)


def test_the_other_future_begins_after_the_bar_and_turns_every_move() -> None:
    for k in (1, 700, 1_999, 2_000):
        other = with_another_future(BARS, k)
        for name in ("open", "high", "low", "close", "volume"):
            was, now = getattr(BARS, name), getattr(other, name)
            assert now[:k].tobytes() == was[:k].tobytes()
        assert (other.close[k:] != BARS.close[k:]).all()
        assert (other.volume[k:] != BARS.volume[k:]).all()
        last = BARS.close[k - 1]
        before, after = np.log(BARS.close[k:] / last), np.log(other.close[k:] / last)
        assert after == pytest.approx(np.clip(-3.0 * before, -6.0, 6.0))


def test_a_future_in_an_order_is_caught_though_the_target_says_nothing() -> None:
    def make(bars: Bars) -> Program:
        closes = np.concatenate((bars.close, bars.close[-1:]))
        return Program("peeking orders 1", bid_at_the_next_close, closes, 1, 0, orders=2)

    for name in ("truncation", "perturbation"):
        seen = finding(name, make, BARS.between(0, 600))
        assert seen.verdict is Verdict.FAILED
        assert seen.bar is not None
        assert seen.bar % 100 == 7


@compiled
def bid_at_the_next_close(state, bar, position, params, orders):
    """At one bar in 100 the bid is what the next bar closes at."""
    at = int(state[0])
    state[0] += 1.0
    if at % 100 == 7:
        cancel_all(orders)
        limit_order(orders, 1.0, params[at + 1])
    return np.nan


def test_an_honest_step_keeps_every_promise_with_orders_and_in_plain_python() -> None:
    def bidding(state, bar, position, params, orders):
        state[0] = 0.9 * state[0] + 0.1 * bar[CLOSE] if state[0] > 0.0 else bar[CLOSE]
        cancel_all(orders)
        if position[0] == 0.0:
            limit_order(orders, params[0] + 0.1, 0.99 * state[0])
        elif bar[CLOSE] > state[0]:
            market_order(orders, -params[0] - 0.1)
        return np.nan

    declare = strategy(
        name="bidding",
        version="1",
        params=[LEVEL],
        state_size=lambda _: 1,
        warmup=lambda _: 10,
        orders=2,
        python=True,
    )
    each = declare(bidding)
    assert not each.compiled
    assert_conforms(each, bars=BARS.between(0, 500))


# What a step may read and write


def test_a_step_that_writes_to_its_bar_is_caught() -> None:
    def step(state, bar, position, params):
        state[0] += 1.0
        if state[0] == 78.0:
            bar[CLOSE] *= 2.0
        return 0.0

    seen = finding("inputs", plain_strategy(step))
    assert (seen.verdict, seen.bar) == (Verdict.FAILED, 77)
    assert "`bar`" in seen.said


def test_a_compiled_step_that_writes_to_its_parameters_is_caught() -> None:
    @compiled
    def step(state, bar, position, params):
        params[0] += 1.0
        return 0.0

    seen = finding("inputs", lambda bars: Program("greedy 1", step, np.ones(1), 0, 0))
    assert "`params`" in seen.said


TABLE = np.ones(3)
WEIGHTS = (0.5, 0.25)


def test_a_table_of_the_module_is_refused_and_a_tuple_is_not() -> None:
    def with_table(state, bar, position, params):
        return TABLE[0]

    def with_weights(state, bar, position, params):
        return WEIGHTS[0]

    seen = finding("sources", plain_strategy(with_table))
    assert seen.verdict is Verdict.FAILED
    assert "TABLE, which is a ndarray" in seen.said
    assert finding("sources", plain_strategy(with_weights)).verdict is Verdict.PASSED


def test_memory_outside_the_state_is_caught() -> None:
    seen_closes: list[float] = []

    def hoarding(state, bar, position, params):
        seen_closes.append(bar[CLOSE])
        return 1.0 if bar[CLOSE] >= max(seen_closes[-50:]) else 0.0

    bars = BARS.between(0, 600)
    each = plain_strategy(hoarding)
    for name in ("sources", "restore", "truncation"):
        seen_closes.clear()
        assert finding(name, each, bars).verdict is Verdict.FAILED, name


# Numbers, beginnings, ranges


def test_an_infinite_target_is_named_by_its_bar() -> None:
    @compiled
    def step(state, bar, position, params):
        state[0] += 1.0
        return 1.0 / (state[0] - 401.0)

    seen = finding("targets", lambda bars: Program("pole 1", step, np.empty(0), 1, 500))
    assert (seen.verdict, seen.bar) == (Verdict.FAILED, 400)


def test_a_strategy_that_never_decides_is_told_so() -> None:
    seen = finding("targets", precomputed(lambda bars: np.full(len(bars), math.nan)))
    assert "never decided" in seen.said


def test_counting_bars_from_the_beginning_is_no_warm_up() -> None:
    def counting(state, bar, position, params):
        state[0] += 1.0
        return 1.0 if state[0] % 300 < 150 else 0.0

    assert finding("warm-up", plain_strategy(counting)).verdict is Verdict.FAILED


def test_an_average_that_fades_says_how_many_bars_that_takes() -> None:
    def fading(state, bar, position, params):
        state[0] = 0.9 * state[0] + 0.1 * (bar[CLOSE] / 100.0 - 1.0)
        return state[0]

    seen = finding("warm-up", plain_strategy(fading, warmup=20))
    assert seen.verdict is Verdict.PASSED
    assert int(seen.said.split()[3]) == max(faded(2_000 // part) for part in (8, 4, 2))


def faded(start: int) -> int:
    """Bars after `start` until that average, begun there, is within 1e-6 of the one from bar 0."""
    x = BARS.close / 100.0 - 1.0
    weights = 0.1 * 0.9 ** np.arange(2_000)
    whole = np.array([weights[: i + 1] @ x[i::-1] for i in range(2_000)])
    later = np.array(
        [weights[: i + 1] @ x[start : start + i + 1][::-1] for i in range(2000 - start)]
    )
    apart = np.abs(later - whole[start:]) > 1e-6 * (1.0 + np.abs(whole[start:]))
    return int(np.flatnonzero(apart)[-1]) + 1


def test_an_edge_of_a_range_at_which_the_step_fails_is_named() -> None:
    def dividing(state, bar, position, params):
        return 0.5 / float(params[0])

    seen = finding("ranges", plain_strategy(dividing))
    assert seen.verdict is Verdict.FAILED
    assert "level = 0 raised ZeroDivisionError" in seen.said


def test_chance_is_caught() -> None:
    @compiled
    def step(state, bar, position, params):
        return np.random.random()

    program = Program("dice 1", step, np.empty(0), 0, 0)
    assert finding("determinism", lambda bars: program).verdict is Verdict.FAILED


# The suite's own manners


def test_findings_come_one_for_each_check_and_the_assertion_names_the_broken() -> None:
    findings = check_strategy(precomputed(peeking), bars=BARS)
    assert [each.check for each in findings] == [check.name for check in CHECKS]
    verdicts = {each.check: each.verdict for each in findings}
    assert verdicts["warm-up"] is verdicts["ranges"] is Verdict.UNCHECKED
    assert verdicts["modes"] is Verdict.PASSED
    with pytest.raises(AssertionError, match="truncation failed: at bar 250"):
        assert_conforms(precomputed(peeking), bars=BARS)


def test_a_strategy_that_raises_has_failed() -> None:
    def failing(state, bar, position, params):
        raise RuntimeError("out of ideas")

    seen = finding("targets", plain_strategy(failing))
    assert seen.said == "it raised RuntimeError: out of ideas"


def test_bad_use_of_the_suite_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        subject_of(CATALOGUE[0], bars=BARS.between(0, 99))
    with pytest.raises(ValueError, match="inside the function"):
        subject_of(precomputed(crossing), params={"fast": 3})
    with pytest.raises(ValueError, match="targets for"):
        precomputed(lambda bars: np.zeros(3))(BARS)
