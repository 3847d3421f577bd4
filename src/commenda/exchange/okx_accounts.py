"""OKX's calls about an account: settings, money, positions, trades and bills.

Source: OKX, "API documentation v5", "Trading Account" and "Funding Account".
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from commenda.exchange.bybit_accounts import charged
from commenda.exchange.calls import Desk, Params, call
from commenda.exchange.liquidation import quantile
from commenda.exchange.margins import liquidation_price, standing
from commenda.exchange.model import BOTH, BUY, SIDE_NAMES, Account, Income, Position, Trade
from commenda.exchange.okx import (
    chosen,
    contract,
    inst_of,
    made_by,
    own_id,
    page,
    parents,
    side_of,
    size,
)
from commenda.exchange.refusals import Refused
from commenda.exchange.wire import text
from commenda.kit.money import plain

MODES = ("net_mode", "long_short_mode")
FUNDING, TRADING = "6", "18"
KINDS = {
    "normal": ("2", "1", "2"),
    "full_liquidation": ("5", "106", "107"),
    "adl": ("9", "127", "128"),
    "delivery": ("3", "113", "112"),
}
"""By the category of an order: the kind of bill, and of its trades what was bought and sold."""


# --- settings ------------------------------------------------------------------------------------


@call("GET", "/api/v5/account/config")
def settings(desk: Desk, account: Account, params: Params) -> Any:
    key = desk.key_of(params.text("apiKey"))
    may = {"read_only": True, "trade": key.trades, "withdraw": key.withdraws}
    return [
        {
            "uid": account.name,
            "mainUid": account.name,
            "acctLv": "2",
            "posMode": MODES[account.hedge],
            "perm": ",".join(name for name, is_so in may.items() if is_so),
            "ip": "",
            "label": account.name,
            "level": "Lv1",
            "type": "0",
            "ctIsoMode": "automatic",
            "mgnIsoMode": "automatic",
            "acctStpMode": "cancel_maker",
        }
    ]


@call("POST", "/api/v5/account/set-position-mode")
def set_position_mode(desk: Desk, account: Account, params: Params) -> Any:
    """One that is set already is no change, and taken."""
    mode = params.one_of("posMode", MODES, -1130)
    if (mode == MODES[1]) is not account.hedge:
        if account.open:
            raise Refused(-4067)
        if any(one.lots for one in account.positions.values()):
            raise Refused(-4068)
        account.hedge = not account.hedge
    return [{"posMode": mode}]


@call("POST", "/api/v5/account/set-leverage")
def set_leverage(desk: Desk, account: Account, params: Params) -> Any:
    of, leverage = contract(desk, params), params.whole("lever")
    params.one_of("mgnMode", ("cross",), -1130)
    if not 1 <= leverage <= of.tiers[0].leverage:
        raise Refused(-4028, leverage=leverage)
    account.leverage[of.symbol] = leverage
    return [{"instId": inst_of(of), "lever": str(leverage), "mgnMode": "cross", "posSide": "net"}]


@call("GET", "/api/v5/account/leverage-info")
def leverage(desk: Desk, account: Account, params: Params) -> Any:
    of = contract(desk, params)
    told = {"instId": inst_of(of), "lever": str(account.leverage_of(of.symbol))}
    return [told | {"mgnMode": "cross", "posSide": "net"}]


# --- money and positions -------------------------------------------------------------------------


@call("GET", "/api/v5/account/balance")
def balance(desk: Desk, account: Account, params: Params) -> Any:
    found = standing(account, desk.exchange.contracts, desk.exchange.marks)
    equity, now = text(account.wallet + found.unrealised), str(desk.exchange.now)
    coin = {
        "ccy": "USDT",
        "cashBal": text(account.wallet),
        "eq": equity,
        "eqUsd": equity,
        "availBal": text(found.available),
        "availEq": text(found.available),
        "frozenBal": text(found.initial + found.ordered),
        "ordFrozen": text(found.ordered),
        "upl": text(found.unrealised),
        "imr": text(found.initial + found.ordered),
        "mmr": text(found.kept),
        "uTime": now,
    }
    return [{"uTime": now, "totalEq": equity, "adjEq": "", "imr": "", "mmr": "", "details": [coin]}]


@call("GET", "/api/v5/account/positions")
def positions(desk: Desk, account: Account, params: Params) -> Any:
    wanted = [one for one in params.values.get("instId", "").split(",") if one]
    held = (one for one in account.positions.values() if one.lots)
    rows = [_position(desk, account, one) for one in held]
    return [one for one in rows if not wanted or one["instId"] in wanted]


def _position(desk: Desk, account: Account, one: Position) -> dict[str, Any]:
    exchange = desk.exchange
    of, mark = exchange.contracts[one.symbol], exchange.marks[one.symbol]
    notional, leverage = abs(one.notional(of, mark)), account.leverage_of(one.symbol)
    dies_at = liquidation_price(account, one, exchange.contracts, exchange.marks)
    return {
        "instType": "SWAP",
        "instId": inst_of(of),
        "posId": f"{of.symbol}{one.side}",
        "posSide": side_of(one.side),
        "pos": size(one.lots if one.side == BOTH else abs(one.lots)),
        "ccy": of.quote,
        "mgnMode": "cross",
        "avgPx": text(one.entry(of)),
        "markPx": plain(mark),
        "upl": text(one.unrealised(of, mark)),
        "uplRatio": "",
        "lever": str(leverage),
        "liqPx": text(dies_at) if dies_at else "",
        "notionalUsd": text(notional),
        "imr": text(notional / leverage),
        "mmr": text(of.kept(notional)),
        "margin": "",
        "mgnRatio": "",
        "adl": str(quantile(exchange, account, one)),
        "last": plain(of.price(exchange.books[one.symbol].last or 0)),
        "uTime": str(one.updated),
        "cTime": str(one.updated),
    }


# --- trades and bills ----------------------------------------------------------------------------


@call("GET", "/api/v5/trade/fills", "/api/v5/trade/fills-history")
def fills(desk: Desk, account: Account, params: Params) -> Any:
    is_chosen, number = chosen(desk, params), params.values.get("ordId")
    found = (
        one
        for one in account.trades
        if is_chosen(one) and number in (None, str(one.order)) and one.at <= desk.shown_until
    )
    rows = (_fill(desk, account, one) for one in within(found, params))
    return page(rows, params, "billId")


def within(rows: Any, params: Params) -> Iterator[Any]:
    """Rows of a span of time, the newest first."""
    begin, end = params.whole("begin", 0), params.whole("end", 2**62)
    found = [one for one in rows if begin <= one.at <= end]
    return iter(sorted(found, key=lambda one: -one.id))


def _fill(desk: Desk, account: Account, one: Trade) -> dict[str, Any]:
    of, order = desk.exchange.contracts[one.symbol], account.orders.get(one.order)
    bill, kind = kinds(account, one)
    sign = -1 if bill in ("5", "9") else 1  # what a liquidation brought is told apart by that
    is_sent = order is not None and one.order in parents(account)
    return {
        "instType": "SWAP",
        "instId": inst_of(of),
        "tradeId": str(sign * one.id),
        "billId": str(one.id),
        "ordId": str(one.order),
        "clOrdId": "" if order is None or is_sent else own_id(order.client_id),
        "subType": kind,
        "tag": "",
        "side": SIDE_NAMES[one.side].lower(),
        "posSide": side_of(one.position_side),
        "fillPx": plain(of.price(one.ticks)),
        "fillSz": size(one.lots),
        "fillPnl": text(one.realised),
        "execType": "M" if one.maker else "T",
        "fee": text(-one.fee),
        "feeCcy": of.quote,
        "fillTime": str(one.at),
        "ts": str(one.at),
    }


def kinds(account: Account, one: Trade) -> tuple[str, str]:
    """Of bill and of trade."""
    order = account.orders.get(one.order)
    kind, bought, sold = KINDS["normal" if order is None else made_by(order)]
    return kind, bought if one.side == BUY else sold


@call("GET", "/api/v5/account/bills", "/api/v5/account/bills-archive")
def bills(desk: Desk, account: Account, params: Params) -> Any:
    """All that changed the wallet: what trades cost and brought is one bill of each."""
    is_chosen = chosen(desk, params)
    of_trades = ("COMMISSION", "REALIZED_PNL")
    others = (one for one in account.income if one.kind not in of_trades)
    rows = [
        _bill_of(account, one, desk) if isinstance(one, Trade) else _bill(desk, one)
        for one in within([*account.trades, *others], params)
        if is_chosen(one) or not one.symbol
    ]
    wanted = params.values.get("type")
    return page((one for one in rows if wanted in (None, one["type"])), params, "billId")


def _bill_of(account: Account, one: Trade, desk: Desk) -> dict[str, Any]:
    row = _fill(desk, account, one)
    kind, _ = kinds(account, one)
    told = ("instType", "instId", "billId", "ordId", "clOrdId", "tradeId", "subType", "fee", "ts")
    return {name: row[name] for name in told} | {
        "type": kind,
        "ccy": row["feeCcy"],
        "balChg": text(one.realised - one.fee),
        "pnl": row["fillPnl"],
        "sz": row["fillSz"],
        "px": row["fillPx"],
        "mgnMode": "cross",
    }


def _bill(desk: Desk, one: Income) -> dict[str, Any]:
    row = {
        "instType": "SWAP" if one.symbol else "",
        "instId": "",
        "billId": str(one.id),
        "ordId": "",
        "clOrdId": "",
        "tradeId": "",
        "type": "1",
        "subType": "11" if one.amount > 0 else "12",
        "ccy": one.asset,
        "balChg": text(one.amount),
        "pnl": "0",
        "fee": "0",
        "sz": text(abs(one.amount)),
        "px": "",
        "mgnMode": "",
        "ts": str(one.at),
    }
    if not one.symbol:
        return row
    row |= {"instId": inst_of(desk.exchange.contracts[one.symbol]), "mgnMode": "cross"}
    row |= {"pnl": text(one.amount), "type": "5", "subType": ""}
    if one.kind == "FUNDING_FEE":
        _, mark, lots = charged(desk, one)
        row |= {"type": "8", "subType": "174" if one.amount > 0 else "173"}
        row |= {"sz": size(abs(lots)), "px": plain(mark)}
    return row


# --- transfers -----------------------------------------------------------------------------------


@call("POST", "/api/v5/asset/transfer")
def transfer(desk: Desk, account: Account, params: Params) -> Any:
    """Between the funding account, which holds any amount here, and the one that trades."""
    params.one_of("ccy", ("USDT",), -1130)
    amount = params.positive("amt")
    if {params.text("from"), params.text("to")} != {FUNDING, TRADING}:
        raise Refused(-1130, name="to")
    reference = params.text("clientId", f"okx-{desk.exchange.number()}")
    incoming = params.text("to") == TRADING
    desk.exchange.transfer(account, amount if incoming else -amount, reference)
    told = {name: params.text(name) for name in ("ccy", "from", "to")}
    return [told | {"amt": text(Decimal(amount)), "transId": reference, "clientId": reference}]


@call("GET", "/api/v5/asset/transfer-state")
def transfer_state(desk: Desk, account: Account, params: Params) -> Any:
    """Of one that it does not know, nothing."""
    reference = params.text("clientId")
    if reference not in account.transfers:
        return []
    return [{"clientId": reference, "transId": reference, "ccy": "USDT", "state": "success"}]


@call("GET", "/api/v5/asset/currencies")
def coins(desk: Desk, account: Account, params: Params) -> Any:
    """Those that can be deposited and withdrawn: none is."""
    return []
