"""Calls that move money between an account's two wallets.

Where the house trades spot both are the account's own. Where it does not, spot is the purse of who
runs it, and holds any amount.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from commenda.exchange import wire
from commenda.exchange.calls import Desk, Params, call
from commenda.exchange.model import ZERO, Account
from commenda.exchange.refusals import Refused

WALLETS = ("SPOT", "USDT_FUTURE")
TYPES = {"MAIN_UMFUTURE": 1, "UMFUTURE_MAIN": -1}
"""Whether it goes to the futures."""


def _move(desk: Desk, one: Account, amount: Decimal, asset: str, reference: str) -> int:
    """Into the futures, or out of them, once for each reference; the number of the transfer.
    Codes −4111, −2018, −1130 for what no wallet of futures holds."""
    if asset != "USDT":
        raise Refused(-1130, name="asset")
    spot, takes = desk.spot, amount > ZERO
    is_own, holder = bool(spot.contracts), spot.account(one.name)
    if reference in one.transfers | holder.transfers:
        raise Refused(-4111)
    if is_own and takes:  # who gives is asked first: it may have too little
        spot.transfer(holder, asset, -amount, reference)
    desk.exchange.transfer(one, amount, reference)
    number = one.income[-1].id
    if is_own and not takes:
        spot.transfer(holder, asset, -amount, reference)
    return number


UNIVERSAL = "/sapi/v1/sub-account/universalTransfer"
OWN = "/sapi/v1/asset/transfer"


@call("POST", UNIVERSAL)
def transfer(desk: Desk, one: Account, params: Params) -> Any:
    gives = params.one_of("fromAccountType", WALLETS, -1130, WALLETS[0])
    takes = next(one for one in WALLETS if one != gives)
    params.one_of("toAccountType", (takes,), -1130, takes)
    amount = params.positive("amount") * (1 if takes == "USDT_FUTURE" else -1)
    reference = params.text("clientTranId")
    number = _move(desk, one, amount, params.text("asset", "USDT"), reference)
    return {"tranId": number, "clientTranId": reference}


@call("POST", OWN, weight=900)
def transfer_own(desk: Desk, one: Account, params: Params) -> Any:
    """Such a transfer has no reference of its own: each is another one."""
    sign = TYPES[params.one_of("type", tuple(TYPES), -1130)]
    reference = f"transfer:{desk.exchange.number()}"
    amount = sign * params.positive("amount")
    return {"tranId": _move(desk, one, amount, params.text("asset"), reference)}


@call("GET", OWN)
def own_transfers(desk: Desk, one: Account, params: Params) -> Any:
    kind = params.one_of("type", tuple(TYPES), -1130)
    sign = TYPES[kind]
    rows = [
        {
            "timestamp": each.at,
            "asset": each.asset,
            "amount": wire.text(abs(each.amount)),
            "type": kind,
            "status": "CONFIRMED",
            "tranId": each.id,
        }
        for each in reversed(one.income)
        if each.kind == "TRANSFER" and each.note and each.amount * sign > ZERO
    ]
    size = params.whole("size", 10)
    skipped = (params.whole("current", 1) - 1) * size
    return {"total": len(rows), "rows": rows[skipped : skipped + size]}


@call("GET", UNIVERSAL)
def transfers(desk: Desk, one: Account, params: Params) -> Any:
    wanted = params.values.get("clientTranId")
    rows = [each for each in one.income if each.kind == "TRANSFER" and each.note]
    return {
        "result": [
            {
                "tranId": each.id,
                "clientTranId": each.note,
                "asset": each.asset,
                "amount": wire.text(each.amount),
                "createTimeStamp": each.at,
                "status": "SUCCESS",
            }
            for each in rows
            if wanted in (None, each.note)
        ]
    }
