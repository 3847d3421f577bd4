"""An account as Binance's JSON: money, positions, and what its stream is told of both."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from commenda.exchange.engine import Exchange
from commenda.exchange.margins import liquidation_price, ordered_of, standing
from commenda.exchange.model import BOTH, BUY, SELL, ZERO, Account, Position
from commenda.exchange.wire import Json, text
from commenda.kit.money import plain


def positions(exchange: Exchange, account: Account, *, all_of: bool) -> list[Json]:
    """Positions that are held, or every contract's (`all_of`), which older addresses list."""
    sides = ("LONG", "SHORT") if account.hedge else (BOTH,)
    every = {(symbol, side) for symbol in exchange.contracts for side in sides}
    wanted = every if all_of else set()
    held = {key for key, one in account.positions.items() if one.lots}
    return [
        position(exchange, account, account.position(*key))
        for key in sorted(wanted | held)
        if key[0] in exchange.marks
    ]


def position(exchange: Exchange, account: Account, one: Position) -> Json:
    of, mark = exchange.contracts[one.symbol], exchange.marks[one.symbol]
    notional, leverage = one.notional(of, mark), account.leverage_of(one.symbol)
    isolated = one.symbol in account.isolated
    bound = abs(notional) / leverage
    ordered = ordered_of(account, of, mark)
    asked = {
        side: sum(
            of.price(o.ticks or 0) * of.quantity(o.left)
            for o in account.open.values()
            if (o.symbol, o.side) == (one.symbol, side)
        )
        for side in (BUY, SELL)
    }
    entry = text(one.entry(of))
    liquidated = liquidation_price(account, one, exchange.contracts, exchange.marks)
    return {
        "symbol": one.symbol,
        "positionSide": one.side,
        "positionAmt": plain(of.quantity(one.lots)),
        "entryPrice": entry,
        "breakEvenPrice": entry,
        "markPrice": text(mark),
        "unRealizedProfit": text(one.unrealised(of, mark)),
        "unrealizedProfit": text(one.unrealised(of, mark)),
        "liquidationPrice": text(liquidated),
        "leverage": str(leverage),
        "marginType": "isolated" if isolated else "cross",
        "isolated": isolated,
        "isolatedMargin": text(one.margin + one.unrealised(of, mark) if isolated else ZERO),
        "isolatedWallet": text(one.margin),
        "isAutoAddMargin": "false",
        "notional": text(notional),
        "marginAsset": of.quote,
        "initialMargin": text(bound + ordered),
        "maintMargin": text(of.kept(abs(notional)) if one.lots else ZERO),
        "positionInitialMargin": text(bound),
        "openOrderInitialMargin": text(ordered),
        "maxNotional": plain(of.largest(leverage)),
        "maxNotionalValue": plain(of.largest(leverage)),
        "adl": 2 if one.lots else 0,
        "bidNotional": text(Decimal(asked[BUY])),
        "askNotional": text(Decimal(asked[SELL])),
        "updateTime": one.updated,
    }


def balance(exchange: Exchange, account: Account) -> Json:
    found = standing(account, exchange.contracts, exchange.marks)
    return {
        "accountAlias": "SgsR",
        "asset": "USDT",
        "balance": text(account.wallet),
        "walletBalance": text(account.wallet),
        "unrealizedProfit": text(found.unrealised),
        "marginBalance": text(account.wallet + found.unrealised),
        "maintMargin": text(found.kept),
        "initialMargin": text(found.initial + found.ordered),
        "positionInitialMargin": text(found.initial),
        "openOrderInitialMargin": text(found.ordered),
        "crossWalletBalance": text(found.cross_wallet),
        "crossUnPnl": text(found.cross_unrealised),
        "availableBalance": text(found.available),
        "maxWithdrawAmount": text(exchange.free(account)),
        "marginAvailable": True,
        "updateTime": exchange.now,
    }


def account(exchange: Exchange, one: Account, *, all_of: bool) -> Json:
    found = standing(one, exchange.contracts, exchange.marks)
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        "totalInitialMargin": text(found.initial + found.ordered),
        "totalMaintMargin": text(found.kept),
        "totalWalletBalance": text(one.wallet),
        "totalUnrealizedProfit": text(found.unrealised),
        "totalMarginBalance": text(one.wallet + found.unrealised),
        "totalPositionInitialMargin": text(found.initial),
        "totalOpenOrderInitialMargin": text(found.ordered),
        "totalCrossWalletBalance": text(found.cross_wallet),
        "totalCrossUnPnl": text(found.cross_unrealised),
        "availableBalance": text(found.available),
        "maxWithdrawAmount": text(exchange.free(one)),
        "assets": [balance(exchange, one)],
        "positions": positions(exchange, one, all_of=all_of),
    }


def account_event(
    exchange: Exchange, one: Account, reason: str, changed: Iterable[Position]
) -> Json:
    """`ACCOUNT_UPDATE`: the wallet, and the positions that changed."""
    found = standing(one, exchange.contracts, exchange.marks)
    wallet = {"a": "USDT", "wb": text(one.wallet), "cw": text(found.cross_wallet), "bc": "0"}
    told = [
        {
            "s": each.symbol,
            "pa": plain(of.quantity(each.lots)),
            "ep": text(each.entry(of)),
            "bep": text(each.entry(of)),
            "cr": "0",
            "up": text(each.unrealised(of, exchange.marks[each.symbol])),
            "mt": "isolated" if each.symbol in one.isolated else "cross",
            "iw": text(each.margin),
            "ps": each.side,
            "ma": of.quote,
        }
        for each in changed
        for of in (exchange.contracts[each.symbol],)
    ]
    now = exchange.now
    return {"e": "ACCOUNT_UPDATE", "E": now, "T": now, "a": {"m": reason, "B": [wallet], "P": told}}
