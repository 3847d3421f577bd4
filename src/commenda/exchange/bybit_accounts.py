"""Bybit's calls about an account: trades, positions, money.

Source: Bybit, "API documentation v5".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from commenda.exchange.bybit import SIDES_OF_POSITION, Line, lines, page, within
from commenda.exchange.calls import Desk, Params, call
from commenda.exchange.margins import standing
from commenda.exchange.model import SIDE_NAMES, Account, Income, Trade
from commenda.exchange.wire import text
from commenda.kit.money import plain


@call("GET", "/v5/execution/list")
def executions(desk: Desk, account: Account, params: Params) -> Any:
    """Trades, and funding among them."""
    of = {one.order.id: one for one in lines(account) if one.order is not None}
    rows: list[Trade | Income] = [*account.trades]
    rows += [one for one in account.income if one.kind == "FUNDING_FEE"]
    wanted = params.values.get("symbol")
    rows = [one for one in rows if wanted in (None, one.symbol)]
    if params.has("orderId"):
        number = params.text("orderId")
        rows = [one for one in rows if isinstance(one, Trade) and str(of[one.order].id) == number]
    return page((execution(desk, one, of) for one in within(rows, params)), params)


def execution(desk: Desk, one: Trade | Income, of: dict[int, Line]) -> dict[str, Any]:
    row = {"symbol": one.symbol, "execId": str(one.id), "execTime": str(one.at)}
    if isinstance(one, Income):
        fee = text(-one.amount)
        return row | {"execType": "Funding", "orderId": "", "orderLinkId": "", "execFee": fee}
    contract, line = desk.exchange.contracts[one.symbol], of[one.order]
    return row | {
        "execType": "BustTrade" if line.client_id.startswith("autoclose-") else "Trade",
        "orderId": str(line.id),
        "orderLinkId": line.client_id,
        "side": SIDE_NAMES[one.side].capitalize(),
        "execPrice": plain(contract.price(one.ticks)),
        "execQty": plain(contract.quantity(one.lots)),
        "execValue": text(contract.worth(one.ticks, one.lots)),
        "execFee": text(one.fee),
        "isMaker": one.maker,
    }


@call("GET", "/v5/position/list")
def positions(desk: Desk, account: Account, params: Params) -> Any:
    wanted = params.values.get("symbol")
    rows = []
    for (symbol, side), one in account.positions.items():
        if not one.lots or wanted not in (None, symbol):
            continue
        of, mark = desk.exchange.contracts[symbol], desk.exchange.marks[symbol]
        rows.append(
            {
                "symbol": symbol,
                "positionIdx": list(SIDES_OF_POSITION.values()).index(side),
                "side": "Buy" if one.lots > 0 else "Sell",
                "size": plain(abs(of.quantity(one.lots))),
                "avgPrice": text(one.entry(of)),
                "markPrice": plain(mark),
                "positionValue": text(abs(one.cost)),
                "unrealisedPnl": text(one.unrealised(of, mark)),
                "leverage": str(account.leverage_of(symbol)),
                "liqPrice": "",
                "updatedTime": str(one.updated),
            }
        )
    return page(rows, params)


@call("GET", "/v5/account/wallet-balance")
def wallet(desk: Desk, account: Account, params: Params) -> Any:
    found = standing(account, desk.exchange.contracts, desk.exchange.marks)
    equity = text(account.wallet + found.unrealised)
    coin = {
        "coin": "USDT",
        "walletBalance": text(account.wallet),
        "equity": equity,
        "unrealisedPnl": text(found.unrealised),
        "totalPositionIM": text(found.initial),
        "totalOrderIM": text(found.ordered),
        "totalPositionMM": text(found.kept),
    }
    return {
        "list": [
            {
                "accountType": "UNIFIED",
                "totalEquity": equity,
                "totalWalletBalance": text(account.wallet),
                "totalAvailableBalance": text(found.available),
                "coin": [coin],
            }
        ]
    }


@call("GET", "/v5/account/transaction-log")
def transactions(desk: Desk, account: Account, params: Params) -> Any:
    """Settlements of funding alone: trades are asked for as executions."""
    params.one_of("type", ("SETTLEMENT",), -1130)
    rows = within((one for one in account.income if one.kind == "FUNDING_FEE"), params)
    return page((_settlement(desk, one) for one in rows), params)


def charged(desk: Desk, one: Income) -> tuple[Decimal, Decimal, int]:
    """At which rate and mark funding was, and for how many lots."""
    of = desk.exchange.contracts[one.symbol]
    known = [row for row in desk.tape.funding[one.symbol] if row[0] <= one.at]
    _, rate, mark = known[-1]
    return rate, mark, round(-one.amount / (rate * mark * of.lot)) if rate and mark else 0


def _settlement(desk: Desk, one: Income) -> dict[str, Any]:
    of = desk.exchange.contracts[one.symbol]
    rate, mark, lots = charged(desk, one)
    return {
        "id": str(one.id),
        "symbol": one.symbol,
        "category": "linear",
        "type": "SETTLEMENT",
        "transactionTime": str(one.at),
        "currency": one.asset,
        "side": "Buy" if lots > 0 else "Sell",
        "qty": plain(abs(of.quantity(lots))),
        "size": plain(of.quantity(lots)),
        "tradePrice": plain(mark),
        "feeRate": plain(rate),
        "funding": text(one.amount),
        "change": text(one.amount),
        "fee": "0",
        "cashFlow": "0",
    }


@call("POST", "/v5/asset/transfer/inter-transfer")
def transfer(desk: Desk, account: Account, params: Params) -> Any:
    """Between the funding account, which holds any amount here, and the unified one."""
    amount, reference = params.positive("amount"), params.text("transferId")
    if params.text("fromAccountType") == "UNIFIED":
        amount = -amount
    desk.exchange.transfer(account, amount, reference)
    return {"transferId": reference, "status": "SUCCESS"}


@call("GET", "/v5/asset/coin/query-info")
def coins(desk: Desk, account: Account, params: Params) -> Any:
    return {"rows": []}


@call("GET", "/v5/account/info")
def kind(desk: Desk, account: Account, params: Params) -> Any:
    """A unified account, and its margin mode: isolated where each contract is."""
    isolated = account.isolated == set(desk.exchange.contracts)
    return {
        "unifiedMarginStatus": 5,
        "marginMode": "ISOLATED_MARGIN" if isolated else "REGULAR_MARGIN",
        "updatedTime": str(desk.exchange.now),
    }
