"""Ruin is an equity of zero, and the end of a run: in the loop, bar by bar, in sweeps and studies.

Every right value is worked by hand beside its bars. That nothing is traded afterwards and that all
modes agree is what the issue trackers of LEAN (#5691) and TorchTrade (#344) miss.
"""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from commenda.kernel import (
    Bars,
    Costs,
    FillKind,
    Funding,
    Program,
    Result,
    Stepper,
    Stops,
    Terms,
    run,
    sweep,
)
from commenda.studies.measures import record_of
from desk_programs import FREE, KEEP, MINUTE, candles, orders, random_bars, still, targets
from l2_scenes import ASK, BID, BOUGHT, Row, buy, play

AT_A_DESK = Terms(lot=1e-9)
"""Asks for a desk, and for nothing that matters."""


def stepped(program: Program, bars: Bars, **asked: object) -> tuple[list[float], Stepper]:
    stepper = Stepper(program, cash=1_000.0, **asked)  # type: ignore[arg-type]
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    equity = []
    for row in zip(*(column.tolist() for column in columns), strict=True):
        decision = stepper.on_bar(*row)
        equity.append(stepper.equity)
        if stepper.ruined and len(equity) > 1 and equity[-2] == 0.0:
            assert decision[:3] == (0.0, False, False)
    return equity, stepper


def ends_at(result: Result, bar: int, price: float, shortfall: float) -> None:
    """Ruined in `bar`: closed there at `price`, worth 0 from then on, traded no more."""
    last = result.fills[-1]
    assert (last.bar, last.held, last.kind) == (bar, 0.0, FillKind.LIQUIDATION)
    assert last.price == pytest.approx(price)
    assert result.ruined_at == bar
    assert result.equity[bar:].tolist() == [0.0] * (len(result.equity) - bar)
    assert (result.equity[:bar] > 0.0).all()
    assert result.targets[bar:].tolist() == [0.0] * (len(result.equity) - bar)
    assert result.counts.shortfall == pytest.approx(shortfall, abs=1e-9)


@pytest.mark.parametrize("terms", [None, AT_A_DESK], ids=["plain", "desk"])
def test_a_short_whose_price_more_than_doubles_overnight_is_ruined_at_the_open(
    terms: Terms | None,
) -> None:
    # 10 units sold at 100: 1,000 + 1,000 - 10 · 250 = -500; at 90 it would be worth 1,100 again.
    bars = candles(*still(2), *still(1, 250.0), *still(2, 90.0))
    ends_at(run(targets(-1.0), bars, cash=1_000.0, costs=FREE, terms=terms), 2, 250.0, 500.0)


@pytest.mark.parametrize("terms", [None, AT_A_DESK], ids=["plain", "desk"])
@pytest.mark.parametrize(
    ("target", "bar", "price"),
    [(-1.0, (120, 210, 110, 120), 200.0), (3.0, (90, 95, 60, 90), 200.0 / 3.0)],
)
def test_the_bar_that_takes_the_equity_and_gives_it_back_has_taken_it(
    target: float, bar: tuple[float, ...], price: float, terms: Terms | None
) -> None:
    # Short 10 at 100 the money is gone at 200; long 30 at 100, for 2,000 borrowed, at 66.67.
    bars = candles(*still(2), bar, *still(2))
    result = run(targets(target, KEEP, 0.5), bars, cash=1_000.0, costs=FREE, terms=terms)
    ends_at(result, 2, price, 0.0)


@pytest.mark.parametrize("terms", [None, AT_A_DESK], ids=["plain", "desk"])
def test_a_stop_on_the_way_to_ruin_saves_what_it_can_and_one_behind_it_nothing(
    terms: Terms | None,
) -> None:
    bars = candles(*still(2), (95, 95, 50, 60), *still(1, 60.0))
    near = run(targets(3.0, stops=Stops(0.2)), bars, cash=1e3, costs=FREE, terms=terms)
    assert (near.ruined_at, near.equity[-1]) == (None, pytest.approx(1_000 - 30 * 20))
    far = run(targets(3.0, stops=Stops(0.4)), bars, cash=1e3, costs=FREE, terms=terms)
    ends_at(far, 2, 200.0 / 3.0, 0.0)
    # The open lies beyond both: whoever owes money does not get to place a stop.
    gap = candles(*still(2), *still(2, 50.0))
    beyond = run(targets(3.0, stops=Stops(0.2)), gap, cash=1e3, costs=FREE, terms=terms)
    ends_at(beyond, 2, 50.0, 500.0)


@pytest.mark.parametrize("terms", [None, AT_A_DESK], ids=["plain", "desk"])
def test_funding_can_take_the_rest(terms: Terms | None) -> None:
    # 30 units long pay 0.34 · 100 each: 1,020.
    bars = candles(*still(4))
    paid = Funding(bars.ts[2:3], np.array([0.34]), np.array([100.0]))
    result = run(targets(3.0), bars, cash=1_000.0, costs=FREE, funding=paid, terms=terms)
    ends_at(result, 2, 100.0, 20.0)


@pytest.mark.parametrize("terms", [None, AT_A_DESK], ids=["plain", "desk"])
def test_closing_costs_count_and_are_the_lenders_where_nothing_is_left(terms: Terms | None) -> None:
    # 10 short at 100 for a fee of 10: 1,990 - 10 p = 0 at 199, and 1 % of 1,990 is owed.
    bars = candles(*still(2), (120, 210, 110, 120), *still(1))
    costs = Costs(fee_bps=100.0, slippage_bps=0.0)
    result = run(targets(-10.0), bars, cash=1_000.0, costs=costs, size=1.0, terms=terms)
    ends_at(result, 2, 199.0, 19.9)


def test_orders_end_with_the_account() -> None:
    bars = candles(*still(2), *still(1, 250.0), (90, 90, 40, 90), *still(1, 90.0))
    program = orders((0, 1, -10.0), (1, 2, 5.0, 50.0), (1, 3, -5.0, KEEP, 60.0), (3, 1, 1.0))
    ends_at(run(program, bars, cash=1_000.0, costs=FREE), 2, 250.0, 500.0)


@pytest.mark.parametrize("terms", [None, AT_A_DESK], ids=["plain", "desk"])
@pytest.mark.parametrize("seed", range(20))
def test_loop_stepper_sweep_and_study_mean_the_same_by_it(seed: int, terms: Terms | None) -> None:
    bars = random_bars(400, seed)
    rng = np.random.default_rng(seed)
    wanted = np.where(rng.random(400) < 0.1, rng.choice([-9.0, -4.0, 4.0, 9.0], 400), KEEP)
    program = targets(*wanted, stops=Stops(fraction=0.3))
    costs = Costs(5.0, 3.0)
    whole = run(program, bars, cash=1_000.0, costs=costs, terms=terms)
    equity, stepper = stepped(program, bars, costs=costs, terms=terms)
    assert np.array(equity).tobytes() == whole.equity.tobytes()
    assert stepper.account.tobytes() == whole.account.tobytes()
    assert stepper.ruined == (whole.ruined_at is not None)
    swept = sweep([program], bars, cash=1_000.0, costs=costs, terms=terms)
    assert (swept.equity[0], swept.ruined[0]) == (whole.equity[-1], stepper.ruined)
    assert (whole.equity >= 0.0).all()
    if whole.ruined_at is not None:
        returns = record_of(whole, 1_000.0, 365.0).returns
        assert int(np.flatnonzero(returns == -1.0)[0]) == whole.ruined_at
        assert not returns[whole.ruined_at + 1 :].any()
        assert swept.drawdown[0] == 1.0


def test_seeds_above_meet_ruin_often_enough() -> None:
    ruined = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        wanted = np.where(rng.random(400) < 0.1, rng.choice([-9.0, -4.0, 4.0, 9.0], 400), KEEP)
        program = targets(*wanted, stops=Stops(fraction=0.3))
        ruined += run(program, random_bars(400, seed), cash=1e3).ruined_at is not None
    assert 5 <= ruined <= 20


def test_a_ruined_stepper_stays_so_over_a_restart_and_is_told_as_a_stop() -> None:
    bars = candles(*still(2), *still(1, 250.0), *still(2, 90.0))
    rows = list(zip(bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True))
    program = targets(-1.0)
    stepper = Stepper(program, cash=1_000.0, costs=FREE)
    for row in rows[:2]:
        stepper.on_bar(*row)
    assert stepper.on_bar(*rows[2]) == (0.0, False, True, 250.0)
    assert [fill.kind for fill in stepper.fills] == [FillKind.LIQUIDATION]
    stepper = Stepper.restore(program, stepper.save(), costs=FREE)
    assert stepper.ruined
    target, changed, stopped, price = stepper.on_bar(*rows[3])
    assert (target, changed, stopped, math.isnan(price)) == (0.0, False, False, True)
    assert (stepper.fills, stepper.equity, stepper.ts) == ((), 0.0, 3 * 5 * MINUTE)


def test_state_saved_before_there_was_a_place_for_ruin_is_restored() -> None:
    program = targets(-1.0, KEEP, 0.5)
    bars = candles(*still(2), *still(2, 80.0))
    rows = list(zip(bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True))
    stepper = Stepper(program, cash=1_000.0, costs=FREE)
    for row in rows[:3]:
        stepper.on_bar(*row)
    saved = stepper.save()
    # Format, fingerprint and stamp, then the account: fourteen numbers of which were there before.
    head, account = saved[:28], saved[28 : 28 + 16 * 8]
    assert struct.unpack("<16d", account)[14:] == (0.0, 0.0)
    before = b"CMS1" + head[4:] + account[: 14 * 8] + saved[28 + 16 * 8 :]
    restored = Stepper.restore(program, before, costs=FREE)
    assert restored.save() != before
    for each in (stepper, restored):
        each.on_bar(*rows[3])
    assert restored.save() == stepper.save()
    with pytest.raises(ValueError, match="bytes is not the"):
        Stepper.restore(program, before[:-8], costs=FREE)


def test_a_replay_of_a_book_ends_where_the_equity_is_gone() -> None:
    # 30 lots bought at 100 with 1,000; at a mid of 60 they are worth 1,000 - 1,200.
    rows: list[Row] = [(0, BID, 99, 50), (0, ASK, 100, 50)]
    rows += [(25, BID, 59, 50), (25, ASK, 61, 50), (25, BID, 99, 0), (25, ASK, 100, 0)]
    rows += [(45, BID, 199, 50), (45, ASK, 61, 0), (45, ASK, 201, 50), (60, BID, 198, 5)]
    result = play(rows, buy(0, 30, 100), buy(3, 30, 201), cash=1_000.0)
    # Steps at 10 (which buys) and 20; the bid falls at 25.
    assert result.ts.tolist() == [10, 20, 25]
    assert result.equity.tolist() == [1_000.0, pytest.approx(1_000.0 - 30 * 0.5), 0.0]
    assert (result.ruined_at, result.held.tolist()) == (2, [0, 30, 0])
    assert (result.final_equity, result.cash, result.quantity) == (0.0, 0.0, 0.0)
    assert result.shortfall == pytest.approx(200.0)
    assert [fill.lots for fill in result.fills] == [30]
    # A step later the bid stands at 99 again: nobody is there to see it.
    rows[6:] = [(27, BID, 99, 50), (27, ASK, 61, 0), (27, ASK, 100, 50), (60, BID, 98, 5)]
    again = play(rows, buy(0, 30, 100), cash=1_000.0)
    assert (again.ts.tolist(), again.ruined_at) == ([10, 20, 25], 2)
    assert (again.final_equity, again.shortfall) == (0.0, pytest.approx(200.0))
    alive = play(rows[:2], buy(0, 5, 100), cash=1_000.0)
    assert (alive.ruined_at, alive.shortfall) == (None, 0.0)


def test_a_fill_in_a_book_may_be_the_ruin() -> None:
    # 30 lots taken at 100 while the bid is 20: at the mid of 60 they are worth 1,200 less.
    rows: list[Row] = [(0, BID, 20, 50), (0, ASK, 100, 50), (5, BID, 19, 1), (60, BID, 18, 5)]
    result = play(rows, buy(0, 30, 100), buy(1, 1, 100), cash=1_000.0, order_latency=3)
    assert (result.ts.tolist(), result.ruined_at) == ([10, 13], 1)
    assert (result.final_equity, result.shortfall) == (0.0, pytest.approx(200.0))
    # A sale by a trade, at 15 while the mid stays at 60: 40 lots sold at 30 are worth 2,400.
    rows[2:] = [(15, BOUGHT, 30, 90), (60, BID, 18, 5)]
    sold = play(rows, buy(0, -40, 30), cash=1_000.0)
    assert (sold.ts.tolist(), sold.ruined_at) == ([10, 15], 1)
    assert sold.shortfall == pytest.approx(40 * 30 - 1_000.0)
    fees = play(rows, buy(0, -40, 30), cash=1_000.0, maker_bps=9_000.0)
    assert fees.shortfall == pytest.approx(40 * 30 * 1.9 - 1_000.0)
