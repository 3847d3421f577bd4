"""Spot's calls about an account: what it has, what it pays, and the key of its stream."""

from __future__ import annotations

from typing import Any

from commenda.exchange import spot_wire as wire
from commenda.exchange.calls import Params, call
from commenda.exchange.refusals import Refused
from commenda.exchange.spot_desk import SpotDesk
from commenda.exchange.spot_model import SpotAccount


@call("GET", "/api/v3/account", weight=20)
def account(desk: SpotDesk, one: SpotAccount, params: Params) -> Any:
    return wire.account(desk.exchange, one, zeros=not params.flag("omitZeroBalances"))


@call("GET", "/api/v3/account/commission", weight=20)
def commission(desk: SpotDesk, one: SpotAccount, params: Params) -> Any:
    of = params.contract(desk.exchange)
    none = wire.rates(None)
    discount = {
        "enabledForAccount": False,
        "enabledForSymbol": False,
        "discountAsset": "BNB",
        "discount": "0.00000000",
    }
    return {
        "symbol": of.symbol,
        "standardCommission": wire.rates(of),
        "specialCommission": none,
        "taxCommission": none,
        "discount": discount,
    }


@call("GET", "/api/v3/rateLimit/order", weight=40)
def order_counts(desk: SpotDesk, one: SpotAccount, params: Params) -> Any:
    return desk.counts()


LISTEN = "/api/v3/userDataStream"


@call("POST", LISTEN, keyed=True, weight=2)
def listen(desk: SpotDesk, one: SpotAccount, params: Params) -> Any:
    return {"listenKey": desk.listen_key(one.name)}


@call("PUT", LISTEN, keyed=True, weight=2)
def keep_listening(desk: SpotDesk, one: SpotAccount, params: Params) -> Any:
    _is_its_own(desk, one, params)
    desk.keep_listening(one.name)
    return {}


@call("DELETE", LISTEN, keyed=True, weight=2)
def stop_listening(desk: SpotDesk, one: SpotAccount, params: Params) -> Any:
    _is_its_own(desk, one, params)
    desk.stop_listening(one.name)
    return {}


def _is_its_own(desk: SpotDesk, one: SpotAccount, params: Params) -> None:
    """Code −1125 for a key that is not the account's living one."""
    if not desk.is_listened_to(one.name, params.text("listenKey")):
        raise Refused(-1125)
