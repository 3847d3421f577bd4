"""What is bought at spot: how its fee is kept, how it is shared out, and how much may be held."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.execution.rules import allocate, in_lots
from commenda.kernel import Bars, Costs, Margin, Program, Stepper, Terms, compiled, run
from commenda.kernel.bars import CLOSE
from commenda.market import Instrument, Kind
from commenda.venues import Fill, Side, Why
from commenda.venues.binance_spot import BinanceSpot, deal_of
from commenda.venues.dialect import News, Refusal, Shown
from commenda.venues.model import OrderStatus, VenueAccount

D = Decimal
UNIT = D("0.00000001")
SIGNED = "ccee4fcfed3cc4cf0621e92839e3340ab9ab57e30bd4c512664dacc6fbdd4fff"
BTC = Instrument(
    7, "binance_spot", "BTCUSDT", Kind.SPOT, "BTC", "USDT", D("0.01"), D("0.00001"), D(5),
    D("0.001"), D("0.001"), 1, False,
)  # fmt: skip
ORDER, ONE, TWO, THREE = (UUID(int=n) for n in range(4))


def a_trade(
    quantity: str, price: str, commission: str, asset: str, *, buyer: bool = True
) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "id": 28457,
        "orderId": 100234,
        "price": price,
        "qty": quantity,
        "commission": commission,
        "commissionAsset": asset,
        "time": 1499865549590,
        "isBuyer": buyer,
    }


def shared(fills: list[Fill], *requests: tuple[UUID, str], side: Side = Side.BUY) -> list[Any]:
    asked = [(leg, D(quantity)) for leg, quantity in requests]
    return allocate(
        side, asked, fills, step=BTC.step, scale=8, secret=b"secret", order_id=ORDER
    )  # fmt: skip


# --- the fee ---------------------------------------------------------------------------------


def test_a_purchase_is_what_was_left_of_it_and_costs_what_was_paid() -> None:
    """0.01 at 60,000.01 is 600.0001; of it 0.00001 was taken, worth 0.6000001."""
    fill = deal_of(a_trade("0.01", "60000.01", "0.00001", "BTC")).fill
    assert (fill.quantity, fill.price, fill.fee) == (D("0.00999"), D("60000.01"), D("0.6000001"))
    assert fill.quantity * fill.price + fill.fee == D("600.0001")


def test_a_sale_pays_its_fee_in_money() -> None:
    fill = deal_of(a_trade("0.01", "60000.01", "0.6000001", "USDT", buyer=False)).fill
    assert (fill.quantity, fill.fee) == (D("0.01"), D("0.6000001"))


@pytest.mark.parametrize("buyer", [True, False])
def test_a_fee_in_a_third_asset_is_no_part_of_the_books(buyer: bool) -> None:
    fill = deal_of(a_trade("0.01", "60000.01", "0.00092", "BNB", buyer=buyer)).fill
    assert (fill.quantity, fill.fee) == (D("0.01"), 0)


@pytest.mark.parametrize(
    ("trades", "executed", "filled"),
    [
        # All is shown: what was filled is what is left.
        ([("0.007", "0.000007"), ("0.003", "0.000003")], "0.01", "0.00999"),
        # One trade is not shown yet: more was filled than the trades add up to.
        ([("0.007", "0.000007")], "0.01", "0.009993"),
    ],
)
def test_what_an_order_filled_is_less_by_the_fees_that_are_known(
    trades: list[tuple[str, str]], executed: str, filled: str
) -> None:
    rows = [
        a_trade(quantity, "60000.01", fee, "BTC") | {"id": number}
        for number, (quantity, fee) in enumerate(trades)
    ]
    words = "buy 0.01 btcusdt market"
    shown = Shown("1", "", "BTCUSDT", OrderStatus.FILLED, D(executed), words)
    told, fills = BinanceSpot().fills(lambda _call, _asked: rows, shown)
    assert told == D(filled)
    recorded = sum(fill.quantity for fill in fills)
    assert (told == recorded) is (sum(D(one) for one, _ in trades) == D(executed))


# --- shared out ------------------------------------------------------------------------------


def test_what_was_left_is_shared_in_the_assets_own_step() -> None:
    """0.00999 for 600.0001 by 3 to 2: 0.005994 for 360.00006, and 0.003996 for 240.00004."""
    fill = deal_of(a_trade("0.01", "60000.01", "0.00001", "BTC")).fill
    one, two = shared([fill], (ONE, "0.006"), (TWO, "0.004"))
    assert (one.quantity, one.notional, one.fee) == (
        D("0.005994"), D("359.64005994"), D("0.36000006"),
    )  # fmt: skip
    assert (two.quantity, two.notional, two.fee) == (
        D("0.003996"), D("239.76003996"), D("0.24000004"),
    )  # fmt: skip


def test_what_is_finer_than_money_cancels_out_with_whoever_pays_most_of_the_fee() -> None:
    """A lot for 0.6000001, of which a unit is taken, worth 0.0006000001: by 1 to 2, the notional
    0.5994000999 is cut off at 0.59940009, and the fee is 0.00060001 instead."""
    fill = deal_of(a_trade("0.00001", "60000.01", "0.00000001", "BTC")).fill
    assert fill.fee == D("0.0006000001")
    one, two = shared([fill], (ONE, "0.00000333"), (TWO, "0.00000667"))
    assert (one.quantity, one.notional, one.fee) == (
        D("0.00000333"), D("0.19980003"), D("0.0002"),
    )  # fmt: skip
    assert (two.quantity, two.notional, two.fee) == (
        D("0.00000666"), D("0.3996000699"), D("0.0004000001"),
    )  # fmt: skip
    assert one.notional + one.fee + two.notional + two.fee == D("0.6000001")


@st.composite
def purchases(draw: st.DrawFn) -> tuple[list[tuple[UUID, str]], list[Fill]]:
    """Trades of whole lots at prices in cents, a fee of up to a tenth taken of each in units."""
    fills = []
    for number in range(draw(st.integers(1, 4))):
        lots, cents = draw(st.integers(1, 10**6)), draw(st.integers(1, 10**8))
        quantity, price = lots * BTC.lot, cents * BTC.tick
        taken = draw(st.integers(0, int(quantity / UNIT) // 10)) * UNIT
        trade = a_trade(f"{quantity:f}", f"{price:f}", f"{taken:f}", "BTC")
        fills.append(deal_of(trade | {"id": number}).fill)
    lots = sum(int((one.quantity + one.fee / one.price) / BTC.lot) for one in fills)
    asked = draw(st.lists(st.integers(1, 10**12), min_size=1, max_size=6))
    asked = [*asked, lots * int(BTC.lot / UNIT)]
    return [(UUID(int=n), f"{one * UNIT:f}") for n, one in enumerate(asked)], fills


@given(purchases())
def test_shares_of_a_purchase_are_exact_in_money_and_in_the_asset(
    purchase: tuple[list[tuple[UUID, str]], list[Fill]],
) -> None:
    requests, fills = purchase
    shares = shared(fills, *requests)
    assert sum(one.quantity for one in shares) == sum(one.quantity for one in fills)
    paid = [one.notional + one.fee for one in shares]
    gross = sum((one.quantity + one.fee / one.price) * one.price for one in fills)
    assert sum(paid) == gross
    assert sum(one.notional for one in shares) == sum(one.quantity * one.price for one in fills)
    assert all(one % UNIT == 0 for one in paid), "cash is kept in units of money"
    assert all(one.fee >= 0 for one in shares)
    whole = Fraction(sum(one.quantity for one in fills))
    for one, cost in zip(shares, paid, strict=True):
        due = Fraction(gross) * Fraction(one.quantity) / whole
        assert abs(Fraction(cost) - due) < 2 * Fraction(UNIT), "everyone pays the same price"


# --- whole lots ------------------------------------------------------------------------------


def test_a_parent_is_whole_lots_of_what_legs_ask_for_together() -> None:
    """0.00999 and 0.01998 and 0.000024 are 2,999.4 lots: 0.000004 is left out, in proportion, and
    the last of the units goes to the largest remainder."""
    asked = [(ONE, D("-0.00999")), (TWO, D("-0.01998")), (THREE, D("-0.000024"))]
    found = in_lots(asked, BTC, ORDER)
    assert found == [
        # 2,999,000 units of 2,999,400: 998,866.77, 1,997,733.55 and 2,399.68.
        (ONE, D("-0.00998867")), (TWO, D("-0.01997733")), (THREE, D("-0.000024")),
    ]  # fmt: skip
    assert sum(quantity for _, quantity in found) == D("-0.02999")


def test_less_than_a_lot_asks_for_nothing() -> None:
    assert in_lots([(ONE, D("0.000004")), (TWO, D("0.000005"))], BTC, ORDER) == []


def test_whole_lots_are_asked_for_as_they_are() -> None:
    """Also where each leg alone asks for none."""
    asked = [(ONE, D("0.000004")), (TWO, D("0.000006"))]
    assert in_lots(asked, BTC, ORDER) == asked


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=8), st.sampled_from([1, -1]))
def test_nobody_asks_for_more_than_they_have_and_less_than_a_lot_is_left(
    units: list[int], sign: int
) -> None:
    asked = [(UUID(int=n), sign * one * UNIT) for n, one in enumerate(units)]
    found = dict(in_lots(asked, BTC, ORDER))
    total, got = sum(units) * UNIT, sum(map(abs, found.values()))
    assert got % BTC.lot == 0
    assert 0 <= total - got < BTC.lot
    for leg, quantity in asked:
        part = found.get(leg, D(0))
        assert abs(part) <= abs(quantity)
        assert part * sign >= 0


# --- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words", "why"),
    [
        (-2010, "Account has insufficient balance for requested action.", Why.SHORT_OF_MARGIN),
        (-2010, "Order would immediately match and take.", Why.WOULD_TAKE),
        (-2010, "Stop price would trigger immediately.", Why.WOULD_TRIGGER),
        (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE", Why.PRICE_BOUND),
        (-1013, "Filter failure: LOT_SIZE", None),
        (-2010, "Market is closed.", None),
    ],
)
def test_one_number_for_many_reasons_is_told_apart_by_its_words(
    code: int, words: str, why: Why | None
) -> None:
    said = f'binance {{"code":{code},"msg":"{words}"}}'
    reason = BinanceSpot.codes.reason(Refusal(code, said))
    if why is None:
        assert words in reason
    else:
        assert reason == f"{why}: {code} {words.rstrip('.')}"


@pytest.mark.parametrize("burns", [True, False])
def test_fees_in_bnb_are_told_of_and_switched_off(burns: bool) -> None:
    told = BinanceSpot().mode(lambda _call, _asked: {"spotBNBBurn": burns})
    assert told == ("fees", not burns)
    assert BinanceSpot().modes("") == [("sapiPostBnbBurn", {"spotBNBBurn": "false"})]
    assert BinanceSpot().modes("BTCUSDT") == ()


def test_an_account_has_wallets_of_money_and_positions_of_all_else() -> None:
    """Free and locked; what no pair of ours trades keeps its name, and has no price."""
    balances = [
        {"asset": "USDT", "free": "100.5", "locked": "20"},
        {"asset": "BTC", "free": "0.00999", "locked": "0.00001"},
        {"asset": "PEPE", "free": "7", "locked": "0"},
    ]
    wallets, held = BinanceSpot().holdings(
        lambda _call, _asked: {"balances": balances}, {"BTCUSDT": BTC}
    )
    assert wallets == {"USDT": D("120.5")}
    assert {symbol: one.quantity for symbol, one in held.items()} == {
        "BTCUSDT": D("0.01"),
        "PEPE": D(7),
    }
    account = VenueAccount(
        dict(wallets), {7: D("0.01")}, {7: held["BTCUSDT"].unrealised}, {7: held["BTCUSDT"].worth}
    )
    assert account.unrealised_at(7, D(60_000)) == 600


def test_an_accounts_stream_is_signed_for() -> None:
    """HMAC-SHA256 of what is asked, by name, under the key's secret; computed apart by openssl."""
    client = BinanceSpot().client("key-a", "secret-a")
    client.nonce = lambda: 1_700_000_000_000
    channel = BinanceSpot().channel(lambda *_: None, client, None)
    assert channel.url == "wss://ws-api.binance.com/ws-api/v3"
    (hello,) = channel.hello
    assert hello["method"] == "userDataStream.subscribe.signature"
    assert hello["params"] == {
        "apiKey": "key-a",
        "timestamp": 1_700_000_000_000,
        "signature": SIGNED,
    }


@pytest.mark.parametrize(
    ("told", "news"),
    [
        ({"id": "hello", "status": 200, "result": {"subscriptionId": 0}}, News(begins=True)),
        ({"subscriptionId": 0, "event": {"e": "executionReport"}}, News(happened=True)),
        ({"subscriptionId": 0, "event": {"e": "outboundAccountPosition"}}, News(happened=True)),
        ({"subscriptionId": 0, "event": {"e": "eventStreamTerminated"}}, None),
        ({"id": "hello", "status": 401, "error": {"code": -2015}}, None),
        ({"subscriptionId": 0, "event": {"e": "externalLockUpdate"}}, News()),
    ],
)
def test_what_a_stream_says_is_a_hint_or_its_end(told: dict[str, Any], news: News | None) -> None:
    assert BinanceSpot().news(told) == news


# --- how much is held ------------------------------------------------------------------------


@compiled
def as_the_close_says(state, bar, position, params):  # type: ignore[no-untyped-def]
    """Above 100 long, below short, by a hundredth for each point."""
    return (bar[CLOSE] - 100.0) / 100.0


FREE = Costs(fee_bps=0.0, slippage_bps=0.0)
PROGRAM = Program("as_the_close_says 1", as_the_close_says, np.zeros(0), 0, 0)


def bars_of(closes: list[float]) -> Bars:
    price = np.array(closes)
    opens = np.append(100.0, price[:-1])
    high, low = np.maximum(opens, price), np.minimum(opens, price)
    stamps = np.arange(len(closes)) * 3_600_000_000_000
    return Bars(stamps, opens, high, low, price, np.full(len(closes), 1e6))


def test_what_is_decided_at_spot_is_kept_between_nothing_and_what_can_be_paid() -> None:
    """Targets 0.5, 1.5, -0.2, 0.1; of 1,000 the first is worth 500 at 150 and gains 500 · 100/150
    at 250; then 0.99 of 1,333.33 is held while the price falls to 80."""
    result = run(
        PROGRAM, bars_of([150, 250, 80, 110]), cash=1_000, costs=FREE, terms=Terms(spot=True)
    )
    assert result.targets.tolist() == [0.5, 0.99, 0.0, pytest.approx(0.1)]
    second = 1_000 + 500 * 100 / 150
    third = second * (1 - 0.99 * 170 / 250)
    assert result.equity.tolist() == [1_000, *map(pytest.approx, (second, third, third))]
    assert [fill.held >= 0 for fill in result.fills] == [True] * 3


def test_a_perpetual_is_traded_as_it_is_decided() -> None:
    result = run(PROGRAM, bars_of([150, 250, 200, 80, 110]), cash=1_000, costs=FREE)
    assert result.targets.tolist() == pytest.approx([0.5, 1.5, 1.0, -0.2, 0.1])


@settings(deadline=None)  # the first is compiled
@given(st.lists(st.floats(1.0, 400.0), min_size=3, max_size=40))
def test_loop_and_stepper_keep_within_the_same(closes: list[float]) -> None:
    bars, terms = bars_of(closes), Terms(spot=True)
    result = run(PROGRAM, bars, cash=1_000, terms=terms)
    stepper = Stepper(PROGRAM, cash=1_000, terms=terms)
    rows = zip(*(getattr(bars, one).tolist() for one in BAR), strict=True)
    steps = []
    for row in rows:
        decided = stepper.on_bar(*row)
        steps.append((decided.target, stepper.equity))
        stepper = Stepper.restore(PROGRAM, stepper.save(), terms=terms)
    assert steps == list(zip(result.targets.tolist(), result.equity.tolist(), strict=True))
    assert all(0.0 <= target <= 0.99 for target, _ in steps)
    assert all(fill.held >= 0.0 for fill in result.fills)


BAR = ("ts", "open", "high", "low", "close", "volume")


def test_a_desk_keeps_within_the_same() -> None:
    """Lots ask for a desk; they are too small to matter here."""
    bars, lots = bars_of([150, 250, 80, 110]), Terms(spot=True, lot=1e-9)
    result = run(PROGRAM, bars, cash=1_000, costs=FREE, terms=lots)
    plain = run(PROGRAM, bars, cash=1_000, costs=FREE, terms=Terms(spot=True))
    assert result.targets.tolist() == plain.targets.tolist()
    assert result.equity.tolist() == pytest.approx(plain.equity.tolist())


def test_there_is_no_margin_at_spot() -> None:
    with pytest.raises(ValueError, match="no margin at spot"):
        Terms(spot=True, margin=Margin(2.0))
