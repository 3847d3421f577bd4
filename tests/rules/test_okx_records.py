"""What OKX's documentation shows it to answer, as ours. Rows are its examples ("API documentation
v5" of June 2026), with the fields that are looked at, of a swap where the example is of spot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import ccxt
import pytest

from commenda.market import Instrument, Kind
from commenda.venues import (
    Forced,
    OrderKind,
    OrderRequest,
    OrderStatus,
    Side,
    VenueUnavailable,
    Why,
)
from commenda.venues.desk import Desk
from commenda.venues.dialect import Cleared, Paid, Refusal, our_order
from commenda.venues.okx import Okx
from commenda.venues.okx_records import deal_of, shown_algo, shown_order, together

D = Decimal
OURS = UUID("0b2f6a2c-2f5d-8b52-8d0e-0d1f6c1f1a11")
FACE = D("0.01")
SWAP = {
    "instType": "SWAP", "instId": "BTC-USDT-SWAP", "ctType": "linear", "settleCcy": "USDT",
    "ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC", "lotSz": "0.01", "minSz": "0.01",
    "tickSz": "0.1", "maxLmtSz": "100000000", "maxMktSz": "12000", "state": "live",
}  # fmt: skip
INVERSE = SWAP | {"instId": "BTC-USD-SWAP", "ctType": "inverse", "settleCcy": "BTC", "ctVal": "100"}
ORDER = {
    "accFillSz": "1.93", "algoClOrdId": "", "algoId": "", "avgPx": "51858", "cancelSource": "",
    "cancelSourceReason": "", "category": "normal", "clOrdId": OURS.hex, "fee": "-0.5",
    "instId": "BTC-USDT-SWAP", "ordId": "680800019749904384", "ordType": "limit", "px": "51858",
    "side": "buy", "state": "partially_filled", "sz": "100",
}  # fmt: skip
ALGO = {
    "algoClOrdId": OURS.hex, "algoId": "1753184812254216192", "clOrdId": "", "failCode": "",
    "instId": "BTC-USDT-SWAP", "ordId": "", "ordIdList": [], "ordPx": "", "ordType": "conditional",
    "side": "sell", "slOrdPx": "-1", "slTriggerPx": "50000", "state": "live", "sz": "10",
}  # fmt: skip
FILL = {
    "side": "buy", "fillSz": "0.19", "fillPx": "51858", "fee": "-0.00000192834",
    "ordId": "680800019749904384", "instId": "BTC-USDT-SWAP", "clOrdId": "", "posSide": "net",
    "billId": "680800019754098688", "subType": "1", "fillTime": "1708587373361",
    "execType": "T", "tradeId": "744876980", "feeCcy": "USDT", "ts": "1708587373362",
}  # fmt: skip
CONFIG = {
    "acctLv": "2", "ip": "", "perm": "read_only,withdraw,trade", "posMode": "long_short_mode",
}  # fmt: skip
BTC = Instrument(
    1, "okx_swap", "BTCUSDT", Kind.LINEAR_PERPETUAL, "BTC", "USDT", D("0.1"), D("0.0001"), D(0),
    D("0.0002"), D("0.0005"), 100, False,
)  # fmt: skip


class Answers:
    """Answers as they were put in, by the call; remembers what was asked."""

    def __init__(self, **told: Any) -> None:
        self.told = {"publicGetPublicInstruments": [SWAP, INVERSE]} | told
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, call: str, asked: Any) -> Any:
        self.asked.append((call, asked))
        found = self.told.get(call, [])
        if isinstance(found, Refusal):
            raise found
        return {"code": "0", "msg": "", "data": found}


def of(quantity: str, kind: OrderKind = OrderKind.MARKET, **terms: Any) -> OrderRequest:
    return OrderRequest(OURS, 1, Side.BUY, kind, D(quantity), D(51858), **terms)


# --- orders --------------------------------------------------------------------------------------


def test_a_client_id_goes_there_without_dashes_and_comes_back_ours() -> None:
    """32 letters and digits are all that is taken; ccxt's own has as many, and is nobody's."""
    assert len(OURS.hex) == 32
    assert our_order(OURS.hex) == our_order(str(OURS)) == OURS
    assert our_order("6b9ad766b55dBCDE0123456789abcdef") is None


def test_sizes_are_contracts_there_and_of_the_base_here() -> None:
    """0.0193 BTC are 1.93 contracts of a hundredth."""
    ask = Answers()
    Okx().send(ask, of("0.0193"), BTC, ends=False)
    (_, sent) = ask.asked[-1]
    assert sent == {
        "instId": "BTC-USDT-SWAP",
        "tdMode": "cross",
        "side": "buy",
        "sz": "1.93",
        "clOrdId": OURS.hex,
        "ordType": "optimal_limit_ioc",
    }
    shown = shown_order(ORDER, FACE)
    assert (shown.filled, shown.quantity, shown.symbol) == (D("0.0193"), D(1), "BTCUSDT")
    assert (shown.status, shown.limit_price) == (OrderStatus.PARTLY_FILLED, 51858)


@pytest.mark.parametrize("quantity", ["0.00005", "0.00015", "1.00001"])
def test_what_is_no_whole_number_of_lots_is_refused_unsent(quantity: str) -> None:
    ask = Answers()
    with pytest.raises(Refusal, match=r"no multiple of 0\.01 contracts of 0\.01") as refused:
        Okx().send(ask, of(quantity), BTC, ends=False)
    assert refused.value.code == 51121
    assert [call for call, _ in ask.asked] == ["publicGetPublicInstruments"]


def test_a_stop_is_an_algo_order_that_lies_beyond_the_market() -> None:
    ask = Answers()
    Okx().send(ask, of("0.01", OrderKind.STOP, trigger_price=D(52000)), BTC, ends=False)
    call, sent = ask.asked[-1]
    assert call == "privatePostTradeOrderAlgo"
    assert (sent["ordType"], sent["algoClOrdId"]) == ("conditional", OURS.hex)
    assert (sent["slTriggerPx"], sent["slOrdPx"], sent["slTriggerPxType"]) == (
        "52000",
        "-1",
        "last",
    )


@pytest.mark.parametrize(
    ("row", "status", "reason"),
    [
        ({"state": "canceled", "cancelSource": "1"}, OrderStatus.CANCELLED, None),
        ({"state": "canceled", "cancelSource": "14"}, OrderStatus.EXPIRED, None),
        ({"state": "canceled", "cancelSource": "31"}, OrderStatus.REFUSED, Why.WOULD_TAKE),
        ({"state": "live"}, OrderStatus.ACCEPTED, None),
        ({"state": "filled"}, OrderStatus.FILLED, None),
    ],
)
def test_who_cancelled_says_what_became_of_an_order(
    row: Mapping[str, str], status: OrderStatus, reason: Why | None
) -> None:
    shown = shown_order({**ORDER, **row}, FACE)
    assert (shown.status, (shown.reason or "").partition(":")[0]) == (status, reason or "")


def test_a_stop_that_failed_says_why_and_one_that_waits_has_no_number() -> None:
    waits = shown_algo(ALGO, FACE, Okx.codes.why)
    assert (waits.status, waits.number, waits.quantity) == (OrderStatus.ACCEPTED, "", D("0.1"))
    assert waits.limit_price is None
    failed = shown_algo(ALGO | {"state": "order_failed", "failCode": "51008"}, FACE, Okx.codes.why)
    assert (failed.status, failed.reason) == (OrderStatus.REFUSED, "short_of_margin: 51008")


def test_what_came_of_a_stop_is_found_by_its_numbers_though_it_was_split() -> None:
    """One part filled, the other partly and over: together not filled, and all that was traded."""
    algo = ALGO | {"state": "effective", "ordIdList": ["7", "8"]}
    ask = Answers(privateGetTradeOrderAlgo=[algo], privateGetTradeOrder=[ORDER])
    stop = of("0.1", OrderKind.STOP, trigger_price=D(50000))
    shown = Okx().order(ask, stop, "BTCUSDT")
    assert [asked.get("ordId") for call, asked in ask.asked if call == "privateGetTradeOrder"] == [
        "7",
        "8",
    ]
    assert shown is not None
    assert (shown.filled, shown.quantity) == (2 * D("0.0193"), 2)
    whole = shown_order(ORDER | {"state": "filled", "accFillSz": "100"}, FACE)
    part = shown_order(ORDER | {"state": "canceled", "cancelSource": "14"}, FACE)
    both = together([whole, part])
    assert both is not None
    assert (both.status, both.filled) == (OrderStatus.EXPIRED, 1 + D("0.0193"))


def test_a_stop_that_was_triggered_is_cancelled_by_what_came_of_it() -> None:
    algo = ALGO | {"state": "effective", "ordIdList": ["7"]}
    gone = Refusal(51400, '{"sCode":"51400"}')
    ask = Answers(privatePostTradeCancelAlgos=gone, privateGetTradeOrderAlgo=[algo])
    Okx().cancel(ask, of("0.1", OrderKind.STOP, trigger_price=D(50000)), "BTCUSDT")
    assert ask.asked[0][1] == [{"instId": "BTC-USDT-SWAP", "algoClOrdId": OURS.hex}]
    assert ask.asked[-1] == (
        "privatePostTradeCancelOrder",
        {"instId": "BTC-USDT-SWAP", "ordId": "7"},
    )


@pytest.mark.parametrize(
    ("row", "ours", "forced"),
    [
        ({}, OURS, None),
        ({"clOrdId": "", "algoClOrdId": OURS.hex}, OURS, None),
        ({"clOrdId": "by hand"}, None, None),
        ({"clOrdId": "", "category": "full_liquidation"}, None, Forced.LIQUIDATED),
        ({"clOrdId": "", "category": "partial_liquidation"}, None, Forced.LIQUIDATED),
        ({"clOrdId": "", "category": "adl"}, None, Forced.DELEVERAGED),
        ({"clOrdId": "", "category": "delivery"}, None, Forced.SETTLED),
    ],
)
def test_whose_an_order_is_and_why_the_exchange_made_it(
    row: Mapping[str, str], ours: UUID | None, forced: Forced | None
) -> None:
    found = Okx().sender(Answers(privateGetTradeOrder=[{**ORDER, **row}]), "BTCUSDT", "1")
    assert found == (ours, forced)


# --- the account ---------------------------------------------------------------------------------


def test_a_trade_is_of_the_base_and_its_fee_positive_where_it_is_paid() -> None:
    """Eight decimals are what books hold: 0.00000192834 is 0.00000193."""
    deal = deal_of(FILL, FACE)
    assert deal.fill == (
        "BTCUSDT:680800019754098688",
        D("0.0019"),
        D(51858),
        D("0.00000193"),
        datetime(2024, 2, 22, 7, 36, 13, 361000, tzinfo=UTC),
    )
    assert (deal.number, deal.side) == ("680800019749904384", Side.BUY)


@pytest.mark.parametrize(
    ("told", "withdraws", "trades", "bound"),
    [
        ({}, True, True, False),
        ({"perm": "read_only,trade", "ip": "117.37.203.58"}, False, True, True),
        ({"perm": "read_only"}, False, False, False),
        ({"perm": "read_only,trade", "acctLv": "1"}, False, False, False),  # knows spot alone
        ({"perm": "read_only,trade", "acctLv": "3"}, False, True, False),
        ({"perm": "read_only,trade", "acctLv": "4"}, False, False, False),  # cannot reduce only
    ],
)
def test_what_a_key_may_and_what_its_account_can(
    told: Mapping[str, str], withdraws: bool, trades: bool, bound: bool
) -> None:
    found = Okx().rights(Answers(privateGetAccountConfig=[{**CONFIG, **told}]))
    assert found == (withdraws, trades, bound)


def test_a_mode_is_set_where_another_one_is_kept() -> None:
    dialect = Okx()
    dialect.rights(Answers(privateGetAccountConfig=[CONFIG]))
    assert dialect.modes("") == [("privatePostAccountSetPositionMode", {"posMode": "net_mode"})]
    dialect.rights(Answers(privateGetAccountConfig=[{**CONFIG, "posMode": "net_mode"}]))
    assert dialect.modes("") == ()


def test_positions_are_signed_and_valued_in_the_base_and_a_strange_contract_is_named_as_there() -> (
    None
):
    """−2.5 contracts are 0.025 BTC sold; one of another kind is counted by the contract."""
    row = {"instId": "BTC-USDT-SWAP", "posSide": "net", "pos": "-2.5", "markPx": "60000"}
    ask = Answers(
        privateGetAccountBalance=[{"details": [{"ccy": "USDT", "cashBal": "4850.435693622894"}]}],
        privateGetAccountPositions=[
            row | {"upl": "-7.5"},
            row | {"instId": "BTC-USD-SWAP", "pos": "3", "upl": "0.001"},
        ],
    )
    wallets, held = Okx().holdings(ask, {})
    assert wallets == {"USDT": D("4850.43569362")}
    assert held["BTCUSDT"] == (D("-0.025"), D("-7.5"), D(-1500))
    assert held["BTC-USD-SWAP"].quantity == 3


def test_filters_are_of_the_base() -> None:
    assert Okx().filters(Answers()) == {
        "BTCUSDT": (D("0.1"), D("0.0001"), D(1_000_000), D(120), None)
    }


def test_income_is_funding_and_of_a_liquidation_what_is_of_no_trade() -> None:
    """Funding was paid at a positive rate, so the position was long; a liquidation's trade is among
    the trades, its penalty is not."""
    at = int(datetime(2026, 3, 2, 8, 0, 2, tzinfo=UTC).timestamp() * 1000)
    bill = {"instId": "BTC-USDT-SWAP", "ts": str(at), "px": "60000", "sz": "2.5", "tradeId": ""}
    kinds = {
        "8": [bill | {"billId": "1", "type": "8", "balChg": "-0.15"}],
        "5": [
            bill | {"billId": "3", "type": "5", "balChg": "-4", "tradeId": ""},
            bill | {"billId": "2", "type": "5", "balChg": "-90", "tradeId": "-17"},
        ],
    }
    rate = {"fundingTime": str(at), "realizedRate": "0.0001", "fundingRate": "0.0002"}

    class Bills(Answers):
        def __call__(self, call: str, asked: Any) -> Any:
            told = super().__call__(call, asked)
            is_bill = call.startswith("privateGetAccountBills")
            return {"data": kinds.get(asked["type"], [])} if is_bill else told

    ask = Bills(publicGetPublicTime=[{"ts": str(at)}], publicGetPublicFundingRateHistory=[rate])
    (paid, cleared), cursor = Okx().income(ask, {"BTCUSDT": BTC}, None)
    due = at - 2_000
    assert paid == Paid("BTCUSDT", due, D("0.0001"), D(60000), D("0.025"), D("-0.15"), at)
    assert cleared == Cleared("3", "BTCUSDT", D(-4), at)
    assert Okx().income(ask, {"BTCUSDT": BTC}, cursor)[0] == []


def test_old_trades_are_read_where_all_are_kept_and_every_page_of_them() -> None:
    """A hundred to a page; from three days back on another address knows them."""
    now = 1_708_587_373_362
    rows = [FILL | {"billId": str(one), "ts": str(now - 300 + one)} for one in range(250, 0, -1)]

    class Paged(Answers):
        def __call__(self, call: str, asked: Any) -> Any:
            told = super().__call__(call, asked)
            if call.startswith("privateGetTradeFills"):
                older = [r for r in rows if int(r["billId"]) < int(asked.get("after", "1000"))]
                return {"data": older[:100]}
            return told

    ask = Paged(publicGetPublicTime=[{"ts": str(now)}])
    deals, cursor = Okx().deals(ask, ["BTCUSDT"], None)
    ids = [one.fill.id for one in deals]
    assert ids == [f"BTCUSDT:{one}" for one in range(1, 251)]
    assert {call for call, _ in ask.asked if "Fills" in call} == {"privateGetTradeFillsHistory"}
    ask.asked.clear()
    assert Okx().deals(ask, ["BTCUSDT"], cursor)[0] == []
    assert {call for call, _ in ask.asked if "Fills" in call} == {"privateGetTradeFills"}


# --- refusals ------------------------------------------------------------------------------------


class Client:
    """ccxt's own, that is answered as a text says."""

    def __init__(self, body: str) -> None:
        self.body, self.last_response_headers = body, {}
        self.okx = ccxt.okx()

    def call(self, asked: Any) -> Any:
        self.okx.handle_errors(200, "", "", "POST", {}, self.body, json.loads(self.body), {}, "")


PLACED = (
    '{"code":"1","data":[{"clOrdId":"","ordId":"","sCode":"%s","sMsg":"Of this order.","tag":""}],'
    '"inTime":"1695190491421339","msg":"All operations failed","outTime":"1695190491423240"}'
)
WHOLE = '{"code":"%s","data":[],"msg":"Of the request."}'


@pytest.mark.parametrize(
    ("body", "code", "why", "words"),
    [
        (PLACED, 51008, Why.SHORT_OF_MARGIN, "Of this order"),
        (PLACED, 51006, Why.PRICE_BOUND, "Of this order"),
        (PLACED, 51169, Why.NOTHING_TO_REDUCE, "Of this order"),
        (PLACED, 51280, Why.WOULD_TRIGGER, "Of this order"),
        (PLACED, 51511, Why.WOULD_TAKE, "Of this order"),
        (PLACED, 51121, None, "Of this order"),
        (WHOLE, 51603, None, "Of the request"),
        (WHOLE, 59000, None, "Of the request"),
    ],
)
def test_an_order_that_is_refused_counts_by_its_own_number(
    body: str, code: int, why: Why | None, words: str
) -> None:
    """All are told as failed with "1": what was wrong stands at the order."""
    with pytest.raises(Refusal) as refused:
        Desk(Client(body % code), Okx()).ask("call", {})
    assert (refused.value.code, refused.value.short) == (code, f"{code} {words}")
    said = Okx.codes.reason(refused.value)
    assert said.startswith(f"{why}: {code}" if why else str(code))


@pytest.mark.parametrize("code", [50001, 50004, 50013, 50026, 50011, 50061])
def test_what_may_have_been_done_or_comes_too_fast_is_no_refusal(code: int) -> None:
    """Its documentation of 50004: this says neither that it succeeded nor that it failed."""
    with pytest.raises(VenueUnavailable):
        Desk(Client(WHOLE % code), Okx()).ask("call", {})
