"""An account of several legs is one account: valued, stopped, liquidated and written off once.

Right values are worked by hand from equity = cash + Σ quantity · price and a maintenance margin of
0.5 % of Σ |quantity| · price; and a position cut into legs must come to what it comes to whole.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.kernel import (
    Bars,
    Costs,
    FillKind,
    Funding,
    Leg,
    LegsResult,
    Margin,
    Stops,
    Terms,
    run,
    run_legs,
)
from desk_programs import (
    BRACKET,
    FREE,
    KEEP,
    MINUTE,
    WILD,
    candles,
    orders,
    random_bars,
    still,
    targets,
)

CROSS, ISOLATED = Terms(margin=Margin(20.0)), Terms(margin=Margin(20.0, isolated=True))


def held_by(
    *legs: tuple[float, Bars], terms: Terms = CROSS, stops: Stops | None = None
) -> LegsResult:
    """Legs that hold a constant exposure each, on 1,000, for nothing."""
    made = [Leg(targets(x, stops=stops), bars, costs=FREE, terms=terms) for x, bars in legs]
    return run_legs(made, cash=1_000.0)


def ends(result: LegsResult) -> list[list[tuple[int, float, FillKind]]]:
    """Bar, price and kind of each leg's fills after its first."""
    return [[(f.bar, pytest.approx(f.price), f.kind) for f in leg.fills[1:]] for leg in result.legs]


GAP = candles(*still(2), *still(2, 70.0))
DIP = candles(*still(2), (100, 100, 85, 100), *still(1))
FALL = candles(*still(2), (100, 100, 60, 100), *still(1))


@pytest.mark.parametrize("parts", [(10.0,), (5.0, 5.0), (2.5,) * 4, (9.0, 1.0)])
def test_a_gap_beyond_bankruptcy_takes_all_there_is_and_no_more(parts: tuple[float, ...]) -> None:
    # 100 units from 100 to 70 lose 3,000 of 1,000.
    result = held_by(*((part, GAP) for part in parts))
    assert result.equity.tolist() == [1_000.0, 1_000.0, 0.0, 0.0]
    assert result.ruined_at == 2
    assert sum(leg.counts.shortfall for leg in result.legs) == pytest.approx(2_000.0)
    assert sum(leg.profit[-1] for leg in result.legs) == pytest.approx(-1_000.0)
    assert ends(result) == [[(2, 70.0, FillKind.LIQUIDATION)]] * len(parts)


@pytest.mark.parametrize("parts", [(10.0,), (5.0, 5.0), (2.5,) * 4, (9.0, 1.0)])
def test_inside_a_bar_the_margin_of_all_is_gone_where_that_of_one_would_be(
    parts: tuple[float, ...],
) -> None:
    # 1000 + 100 (p - 100) = 0.5 p at p = 9000 / 99.5; what is left is that margin.
    result = held_by(*((part, DIP) for part in parts))
    assert ends(result) == [[(2, 9_000 / 99.5, FillKind.LIQUIDATION)]] * len(parts)
    assert result.equity[2:] == pytest.approx([4_500 / 99.5] * 2)
    assert result.ruined_at is None


def test_a_hedge_counts_for_its_other_side() -> None:
    # 50 long and 10 short of one: 1000 + 40 (p - 100) = 0.3 p at p = 3000 / 39.7.
    result = held_by((5.0, FALL), (-1.0, FALL))
    assert ends(result) == [[(2, 3_000 / 39.7, FillKind.LIQUIDATION)]] * 2
    assert result.equity[-1] == pytest.approx(0.3 * 3_000 / 39.7)
    # Both sides alike are worth 1,000 at any price, and 0.5 p of margin is less up to 2,000.
    swing = candles(*still(2), (100, 190, 20, 100), *still(1))
    result = held_by((5.0, swing), (-5.0, swing))
    assert (ends(result), result.equity.tolist()) == ([[], []], [1_000.0] * 4)
    # On an instrument of its own that stands still the short hedges nothing, but has its margin:
    # 1000 + 50 (p - 100) = 0.25 p + 25 at p = 4025 / 49.75.
    apart = held_by((5.0, FALL), (-5.0, candles(*still(4))))
    price = 4_025 / 49.75
    assert ends(apart) == [
        [(2, price, FillKind.LIQUIDATION)],
        [(2, 100.0, FillKind.LIQUIDATION)],
    ]
    assert apart.equity[-1] == pytest.approx(1_000 + 50 * (price - 100))


def test_the_winning_side_of_a_gap_pays_for_the_losing_one_before_anybody_else() -> None:
    # 50 long lose 1,500, 10 short gain 300: 200 are missing, and the long lost them.
    result = held_by((5.0, GAP), (-1.0, GAP))
    assert result.equity.tolist() == [1_000.0, 1_000.0, 0.0, 0.0]
    assert [leg.counts.shortfall for leg in result.legs] == pytest.approx([200.0, 0.0])


def test_isolated_sides_stand_and_fall_alone() -> None:
    # A margin of 250 each: the long 250 + 50 (p - 100) = 0.25 p at p = 4750 / 49.75.
    result = held_by((5.0, FALL), (-5.0, FALL), terms=ISOLATED)
    price = 4_750 / 49.75
    assert ends(result) == [[(2, price, FillKind.LIQUIDATION)], []]
    assert result.equity[-1] == pytest.approx(1_000 + 50 * (price - 100))
    gapped = held_by((5.0, GAP), (5.0, GAP), terms=ISOLATED)
    assert gapped.equity.tolist() == [1_000.0, 1_000.0, 500.0, 500.0]
    assert [leg.counts.shortfall for leg in gapped.legs] == pytest.approx([1_250.0, 1_250.0])
    # An isolated position beside one on cross margin. The first is liquidated at the same price,
    # and leaves the other 1000 + 50 (p - 100) for a second 50 units.
    legs = [Leg(targets(5.0), FALL, costs=FREE, terms=terms) for terms in (ISOLATED, CROSS)]
    mixed = run_legs(legs, cash=1_000.0)
    # What the first leg lost of its own 250 by then is gone from the rest of the account, too.
    assert ends(mixed)[0] == [(2, price, FillKind.LIQUIDATION)]
    left = 1_000 + 50 * (price - 100)
    assert ends(mixed)[1] == [(2, (5_000 - left) / 49.75, FillKind.LIQUIDATION)]


def test_an_account_stop_closes_every_leg_where_the_account_is_there() -> None:
    # Ten units in all: 900 at a price of 90, though the bar closes at 100 again.
    stops = Stops(account_loss=0.1)
    result = held_by((0.5, DIP), (0.5, DIP), terms=Terms(), stops=stops)
    assert ends(result) == [[(2, 90.0, FillKind.ACCOUNT)]] * 2
    assert result.equity[-1] == pytest.approx(900.0)
    # Beside an equal short the account never falls.
    hedged = held_by((0.5, DIP), (-0.5, DIP), terms=Terms(), stops=stops)
    assert ends(hedged) == [[], []]


def test_a_leg_without_a_bar_is_liquidated_at_its_last_close() -> None:
    early = Bars(5 * MINUTE * np.arange(2), *[np.full(2, 50.0)] * 4, np.full(2, 1e9))
    result = held_by((5.0, GAP), (2.0, early))
    assert ends(result) == [[(2, 70.0, FillKind.LIQUIDATION)], [(1, 50.0, FillKind.LIQUIDATION)]]
    assert result.ruined_at == 2


def test_without_a_margin_ruin_ends_all_legs() -> None:
    back = candles(*still(2), *still(1, 70.0), *still(2, 200.0))
    result = held_by((3.0, back), (2.0, back), terms=Terms())
    assert result.equity.tolist() == [1_000.0, 1_000.0, 0.0, 0.0, 0.0]
    assert (result.ruined_at, [len(leg.fills) for leg in result.legs]) == (2, [2, 2])
    inside = held_by((3.0, FALL), (2.0, FALL), terms=Terms())  # gone at 80
    assert ends(inside) == [[(2, 80.0, FillKind.LIQUIDATION)]] * 2
    assert inside.equity[2:].tolist() == [0.0, 0.0]


def test_legs_that_open_together_share_the_leverage_and_the_cash() -> None:
    bars = candles(*still(2), *still(1, 200.0))
    terms, fee = Terms(margin=Margin(1.0)), Costs(10.0, 0.0)
    for asked in (terms, Terms()):
        legs = [Leg(targets(0.5), bars, costs=fee, terms=asked) for _ in range(2)]
        result = run_legs(legs, cash=10_000.0)
        # 10,000 / 1.001 of notional, half each; at twice the price twice that.
        each = 5_000 / 1.001 / 100
        assert [f.held for leg in result.legs for f in leg.fills] == pytest.approx([each] * 2)
        assert result.equity[-1] == pytest.approx(20_000 / 1.001)
        assert [leg.counts.clamped for leg in result.legs] == [0, 0]
    greedy = [Leg(targets(1.0), bars, costs=FREE, terms=terms) for _ in range(2)]
    held = [sum(f.quantity for f in leg.fills) for leg in run_legs(greedy, cash=1_000.0).legs]
    assert sum(held) == pytest.approx(10.0)


def test_finer_bars_are_played_by_all_legs_or_by_none() -> None:
    bars = candles(*still(2), WILD, minutes=10)
    rose_first = candles((100, 106, 100, 105), (105, 105, 94, 101), start=2 * 10 * MINUTE)
    program = orders(*BRACKET)
    first, second = (
        run_legs(
            [
                Leg(program, bars, costs=FREE, finer=rose_first),
                Leg(program, bars, costs=FREE, finer=finer),
            ],
            cash=1_000.0,
        )
        for finer in (rose_first, None)
    )
    assert [leg.fills[-1].price for leg in first.legs] == [105.0, 105.0]
    assert [leg.fills[-1].price for leg in second.legs] == [95.0, 95.0]
    assert first.legs[0].counts[:2] == (0, 1)
    assert second.legs[0].counts[:2] == (1, 0)


@pytest.mark.parametrize(("ends_at", "first"), [(105.0, True), (9_000 / 99.5, False)])
def test_finer_bars_tell_whether_the_account_was_liquidated_before_it_sold(
    ends_at: float, first: bool
) -> None:
    # 50 units in each leg; each sells at 105, if the bar rises before it falls to 85.
    wild = candles(*still(2), (100, 106, 85, 100), minutes=10)
    rises, falls = (100, 106, 100, 100), (100, 100, 85, 100)
    finer = candles(*((rises, falls) if first else (falls, rises)), start=2 * 10 * MINUTE)
    program = orders((0, 1, 50.0), (1, 2, -50.0, 105.0))
    legs = [Leg(program, wild, costs=FREE, terms=CROSS, finer=finer) for _ in range(2)]
    result = run_legs(legs, cash=1_000.0)
    assert [leg.fills[-1].price for leg in result.legs] == pytest.approx([ends_at] * 2)
    coarse = run_legs([replace(leg, finer=None) for leg in legs], cash=1_000.0)
    assert [leg.fills[-1].price for leg in coarse.legs] == pytest.approx([9_000 / 99.5] * 2)
    assert coarse.legs[0].counts.ambiguous == 1


def test_legs_on_the_same_bars_share_what_a_price_inside_them_offers() -> None:
    # A tenth of 40 units: 3 for the first bid that is passed, and 1 for the other.
    bars = candles((100, 100, 100, 100, 40.0), (100, 101, 98, 100, 40.0))
    terms = Terms(participation=0.1)
    legs = [
        Leg(orders((0, 2, 3.0, price)), bars, costs=FREE, terms=terms) for price in (98.5, 99.0)
    ]
    low, high = run_legs(legs, cash=1_000.0).legs
    assert [(f.quantity, f.price) for f in (*high.fills, *low.fills)] == [(3.0, 99.0), (1.0, 98.5)]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    parts=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    leverage=st.sampled_from([0.0, 3.0, 20.0]),
    account_loss=st.sampled_from([0.0, 0.4]),
)
def test_a_position_cut_into_legs_comes_to_what_it_comes_to_whole(
    seed: int, parts: list[int], leverage: float, account_loss: float
) -> None:
    bars = random_bars(200, seed)
    rng = np.random.default_rng(seed)
    # Within the leverage: beyond it the legs' order decides which of them has how much.
    sizes = [-0.8, -0.3, 0.0, 0.05, 0.3, 0.8]
    drawn = (leverage or 15.0) * rng.choice(sizes, 200)
    wanted = np.where(rng.random(200) < 0.15, drawn, KEEP)
    program = targets(*wanted, stops=Stops(fraction=0.06, account_loss=account_loss))
    at = np.arange(3, 200, 7)
    funding = Funding(bars.ts[at], rng.normal(0.0, 3e-3, at.size), bars.open[at])
    terms = Terms(margin=Margin(leverage, fee_bps=10.0) if leverage else None, lot=1e-12)
    whole = run(program, bars, cash=1e4, funding=funding, costs=Costs(5.0, 2.0), terms=terms)
    legs = [
        Leg(program, bars, funding, Costs(5.0, 2.0), terms, share=part / sum(parts))
        for part in parts
    ]
    cut = run_legs(legs, cash=1e4)
    assert cut.equity == pytest.approx(whole.equity, rel=1e-7, abs=1e-4)
    assert cut.ruined_at == whole.ruined_at
    lost = sum(leg.counts.shortfall for leg in cut.legs)
    assert lost == pytest.approx(whole.counts.shortfall, rel=1e-6, abs=1e-4)
    assert (cut.equity >= 0.0).all()
