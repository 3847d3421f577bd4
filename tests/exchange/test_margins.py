"""Margin, liquidation and funding, by hand; and that no cent comes from nowhere."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.exchange.checks import check_order
from commenda.exchange.engine import Exchange
from commenda.exchange.liquidation import quantile
from commenda.exchange.margins import liquidation_price, standing
from commenda.exchange.market import Funding, Levels, Marked, Print
from commenda.exchange.model import BUY, SELL, Contract, Order
from commenda.exchange.refusals import Refused

D = Decimal


def market(price: int = 60000) -> Exchange:
    contract = Contract(
        "BTCUSDT", "BTC", "USDT", D("0.1"), D("0.001"), D(5), D("0.0002"), D("0.0005")
    )
    made = Exchange([contract], 0)
    show(made, price)
    return made


def show(exchange: Exchange, price: int, lots: int = 10**6) -> None:
    """A deep book around a price, and the mark there."""
    at, ticks = exchange.now + 1, price * 10
    exchange.apply(Levels(at, "BTCUSDT", [(ticks - 1, lots)], [(ticks + 1, lots)], True))
    exchange.apply(Marked(at, "BTCUSDT", D(price), D(price), D("0.0001"), 0))


def buy(exchange: Exchange, who: str, lots: int, side: int = BUY) -> Order:
    number = exchange.number()
    order = Order(number, f"o{number}", who, "BTCUSDT", side, "MARKET", "GTC", None, lots, 0)
    check_order(exchange, exchange.account(who), order)
    return exchange.accept(exchange.account(who), order)


def test_cross_liquidation_price() -> None:
    """1 BTC at 60,000.1, wallet 5,000 - 30.00005 = 4,969.99995.

    From 50,000 to 500,000 of notional 0.5 % is kept, less 50:
    4,969.99995 + p - 60,000.1 = 0.005 p - 50, so p = 54,980.10005 / 0.995.
    """
    exchange = market()
    account = exchange.account("a")
    exchange.transfer(account, D(5000), "opening")
    buy(exchange, "a", 1000)
    assert account.wallet == D("4969.99995")
    position = account.position("BTCUSDT", "BOTH")
    found = liquidation_price(account, position, exchange.contracts, exchange.marks)
    assert abs(found - D("54980.10005") / D("0.995")) < D("1e-9")


def test_what_is_down_to_its_margin_is_closed_and_the_fund_pays_what_lacks() -> None:
    exchange = market()
    account = exchange.account("a")
    exchange.transfer(account, D(5000), "opening")
    buy(exchange, "a", 1000)
    show(exchange, 55300)
    assert account.position("BTCUSDT", "BOTH").lots == 1000
    show(exchange, 50000)  # far beyond: the market gives less than the bankruptcy price
    assert account.position("BTCUSDT", "BOTH").lots == 0
    assert 0 <= account.wallet < D("0.2")  # a tick of the position
    forced = [one for one in account.orders.values() if one.client_id.startswith("autoclose-")]
    assert [one.status for one in forced] == ["EXPIRED", "FILLED"]


def test_the_fee_of_a_liquidation_is_whole_units() -> None:
    """1 BTC sold by force at 55,199.9, and 0.0123457 % of it: 6.8148264 less 0.0000123457 are
    6.8148140543, of which 6.81481405 can be paid."""
    exchange = market()
    contract = exchange.contracts["BTCUSDT"]
    exchange.contracts["BTCUSDT"] = replace(contract, liquidation_fee=D("0.000123457"))
    account = exchange.account("a")
    exchange.transfer(account, D(5000), "opening")
    buy(exchange, "a", 1000)
    show(exchange, 55200)
    (paid,) = [one.amount for one in account.income if one.kind == "INSURANCE_CLEAR"]
    assert (paid, exchange.insurance) == (D("-6.81481405"), D("6.81481405"))


def test_isolated_loss_ends_with_the_margin() -> None:
    """1 BTC at 20 times: 3,000.005 set aside. The rest of the wallet stands untouched."""
    exchange = market()
    account = exchange.account("a")
    account.isolated.add("BTCUSDT")
    exchange.transfer(account, D(50000), "opening")
    buy(exchange, "a", 1000)
    assert account.position("BTCUSDT", "BOTH").margin == D("3000.005")
    show(exchange, 50000)
    assert account.position("BTCUSDT", "BOTH").lots == 0
    lost = D(50000) - account.wallet
    assert abs(lost - D("3000.005") - D("30.00005")) < D("0.2")


def test_funding_is_paid_by_longs_to_shorts() -> None:
    """2 BTC at 60,000 and 1 in 10,000: 12 USDT."""
    exchange = market()
    for who, side in (("long", BUY), ("short", SELL)):
        exchange.transfer(exchange.account(who), D(50000), "opening")
        buy(exchange, who, 2000, side)
    before = {who: exchange.account(who).wallet for who in ("long", "short")}
    exchange.apply(Funding(10, "BTCUSDT", D("0.0001"), D(60000)))
    paid = {who: exchange.account(who).wallet - was for who, was in before.items()}
    assert paid == {"long": D(-12), "short": D(12)}
    assert exchange.account("long").income[-1].kind == "FUNDING_FEE"


def test_an_order_binds_margin_and_a_closing_one_does_not() -> None:
    exchange = market()
    account = exchange.account("a")
    exchange.transfer(account, D(10000), "opening")
    number = exchange.number()
    order = Order(number, "x", "a", "BTCUSDT", BUY, "LIMIT", "GTC", 590000, 1000, 0)
    check_order(exchange, account, order)
    exchange.accept(account, order)
    found = standing(account, exchange.contracts, exchange.marks)
    assert found.ordered == D(59000) / 20
    assert found.available == D(10000) - D(2950)


Act = st.tuples(
    st.sampled_from(["buy", "sell", "rest", "print", "move", "fund"]),
    st.integers(1, 3000),
    st.integers(-400, 400),
    st.sampled_from(["a", "b", "c"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(Act, max_size=60), st.booleans())
def test_cash_in_is_cash_out(acts: list[tuple[str, int, int, str]], isolated: bool) -> None:
    """At every moment: wallet = paid in + realised - fees + funding, by the rows of income; and
    wallet + unrealised = paid in + what fills cost at the mark, by the trades. Both exactly."""
    exchange, price = market(), 60000
    for who in ("a", "b", "c"):
        exchange.transfer(exchange.account(who), D(20000), "opening")
        if isolated:
            exchange.account(who).isolated.add("BTCUSDT")
    for kind, lots, step, who in acts:
        account = exchange.account(who)
        try:
            if kind in ("buy", "sell"):
                buy(exchange, who, lots, BUY if kind == "buy" else SELL)
            elif kind == "rest":
                number = exchange.number()
                side, ticks = (BUY if step < 0 else SELL), price * 10 + step
                order = Order(
                    number, f"o{number}", who, "BTCUSDT", side, "LIMIT", "GTC", ticks, lots, 0
                )
                check_order(exchange, account, order)
                exchange.accept(account, order)
            elif kind == "print":
                ticks = price * 10 + step
                exchange.apply(
                    Print(exchange.now + 1, "BTCUSDT", ticks, lots, BUY if step > 0 else SELL)
                )
            elif kind == "move":
                price += step * 5
                show(exchange, price, lots)
            else:
                exchange.apply(Funding(exchange.now + 1, "BTCUSDT", D("0.0001"), D(price)))
        except Refused:
            continue
    contract, mark = exchange.contracts["BTCUSDT"], exchange.marks["BTCUSDT"]
    for account in exchange.accounts.values():
        assert account.wallet == sum(one.amount for one in account.income)
        held = sum(one.side * one.lots for one in account.trades)
        assert held == account.position("BTCUSDT", "BOTH").lots
        cash = sum(
            -one.side * contract.worth(one.ticks, one.lots) - one.fee for one in account.trades
        )
        others = sum(
            one.amount for one in account.income if one.kind not in ("REALIZED_PNL", "COMMISSION")
        )
        position = account.position("BTCUSDT", "BOTH")
        equity = account.wallet + position.unrealised(contract, mark)
        assert equity == others + cash + contract.quantity(held) * mark
        assert position.margin >= 0


def deleveraging(fund: int) -> Exchange:
    """A long of 1 BTC with 5,000 at 60,000.1, that nobody buys at 55,030; and two shorts of 0.6:
    one with 50,000, one with 5,000, whose profit is more of what stands for it."""
    exchange = market()
    exchange.insurance = D(fund)
    for who, money in (("long", 5_000), ("rich", 50_000), ("bold", 5_000)):
        exchange.transfer(exchange.account(who), D(money), "opening")
    buy(exchange, "long", 1000)
    for who in ("rich", "bold"):
        buy(exchange, who, 600, SELL)
    exchange.apply(Levels(exchange.now + 1, "BTCUSDT", [], [(600_001, 1)], True))
    exchange.apply(Marked(exchange.now + 1, "BTCUSDT", D(54_000), D(54_000), D("0.0001"), 0))
    return exchange


def forced_of(exchange: Exchange, who: str) -> list[tuple[str, int, int | None]]:
    return [
        (one.client_id.rstrip("0123456789"), one.filled, one.ticks)
        for one in exchange.account(who).orders.values()
        if "autoclose" in one.client_id and one.filled
    ]


def test_what_neither_market_nor_fund_takes_is_closed_against_others_by_rank() -> None:
    """Bankrupt at 60,000.1 - 4,969.99995 = 55,030.10005: 1,030.1 a BTC above the mark, which an
    empty fund has not. The bolder short is closed first, wholly; then 0.4 of the rich one's."""
    exchange = deleveraging(0)
    assert forced_of(exchange, "long") == [
        ("autoclose-", 600, 550_301),
        ("autoclose-", 400, 550_301),
    ]
    assert forced_of(exchange, "bold") == [("adl_autoclose", 600, 550_301)]
    assert forced_of(exchange, "rich") == [("adl_autoclose", 400, 550_301)]
    assert exchange.account("rich").position("BTCUSDT", "BOTH").lots == -200
    assert exchange.insurance == D("-0.00005"), "what the tick of the bankruptcy price costs"


def test_a_fund_that_lasts_spares_the_others() -> None:
    """It pays 1,030.1 and closes the 1 BTC at the mark."""
    exchange = deleveraging(2_000)
    assert forced_of(exchange, "long") == [("autoclose-", 1000, 550_301)]
    assert not forced_of(exchange, "bold") + forced_of(exchange, "rich")
    assert D(960) < exchange.insurance < D(980)


def test_who_is_deleveraged_first_is_told() -> None:
    exchange = market()
    for who, money in (("rich", 50_000), ("bold", 5_000)):
        exchange.transfer(exchange.account(who), D(money), "opening")
        buy(exchange, who, 600, SELL)
    show(exchange, 58_000)
    told = {
        who: quantile(
            exchange, exchange.account(who), exchange.account(who).position("BTCUSDT", "BOTH")
        )
        for who in ("rich", "bold")
    }
    assert told == {"bold": 4, "rich": 2}
