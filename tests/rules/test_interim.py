"""What leaves a subscription that goes on: by vectors, by hand, and over random lives."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.kit.money import quantise
from commenda.managed.interim import Interim, at_period_end, at_withdrawal
from commenda.managed.profit_share import HighWaterMark, HurdleKind
from commenda.managed.waterfall import FeeTerms, LegProceeds, Proceeds, Settlement, waterfall

D = Decimal
UNIT = D("0.00000001")
ZERO = D(0)
ANNA = UUID(int=1)


def legs(*results: tuple[D | int | str, D | int | str]) -> tuple[LegProceeds, ...]:
    return tuple(
        LegProceeds(UUID(int=100 + n), D(capital), D(worth))
        for n, (capital, worth) in enumerate(results)
    )


@dataclass
class Life:
    """A subscription of one leg or several, all cash free, moved by hand."""

    terms: FeeTerms
    capital: list[D]
    worth: list[D] = field(default_factory=list)
    mark: HighWaterMark = field(default_factory=lambda: HighWaterMark(ZERO))
    principal: D = ZERO
    hurdle: D = ZERO
    owed: D = ZERO
    days: int = 0
    parts: list[Interim] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.principal = sum(self.capital, ZERO)
        self.mark = HighWaterMark(self.principal)
        self.worth = list(self.capital)

    @property
    def proceeds(self) -> Proceeds:
        return Proceeds(
            self.principal,
            self.days,
            legs(*zip(self.capital, self.worth, strict=True)),
            self.hurdle,
            self.owed,
        )

    def gain(self, *profits: D | int | str) -> None:
        self.worth = [w + D(p) for w, p in zip(self.worth, profits, strict=True)]

    def period(self, free: list[D] | None = None) -> Interim | None:
        free = self.worth if free is None else free
        return self._go_on(at_period_end(self.proceeds, self.terms, self.mark, free, [ANNA], 8))

    def withdraw(self, amount: D | int | str) -> Interim:
        parts = at_withdrawal(D(amount), self.proceeds, self.terms, self.mark, [ANNA], 8)
        self._go_on(parts)
        return parts

    def settle(self) -> Settlement:
        return waterfall(self.proceeds, self.terms, self.mark, [ANNA], 8)

    def _go_on(self, parts: Interim | None) -> Interim | None:
        if parts is not None:
            self.worth = [w - t for w, t in zip(self.worth, parts.taken, strict=True)]
            self.capital = [w - u for w, u in zip(self.worth, parts.unshared, strict=True)]
            self.mark, self.hurdle = parts.mark, parts.hurdle_left
            self.owed, self.principal, self.days = parts.owed, parts.principal_left, 0
            self.parts.append(parts)
        return parts


def shares(rate: str, start: int, profits: list[int]) -> list[D]:
    """The share at each period's end; what is paid comes out of the balance."""
    life = Life(FeeTerms(profit_share=D(rate)), [D(start)])
    found = []
    for profit in profits:
        life.gain(profit)
        parts = life.period()
        assert parts is not None
        found.append(parts.profit_share)
    return found


def test_periods_share_as_the_published_table_says() -> None:
    """Vector PS1 (Binance FAQ ea9bacf8…): profit and loss of four periods, 10 % of new profit."""
    assert shares("0.1", 1000, [200, -150, 100, 150]) == [20, 0, 0, 10]


def test_a_price_that_comes_back_is_not_charged_again() -> None:
    """Vector PS6 (enzymefinance/protocol#212): 100, 120, 80, 100 at 20 %: 4, 0, 0."""
    assert shares("0.2", 100, [20, -40, 20]) == [4, 0, 0]


def test_a_gross_table_charges_less_than_a_net_one_by_what_the_share_itself_recovers() -> None:
    """Vector PS3's balances, 30 %, with the mark net of the share, by hand.

    10,000 -> 12,000 shares 600, the mark is 11,400. -> 11,000 nothing. -> 12,500 shares 30 % of
    1,100 = 330 (gross: 150, above 12,000), the mark is 12,170. -> 14,000 shares 30 % of 1,830.
    """
    assert shares("0.3", 10_000, [2_000, -400, 1_500, 1_830]) == [600, 0, 330, 549]


def test_a_withdrawal_at_a_gain() -> None:
    """By hand: 10,000 in two legs of 6,000 and 4,000 that are worth 7,000 and 5,000.

    Share 20 % of 2,000 = 400, of which the platform cuts 30 % = 120 and pays a tenth, 12, on; the
    creators get 280, half each. E after it is 11,600; 2,900 of it are a quarter, so that three
    quarters of the mark 11,600 stay, and of the principal. What leaves, 3,300, is given 7 : 5.
    """
    terms = FeeTerms(profit_share=D("0.2"), platform_cut=D("0.3"), referral_rates=(D("0.1"),))
    life = Life(terms, [D(6_000), D(4_000)])
    life.gain(1_000, 1_000)
    parts = life.withdraw(2_900)
    assert parts.profit_share == 400
    assert [part.amount for part in parts.creators] == [140, 140]
    assert (parts.platform, [one.amount for one in parts.referrals]) == (108, [12])
    assert parts.to_wallet == 2_900
    assert parts.taken == (1_925, 1_375)
    assert parts.mark.high == 8_700
    assert parts.principal_left == 7_500
    assert life.capital == [5_075, 3_625]
    # From 8,700 on only new profit is shared.
    assert life.settle().profit_share == 0
    life.gain(100, 0)
    settled = life.settle()
    assert settled.profit_share == 20
    assert [part.amount for part in settled.creators] == [14, 0]
    assert settled.to_wallet == 8_780


def test_a_withdrawal_under_water_takes_its_part_of_the_loss_and_of_the_hurdle_along() -> None:
    """By hand: 1,000 worth 800, half taken. The mark 1,000 becomes 500, the hurdle 10 becomes 5.

    Then 400 -> 600: 20 % of 600 − 500 − 5. 365 days at 1 % of 1,000 make the hurdle.
    """
    life = Life(FeeTerms(hurdle=D("0.01"), profit_share=D("0.2")), [D(1_000)])
    life.gain(-200)
    life.days = 365
    parts = life.withdraw(400)
    assert (parts.profit_share, parts.mark.high, parts.hurdle_left) == (0, 500, 5)
    assert parts.principal_left == 500
    life.gain(200)
    assert life.settle().profit_share == 19


def test_two_withdrawals_leave_what_one_of_both_leaves() -> None:
    """4,000 of 10,000 at once, or 2,000 twice: no share, the same mark and principal."""
    once, twice = (Life(FeeTerms(profit_share=D("0.2")), [D(12_000)]) for _ in range(2))
    for life in (once, twice):
        life.gain(-2_000)
    once.withdraw(4_000)
    twice.withdraw(2_000)
    twice.withdraw(2_000)
    assert (once.mark.high, once.principal) == (twice.mark.high, twice.principal) == (7_200, 7_200)


def test_a_hurdle_that_was_not_earned_in_a_period_is_earned_first_in_the_next() -> None:
    """Two periods of 365 days at 1 % of 10,000: 50 earns none of the 200, 250 earns 50 above."""
    life = Life(FeeTerms(hurdle=D("0.01"), profit_share=D("0.1")), [D(10_000)])
    life.gain(50)
    life.days = 365
    first = life.period()
    assert first is not None
    assert (first.profit_share, first.hurdle_left, first.mark.high) == (0, 50, 10_050)
    life.gain(200)
    life.days = 365
    second = life.period()
    assert second is not None
    assert (second.profit_share, second.hurdle_left) == (5, 0)


def test_what_free_cash_does_not_pay_is_owed_and_comes_first_the_next_time() -> None:
    """Share 200 of 1,000 profit, 30 free in the first leg only: 170 are owed.

    Then a loss of 500: nothing is due, and 170 are collected, 102 : 68 by the free cash.
    """
    life = Life(FeeTerms(profit_share=D("0.2"), platform_cut=D(1)), [D(3_000), D(2_000)])
    life.gain(1_000, 0)
    first = life.period([D(30), D(-5)])
    assert first is not None
    assert (first.profit_share, first.owed, first.collected) == (200, 170, -170)
    assert (first.taken, first.platform) == ((30, 0), 200)
    assert first.mark.high == 5_800
    life.gain(-500, 0)
    second = life.period([D(600), D(400)])
    assert second is not None
    assert (second.profit_share, second.owed, second.collected) == (0, 0, 170)
    assert second.taken == (102, 68)
    assert second.mark.high == 5_800


def test_what_is_owed_is_paid_at_the_end_before_anything_else_and_by_insurance_if_need_be() -> None:
    life = Life(FeeTerms(profit_share=D("0.2")), [D(1_000)])
    life.gain(500)
    assert life.period([ZERO]) is not None
    assert life.owed == 100
    settled = life.settle()
    assert (settled.collected, settled.profit_share, settled.to_wallet) == (100, 0, 1_400)
    life.gain(-1_440)
    broke = life.settle()
    assert (broke.equity, broke.collected, broke.shortfall, broke.to_wallet) == (60, 100, 40, 0)
    assert life.period() is None
    with pytest.raises(CommendaError, match="not_a_partial_withdrawal"):
        life.withdraw(10)


@pytest.mark.parametrize("amount", ["980", "1000"])
def test_a_withdrawal_of_all_that_is_left_after_the_share_is_none(amount: str) -> None:
    life = Life(FeeTerms(profit_share=D("0.2")), [D(900)])
    life.gain(100)
    with pytest.raises(CommendaError, match="not_a_partial_withdrawal"):
        life.withdraw(amount)
    assert life.withdraw("979.99999999").taken == (D("999.99999999"),)


MOVES = st.tuples(
    st.sampled_from(["move", "period", "withdraw"]),
    st.integers(-90, 150),  # percent of the first leg
    st.integers(-90, 150),  # and of the second
    st.integers(1, 95),  # percent that is taken out
    st.integers(0, 120),  # percent of the legs' worth that is free
    st.integers(0, 40),  # days
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(MOVES, min_size=1, max_size=12),
    st.sampled_from(["0", "0.1", "0.35", "1"]),
    st.sampled_from(["0", "0.02"]),
    st.sampled_from(["0", "0.03", "1"]),
    st.sampled_from(HurdleKind),
)
def test_over_any_life_everything_goes_somewhere_and_profit_is_shared_once(
    moves: list[tuple[str, int, int, int, int, int]],
    rate: str,
    fee: str,
    hurdle: str,
    hurdles: HurdleKind,
) -> None:
    """All that is paid is what was put in and earned; the shares never exceed their rate.

    Their bound is r · the greatest cumulative profit, in which the loss that a withdrawal under
    water realises is no loss of the money that stays.
    """
    terms = FeeTerms(
        management_fee=D(fee),
        hurdle=D(hurdle),
        profit_share=D(rate),
        platform_cut=D("0.3"),
        referral_rates=(D("0.2"),),
        hurdle_kind=hurdles,
    )
    life = Life(terms, [D(6_000), D(4_000)])
    result = paid = fees = out = given = realised = greatest = ZERO
    for kind, one, other, taken, free, days in moves:
        before = sum(life.worth, ZERO)
        changes = [w * D(p) / 100 for w, p in zip(life.worth, (one, other), strict=True)]
        changes = [quantise(change, 8) for change in changes]
        life.gain(*changes)
        life.days += days
        result += sum(life.worth, ZERO) - before
        parts: Interim | None = None
        high, owed = life.mark.high, life.owed
        worth = sum(life.worth, ZERO)
        if kind == "period":
            parts = life.period([quantise(w * free / 100, 8) for w in life.worth])
        elif kind == "withdraw":
            try:
                parts = life.withdraw(quantise(worth * taken / 100, 8))
            except CommendaError as error:
                assert error.code == "not_a_partial_withdrawal"  # noqa: PT017
        if parts is None:
            continue
        fees += parts.management_fee
        net = worth - owed - parts.management_fee
        greatest = max(greatest, net + out + given + realised - 10_000)
        if parts.to_wallet:
            left = net - parts.profit_share
            realised += max(ZERO, high - left) * parts.to_wallet / left
        given += parts.profit_share
        out += parts.to_wallet
        paid += sum(parts.taken, ZERO)
        assert all(amount >= 0 for amount in parts.taken)
        assert given <= D(rate) * greatest + UNIT * 20
    settled = life.settle()
    fees += settled.management_fee
    net = settled.equity - settled.collected - settled.management_fee
    greatest = max(greatest, net + out + given + realised - 10_000)
    given += settled.profit_share
    assert given <= D(rate) * greatest + UNIT * 20
    everybody = out + settled.to_wallet + fees + given
    assert everybody == 10_000 + result + settled.shortfall
