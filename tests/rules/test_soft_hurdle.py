"""A soft hurdle with full catch-up: the published case, and what the house adds, by hand."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from commenda.kit.errors import CommendaError
from commenda.managed.interim import Interim, at_period_end, at_withdrawal
from commenda.managed.profit_share import HighWaterMark, HurdleKind, crystallise, share
from commenda.managed.waterfall import FeeTerms, LegProceeds, Proceeds, waterfall

D = Decimal
NONE = D(0)
SOFT = HurdleKind.SOFT
TERMS = FeeTerms(hurdle=D("0.1"), profit_share=D("0.2"), hurdle_kind=SOFT)
"""Of 100: 2 of hurdle for each 73 days."""


def proceeds(
    worth: list[str], capital: list[str], hurdle: D = NONE, principal: int = 100
) -> Proceeds:
    legs = tuple(
        LegProceeds(UUID(int=number), D(began), D(now))
        for number, (began, now) in enumerate(zip(capital, worth, strict=True))
    )
    return Proceeds(D(principal), 73, legs, hurdle)


def period(mark: HighWaterMark, of: Proceeds, terms: FeeTerms = TERMS) -> Interim:
    parts = at_period_end(of, terms, mark, [leg.cash for leg in of.legs], [], 8)
    assert parts is not None
    return parts


def test_the_published_case() -> None:
    """drift-labs/drift-vaults@a2208c6, programs/drift_vaults/src/tests.rs:2292.

    100 deposited, 15 % above a hurdle of 10 % of the mark. The vault's equity is 105, 110, 111 and
    122.1 and then 123.21; the manager has got 0, 0, 1.65, 1.65 and 3.454275 by then, in shares of
    the vault, so that the depositor has 109.35/111 of it after the third: 120.285 is the mark and
    its hurdle exactly, 121.3785 lies above them.
    """
    mark, got, seen = HighWaterMark(D(100)), D(0), []
    for equity in ("105", "110", "111", "120.285", "121.3785"):
        found = crystallise(D(equity), mark, D("0.15"), 8, hurdle=mark.high * D("0.1"), kind=SOFT)
        mark, got = found.mark, got + found.share
        seen.append((got, mark.high))
    assert seen == [
        (D(0), D(100)),
        (D(0), D(100)),
        (D("1.65"), D("109.35")),
        (D("1.65"), D("109.35")),
        (D("3.454275"), D("119.574225")),
    ]


def test_a_hard_hurdle_on_the_same_case_leaves_the_hurdle_to_the_investor() -> None:
    # 15 % of 111 - 100 - 10.
    mark = HighWaterMark(D(100))
    assert share(D(111), mark, D("0.15"), 8, hurdle=D(10)) == D("0.15")
    assert share(D(111), mark, D("0.15"), 8, hurdle=D(10), kind=SOFT) == D("1.65")


def test_gains_wait_over_periods_until_the_hurdles_of_all_of_them_are_passed() -> None:
    """+1 of 2, then +3.9 of 4: nothing. +6.5 of 6: 20 % of 6.5, and the mark rises at last.

    A hard hurdle takes 20 % of 0.5 on the same way, however it is cut into periods.
    """
    mark, hurdle, taken = HighWaterMark(D(100)), D(0), []
    for worth in ("101", "103.9", "106.5"):
        parts = period(mark, proceeds([worth], ["100"], hurdle))
        mark, hurdle = parts.mark, parts.hurdle_left
        taken.append((parts.profit_share, mark.high, hurdle))
    assert taken == [(0, 100, 2), (0, 100, 4), (D("1.3"), D("105.2"), 0)]
    hard = FeeTerms(hurdle=D("0.1"), profit_share=D("0.2"))
    mark, hurdle, shares = HighWaterMark(D(100)), D(0), D(0)
    for worth in ("101", "103.9", "106.5"):
        parts = period(mark, proceeds([worth], ["100"], hurdle), hard)
        mark, hurdle, shares = parts.mark, parts.hurdle_left, shares + parts.profit_share
    assert shares == D("0.1")


def test_a_share_goes_to_whoever_earned_it_while_it_waited() -> None:
    """One leg earns 1 in the first period, the other 5.5 in the second: 1.3 are shared 1 : 5.5."""
    first = period(HighWaterMark(D(100)), proceeds(["51", "50"], ["50", "50"]))
    assert (first.profit_share, first.unshared) == (0, (1, 0))
    # The legs go on from 51 and 50, less what waits.
    waiting = proceeds(["51", "55.5"], ["50", "50"], first.hurdle_left)
    second = period(first.mark, waiting)
    assert [leg.amount for leg in second.creators] == [D("0.2"), D("1.1")]
    assert second.unshared == (0, 0)


def test_a_part_of_what_waits_leaves_with_a_withdrawal() -> None:
    """104 above a mark of 100 with 2 + 4 of hurdle: nothing is due, and 26 are a quarter.

    78 stay above a mark of 75 with 4.5 of hurdle; 3 of the 4 that were earned still wait.
    """
    mark, earned = HighWaterMark(D(100)), proceeds(["104"], ["100"], D(4))
    parts = at_withdrawal(D(26), earned, TERMS, mark, [], 8)
    assert (parts.profit_share, parts.mark.high, parts.hurdle_left) == (0, 75, D("4.5"))
    assert (parts.unshared, parts.principal_left) == ((3,), 75)
    # 73 days later: a hurdle of 4.5 + 1.5 on 75; 80.999 is not enough, 81.5 is 6.5 above the mark.
    for worth, due in (("80.999", D(0)), ("81.5", D("1.3"))):
        late = proceeds([worth], ["75"], parts.hurdle_left, 75)
        assert waterfall(late, TERMS, parts.mark, [], 8).profit_share == due


def test_a_loss_is_recovered_before_the_hurdle_counts() -> None:
    mark = HighWaterMark(D(100), D(20))
    late = waterfall(proceeds(["121.9"], ["100"]), TERMS, mark, [], 8)
    assert (late.profit_share, late.to_wallet) == (0, D("121.9"))
    later = waterfall(proceeds(["122.5"], ["100"]), TERMS, mark, [], 8)
    assert (later.profit_share, later.to_wallet) == (D("0.5"), 122)


def test_another_kind_of_hurdle_is_refused() -> None:
    with pytest.raises(CommendaError) as refused:
        FeeTerms(hurdle_kind="firm")
    assert (refused.value.code, refused.value.field) == ("unknown_hurdle_kind", "hurdle_kind")
