"""The high-water mark and the profit share, against published examples and their own promises."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.managed.profit_share import (
    Basis,
    Carry,
    HighWaterMark,
    add_carry,
    carry_forward,
    collect,
    crystallise,
    deposit,
    divide_share,
    resubscribe,
    share,
    withdraw,
)

D = Decimal
UNIT = D("0.00000001")

money = st.integers(1, 10**16).map(lambda units: D(units).scaleb(-8))
moves = st.lists(st.integers(-(10**12), 10**12).map(lambda u: D(u).scaleb(-8)), min_size=1)
rates = st.integers(0, 10_000).map(lambda r: D(r).scaleb(-4))
bases = st.sampled_from(Basis)


@st.composite
def books(draw: st.DrawFn) -> tuple[D, HighWaterMark, D]:
    """(equity, mark, rate) of a subscription that was in profit or loss before."""
    deposits = draw(money)
    mark = HighWaterMark(deposits, draw(st.integers(0, 10**14)) * UNIT)
    return draw(money), mark, draw(rates)


def shares_of(equities: list[D], mark: HighWaterMark, rate: D, basis: Basis) -> list[D]:
    """The shares where the account's equity at the end of each cycle is given."""
    shares = []
    for equity in equities:
        result = crystallise(equity, mark, rate, 8, basis=basis)
        mark = result.mark
        shares.append(result.share)
    return shares


def shares_of_profits(start: D, profits: list[D], rate: D, basis: Basis) -> list[D]:
    """The shares where each cycle's profit is given and every share leaves the account."""
    equity, mark, shares = start, HighWaterMark(start), []
    for profit in profits:
        result = crystallise(equity + profit, mark, rate, 8, basis=basis)
        equity, mark = result.equity, result.mark
        shares.append(result.share)
    return shares


def test_vector_ps1_binance_net_mark_carries_the_loss_forward() -> None:
    # PS1: Binance FAQ ea9bacf82b9e4ddfae50ebc98565241b, total PnL table.
    profits = [D(200), D(-150), D(100), D(150)]
    assert shares_of_profits(D(1000), profits, D("0.1"), Basis.NET) == [20, 0, 0, 10]


def test_a_gross_mark_gives_another_result_on_the_input_of_ps1() -> None:
    # By hand: the mark stands at 1200, the last equity is 1000 + 300 - 20 = 1280; 10 % of 80.
    profits = [D(200), D(-150), D(100), D(150)]
    assert shares_of_profits(D(1000), profits, D("0.1"), Basis.GROSS) == [20, 0, 0, 8]


def test_vector_ps3_olympus_gross_mark() -> None:
    # PS3: knowledgebase.olympuscapital.org/ctrader-tutorials/high-water-mark-hwm-model.
    month_ends = [D(12000), D(11000), D(12500), D(14000)]
    mark = HighWaterMark(D(10000))
    assert shares_of(month_ends, mark, D("0.3"), Basis.GROSS) == [600, 0, 150, 450]


def test_a_net_mark_gives_another_result_on_the_input_of_ps3() -> None:
    # By hand: marks 11400, 11400, 12500 - 330 = 12170; shares 30 % of 1100 and of 1830.
    month_ends = [D(12000), D(11000), D(12500), D(14000)]
    mark = HighWaterMark(D(10000))
    assert shares_of(month_ends, mark, D("0.3"), Basis.NET) == [600, 0, 330, 549]


@pytest.mark.parametrize("basis", Basis)
def test_vector_ps6_enzyme_recovery_is_not_charged_twice(basis: Basis) -> None:
    # PS6: enzymefinance/protocol#212. NAV 100, 120, 80, 100 at 20 %.
    assert shares_of([D(120), D(80), D(100)], HighWaterMark(D(100)), D("0.2"), basis) == [4, 0, 0]


def test_a_share_is_rounded_down() -> None:
    mark = HighWaterMark(D(1))
    assert share(D("1.00000019"), mark, D("0.1"), 8) == UNIT
    assert share(D("1.00000009"), mark, D("0.1"), 8) == 0


def test_a_hard_hurdle_belongs_to_the_investor() -> None:
    mark = HighWaterMark(D(1000))
    assert share(D(1050), mark, D("0.2"), 8, hurdle=D(50)) == 0
    assert share(D(1060), mark, D("0.2"), 8, hurdle=D(50)) == 2


def test_editing_the_rate_never_resets_the_mark() -> None:
    first = crystallise(D(1200), HighWaterMark(D(1000)), D("0.1"), 8)
    again = crystallise(first.equity, first.mark, D("0.5"), 8)
    assert (again.share, again.mark) == (0, first.mark)


@pytest.mark.parametrize("rate", ["-0.01", "1.01", "NaN", "Infinity"])
def test_a_rate_outside_zero_to_one_is_refused(rate: str) -> None:
    with pytest.raises(CommendaError) as refusal:
        share(D(2), HighWaterMark(D(1)), D(rate), 8)
    assert refusal.value.code == "rate_out_of_range"
    assert refusal.value.field == "profit_share"


@given(start=money, profits=moves, rate=rates)
def test_no_profit_is_charged_twice(start: D, profits: list[D], rate: D) -> None:
    # Binance's form of the rule: all shares together are r times the greatest total profit.
    shares = shares_of_profits(start, profits, rate, Basis.NET)
    total = greatest = D(0)
    for profit in profits:
        total += profit
        greatest = max(greatest, total)
    assert rate * greatest - len(profits) * UNIT < sum(shares) + UNIT
    assert sum(shares) <= rate * greatest


@given(start=money, profits=moves, rate=rates)
def test_a_gross_mark_never_charges_more_than_a_net_one(
    start: D, profits: list[D], rate: D
) -> None:
    net = shares_of_profits(start, profits, rate, Basis.NET)
    gross = shares_of_profits(start, profits, rate, Basis.GROSS)
    assert sum(gross) <= sum(net)


@given(book=books(), basis=bases)
def test_a_share_is_zero_at_or_below_the_mark_and_falls_due_once(
    book: tuple[D, HighWaterMark, D], basis: Basis
) -> None:
    equity, mark, rate = book
    due = share(equity, mark, rate, 8)
    if equity <= mark.high:
        assert due == 0
    assert 0 <= due <= rate * max(D(0), equity - mark.high)
    after = crystallise(equity, mark, rate, 8, basis=basis)
    assert after.mark.high >= mark.high
    assert share(after.equity, after.mark, rate, 8) == 0


@given(book=books(), amount=money, basis=bases)
def test_a_deposit_alone_never_creates_a_share(
    book: tuple[D, HighWaterMark, D], amount: D, basis: Basis
) -> None:
    equity, mark, rate = book
    assert share(equity + amount, deposit(amount, mark), rate, 8) == share(equity, mark, rate, 8)


@given(book=books(), part=st.integers(1, 99), basis=bases)
def test_a_withdrawal_alone_never_creates_a_share(
    book: tuple[D, HighWaterMark, D], part: int, basis: Basis
) -> None:
    equity, mark, rate = book
    settled = crystallise(equity, mark, rate, 8, basis=basis)
    amount = (settled.equity * part / 100).quantize(UNIT)
    if not 0 < amount < settled.equity:
        return
    after = withdraw(amount, equity, mark, rate, 8, basis=basis)
    assert after.share == settled.share
    assert after.equity + amount + after.share == equity
    assert after.mark.net_deposits == mark.net_deposits - amount
    assert share(after.equity, after.mark, rate, 8) == 0
    exact = settled.mark.high * (settled.equity - amount) / settled.equity
    assert 0 <= after.mark.high - exact < UNIT + D("1e-30")


def test_a_withdrawal_under_water_takes_its_part_of_the_loss_along() -> None:
    # Mark 1000, equity 800, half withdrawn: mark 500. Then 400 -> 600 earns 10 % of 100, half of
    # the 20 that the whole 800 -> 1200 would have earned.
    after = withdraw(D(400), D(800), HighWaterMark(D(1000)), D("0.1"), 8)
    assert after.mark == HighWaterMark(D(600), D(-100))
    assert after.mark.high == 500
    assert share(D(600), after.mark, D("0.1"), 8) == 10
    assert share(D(1200), HighWaterMark(D(1000)), D("0.1"), 8) == 20


@pytest.mark.parametrize("amount", ["1180", "1180.00000001", "5000"])
def test_a_withdrawal_of_everything_is_refused_as_an_exit(amount: str) -> None:
    with pytest.raises(CommendaError) as refusal:
        withdraw(D(amount), D(1200), HighWaterMark(D(1000)), D("0.1"), 8)
    assert refusal.value.code == "not_a_partial_withdrawal"


@pytest.mark.parametrize("amount", ["0", "-1", "NaN"])
def test_deposits_and_withdrawals_are_positive(amount: str) -> None:
    with pytest.raises(CommendaError, match="not_positive"):
        deposit(D(amount), HighWaterMark(D(1)))
    with pytest.raises(CommendaError, match="not_positive"):
        withdraw(D(amount), D(2), HighWaterMark(D(1)), D("0.1"), 8)


def test_a_full_exit_carries_its_loss_to_the_next_subscription() -> None:
    carry = carry_forward(HighWaterMark(D(1000)), D(800))
    assert carry == Carry(D(200), D(800))
    mark, unused = resubscribe(D(800), carry, 8)
    assert (mark.net_deposits, mark.high, unused) == (800, 1000, Carry())


def test_coming_back_with_more_money_does_not_multiply_the_loss() -> None:
    mark, unused = resubscribe(D(5000), Carry(D(200), D(800)), 8)
    assert (mark.high, unused) == (5200, Carry())


def test_coming_back_with_half_revives_half_the_loss_and_keeps_the_rest() -> None:
    mark, unused = resubscribe(D(400), Carry(D(200), D(800)), 8)
    assert (mark.high, unused) == (500, Carry(D(100), D(400)))


@pytest.mark.parametrize("equity", ["0", "-50"])
def test_after_a_total_loss_all_of_it_is_carried_whatever_comes_back(equity: str) -> None:
    carry = carry_forward(HighWaterMark(D(1000)), D(equity))
    assert carry == Carry(D(1000), D(0))
    assert resubscribe(D(1), carry, 8)[0].high == 1001


def test_an_exit_in_profit_carries_nothing() -> None:
    assert carry_forward(HighWaterMark(D(1000)), D(1200)).loss == 0


def test_two_exits_carry_the_sum_of_their_losses() -> None:
    assert add_carry(Carry(D(200), D(800)), Carry(D(50), D(450))) == Carry(D(250), D(1250))


@given(loss=money, equity=money, first=money, second=money)
def test_a_carried_loss_is_never_revived_twice(loss: D, equity: D, first: D, second: D) -> None:
    one, rest = resubscribe(first, Carry(loss, equity), 8)
    two, unused = resubscribe(second, rest, 8)
    assert one.greatest_profit + two.greatest_profit + unused.loss == loss
    assert min(one.greatest_profit, two.greatest_profit, unused.loss, unused.equity) >= 0


def test_a_share_that_cannot_be_paid_becomes_a_receivable() -> None:
    assert collect(D(20), D(50)) == (20, 0)
    assert collect(D(20), D(5)) == (5, 15)
    assert collect(D(20), D(-5)) == (0, 20)


def test_vector_al2_a_share_is_divided_by_largest_remainder() -> None:
    # AL2: packagist customergauge/remainder, 92 : 93 : 70 to two decimals.
    parts = divide_share(D("1.00"), [D(92), D(93), D(70)], ["a", "b", "c"], 2)
    assert parts == [D("0.36"), D("0.37"), D("0.27")]


def test_losing_legs_receive_nothing_and_owe_nothing() -> None:
    assert divide_share(D(10), [D(300), D(-200), D(100)], [1, 2, 3], 8) == [D("7.5"), 0, D("2.5")]


def test_a_share_without_a_winning_leg_is_refused() -> None:
    with pytest.raises(CommendaError) as refusal:
        divide_share(D(1), [D(0), D(-3)], [1, 2], 8)
    assert refusal.value.code == "share_without_profit"


@given(total=money, profits=st.lists(money | money.map(lambda x: -x), min_size=1, max_size=12))
def test_the_parts_of_a_share_sum_to_the_whole(total: D, profits: list[D]) -> None:
    if max(profits) <= 0:
        return
    parts = divide_share(total, profits, range(len(profits)), 8)
    gains = sum(profit for profit in profits if profit > 0)
    assert sum(parts) == total
    for part, profit in zip(parts, profits, strict=True):
        assert abs(part - total * max(D(0), profit) / gains) < UNIT
