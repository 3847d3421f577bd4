"""Who is filled, when and by how much: each case worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from commenda.exchange.checks import check_order
from commenda.exchange.engine import Exchange
from commenda.exchange.market import Levels, Marked, Print
from commenda.exchange.model import BUY, SELL, Contract, Order
from commenda.exchange.refusals import Refused

D = Decimal


@pytest.fixture
def exchange() -> Exchange:
    """BTC at 60,000: 1 bid at 59,999.9 and 5 below, 0.5 offered at 60,000.1 and 5 above."""
    contract = Contract(
        "BTCUSDT", "BTC", "USDT", D("0.1"), D("0.001"), D(100), D("0.0002"), D("0.0005")
    )
    made = Exchange([contract], 0)
    made.apply(Marked(1, "BTCUSDT", D(60000), D(60000), D("0.0001"), 0))
    made.apply(
        Levels(
            1, "BTCUSDT", [(599999, 1000), (599990, 5000)], [(600001, 500), (600010, 5000)], True
        )
    )
    for name in ("a", "b"):
        made.transfer(made.account(name), D(100000), "opening")
    return made


def place(
    exchange: Exchange, who: str, side: int, lots: int, ticks: int | None = None, **more: object
) -> Order:
    number = exchange.number()
    given = {"tif": "GTC", "type": "MARKET" if ticks is None else "LIMIT"} | more
    order = Order(
        number, f"o{number}", who, "BTCUSDT", side, ticks=ticks, lots=lots, at=exchange.now, **given
    )
    account = exchange.account(who)
    check_order(exchange, account, order)
    return exchange.accept(account, order)


def test_a_market_order_takes_level_by_level(exchange: Exchange) -> None:
    """0.5 at 60,000.1 and 0.5 at 60,001.0: 60,000.55 on average; the fee is 5 in 10,000."""
    order = place(exchange, "a", BUY, 1000)
    assert (order.status, order.quote) == ("FILLED", D("60000.55"))
    account = exchange.account("a")
    fees = D("15.000025") + D("15.00025")
    assert account.wallet == D(100000) - fees
    position = account.position("BTCUSDT", "BOTH")
    assert position.entry(exchange.contracts["BTCUSDT"]) == D("60000.55")


def test_what_was_taken_is_gone_until_its_level_is_told_anew(exchange: Exchange) -> None:
    place(exchange, "a", BUY, 500)
    second = place(exchange, "b", BUY, 500)
    assert second.quote == D("0.5") * D("60001.0")
    exchange.apply(Levels(2, "BTCUSDT", [], [(600001, 500)]))
    third = place(exchange, "b", BUY, 500)
    assert third.quote == D("0.5") * D("60000.1")


def test_a_resting_order_waits_for_the_queue_before_it(exchange: Exchange) -> None:
    """1 BTC stands before it at its price. Trades of 0.9 and 0.3 leave 0.2 for it."""
    order = place(exchange, "a", BUY, 300, 599999)
    assert order.ahead == 1000
    exchange.apply(Print(2, "BTCUSDT", 599999, 900, SELL))
    assert order.filled == 0
    exchange.apply(Print(3, "BTCUSDT", 599999, 300, SELL))
    assert (order.filled, order.status) == (200, "PARTIALLY_FILLED")
    exchange.apply(Print(4, "BTCUSDT", 599998, 1000, SELL))  # through it: it was there first
    assert order.status == "FILLED"
    assert order.quote == D("0.3") * D("59999.9")


def test_cancelled_lots_were_behind_while_they_could_be(exchange: Exchange) -> None:
    order = place(exchange, "a", BUY, 100, 599999)
    exchange.apply(Levels(2, "BTCUSDT", [(599999, 400)], []))
    assert order.ahead == 400
    exchange.apply(Levels(3, "BTCUSDT", [(599999, 900)], []))
    assert order.ahead == 400


def test_the_other_side_fills_what_it_reaches_at_the_orders_limit(exchange: Exchange) -> None:
    order = place(exchange, "a", BUY, 300, 599995)
    exchange.apply(Levels(2, "BTCUSDT", [(599999, 0)], [(599995, 200)]))
    assert (order.filled, order.quote) == (200, D("0.2") * D("59999.5"))


def test_two_accounts_trade_with_each_other_by_price_and_then_by_time(exchange: Exchange) -> None:
    maker = place(exchange, "a", SELL, 400, 600000)
    taker = place(exchange, "b", BUY, 600)
    assert maker.status == "FILLED"
    assert maker.quote == D("0.4") * D("60000.0")
    assert taker.quote == D("0.4") * D("60000.0") + D("0.2") * D("60000.1")
    ids = {one.id for one in exchange.account("a").trades}
    assert ids <= {one.id for one in exchange.account("b").trades}


def test_nobody_trades_with_himself(exchange: Exchange) -> None:
    maker = place(exchange, "a", SELL, 400, 600000)
    taker = place(exchange, "a", BUY, 100)
    assert (maker.status, maker.filled) == ("EXPIRED_IN_MATCH", 0)
    assert taker.quote == D("0.1") * D("60000.1")


def test_an_order_that_ended_at_an_own_one_takes_nothing_behind_it(exchange: Exchange) -> None:
    """An own offer at 60,000.1 has the 0.5 that the market shows there before it and 2 behind it:
    the bid takes the first and ends."""
    maker = place(exchange, "a", SELL, 100, 600001)
    exchange.apply(Levels(2, "BTCUSDT", [], [(600001, 2500)]))
    assert maker.ahead == 500
    taker = place(exchange, "a", BUY, 2000, stp="EXPIRE_TAKER")
    assert (taker.status, taker.filled) == ("EXPIRED_IN_MATCH", 500)
    assert (maker.status, maker.filled) == ("NEW", 0)


def test_times_in_force(exchange: Exchange) -> None:
    part = place(exchange, "a", BUY, 700, 600001, tif="IOC")
    assert (part.status, part.filled) == ("EXPIRED", 500)
    none = place(exchange, "a", SELL, 7000, 599999, tif="FOK")
    assert (none.status, none.filled) == ("EXPIRED", 0)
    with pytest.raises(Refused, match="-5022"):
        place(exchange, "a", SELL, 10, 599999, tif="GTX")
    timed = place(exchange, "a", BUY, 10, 599000, tif="GTD", good_till=5000)
    exchange.wait(4999)
    assert timed.is_open
    exchange.wait(5000)
    assert timed.status == "EXPIRED"


@pytest.mark.parametrize(
    ("code", "order"),
    [
        (-4164, {"lots": 1}),
        (-4003, {"lots": 0}),
        (-4061, {"lots": 10, "position_side": "LONG"}),
        (-2022, {"lots": 10, "reduce_only": True}),
        (-4016, {"lots": 10, "ticks": 640000}),
        (-2019, {"lots": 100_000}),
        (-4015, {"lots": 10, "client_id": "a b"}),
    ],
)
def test_refusals(exchange: Exchange, code: int, order: dict[str, object]) -> None:
    client = order.pop("client_id", None)
    if client is not None:
        number = exchange.number()
        asked = Order(number, str(client), "a", "BTCUSDT", BUY, "MARKET", "GTC", None, 10, 0)
        with pytest.raises(Refused) as refused:
            check_order(exchange, exchange.account("a"), asked)
    else:
        with pytest.raises(Refused) as refused:
            place(exchange, "a", BUY, **order)  # type: ignore[arg-type]
    assert refused.value.code == code


def test_a_reduce_only_order_shrinks_to_what_is_left_to_close(exchange: Exchange) -> None:
    place(exchange, "a", BUY, 400)
    exit_ = place(exchange, "a", SELL, 400, 600100, reduce_only=True)
    place(exchange, "a", SELL, 250)
    exchange.apply(Levels(2, "BTCUSDT", [(600100, 1000)], []))
    assert (exit_.lots, exit_.filled, exit_.status) == (150, 150, "FILLED")
    assert exchange.account("a").position("BTCUSDT", "BOTH").lots == 0
