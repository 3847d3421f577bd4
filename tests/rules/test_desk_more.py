"""The desk where several of its rules meet: pauses, halts, reversals, finer bars, lots, warm-up."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from commenda.kernel import (
    BookSamples,
    Costs,
    FeeTier,
    FillKind,
    Latency,
    MaintenanceTier,
    Margin,
    Program,
    Stepper,
    Stops,
    Terms,
    run,
)
from desk_programs import (
    BRACKET,
    FREE,
    KEEP,
    MINUTE,
    WILD,
    candles,
    fills_of,
    orders,
    random_bars,
    restless,
    still,
    targets,
)


def restless_program(seed: int) -> Program:
    stops = Stops(fraction=0.05, atr=4.0, sar_step=0.01, curve_drawdown=0.15, curve_bars=20)
    return Program("restless 1", restless, np.array([seed + 1.0]), 2, 0, stops, 12)


# What follows a stop.


def test_a_pause_that_ends_after_the_account_was_halted_trades_nothing() -> None:
    # The gap to 80 passes the floor of the equity curve (95) and that of the account (90).
    bars = candles(*still(2), (80, 80, 80, 80), *still(6, 80.0))
    stops = Stops(curve_drawdown=0.05, curve_bars=2, account_loss=0.1)
    result = run(targets(1.0, stops=stops), bars, cash=1_000.0, costs=FREE)
    assert [f.kind for f in result.fills] == [FillKind.TARGET, FillKind.EQUITY_CURVE]


@pytest.mark.parametrize(
    "stops", [Stops(account_loss=0.1), Stops(curve_drawdown=0.1, curve_bars=3)]
)
def test_a_resting_order_does_not_open_a_position_in_the_bar_that_halts_or_pauses(
    stops: Stops,
) -> None:
    # 10 units from 100 are stopped at 90; the bid at 88 would be filled right after.
    bars = candles(*still(2), (100, 100, 85, 99), *still(2, 99.0))
    program = orders((0, 1, 10.0), (1, 2, 5.0, 88.0), stops=stops)
    result = run(program, bars, cash=1_000.0, costs=FREE)
    assert [(f.bar, f.held) for f in result.fills] == [(1, 10.0), (2, 0.0)]


def test_a_target_that_asks_for_just_what_a_stop_could_not_sell_has_its_stop_again() -> None:
    # 10 units; the stop at 95 sells 6 of them; then 4 are wanted, and held: their stop is at 95 too
    # and the open of 90 is beyond it.
    rows = [(100, 100, 100, 100, 100.0)] * 2
    rows += [(100, 100, 94, 96, 60.0), (96, 96, 96, 96, 100.0), (90, 90, 90, 90, 100.0)]
    program = targets(10.0, KEEP, 4.0, stops=Stops(fraction=0.05))
    terms = Terms(participation=0.1)
    result = run(program, candles(*rows), cash=1e4, costs=FREE, size=1.0, terms=terms)
    assert [(f.bar, f.held, f.price) for f in result.fills] == [
        (1, 10.0, 100.0),
        (2, 4.0, 95.0),
        (4, 0.0, 90.0),
    ]


def test_a_target_resumed_after_a_pause_says_it_is_one_though_the_stop_was_never_done() -> None:
    rows = [(100, 100, 100, 100, 1e6)] * 2 + [(100, 100, 90, 92, 0.0)] * 3
    rows += [(92, 92, 92, 92, 1e6)] * 2
    stops = Stops(curve_drawdown=0.05, curve_bars=2)
    program = targets(1.0, KEEP, 0.5, stops=stops)
    result = run(program, candles(*rows), cash=1_000.0, costs=FREE, terms=Terms(participation=1.0))
    assert [(f.bar, f.kind) for f in result.fills] == [(1, FillKind.TARGET), (5, FillKind.TARGET)]


# Orders.


def test_a_trailing_order_follows_the_highs_of_bars_in_which_nothing_happens() -> None:
    # High 104, so the stop of distance 5 lies at 99 though the bar closed at 101.
    bars = candles(*still(1), (100, 104, 100, 101), (101, 101, 98, 98))
    program = orders((0, 1, 1.0), (0, 5, -1.0, KEEP, 5.0))
    result = run(program, bars, cash=1_000.0, costs=FREE)
    assert fills_of(result)[1:] == [(2, -1.0, 99.0, FillKind.STOP_ORDER)]


def test_what_may_only_reduce_a_position_ends_when_that_is_reversed() -> None:
    # Long with a reduce-only ask at 105, reversed to short, and back to long: the ask is gone.
    bars = candles(*still(6), (100, 110, 100, 108))
    ask = (1, 2, -1.0, 105.0, KEEP, 1)
    result = run(orders((0, 1, 1.0), ask, (1, 1, -2.0), (4, 1, 2.0)), bars, cash=1e3, costs=FREE)
    assert [(f.bar, f.held) for f in result.fills] == [(1, 1.0), (2, -1.0), (5, 1.0)]


def test_what_reduces_the_position_after_a_reversal_may_be_sent_with_it() -> None:
    bars = candles(*still(3), (100, 100, 94, 95))
    program = orders((0, 1, 1.0), (1, 1, -2.0), (1, 2, 1.0, 95.0, KEEP, 1))
    result = run(program, bars, cash=1_000.0, costs=FREE)
    assert [(f.bar, f.held) for f in result.fills] == [(1, 1.0), (2, -1.0), (3, 0.0)]


def test_orders_sent_in_the_warm_up_are_ignored() -> None:
    program = replace(orders((0, 1, 1.0), (1, 2, 2.0, 101.0), (2, 1, 4.0)), warmup=2)
    result = run(program, candles(*still(6)), cash=1_000.0, costs=FREE)
    assert [f.quantity for f in result.fills] == [4.0]


def test_an_order_is_cut_to_whole_lots_and_never_rounded_up() -> None:
    program = orders((0, 1, 3.0), (1, 1, -1.5))
    result = run(program, candles(*still(4)), cash=1_000.0, costs=FREE, terms=Terms(lot=1.0))
    assert [f.quantity for f in result.fills] == [3.0, -1.0]


@pytest.mark.parametrize("seed", range(12))
def test_every_fill_is_of_whole_lots(seed: int) -> None:
    bars = random_bars(400, seed)
    terms = Terms(participation=0.1, lot=0.1)
    rng = np.random.default_rng(seed)
    wanted = np.where(rng.random(400) < 0.5, rng.choice([-1.0, 0.0, 0.3, 0.5, 1.0], 400), KEEP)
    for program in (restless_program(seed), targets(*wanted)):
        result = run(program, bars, cash=5_000.0, costs=FREE, terms=terms)
        sizes = np.abs([f.quantity for f in result.fills]) / 0.1
        assert result.fills
        assert (sizes > 0.5).all()
        assert np.abs(sizes - np.round(sizes)).max() < 1e-6


def test_a_resting_order_needs_nothing_of_the_sampled_book() -> None:
    # The book has one unit to take. What rests is filled by those who come to it.
    samples = BookSamples(np.array([0]), np.full((1, 2, 1), 1.0), np.full((1, 2, 1), 0.001))
    bars = candles(*still(1), (100, 101, 98, 100), (100, 100, 90, 92))
    program = orders((0, 2, 3.0, 99.0), stops=Stops(fraction=0.05))
    result = run(program, bars, cash=1_000.0, costs=FREE, samples=samples)
    assert [(f.bar, f.quantity) for f in result.fills] == [(1, 3.0), (2, -1.0)]


# Finer bars.


def test_an_entry_stopped_on_one_way_only_is_ambiguous_though_it_is_one_order() -> None:
    # Sold at 95 and stopped at 98.8 if the low came first; still short of it if the high did.
    bars = candles(*still(1), (97, 99, 94, 96), minutes=10)
    program = orders((0, 3, -1.0, KEEP, 95.0), stops=Stops(fraction=0.04))
    result = run(program, bars, cash=1_000.0, costs=FREE)
    assert [f.price for f in result.fills] == [95.0, pytest.approx(98.8)]
    assert result.counts.ambiguous == 1
    finer = candles((97, 99, 97, 97), (97, 97, 94, 96), minutes=5, start=10 * MINUTE)
    result = run(program, bars, cash=1_000.0, costs=FREE, finer=finer)
    assert [f.price for f in result.fills] == [95.0]
    assert (result.counts.ambiguous, result.counts.refined) == (0, 1)


def test_finer_bars_beyond_the_end_of_a_bar_are_not_part_of_it() -> None:
    # Ten minutes from the third bar's open the finer bars go on and pass the limit.
    bars = candles(*still(2), WILD, minutes=10)
    inside = ((100, 106, 100, 105), (105, 105, 94, 101), (101, 101, 50, 50))
    finer = candles(*inside, minutes=5, start=2 * 10 * MINUTE)
    program = orders(*BRACKET, (1, 2, 1.0, 60.0))
    result = run(program, bars, cash=1_000.0, costs=FREE, finer=finer)
    assert [(f.bar, f.price) for f in result.fills] == [(1, 100.0), (2, 105.0)]


def test_finer_bars_that_do_not_add_up_to_their_bar_decide_nothing() -> None:
    # The half with the low is missing: with it alone the stop at 95 would never have been met.
    bars = candles(*still(2), WILD, minutes=10)
    finer = candles((100, 106, 100, 105), minutes=5, start=2 * 10 * MINUTE)
    result = run(orders(*BRACKET), bars, cash=1_000.0, costs=FREE, finer=finer)
    assert result.fills[-1].price == 95.0
    assert (result.counts.ambiguous, result.counts.refined) == (1, 0)


def test_a_bar_played_on_finer_ones_gives_no_more_than_its_own_share_of_volume() -> None:
    # A tenth of 100 units: the open takes 8, so 2 are left, though the second half alone has 5.
    bars = candles(*still(1), (100, 106, 94, 101, 100.0), minutes=10)
    finer = candles(
        (100, 106, 100, 105, 50.0), (105, 105, 94, 101, 50.0), minutes=5, start=10 * MINUTE
    )
    program = orders((0, 1, 8.0), (0, 2, -1.0, 105.0), (0, 2, 9.0, 98.0))
    terms = Terms(participation=0.1)
    result = run(program, bars, cash=1e5, costs=FREE, terms=terms, finer=finer)
    assert result.counts.refined == 1
    assert sum(abs(f.quantity) for f in result.fills) == pytest.approx(10.0)


# Margin.


def test_a_liquidation_price_on_the_border_of_two_tiers_is_found() -> None:
    # q long at 100 with the margin that puts the price of liquidation at a notional of n exactly.
    missed = []
    for q in range(1, 400):
        border = 37.1 * q
        tiers = (MaintenanceTier(0.0, 0.004), MaintenanceTier(border, 0.01))
        price = 37.1
        cash = 0.004 * border + q * (100.0 - price)
        bars = candles(*still(2), (100, 100, 30, 30))
        terms = Terms(margin=Margin(200.0, tiers=tiers))
        result = run(targets(float(q)), bars, cash=cash, costs=FREE, size=1.0, terms=terms)
        if result.fills[-1].kind is not FillKind.LIQUIDATION:
            missed.append(q)
    assert missed == []


def test_maintenance_rates_that_fall_are_refused() -> None:
    with pytest.raises(ValueError, match="rates"):
        Margin(10.0, tiers=(MaintenanceTier(0.0, 0.02), MaintenanceTier(1e4, 0.01)))


# Costs.


def test_fee_tiers_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="tier"):
        Costs(tiers=(FeeTier(1e5, math.nan, 1.0),))


def test_a_restored_desk_charges_the_fees_it_is_restored_with() -> None:
    program = targets(1.0, KEEP, 0.0)
    asked = {"terms": Terms(lot=0.001), "interval": timedelta(minutes=5)}
    stepper = Stepper(program, cash=1_000.0, costs=Costs(10.0, 0.0), **asked)
    for i in range(3):
        stepper.on_bar(i * MINUTE, 100.0, 100.0, 100.0, 100.0, 1.0)
    stepper = Stepper.restore(program, stepper.save(), costs=Costs(20.0, 0.0), **asked)
    stepper.on_bar(3 * MINUTE, 100.0, 100.0, 100.0, 100.0, 1.0)
    # 1,000 pay for 9.990 units at 100 and a fee of 10 bp; 20 bp of what they bring is the other.
    assert [f.fee for f in stepper.fills] == [pytest.approx(999.0 * 20e-4)]


def test_exposure_is_what_is_held_and_not_what_the_step_has_heard_of() -> None:
    terms = Terms(latency=Latency(response=timedelta(minutes=11)))
    stepper = Stepper(
        targets(0.5), cash=1_000.0, costs=FREE, terms=terms, interval=timedelta(minutes=5)
    )
    for i in range(2):
        stepper.on_bar(i * MINUTE, 100.0, 100.0, 100.0, 100.0, 1.0)
    assert (stepper.quantity, stepper.exposure) == (5.0, 0.5)


def test_saved_state_of_other_stops_is_refused() -> None:
    asked = {"interval": timedelta(minutes=5)}
    saved = Stepper(targets(1.0, stops=Stops(atr=2.0)), cash=1_000.0, **asked).save()
    with pytest.raises(ValueError, match="another program"):
        Stepper.restore(targets(1.0, stops=Stops(atr=3.0)), saved, **asked)


@pytest.mark.parametrize("size", [math.nan, math.inf, 0.0])
def test_a_sampled_book_without_sound_sizes_is_refused(size: float) -> None:
    with pytest.raises(ValueError, match="do not rise"):
        BookSamples(np.array([0]), np.full((1, 2, 1), size), np.zeros((1, 2, 1)))
