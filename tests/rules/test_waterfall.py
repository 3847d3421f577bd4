"""The settlement waterfall: every unit of equity has one receiver, in the order of fees."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.managed.profit_share import Carry, HighWaterMark
from commenda.managed.waterfall import (
    FeeTerms,
    LegProceeds,
    Proceeds,
    Settlement,
    management_fee,
    waterfall,
)

D = Decimal
UNIT = D("0.00000001")
ANNA, BOB, CAROL = (UUID(int=n) for n in range(1, 4))

TERMS = FeeTerms(
    management_fee=D("0.02"),
    hurdle=D("0.03"),
    profit_share=D("0.20"),
    platform_cut=D("0.30"),
    referral_rates=(D("0.10"), D("0.05")),
)


def legs(*results: tuple[int | str, D | int | str]) -> tuple[LegProceeds, ...]:
    return tuple(
        LegProceeds(UUID(int=100 + n), D(capital), D(cash))
        for n, (capital, cash) in enumerate(results)
    )


def settle_all(
    results: tuple[LegProceeds, ...], terms: FeeTerms = TERMS, mark: str = "10000", days: int = 90
) -> Settlement:
    proceeds = Proceeds(D(10_000), days, results)
    return waterfall(proceeds, terms, HighWaterMark(D(mark)), [ANNA, BOB], 8)


def test_a_profitable_subscription_pays_in_the_order_of_fees() -> None:
    """Worked by hand: 10,000 held 90 days ends at 11,000; legs +900, +300, -200.

    management fee 10000 * 0.02 * 90/365 =  49.315068493..  down    49.31506849
    hurdle         10000 * 0.03 * 90/365 =  73.972602739..  up      73.97260274
    gain over mark and hurdle 11000 - 49.31506849 - 10073.97260274 = 876.71232877
    share 20 %   175.342465754  down  175.34246575
    cut 30 %      52.602739725  down   52.60273972, creators 122.73972603
    creators 3 : 1   92.0547945225 and 30.6849315075: the unit left over goes to the second
    referral 15 %  7.890410958 down 7.89041095, 2 : 1 = 5.260273966.. and 2.630136983..
    """
    paid = settle_all(legs((5000, 5900), (3000, 3300), (2000, 1800)))
    assert paid.management_fee == D("49.31506849")
    assert paid.hurdle == D("73.97260274")
    assert paid.profit_share == D("175.34246575")
    assert [part.amount for part in paid.creators] == [D("92.05479452"), D("30.68493151"), D(0)]
    assert [(part.level, part.payee, part.amount) for part in paid.referrals] == [
        (1, ANNA, D("5.26027397")),
        (2, BOB, D("2.63013698")),
    ]
    assert paid.platform == D("44.71232877")
    assert paid.to_wallet == D("10775.34246576")
    assert (paid.shortfall, paid.carry.loss) == (0, 0)


def test_vector_mf1_management_fee_of_one_percent_for_73_days() -> None:
    # MF1: docs.derive.xyz/vaults/fees, 100 bps for 73 days is 0.002 of the principal.
    assert management_fee(D(1), D("0.01"), 73, 8) == D("0.002")


def test_below_the_hurdle_no_share_is_due() -> None:
    paid = settle_all(legs((10_000, "10123.28767123")))  # mark + fee + hurdle, to the unit
    assert paid.profit_share == 0
    assert paid.to_wallet == D("10123.28767123") - D("49.31506849")


def test_a_carried_mark_is_recovered_before_the_share() -> None:
    terms = FeeTerms(profit_share=D("0.20"))
    assert settle_all(legs((10_000, 11_000)), terms, mark="11000").profit_share == 0
    assert settle_all(legs((10_000, 11_500)), terms, mark="11000").profit_share == 100


def test_a_loss_pays_the_management_fee_only_and_is_carried() -> None:
    paid = settle_all(legs((6000, 6500), (4000, 2500)))
    assert paid.profit_share == 0
    assert paid.management_fee == D("49.31506849")
    assert paid.to_wallet == D("8950.68493151")
    assert paid.carry == Carry(D("1049.31506849"), D("8950.68493151"))
    assert all(part.amount == 0 for part in (*paid.creators, *paid.referrals))


def test_the_management_fee_never_exceeds_the_equity() -> None:
    paid = settle_all(legs((10_000, 3)), FeeTerms(management_fee=D(1)), days=365)
    assert (paid.management_fee, paid.to_wallet, paid.shortfall) == (3, 0, 0)


@pytest.mark.parametrize(("cash", "shortfall"), [("0", "0"), ("-25.5", "25.5")])
def test_insurance_covers_what_is_missing_and_nobody_is_paid(cash: str, shortfall: str) -> None:
    paid = settle_all(legs((6000, 10), (4000, D(cash) - 10)))
    assert (paid.management_fee, paid.profit_share, paid.platform, paid.to_wallet) == (0, 0, 0, 0)
    assert paid.shortfall == D(shortfall)
    assert paid.carry == Carry(D(10_000), D(0))


def test_without_referrers_the_platform_keeps_its_cut() -> None:
    proceeds = Proceeds(D(1000), 0, legs((1000, 1100)))
    paid = waterfall(proceeds, TERMS, HighWaterMark(D(1000)), [], 8)
    assert (paid.profit_share, paid.platform, paid.referrals) == (20, 6, ())


def test_a_leg_replaced_after_a_gain_earns_its_share() -> None:
    # The first leg turned 5000 into 5600, which moved on to the third; the second stood still.
    paid = settle_all(
        legs((-600, 0), (5000, 5000), (5600, 5800)), FeeTerms(profit_share=D("0.1")), days=0
    )
    assert [part.profit for part in paid.creators] == [600, 0, 200]
    assert [part.amount for part in paid.creators] == [60, 0, 20]


def test_legs_that_contradict_the_mark_are_refused() -> None:
    with pytest.raises(CommendaError, match="share_without_profit"):
        settle_all(legs((12_000, 11_500)), mark="10000")


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"management_fee": D("1.01")}, "rate_out_of_range", "management_fee"),
        ({"hurdle": D("-0.01")}, "rate_out_of_range", "hurdle"),
        ({"profit_share": D("NaN")}, "rate_out_of_range", "profit_share"),
        ({"platform_cut": D(2)}, "rate_out_of_range", "platform_cut"),
        ({"referral_rates": (D("0.3"), D("0.21"))}, "referral_above_cap", "referral_rates"),
        ({"referral_rates": (D("0.1"),) * 4}, "too_many_referral_levels", "referral_rates"),
    ],
)
def test_terms_that_cannot_be_paid_are_refused(
    change: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(CommendaError) as refusal:
        FeeTerms(**change)
    assert (refusal.value.code, refusal.value.field) == (code, field)
    assert refusal.value.hint
    assert refusal.value.value is not None


def test_proceeds_that_make_no_sense_are_refused() -> None:
    with pytest.raises(CommendaError, match="not_positive"):
        Proceeds(D(0), 1, legs((1, 1)))
    with pytest.raises(CommendaError, match="negative_days"):
        Proceeds(D(1), -1, legs((1, 1)))
    with pytest.raises(CommendaError, match="duplicate_leg"):
        Proceeds(D(1), 1, legs((1, 1)) * 2)


def test_a_settlement_whose_parts_do_not_add_up_cannot_be_made() -> None:
    with pytest.raises(CommendaError, match="settlement_unbalanced"):
        Settlement(
            equity=D(10),
            management_fee=D(1),
            hurdle=D(0),
            profit_share=D(0),
            creators=(),
            platform=D(0),
            referrals=(),
            to_wallet=D(8),
            carry=Carry(),
        )


rates = st.integers(0, 10_000).map(lambda r: D(r).scaleb(-4))
referral = st.lists(st.integers(0, 5000), max_size=3).filter(lambda r: sum(r) <= 5000)
cash = st.integers(-(10**13), 10**14).map(lambda units: D(units).scaleb(-8))


@given(
    capitals=st.lists(st.integers(1, 10**13).map(lambda u: D(u).scaleb(-8)), min_size=1),
    ends=st.data(),
    days=st.integers(0, 4000),
    above=st.integers(0, 10**12).map(lambda u: D(u).scaleb(-8)),
    parts=st.tuples(rates, rates, rates, rates),
    levels=referral,
    chain=st.integers(0, 4),
)
def test_the_parts_of_a_settlement_sum_to_its_equity(
    capitals: list[D],
    ends: st.DataObject,
    days: int,
    above: D,
    parts: tuple[D, D, D, D],
    levels: list[int],
    chain: int,
) -> None:
    results = tuple(
        LegProceeds(UUID(int=n), capital, ends.draw(cash)) for n, capital in enumerate(capitals)
    )
    principal = sum(capitals, D(0))
    terms = FeeTerms(*parts, referral_rates=tuple(D(level).scaleb(-4) for level in levels))
    mark = HighWaterMark(principal, above)
    referrers = [UUID(int=1000 + n) for n in range(chain)]
    paid = waterfall(Proceeds(principal, days, results), terms, mark, referrers, 8)
    again = waterfall(Proceeds(principal, days, results[::-1]), terms, mark, referrers, 8)

    equity = sum(leg.cash for leg in results)
    creators = sum(part.amount for part in paid.creators)
    commission = sum(part.amount for part in paid.referrals)
    receivers = [paid.management_fee, creators, paid.platform, commission, paid.to_wallet]
    assert min(receivers) >= 0
    assert sum(receivers) - paid.shortfall == equity
    assert paid.shortfall == max(D(0), -equity)
    assert commission <= (paid.platform + commission) / 2
    assert paid.platform + commission <= paid.profit_share * terms.platform_cut
    assert paid.profit_share <= terms.profit_share * max(D(0), equity - mark.high)
    if paid.profit_share > 0:
        assert paid.to_wallet >= mark.high
    for part in paid.creators:
        assert part.amount == 0 or part.profit > 0
    assert sorted(paid.creators, key=lambda p: p.leg_id) == sorted(
        again.creators, key=lambda p: p.leg_id
    )
