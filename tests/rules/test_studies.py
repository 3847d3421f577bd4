"""Studies without a database: spaces, splits, measures, samplers, and what the verdict rests on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from commenda.kernel import Bars, Costs, FeeTier, run
from commenda.kit.errors import CommendaError
from commenda.returns import Interval, SharpeSample, deflated_sharpe
from commenda.strategies import catalogue
from commenda.studies import (
    OBJECTIVES,
    Evidence,
    Grade,
    Outcome,
    Plan,
    Sampler,
    Space,
    Thresholds,
    Trial,
    TrialState,
    Walk,
    WalkForward,
    judge,
    space_of,
    splits,
    texts_of,
    walk_of,
)
from commenda.studies.evaluate import RUNGS, Course, evaluate, glimpse
from commenda.studies.gaussian import expected_improvement, fit_lengths, predict
from commenda.studies.measures import Record, periods_of, record_of
from commenda.studies.model import Fold
from commenda.studies.plain import plain_plan, plan_of
from commenda.studies.rules import (
    best_of,
    efficiency,
    heat_map,
    pareto_front,
    plateau,
    unlike,
    walked,
)
from commenda.studies.search import Search, search_of
from commenda.studies.splits import LEAST, Range
from commenda.studies.verdict import deflated
from commenda.studies.workers import Backend, be_modest, workers

TREND = catalogue()["ema_trend"]
HOUR = 3_600_000_000_000


def space(written: str, **fixed: object) -> Space:
    return space_of(TREND, texts_of(written), fixed)


# Spaces


def test_a_space_is_written_by_ranges_steps_logs_and_choices() -> None:
    found = space("slow=20:200:10,fast=5:50,band=0.001:0.1:log,stop=0.04|0.02", exposure=2)
    fast, slow, band, stop = found.dimensions
    assert (fast.low, fast.high, fast.step, fast.whole, fast.count) == (5, 50, 1, True, 46)
    assert slow.values() == tuple(float(one) for one in range(20, 201, 10))
    assert (band.log, band.count) == (True, None)
    assert stop.choices == (0.02, 0.04)
    assert found.whole({"fast": 9})["exposure"] == 2.0
    # Read back from what it writes, it is the same.
    assert space_of(TREND, found.texts(), dict(found.fixed)) == found


def test_a_step_that_does_not_fit_ends_below_the_end() -> None:
    (band,) = space("band=0:0.1:0.03").dimensions
    assert band.values() == (0.0, 0.03, 0.06, 0.09)


@pytest.mark.parametrize(
    ("written", "code", "field"),
    [
        ("", "bad_space", "space"),
        ("fast", "bad_space", "space"),
        ("fast=5:50,fast=6:60", "bad_space", "space"),
        ("fast=50:5", "bad_space", "fast"),
        ("fast=5:50:0", "bad_space", "fast"),
        ("fast=5:50:0.5", "bad_space", "fast"),
        ("fast=5:50:1:1", "bad_space", "fast"),
        ("fast=a:b", "bad_space", "fast"),
        ("band=0:0.1:log", "bad_space", "band"),
        ("exposure=0.1:1", "bad_space", "exposure"),  # it is fixed
        ("fast=1:50", "bad_parameter", "fast"),
        ("stop=0.1|0.9", "bad_parameter", "stop"),
        ("quick=1:5", "unknown_parameter", "quick"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(written: str, code: str, field: str) -> None:
    with pytest.raises(CommendaError) as refused:
        space(written, exposure=1)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_a_grid_has_every_configuration_once_and_needs_steps() -> None:
    found = space("fast=5:8,stop=0|0.1")
    points = [tuple(point.values()) for point in found.grid()]
    assert points == [(f, s) for f in (5.0, 6.0, 7.0, 8.0) for s in (0.0, 0.1)]
    assert found.size == 8
    with pytest.raises(CommendaError) as refused:
        list(space("band=0:0.1").grid())
    assert (refused.value.code, refused.value.field) == ("endless_dimension", "band")


@given(unit=st.floats(0.0, 1.0))
def test_values_and_units_lead_to_one_another(unit: float) -> None:
    for one in space("fast=5:50,slow=20:200:10,band=0.001:0.1:log,stop=0|0.1|0.5").dimensions:
        value = one.at(unit)
        assert one.low <= value <= one.high
        assert one.at(one.unit(value)) == pytest.approx(value)
        if one.count is not None:
            assert value in one.values()


def test_the_longest_look_back_is_that_of_the_widest_corner() -> None:
    assert space("fast=5:50,slow=60:200").longest_warmup(TREND) == 200
    assert space("fast=5:50").longest_warmup(TREND) == 288  # the default of slow


def test_the_longest_look_back_of_many_choices_is_found_at_their_ends() -> None:
    """Every corner of choices would be 60 to the power of 4 look-backs, in a request."""
    sixty = "|".join(map(str, range(20, 80)))
    asked: list[Mapping[str, float]] = []

    def counted(values: Mapping[str, float]) -> float:
        asked.append(values)
        return TREND.warmup(values)

    bands = "|".join(f"{0.0001 * n:.4f}" for n in range(1, 61))
    wide = space(f"fast={sixty},slow={sixty},band={bands},stop={bands}")
    assert wide.longest_warmup(dataclasses.replace(TREND, warmup=counted)) == 79
    assert len(asked) == 2**4


# Splits

walks = st.builds(WalkForward, st.sampled_from(Walk), st.integers(2, 8), st.integers(0, 60))


@given(bars=st.integers(500, 5_000), walk=walks, purge=st.integers(0, 100))
def test_what_learns_never_sees_what_is_tested(bars: int, walk: WalkForward, purge: int) -> None:
    try:
        found = splits(bars, walk, purge)
    except CommendaError:
        assume(False)
        return
    assert len(found) == walk.folds
    for number, split in enumerate(found):
        assert 0 <= split.test.start < split.test.stop <= bars
        for one in split.train:
            assert one.stop - one.start >= LEAST
            if walk.kind is Walk.PURGED and one.stop <= split.test.start:
                assert split.test.start - one.stop >= purge
            elif one.stop <= split.test.start:
                assert split.test.start - one.stop >= purge + walk.embargo
            else:  # behind the test, its look-back ends after it, and the embargo beside
                assert one.start - split.test.stop >= purge + walk.embargo
        if number:
            assert split.test.start == found[number - 1].test.stop  # tests follow one another
    assert found[-1].test.stop == bars
    if walk.kind is not Walk.PURGED:
        # The last range is never learned on.
        assert all(one.stop <= found[-1].test.start for split in found for one in split.train)
    else:
        assert found[0].test.start == 0


def test_rolling_and_anchored_windows_by_hand() -> None:
    # 800 bars in 5 + 3 pieces of 100: tested on the last five, 20 bars left out before each.
    rolling = splits(800, WalkForward(Walk.ROLLING, 5, embargo=5), purge=15)
    assert [(one.train[0], one.test) for one in rolling][:2] == [
        (Range(0, 280), Range(300, 400)),
        (Range(100, 380), Range(400, 500)),
    ]
    anchored = splits(800, WalkForward(Walk.ANCHORED, 5, embargo=5), purge=15)
    assert [one.train[0] for one in anchored] == [
        Range(0, stop) for stop in (280, 380, 480, 580, 680)
    ]
    purged = splits(800, WalkForward(Walk.PURGED, 4, embargo=5), purge=15)
    assert purged[1] == ((Range(0, 185), Range(420, 800)), Range(200, 400))


def test_walks_that_make_no_sense_are_refused() -> None:
    assert walk_of("anchored:6", 50) == WalkForward(Walk.ANCHORED, 6, 50)
    assert walk_of("purged").folds == 5
    for text in ("backward:5", "rolling:x", "rolling:1", "rolling:51"):
        with pytest.raises(CommendaError, match="Not a walk"):
            walk_of(text)
    with pytest.raises(CommendaError, match="Not a walk"):
        WalkForward(embargo=-1)
    with pytest.raises(CommendaError) as refused:
        splits(800, WalkForward(folds=5), purge=290)
    assert (refused.value.code, refused.value.field) == ("short_history", "walk_forward")


# Measures


def noise(count: int, seed: int) -> Bars:
    """Hourly candles of a random walk: nothing to be found in it."""
    moves = np.random.default_rng(seed).normal(0.0, 0.01, count)
    close = 100.0 * np.exp(np.cumsum(moves))
    opening = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(opening, close) * 1.001, np.minimum(opening, close) * 0.999
    return Bars(np.arange(count) * HOUR, opening, high, low, close, np.full(count, 1e6))


def record(bars: Bars, **params: object) -> Record:
    result = run(TREND.bind(**params), bars, cash=1_000.0, costs=Costs())
    return record_of(result, 1_000.0, 8_760.0)


def test_objectives_agree_with_their_definitions() -> None:
    bars = noise(1_500, 4)
    result = run(TREND.bind(fast=5, slow=20), bars, cash=1_000.0, costs=Costs())
    found = record_of(result, 1_000.0, 8_760.0)
    curve = np.concatenate(([1_000.0], result.equity))
    moves = curve[1:] / curve[:-1] - 1.0
    depth = max(1.0 - curve[i] / curve[: i + 1].max() for i in range(curve.size))
    total = curve[-1] / curve[0] - 1.0
    measured = {name: one.measure(found) for name, one in OBJECTIVES.items()}
    assert measured["sharpe"] == pytest.approx(moves.mean() / moves.std(ddof=1) * 8_760**0.5)
    downside = np.sqrt((np.minimum(moves, 0.0) ** 2).mean())
    assert measured["sortino"] == pytest.approx(moves.mean() / downside * 8_760**0.5)
    assert measured["total_return"] == pytest.approx(total)
    assert measured["max_drawdown"] == pytest.approx(depth)
    # Under a year the return is scaled, not compounded.
    assert measured["calmar"] == pytest.approx(total * 8_760 / 1_500 / depth)
    traded = sum(abs(f.quantity * f.price) / curve[f.bar] for f in result.fills)
    assert measured["turnover"] == pytest.approx(traded * 8_760 / 1_500)
    gains = [profit for profit in found.profits.tolist() if profit > 0]
    losses = [-profit for profit in found.profits.tolist() if profit < 0]
    assert measured["profit_factor"] == pytest.approx(sum(gains) / sum(losses))


def test_profits_of_trades_and_the_open_position_add_up_to_the_change_of_equity() -> None:
    bars = noise(1_500, 4)
    result = run(TREND.bind(fast=5, slow=20), bars, cash=1_000.0, costs=Costs())
    found = record_of(result, 1_000.0, 8_760.0)
    assert found.closed.size == found.profits.size > 20
    last = result.fills[-1]
    assert last.held != 0.0
    entry_fee = last.fee * abs(last.held / last.quantity)
    unrealised = last.held * (bars.close[-1] - last.price) - entry_fee
    assert result.equity[-1] - 1_000.0 == pytest.approx(found.profits.sum() + unrealised)


def test_ranges_of_a_record_are_slices_of_it() -> None:
    found = record(noise(1_500, 4), fast=5, slow=20)
    part = found.within((Range(100, 300), Range(900, 1_000)))
    assert part.returns.tolist() == [*found.returns[100:300], *found.returns[900:1_000]]
    inside = [100 <= bar < 300 or 900 <= bar < 1_000 for bar in found.closed.tolist()]
    assert part.profits.tolist() == found.profits[inside].tolist()
    assert found.within((Range(0, 1_500),)) is found


def test_a_ruined_account_has_lost_everything_and_wins_nothing_back() -> None:
    prices = np.array([100.0, 100.0, 100.0, 101.0, 101.0, 20.0, 120.0])
    bars = Bars(np.arange(7) * HOUR, prices, prices, prices, prices, np.ones(7))
    found = record(bars, fast=2, slow=3, band=0.0, stop=0.0, exposure=3.0)
    assert found.returns[5:].tolist() == [-1.0, 0.0]
    assert OBJECTIVES["total_return"].measure(found) == -1.0
    assert OBJECTIVES["max_drawdown"].measure(found) == 1.0
    assert periods_of(found.returns).min() == -1.0


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=3_000))
def test_periods_compound_to_the_same_total(returns: list[float]) -> None:
    values = np.array(returns)
    periods = periods_of(values)
    assert periods.size == min(1_024, values.size)
    assert np.log1p(periods).sum() == pytest.approx(np.log1p(values).sum(), abs=1e-9)


# One configuration


def course(bars: Bars, walk: WalkForward | None, *objectives: str) -> Course:
    cut = splits(len(bars), walk, 50) if walk else ()
    return Course(bars, None, Costs(), 1_000.0, 8_760.0, objectives or ("sharpe",), cut)


def test_an_outcome_has_its_folds_its_moments_and_its_periods() -> None:
    bars = noise(2_000, 4)
    walked_over = course(bars, WalkForward(Walk.ROLLING, 4), "sharpe", "max_drawdown")
    (outcome,) = evaluate(walked_over, [TREND.bind(fast=5, slow=20)])
    whole = record(bars, fast=5, slow=20)
    assert (outcome.state, outcome.bars) == (TrialState.COMPLETE, 2_000)
    for fold, split in zip(outcome.folds, walked_over.splits, strict=True):
        train, test = whole.within(split.train), whole.within((split.test,))
        assert fold.train == OBJECTIVES["sharpe"].measure(train) == fold.train_sharpe
        assert fold.test == OBJECTIVES["sharpe"].measure(test) == fold.test_sharpe
    assert outcome.values[0] == pytest.approx(np.mean([fold.train for fold in outcome.folds]))
    assert outcome.sharpe == pytest.approx(whole.returns.mean() / whole.returns.std(ddof=1))
    assert outcome.periods is not None
    assert outcome.periods.size == 1_024


def test_without_a_walk_the_whole_history_is_aimed_at() -> None:
    bars = noise(1_000, 4)
    (outcome,) = evaluate(course(bars, None), [TREND.bind(fast=5, slow=20)])
    assert outcome.values == (OBJECTIVES["sharpe"].measure(record(bars, fast=5, slow=20)),)
    assert outcome.folds == ()


def test_a_rung_sees_the_beginning_of_the_history_only() -> None:
    bars = noise(1_000, 4)
    for rung, share in enumerate(RUNGS):
        (seen,) = glimpse(course(bars, None), [TREND.bind(fast=5, slow=20)], rung)
        start = record(bars.between(0, int(1_000 * share)), fast=5, slow=20)
        assert (seen.state, seen.bars) == (TrialState.PRUNED, int(1_000 * share))
        assert seen.rungs == (OBJECTIVES["sharpe"].measure(start),)


# Samplers


PLAIN = "fast=5:50,band=0.001:0.1:log"


def height(params: dict[str, float]) -> float:
    """A hill over `PLAIN` with its top of 1 at fast 30, band 0.01."""
    away = ((params["fast"] - 30.0) / 45.0) ** 2 + (math.log10(params["band"] / 0.01) / 2.0) ** 2
    return 1.0 - away


def climb(
    plan: Plan,
    over: Space,
    value: Callable[[dict[str, float]], Sequence[float]],
    recorded: Sequence[dict[str, float]] = (),
) -> list[dict[str, float]]:
    """What a search asks for, told the value of each."""
    search = search_of(plan, over, lambda _: True)
    tried: list[dict[str, float]] = []
    while len(tried) < plan.trials:
        count = min(plan.batch, plan.trials - len(tried))
        asked = search.ask(count, recorded[len(tried) : len(tried) + count])
        if not asked:
            break
        for one in asked:
            outcome = Outcome(TrialState.COMPLETE, values=tuple(value(one.params)))
            search.tell(one, outcome)
            tried.append(one.params)
    return tried


@pytest.mark.parametrize("sampler", [Sampler.TPE, Sampler.GP, Sampler.CMAES, Sampler.NSGA2])
def test_each_sampler_climbs_better_than_chance(sampler: Sampler) -> None:
    over = space(PLAIN)
    rng = np.random.default_rng(0)
    drawn = [{d.name: d.at(rng.random()) for d in over.dimensions} for _ in range(4_000)]
    chance = np.mean([height(one) for one in drawn])
    for seed in range(3):
        tried = climb(Plan(sampler=sampler, trials=100, seed=seed), over, lambda p: [height(p)])
        assert len(tried) == 100
        assert all(5 <= one["fast"] <= 50 and one["fast"] % 1 == 0 for one in tried)
        last = np.mean([height(one) for one in tried[60:]])
        assert last > chance + 0.4 * (1.0 - chance)


@pytest.mark.parametrize("sampler", list(Sampler))
def test_a_search_that_is_asked_again_stands_where_it_stood(sampler: Sampler) -> None:
    over = space("fast=5:50,stop=0|0.02|0.05" if sampler is Sampler.GRID else PLAIN)

    def value(params: dict[str, float]) -> list[float]:
        return [params["fast"] * (1.0 + 10.0 * params.get("stop", params.get("band", 0.0)))]

    plan = Plan(sampler=sampler, trials=60, seed=5)
    first = climb(plan, over, value)
    assert climb(plan, over, value, recorded=first[:36]) == first
    assert climb(dataclasses.replace(plan, seed=6), over, value) != first


def test_recorded_configurations_are_told_though_the_sampler_would_choose_others() -> None:
    over = space(PLAIN)
    plan = Plan(sampler=Sampler.TPE, trials=80, seed=1)
    others = climb(dataclasses.replace(plan, seed=2), over, lambda p: [height(p)])[:40]
    tried = climb(plan, over, lambda p: [height(p)], recorded=others)
    assert tried[:40] == others
    # What it was told is of use to it: it goes on near the top.
    assert np.mean([height(one) for one in tried[40:]]) > 0.9


def test_a_grid_is_tried_whole_without_what_the_strategy_refuses() -> None:
    over = space("fast=5:9,slow=6:10")
    search = search_of(Plan(sampler=Sampler.GRID), over, lambda p: p["fast"] < p["slow"])
    asked = [one.params for one in search.ask(1_000)]
    points = {(one["fast"], one["slow"]) for one in asked}
    assert len(asked) == len(points) == 15
    assert points == {(f, s) for f in range(5, 10) for s in range(6, 11) if f < s}
    assert search.ask(8) == []


def test_two_objectives_find_a_front_and_one_sampler_for_each_is_refused() -> None:
    # Nearer to fast 10 is farther from fast 40: the front lies between them, where slow is least.
    def apart(params: dict[str, float]) -> list[float]:
        worse = params["slow"] / 10.0
        return [abs(params["fast"] - 10.0) + worse, -abs(params["fast"] - 40.0) - worse]

    plan = Plan(sampler=Sampler.NSGA2, trials=300, objectives=("max_drawdown", "sharpe"), seed=3)
    tried = climb(plan, space("fast=2:100,slow=101:1001,band=0:0.1"), apart)
    inside = [10 <= one["fast"] <= 40 for one in tried]
    assert np.mean(inside[250:]) > 0.7 > 0.5 > np.mean(inside[:30])
    slow = [one["slow"] for one in tried]
    assert np.mean(slow[250:]) < 350 < 400 < np.mean(slow[:30])
    for sampler in (Sampler.GP, Sampler.CMAES):
        with pytest.raises(CommendaError) as refused:
            Plan(sampler=sampler, objectives=("sharpe", "turnover"))
        assert (refused.value.code, refused.value.field) == ("bad_study", "sampler")


def prune(search: Search, value: float) -> bool:
    (asked,) = search.ask(1)
    hopeless = search.hopeless(asked, 0, value)
    state = TrialState.PRUNED if hopeless else TrialState.COMPLETE
    values = () if hopeless else (value,)
    search.tell(asked, Outcome(state, values=values, rungs=(value,)))
    return hopeless


@pytest.mark.parametrize("objective", ["sharpe", "max_drawdown"])
def test_what_starts_worse_than_the_median_is_given_up(objective: str) -> None:
    sign = 1.0 if OBJECTIVES[objective].maximise else -1.0
    plan = Plan(objectives=(objective,), pruning=True)
    search = search_of(plan, space(PLAIN), lambda _: True)
    assert not any(prune(search, sign * value) for value in range(10))  # not yet
    assert prune(search, sign * 4.0)
    assert not prune(search, sign * 6.0)


def test_a_gaussian_process_passes_through_what_it_was_shown() -> None:
    rng = np.random.default_rng(1)
    points = rng.random((40, 2))
    values = np.sin(6.0 * points[:, 0])  # the second dimension says nothing
    hyper = fit_lengths(points, values - values.mean(), rng)
    assert hyper[1] > 2.0 * hyper[0]
    mean, deviation = predict(points, values - values.mean(), points, hyper[:-1], 1e-6)
    assert mean + values.mean() == pytest.approx(values, abs=1e-2)
    far = np.array([[5.0, 5.0]])
    assert predict(points, values, far, hyper[:-1], 1e-6)[1] > deviation.max()


def test_expected_improvement_by_drawing() -> None:
    rng = np.random.default_rng(3)
    for mean, deviation in ((0.0, 1.0), (1.5, 0.5), (-2.0, 1.0)):
        drawn = np.maximum(rng.normal(mean, deviation, 400_000) - 1.0, 0.0).mean()
        found = expected_improvement(np.array([mean]), np.array([deviation]), 1.0)
        assert found[0] == pytest.approx(drawn, abs=3e-3)


def test_plans_that_make_no_sense_are_refused_and_the_others_are_kept() -> None:
    for wrong in (
        {"trials": 0},
        {"batch": 0},
        {"seed": -1},
        {"cash": 0.0},
        {"objectives": ()},
        {"objectives": ("luck",)},
        {"objectives": ("sharpe", "sharpe")},
        {"objectives": ("sharpe", "calmar"), "pruning": True},
    ):
        with pytest.raises(CommendaError) as refused:
            Plan(**wrong)  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.field) == (
            "bad_study",
            next(iter(wrong)) if len(wrong) == 1 else "pruning",
        )
    graded = Costs(fee_bps=4.0, tiers=(FeeTier(1e6, 3.0, 1.0),))
    for plan in (Plan(walk=None, seed=9), Plan(walk=WalkForward(Walk.PURGED, 7, 3), costs=graded)):
        assert plan_of(plain_plan(plan)) == plan


# What the trials say together


def trial(number: int, value: float, *folds: tuple[float, float], **params: float) -> Trial:
    made = tuple(Fold(train, test, train, test) for train, test in folds)
    outcome = Outcome(TrialState.COMPLETE, values=(value,), folds=made)
    return Trial(number, params or {"fast": float(number)}, outcome)


def test_the_best_is_the_earliest_of_equals_and_less_may_be_better() -> None:
    trials = [trial(0, 1.0), trial(1, 3.0), trial(2, 3.0), Trial(3, {"fast": 9.0}, None)]
    best = best_of(trials, OBJECTIVES["sharpe"])
    least = best_of(trials, OBJECTIVES["max_drawdown"])
    assert best is not None
    assert least is not None
    assert (best.number, least.number) == (1, 0)
    assert best_of(trials[3:], OBJECTIVES["sharpe"]) is None


def test_each_fold_chooses_where_it_learns_and_is_judged_where_it_is_tested() -> None:
    trials = [trial(0, 1.0, (2.0, 9.0), (4.0, 1.0)), trial(1, 1.0, (3.0, 1.0), (1.0, 9.0))]
    picked = walked(trials, OBJECTIVES["sharpe"])
    assert [one.number for one in picked] == [1, 0]
    assert efficiency(picked) == pytest.approx((1.0 + 1.0) / (3.0 + 4.0))
    assert efficiency(()) is None
    lost = walked([trial(0, 1.0, (-2.0, 9.0))], OBJECTIVES["sharpe"])
    assert efficiency(lost) == 0.0


def test_the_front_is_what_nothing_else_beats() -> None:
    values = [(1.0, 5.0), (2.0, 4.0), (2.0, 3.0), (0.5, 5.0), (2.0, 3.0)]
    trials = [
        Trial(number, {"fast": float(number)}, Outcome(TrialState.COMPLETE, values=pair))
        for number, pair in enumerate(values)
    ]
    # More Sharpe and less drawdown: 1 loses to 2, and 0 to 3 not (it has more Sharpe).
    front = pareto_front(trials, (OBJECTIVES["sharpe"], OBJECTIVES["max_drawdown"]))
    assert front == (2, 4)


def test_a_plateau_is_the_mean_of_the_neighbours_against_the_best() -> None:
    over = space("fast=10:60,slow=100:200")
    trials = [
        trial(0, 10.0, fast=30.0, slow=150.0),
        trial(1, 8.0, fast=33.0, slow=155.0),
        trial(2, 6.0, fast=27.0, slow=145.0),
        trial(3, 6.0, fast=27.0, slow=145.0),  # the same again counts once
        trial(4, -50.0, fast=36.0, slow=150.0),  # 6 of 50 away: no neighbour within a tenth
        trial(5, -50.0, fast=30.0, slow=161.0),
    ]
    reached, count = plateau(trials, trials[0], over, OBJECTIVES["sharpe"], 0.1)
    assert (reached, count) == (pytest.approx(0.7), 2)
    assert plateau(trials[:1], trials[0], over, OBJECTIVES["sharpe"], 0.1) == (None, 0)
    # Where less is better, neighbours that have twice as much reach one half.
    least = [trial(0, 0.1, fast=30.0, slow=150.0), trial(1, 0.2, fast=31.0, slow=150.0)]
    reached, count = plateau(least, least[0], over, OBJECTIVES["max_drawdown"], 0.1)
    assert (reached, count) == (pytest.approx(0.5), 1)


def test_a_heat_map_has_the_mean_of_each_cell() -> None:
    fast, slow = space("fast=10:12,slow=100:200:50").dimensions
    trials = [
        trial(0, 1.0, fast=10.0, slow=100.0),
        trial(1, 3.0, fast=10.0, slow=100.0),
        trial(2, 5.0, fast=12.0, slow=200.0),
    ]
    drawn = heat_map(trials, fast, slow)
    assert (drawn.xs, drawn.ys) == ((10.0, 11.0, 12.0), (100.0, 150.0, 200.0))
    assert drawn.cells == ((2.0, None, None), (None, None, None), (None, None, 5.0))
    assert drawn.counts == ((2, 0, 0), (0, 0, 0), (0, 0, 1))
    # A dimension without end is cut into cells, and every trial falls into one.
    (band,) = space("band=0.001:0.1:log").dimensions
    scattered = [trial(i, 1.0, fast=10.0, band=band.at(i / 99)) for i in range(100)]
    assert sum(map(sum, heat_map(scattered, band, fast).counts)) == 100


def test_near_copies_are_one_configuration() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 400))
    flat = np.zeros(400)
    table = np.stack([first, first * 2 + 0.1 * second, second, flat, flat, -first], axis=1)
    assert unlike(table) == [0, 2, 3, 5]


# The verdict

SOUND = Evidence(
    sample=SharpeSample(0.06, 5_000),
    configurations=500,
    variance=1e-5,
    overfitting=0.1,
    loss=0.02,
    efficiency=0.8,
    holdout=1.5,
    plateau=0.9,
    neighbours=40,
    trades=200,
    interval=Interval(1.0, 4.0, 0.95),
)


def test_what_passes_every_test_is_promoted_for_what_speaks_for_it() -> None:
    verdict = judge(SOUND)
    assert verdict.grade is Grade.PROMOTE
    assert len(verdict.reasons) == len(verdict.findings) == 8
    value = deflated(SOUND)
    assert value == deflated_sharpe(SharpeSample(0.06, 5_000), 500, 1e-5)
    assert "500 configurations" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("change", "test", "grade"),
    [
        ({"variance": 3e-4}, "deflated_sharpe", Grade.OVERFIT),
        ({"variance": 1.9e-4}, "deflated_sharpe", Grade.DOUBTFUL),
        ({"sample": None, "interval": None}, "deflated_sharpe", Grade.DOUBTFUL),
        ({"overfitting": 0.4, "loss": 0.2}, "overfitting", Grade.DOUBTFUL),
        ({"overfitting": 0.6, "loss": 0.2}, "overfitting", Grade.OVERFIT),
        ({"overfitting": None}, "overfitting", Grade.DOUBTFUL),
        ({"efficiency": 0.3}, "efficiency", Grade.DOUBTFUL),
        ({"efficiency": -0.1}, "efficiency", Grade.OVERFIT),
        ({"efficiency": None}, "efficiency", Grade.DOUBTFUL),
        ({"holdout": -0.5}, "holdout", Grade.DOUBTFUL),
        ({"holdout": None}, "holdout", Grade.DOUBTFUL),
        ({"plateau": 0.4}, "plateau", Grade.DOUBTFUL),
        ({"neighbours": 3}, "plateau", Grade.DOUBTFUL),
        ({"trades": 29}, "trades", Grade.DOUBTFUL),
        ({"interval": Interval(-0.1, 4.0, 0.95)}, "interval", Grade.DOUBTFUL),
    ],
)
def test_each_test_that_fails_is_a_reason(
    change: dict[str, object], test: str, grade: Grade
) -> None:
    verdict = judge(dataclasses.replace(SOUND, **change))  # type: ignore[arg-type]
    against = {one.test: one for one in verdict.findings if one.grade is not Grade.PROMOTE}
    assert verdict.grade is grade
    assert against[test].grade is grade
    assert against[test].says in verdict.reasons
    if len(change) == 1:
        assert list(against) == [test]


def test_a_choice_that_hardly_ever_loses_is_sound_though_its_equals_rank_beside_it() -> None:
    among_equals = dataclasses.replace(SOUND, overfitting=0.6, loss=0.04)
    assert judge(among_equals).grade is Grade.PROMOTE


def test_a_record_that_is_too_short_says_how_long_it_would_have_to_be() -> None:
    short = dataclasses.replace(SOUND, sample=SharpeSample(0.06, 500), variance=0.0)
    (finding,) = [one for one in judge(short).findings if one.test == "track_record"]
    # MinTRL: 1 + (1 + 0.06²/2) · (1.644854/0.06)²
    assert finding.value == pytest.approx(1 + 1.0018 * (1.644854 / 0.06) ** 2, rel=1e-6)
    assert finding.grade is Grade.DOUBTFUL


def test_thresholds_can_be_set() -> None:
    strict = Thresholds(trades=1_000)
    assert judge(SOUND, strict).grade is Grade.DOUBTFUL


# Workers


def test_processes_give_what_this_process_gives() -> None:
    bars = noise(1_200, 4)
    over = course(bars, WalkForward(Walk.ROLLING, 3))
    programs = [TREND.bind(fast=fast, slow=40) for fast in (5, 7, 9, 11, 13)]
    with workers(Backend.PROCESSES, 1) as here:
        alone = here.over(evaluate, over, programs)
    with workers(Backend.PROCESSES, 2) as two:
        shared = two.over(evaluate, over, programs)
        assert two.over(evaluate, over, []) == []
    assert [one.values for one in alone] == [one.values for one in shared]
    assert [one.folds for one in alone] == [one.folds for one in shared]


@pytest.mark.parametrize("backend", [Backend.RAY, Backend.DASK])
def test_a_cluster_whose_package_is_missing_says_which(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    package = {Backend.RAY: "ray", Backend.DASK: "distributed"}[backend]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CommendaError) as refused, workers(backend, 2):
        pass
    assert (refused.value.code, refused.value.field) == ("backend_missing", "backend")
    assert package in str(refused.value)


def test_a_bound_too_low_to_start_in_is_refused() -> None:
    with pytest.raises(CommendaError) as refused:
        be_modest(50, 0)
    assert (refused.value.code, refused.value.field) == ("bad_memory", "memory")


def test_workers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(CommendaError, match="No workers"), workers(jobs=0):
        pass
    with pytest.raises(CommendaError, match="no address"), workers(address="10.0.0.1:6379"):
        pass
