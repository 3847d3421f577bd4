"""The catalogue and the author's API: bindings, and one decision in every mode."""

from __future__ import annotations

import math
import random
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.kernel import Bars, Costs, Funding, Stepper, Stops, compiled, run
from commenda.kit.errors import CommendaError
from commenda.strategies import (
    CATALOGUE,
    Param,
    Strategy,
    as_bars,
    catalogue,
    funding_between,
    source_hash,
    strategy,
)

FIVE_MINUTES = 300_000_000_000
START = 1_741_248_000 * 1_000_000_000  # 2025-03-06 08:00 UTC
SHORT = {  # parameters short enough to trade often within a few hundred bars
    "ema_trend": {"fast": 5, "slow": 20, "band": 0.001, "stop": 0.01},
    "zscore_reversion": {"window": 20, "entry": 1.5, "exit": 0.3, "stop": 0.01},
    "donchian_breakout": {"enter": 20, "leave": 8, "stop": 0.01},
    "sma_cross": {"fast": 5, "slow": 20, "stop": 0.01},
}
LONG_OR_FLAT = {"sma_cross"}

every_strategy = pytest.mark.parametrize("each", CATALOGUE, ids=lambda each: each.name)


def synthetic(count: int, seed: int) -> tuple[Bars, Funding]:
    """Bars that trend and revert by turns, with funding every 96 bars and jittered stamps."""
    rng = np.random.default_rng(seed)
    drift = np.repeat(rng.normal(0.0, 1e-3, count // 50 + 1), 50)[:count]
    close = 100.0 * np.exp(np.cumsum(drift + rng.normal(0.0, 2e-3, count)))
    opening = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opening, close) * np.exp(rng.exponential(1e-3, count))
    low = np.minimum(opening, close) * np.exp(-rng.exponential(1e-3, count))
    stamps = START + FIVE_MINUTES * np.arange(count)
    at = np.arange(5, count, 96)
    jitter = rng.integers(0, 10_000_000, at.size)
    funding = Funding(stamps[at] + jitter, rng.normal(0.0, 1e-4, at.size), opening[at])
    return Bars(stamps, opening, high, low, close, rng.exponential(10.0, count)), funding


def real(data: Path, asset: str) -> tuple[Bars, Funding]:
    frame = {
        kind: pl.read_parquet(data / f"binance_usdm_{asset}USDT_{kind}.parquet")
        for kind in ("5m", "funding", "mark_8h")
    }
    bars = as_bars(frame["5m"])
    return bars, funding_between(bars, frame["funding"], frame["mark_8h"])


def assert_same_bits(
    each: Strategy, params: dict[str, float], bars: Bars, funding: Funding, seed: int
) -> None:
    """The loop against the stepper, saved and restored after a random bar."""
    program, costs = each.bind(**params), Costs(fee_bps=5.0, slippage_bps=2.0)
    whole = run(program, bars, cash=10_000.0, funding=funding, costs=costs)
    assert len(whole.fills) > 10
    stepper = Stepper(program, cash=10_000.0, costs=costs)
    charges: dict[int, list[tuple[float, float]]] = {}
    due = funding.bar_indexes(bars.ts).tolist()
    for bar, rate, mark in zip(due, funding.rate.tolist(), funding.mark.tolist(), strict=True):
        charges.setdefault(bar, []).append((rate, mark))
    restart = random.Random(seed).randrange(len(bars))
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    equity, targets, stopped = [], [], []
    for i, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        decision = stepper.on_bar(*row, charges.get(i, ()))
        equity.append(stepper.equity)
        targets.append(decision.target)
        if decision.stopped:
            stopped.append(i)
        if i == restart:
            stepper = Stepper.restore(program, stepper.save(), costs=costs)
    assert np.array(equity).tobytes() == whole.equity.tobytes(), f"restarted after {restart}"
    assert np.array(targets).tobytes() == whole.targets.tobytes(), f"restarted after {restart}"
    assert stepper.account.tobytes() == whole.account.tobytes()
    assert stopped == [fill.bar for fill in whole.fills if fill.kind == "stop"]


# One strategy, every mode


@every_strategy
def test_loop_and_stepper_agree_to_the_bit_on_synthetic_bars(each: Strategy) -> None:
    bars, funding = synthetic(3_000, seed=7)
    assert_same_bits(each, SHORT[each.name], bars, funding, seed=7)


@pytest.mark.parametrize("asset", ["BTC", "ETH"])
@every_strategy
def test_loop_and_stepper_agree_to_the_bit_on_real_bars_and_funding(
    each: Strategy, asset: str, market_data: Path
) -> None:
    bars, funding = real(market_data, asset)
    assert funding.ts.size > 100
    assert_same_bits(each, {}, bars, funding, seed=len(each.name))


@every_strategy
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 399))
def test_the_future_never_changes_an_earlier_decision(each: Strategy, seed: int, cut: int) -> None:
    bars, _ = synthetic(400, seed)
    other, _ = synthetic(400, seed + 1)
    factor = bars.close[cut - 1] / other.close[cut - 1]
    mixed = Bars(
        bars.ts,
        *(
            np.concatenate((getattr(bars, name)[:cut], getattr(other, name)[cut:] * factor))
            for name in ("open", "high", "low", "close", "volume")
        ),
    )
    program = each.bind(**SHORT[each.name])
    one, two = run(program, bars, cash=1e4), run(program, mixed, cash=1e4)
    assert one.targets[:cut].tobytes() == two.targets[:cut].tobytes()
    assert one.equity[:cut].tobytes() == two.equity[:cut].tobytes()


@every_strategy
def test_each_strategy_takes_its_sides_by_its_exposure(each: Strategy) -> None:
    bars, _ = synthetic(3_000, seed=11)
    targets = run(each.bind(**SHORT[each.name], exposure=0.7), bars, cash=1e4).targets
    sides = {0.0, 0.7} if each.name in LONG_OR_FLAT else {-0.7, 0.7}
    assert sides <= set(np.unique(targets)) <= sides | {0.0}


@every_strategy
def test_no_decision_is_taken_in_the_warm_up(each: Strategy) -> None:
    bars, _ = synthetic(3_000, seed=11)
    program = each.bind()
    assert not run(program, bars, cash=1e4).targets[: program.warmup].any()
    assert program.warmup >= 199


@every_strategy
def test_defaults_change_the_target_a_few_times_a_day(each: Strategy, market_data: Path) -> None:
    bars, funding = real(market_data, "BTC")
    targets = run(each.bind(), bars, cash=1e4, funding=funding).targets
    changes_a_day = np.count_nonzero(np.diff(targets)) / (len(bars) / 288)
    assert 0.3 < changes_a_day < 6.0


def test_an_average_above_from_the_start_has_not_crossed() -> None:
    closes = np.array([10.0, 11.0, 12.0, 13.0, 9.0, 8.0, 14.0, 15.0, 1.0])
    bars = Bars(START + FIVE_MINUTES * np.arange(9), *[closes] * 4, np.ones(9))
    # The average of two is above that of three on bars 2 and 3, below on 4 and 5, above on 6 and 7.
    targets = run(catalogue()["sma_cross"].bind(fast=2, slow=3), bars, cash=1e4).targets
    assert targets.tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 0]


# The author's API


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"speed": 3}, "unknown_parameter", "speed"),
        ({"exposure": 3.5}, "bad_parameter", "exposure"),
        ({"exposure": math.nan}, "bad_parameter", "exposure"),
        ({"exposure": "1"}, "bad_parameter", "exposure"),
        ({"exposure": None}, "bad_parameter", "exposure"),
        ({"fast": 10.5}, "bad_parameter", "fast"),
        ({"fast": True}, "bad_parameter", "fast"),
        ({"fast": 300, "slow": 300}, "bad_parameter", "fast"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_field_value_and_mend(
    params: dict[str, object], code: str, field: str
) -> None:
    with pytest.raises(CommendaError) as refused:
        catalogue()["ema_trend"].bind(**params)
    error = refused.value
    assert (error.code, error.field) == (code, field)
    assert error.value is params[field] or error.value == params[field]
    assert error.hint


@pytest.mark.parametrize(
    ("name", "params", "field"),
    [
        ("zscore_reversion", {"entry": 1.0, "exit": 1.0}, "exit"),
        ("donchian_breakout", {"enter": 20, "leave": 21}, "leave"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(
    name: str, params: dict[str, object], field: str
) -> None:
    with pytest.raises(CommendaError) as refused:
        catalogue()[name].bind(**params)
    assert (refused.value.code, refused.value.field) == ("bad_parameter", field)


def test_defaults_fill_what_is_not_given_in_declared_order() -> None:
    resolved = catalogue()["ema_trend"].resolve({"stop": 0.02})
    assert list(resolved) == ["fast", "slow", "band", "exposure", "stop"]
    assert resolved["slow"] == 288
    program = catalogue()["ema_trend"].bind(stop=0.02)
    assert program.params.tolist() == list(resolved.values())
    assert program.stops.fraction == 0.02


def test_every_default_lies_in_its_range_and_binds() -> None:
    for each in CATALOGUE:
        assert each.doc
        assert {"exposure", "stop"} <= {param.name for param in each.params}
        assert each.bind().step is each.step


def test_the_catalogue_and_its_strategies_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        catalogue()["mine"] = CATALOGUE[0]  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        CATALOGUE[0].version = "2"  # type: ignore[misc]
    names = {"ema_trend", "zscore_reversion", "donchian_breakout", "sma_cross"}
    assert set(catalogue()) == names


def test_an_author_declares_a_strategy_of_their_own() -> None:
    @strategy(
        name="always",
        version="1",
        params=[Param("exposure", default=1.0, low=0.0, high=2.0)],
        warmup=lambda p: 0,
        state_size=lambda p: 0,
    )
    def always(state, bar, position, params):
        """Long, whatever happens."""
        return params[0]

    bars, _ = synthetic(10, seed=1)
    assert run(always.bind(exposure=2.0), bars, cash=1.0).targets.tolist() == [2.0] * 10
    assert always.doc == "Long, whatever happens."


def test_a_stop_that_is_no_parameter_is_refused() -> None:
    declare = strategy(name="x", version="1", params=[], warmup=len, state_size=len)
    assert declare(lambda state, bar, position, params: 0.0).bind().stops.fraction == 0.0
    with pytest.raises(ValueError, match="halt"):
        strategy(name="x", version="1", params=[], warmup=len, state_size=len, stop="halt")


SCALE = 2.0


@compiled
def scaled(value):
    return value * SCALE


def calls_scaled(state, bar, position, params):
    return scaled(bar[0])


def test_the_source_hash_covers_what_a_step_calls_and_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = source_hash(calls_scaled)
    assert source_hash(calls_scaled) == before
    monkeypatch.setitem(calls_scaled.__globals__, "SCALE", 3.0)
    assert source_hash(calls_scaled) != before
    assert len({each.source_hash for each in CATALOGUE}) == 4


def tight(p):
    return Stops(fraction=0.01)


def loose(p):
    return Stops(fraction=0.5)


def test_the_source_hash_covers_the_stops_the_memory_and_the_warm_up() -> None:
    """They decide what a run comes to as much as the step does."""

    def declared(**how: Any) -> str:
        given = {"warmup": len, "state_size": len, "stops": None} | how
        of = strategy(name="x", version="1", params=[], **given)(calls_scaled)
        return str(of.source_hash)

    variants = [
        declared(),
        declared(stops=tight),
        declared(stops=loose),
        declared(warmup=lambda p: 7),
        declared(state_size=lambda p: 9),
    ]
    assert len(set(variants)) == len(variants)
