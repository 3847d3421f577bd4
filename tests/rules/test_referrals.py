"""Referral pays out of the platform's cut only, and never more than half of it."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.referrals import (
    chain_of,
    release_at,
    require_acyclic,
    require_rates,
    split_referral,
)

D = Decimal
ANNA, BOB, CAROL, DAVE = (UUID(int=n) for n in range(1, 5))


def code_of(rates: list[str], levels: int = 3) -> str | None:
    try:
        require_rates([D(rate) for rate in rates], levels=levels)
    except CommendaError as refusal:
        return refusal.code
    return None


def test_the_split_goes_to_the_nearest_first() -> None:
    # 100 at 30 % and 10 %.
    parts = split_referral(D(100), [D("0.3"), D("0.1")], [ANNA, BOB], 8)
    assert [(p.level, p.payee, p.amount) for p in parts] == [(1, ANNA, 30), (2, BOB, 10)]


def test_a_missing_level_stays_with_the_platform() -> None:
    parts = split_referral(D(100), [D("0.3"), D("0.1")], [ANNA], 8)
    assert [(p.payee, p.amount) for p in parts] == [(ANNA, 30)]
    assert split_referral(D(100), [D("0.3")], [], 8) == ()


def test_a_payee_beyond_the_last_rate_receives_nothing() -> None:
    parts = split_referral(D(100), [D("0.3")], [ANNA, BOB], 8)
    assert [p.payee for p in parts] == [ANNA]


def test_the_total_is_rounded_down_before_it_is_divided() -> None:
    # 0.00000003 at 25 % + 25 %: half is 1.5 units, 1 is paid, and the tie goes to the nearer level.
    parts = split_referral(D("0.00000003"), [D("0.25"), D("0.25")], [ANNA, BOB], 8)
    assert [p.amount for p in parts] == [D("0.00000001"), 0]


def test_rates_that_cannot_be_paid_are_refused() -> None:
    assert code_of(["0.3", "0.2"]) is None
    assert code_of(["0.3", "0.20000001"]) == "referral_above_cap"
    assert code_of(["-0.1", "0.2"]) == "rate_out_of_range"
    assert code_of(["NaN"]) == "rate_out_of_range"
    assert code_of(["0.1"] * 4) == "too_many_referral_levels"
    assert code_of(["0.1"] * 3, levels=2) == "too_many_referral_levels"
    assert code_of([], levels=4) == "too_many_referral_levels"


def test_a_refusal_names_field_value_and_mend() -> None:
    with pytest.raises(CommendaError) as refusal:
        require_rates([D("0.4"), D("0.3")])
    assert refusal.value.field == "referral_rates"
    assert refusal.value.value == "0.7"
    assert refusal.value.hint


def test_a_negative_cut_is_refused() -> None:
    with pytest.raises(CommendaError, match="negative_amount"):
        split_referral(D(-1), [D("0.3")], [ANNA], 8)


def test_one_person_is_not_paid_at_two_levels() -> None:
    with pytest.raises(CommendaError, match="duplicate_payee"):
        split_referral(D(1), [D("0.3"), D("0.1")], [ANNA, ANNA], 8)


def test_two_levels_are_paid_by_default_and_three_at_most() -> None:
    ancestors = [ANNA, BOB, CAROL, DAVE]
    assert chain_of(ancestors) == (ANNA, BOB)
    assert chain_of(ancestors, levels=3) == (ANNA, BOB, CAROL)
    with pytest.raises(CommendaError, match="too_many_referral_levels"):
        chain_of(ancestors, levels=4)


def test_commission_is_held_for_thirty_days() -> None:
    assert release_at(datetime(2025, 1, 31, 12, tzinfo=UTC)) == datetime(2025, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("zone", [None, timezone(timedelta(hours=8))])
def test_a_settlement_time_that_is_not_utc_is_refused(zone: timezone | None) -> None:
    with pytest.raises(CommendaError, match="not_utc"):
        release_at(datetime(2025, 1, 31, tzinfo=zone))


def test_rings_are_refused_whatever_their_length() -> None:
    require_acyclic(ANNA, BOB, [CAROL, DAVE])
    for referrer, ancestors in [(ANNA, []), (BOB, [ANNA]), (BOB, [CAROL, DAVE, ANNA])]:
        with pytest.raises(CommendaError, match="referral_cycle"):
            require_acyclic(ANNA, referrer, ancestors)


@given(
    cut=st.integers(0, 10**16).map(lambda units: D(units).scaleb(-8)),
    rates=st.lists(st.integers(0, 5000).map(lambda r: D(r).scaleb(-4)), max_size=3).filter(
        lambda rates: sum(rates) <= D("0.5")
    ),
    payees=st.integers(0, 5),
)
def test_referral_is_never_above_half_of_the_cut(cut: D, rates: list[D], payees: int) -> None:
    parts = split_referral(cut, rates, [UUID(int=n) for n in range(payees)], 8)
    assert len(parts) == min(payees, len(rates))
    paid = sum(part.amount for part in parts)
    exact = cut * sum(rates[:payees])
    assert exact - D("0.00000001") < paid <= exact <= cut / 2
    for part, rate in zip(parts, rates, strict=False):
        assert abs(part.amount - cut * rate) < D("0.00000002")
        assert part.amount >= 0
