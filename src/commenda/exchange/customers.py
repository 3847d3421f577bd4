"""Calls about an account: money, positions, modes, income, and the key of its stream."""

from __future__ import annotations

from typing import Any

from commenda.exchange import wire, wire_accounts
from commenda.exchange.calls import Desk, Params, call
from commenda.exchange.liquidation import quantile
from commenda.exchange.margins import standing
from commenda.exchange.model import ZERO, Account
from commenda.exchange.refusals import Refused
from commenda.exchange.trading import within
from commenda.kit.money import plain


@call("GET", "/fapi/v3/account", weight=5)
def account(desk: Desk, one: Account, params: Params) -> Any:
    return wire_accounts.account(desk.exchange, one, all_of=False)


@call("GET", "/fapi/v1/account", "/fapi/v2/account", weight=5)
def account_with_all(desk: Desk, one: Account, params: Params) -> Any:
    return wire_accounts.account(desk.exchange, one, all_of=True)


@call("GET", "/fapi/v1/balance", "/fapi/v2/balance", "/fapi/v3/balance", weight=5)
def balances(desk: Desk, one: Account, params: Params) -> Any:
    return [wire_accounts.balance(desk.exchange, one)]


@call("GET", "/fapi/v3/positionRisk", weight=5)
def positions(desk: Desk, one: Account, params: Params) -> Any:
    return _of_symbol(
        wire_accounts.positions(desk.exchange, one, all_of=params.has("symbol")), params
    )


@call("GET", "/fapi/v1/positionRisk", "/fapi/v2/positionRisk", weight=5)
def all_positions(desk: Desk, one: Account, params: Params) -> Any:
    return _of_symbol(wire_accounts.positions(desk.exchange, one, all_of=True), params)


def _of_symbol(rows: list[Any], params: Params) -> list[Any]:
    wanted = params.values.get("symbol")
    return [one for one in rows if wanted in (None, one["symbol"])]


@call("POST", "/fapi/v1/leverage")
def set_leverage(desk: Desk, one: Account, params: Params) -> Any:
    of, leverage = params.contract(desk.exchange), params.whole("leverage")
    if not 1 <= leverage <= of.tiers[0].leverage:
        raise Refused(-4028, leverage=leverage)
    before = one.leverage_of(of.symbol)
    one.leverage[of.symbol] = leverage
    found = standing(one, desk.exchange.contracts, desk.exchange.marks)
    free = found.cross_wallet + found.cross_unrealised - found.cross_initial - found.ordered
    if leverage < before and free < 0:
        one.leverage[of.symbol] = before
        raise Refused(-2028)
    return {
        "leverage": leverage,
        "maxNotionalValue": plain(of.largest(leverage)),
        "symbol": of.symbol,
    }


@call("POST", "/fapi/v1/marginType")
def set_margin_type(desk: Desk, one: Account, params: Params) -> Any:
    of = params.contract(desk.exchange)
    isolated = params.one_of("marginType", ("ISOLATED", "CROSSED"), -1130) == "ISOLATED"
    if isolated is (of.symbol in one.isolated):
        raise Refused(-4046)
    if any(order.symbol == of.symbol for order in one.open.values()):
        raise Refused(-4047)
    if any(held.lots for key, held in one.positions.items() if key[0] == of.symbol):
        raise Refused(-4048)
    (one.isolated.add if isolated else one.isolated.discard)(of.symbol)
    return {"code": 200, "msg": "success"}


@call("POST", "/fapi/v1/positionMargin")
def move_margin(desk: Desk, one: Account, params: Params) -> Any:
    of, amount = params.contract(desk.exchange), params.positive("amount")
    held = one.position(of.symbol, params.text("positionSide", "BOTH"))
    signed = amount if params.whole("type") == 1 else -amount
    if of.symbol not in one.isolated or not held.lots:
        raise Refused(-1130, name="symbol")
    if signed > desk.exchange.free(one) or held.margin + signed < ZERO:
        raise Refused(-2019)
    held.margin += signed
    desk.exchange.tell("account", one.name, ("MARGIN_TRANSFER", (held,)))
    return {"code": 200, "msg": "Successfully modify position margin.", "amount": float(amount)}


@call("GET", "/fapi/v1/positionSide/dual", weight=30)
def get_mode(desk: Desk, one: Account, params: Params) -> Any:
    return {"dualSidePosition": one.hedge}


@call("POST", "/fapi/v1/positionSide/dual")
def set_mode(desk: Desk, one: Account, params: Params) -> Any:
    wanted = params.flag("dualSidePosition")
    if wanted is one.hedge:
        raise Refused(-4059)
    if one.open:
        raise Refused(-4067)
    if any(held.lots for held in one.positions.values()):
        raise Refused(-4068)
    one.hedge = wanted
    return {"code": 200, "msg": "success"}


@call("GET", "/fapi/v1/multiAssetsMargin", weight=30)
def get_multi_assets(desk: Desk, one: Account, params: Params) -> Any:
    return {"multiAssetsMargin": False}


@call("GET", "/fapi/v1/accountConfig", weight=5)
def account_config(desk: Desk, one: Account, params: Params) -> Any:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": one.hedge,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


@call("GET", "/fapi/v1/symbolConfig", weight=5)
def symbol_config(desk: Desk, one: Account, params: Params) -> Any:
    return _of_symbol(
        [
            {
                "symbol": of.symbol,
                "marginType": "ISOLATED" if of.symbol in one.isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": one.leverage_of(of.symbol),
                "maxNotionalValue": plain(of.largest(one.leverage_of(of.symbol))),
            }
            for of in desk.exchange.contracts.values()
        ],
        params,
    )


@call("GET", "/fapi/v1/leverageBracket")
def leverage_brackets(desk: Desk, one: Account, params: Params) -> Any:
    found = [wire.brackets(of) for of in desk.exchange.contracts.values()]
    return _of_symbol(found, params)


@call("GET", "/fapi/v1/commissionRate", weight=20)
def commission(desk: Desk, one: Account, params: Params) -> Any:
    of = params.contract(desk.exchange)
    return {
        "symbol": of.symbol,
        "makerCommissionRate": plain(of.maker),
        "takerCommissionRate": plain(of.taker),
    }


@call("GET", "/fapi/v1/income", weight=30)
def income(desk: Desk, one: Account, params: Params) -> Any:
    rows = [
        each
        for each in one.income
        if params.values.get("symbol") in (None, each.symbol)
        and params.values.get("incomeType") in (None, each.kind)
    ]
    return [wire.income(each) for each in within(rows, params, "fromId")]


@call("GET", "/fapi/v1/adlQuantile", weight=5)
def adl_quantile(desk: Desk, one: Account, params: Params) -> Any:
    found: dict[str, dict[str, int]] = {}
    for (symbol, side), held in sorted(one.positions.items()):
        if held.lots and params.values.get("symbol") in (None, symbol):
            found.setdefault(symbol, {})[side] = quantile(desk.exchange, one, held)
    return [{"symbol": symbol, "adlQuantile": each} for symbol, each in found.items()]


@call("GET", "/fapi/v1/forceOrders", weight=20)
def forced(desk: Desk, one: Account, params: Params) -> Any:
    kinds = {"LIQUIDATION": "autoclose-", "ADL": "adl_autoclose"}
    prefixes = tuple(kinds.values())
    if params.has("autoCloseType"):
        prefixes = (kinds[params.one_of("autoCloseType", tuple(kinds), -1130)],)
    found = [each for each in one.orders.values() if each.client_id.startswith(prefixes)]
    return [
        wire.order(each, desk.exchange.contracts[each.symbol])
        for each in within(found, params, "orderId")
    ]


@call("GET", "/sapi/v1/account/apiRestrictions")
def restrictions(desk: Desk, one: Account, params: Params) -> Any:
    """What the key may do: asked for by who must not be able to take money out."""
    key = desk.key_of(params.text("apiKey"))
    return {
        "ipRestrict": False,
        "createTime": 0,
        "enableReading": True,
        "enableFutures": key.trades,
        "enableWithdrawals": key.withdraws,
        "enableInternalTransfer": False,
        "permitsUniversalTransfer": False,
        "enableSpotAndMarginTrading": key.trades and bool(desk.spot.contracts),
        "enableMargin": False,
        "enableVanillaOptions": False,
    }


@call("GET", "/sapi/v1/capital/config/getall", weight=10)
def currencies(desk: Desk, one: Account, params: Params) -> Any:
    return []


BURN = "/sapi/v1/bnbBurn"


@call("GET", BURN)
def burn(desk: Desk, one: Account, params: Params) -> Any:
    """Whether fees are paid in BNB: never here."""
    return {"spotBNBBurn": False, "interestBNBBurn": False}


@call("POST", BURN)
def set_burn(desk: Desk, one: Account, params: Params) -> Any:
    if params.flag("spotBNBBurn") or params.flag("interestBNBBurn"):
        raise Refused(-1130, name="spotBNBBurn")
    return burn(desk, one, params)


LISTEN = "/fapi/v1/listenKey"


@call("POST", LISTEN, keyed=True)
def listen(desk: Desk, one: Account, params: Params) -> Any:
    return {"listenKey": desk.listen_key(one.name)}


@call("PUT", LISTEN, keyed=True)
def keep_listening(desk: Desk, one: Account, params: Params) -> Any:
    desk.keep_listening(one.name)
    return {"listenKey": desk.listen_key(one.name)}


@call("DELETE", LISTEN, keyed=True)
def stop_listening(desk: Desk, one: Account, params: Params) -> Any:
    desk.stop_listening(one.name)
    return {}
