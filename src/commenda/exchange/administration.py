"""What whoever runs the exchange may do, beside its customers: give money, set fees, faults and the
clock, end a contract's trading, and see the books.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from commenda.exchange.engine import Exchange
from commenda.exchange.faults import FAULTS
from commenda.exchange.house import House
from commenda.exchange.model import Position
from commenda.exchange.signing import Key
from commenda.exchange.spot_proof import unproved
from commenda.kit.money import plain


def administer(house: House, method: str, what: str, asked: dict[str, Any]) -> Any:
    """Do one of ADMIN; what it may have changed is kept before it is answered."""
    try:
        return ADMIN[method, what](house, asked)
    finally:
        if method != "GET" and what != "clock":  # the clock is kept as it was set
            house.tape.tell_depth(house.exchange.contracts)
            house.keep(["admin", house.reached, method, what, asked])


def _open(house: House, asked: dict[str, Any]) -> Any:
    key = Key(
        asked["account"],
        asked["key"],
        asked["secret"],
        asked.get("trades", True),
        asked.get("withdraws", False),
    )
    house.open_account(key, Decimal(asked.get("deposit", "0")))
    return {"account": key.account}


def _transfer(house: House, asked: dict[str, Any]) -> Any:
    """To the futures, or where an asset is named to spot."""
    amount, reference = Decimal(asked["amount"]), asked["reference"]
    if asset := asked.get("asset"):
        had = house.spot.account(asked["account"])
        house.spot.transfer(had, asset, amount, reference)
        return {"free": str(had.of(asset).free)}
    account = house.exchange.account(asked["account"])
    house.exchange.transfer(account, amount, reference)
    return {"wallet": str(account.wallet)}


def _fees(house: House, asked: dict[str, Any]) -> Any:
    place = house.spot if asked.get("spot") else house.exchange
    contract = place.contracts[asked["symbol"]]
    contract.maker, contract.taker = Decimal(asked["maker"]), Decimal(asked["taker"])
    return {}


def _set_faults(house: House, asked: dict[str, Any]) -> Any:
    house.script.set(asked["faults"])
    return _faults(house, asked)


def _faults(house: House, asked: dict[str, Any]) -> Any:
    script = house.script
    shown = [{name: getattr(one, name) for name in one.__slots__} for one in script.faults]
    return {"known": FAULTS, "faults": shown, "struck": script.struck, "seed": script.seed}


def _move_clock(house: House, asked: dict[str, Any]) -> Any:
    """Set the clock on, and another pace where one is given."""
    house.set_clock(int(asked["now"]), asked.get("pace"))
    return {"now": house.exchange.now}


def _delist(house: House, asked: dict[str, Any]) -> Any:
    house.delist(asked["symbol"], asked.get("status", "SETTLING"), spot=asked.get("spot", False))
    return {}


def _books(house: House, asked: dict[str, Any]) -> Any:
    """What the exchange has of each account: to hold against the books of others."""
    return {
        name: {
            "spot": _at_spot(house, name),
            "wallet": str(one.wallet),
            "positions": {
                f"{symbol} {side}": str(house.exchange.contracts[symbol].quantity(held.lots))
                for (symbol, side), held in one.positions.items()
            },
            "trades": len(one.trades),
            "orders": len(one.orders),
        }
        for name, one in house.exchange.accounts.items()
    }


def _at_spot(house: House, name: str) -> Any:
    """What an account has at spot, where it ever had anything there."""
    found = house.spot.accounts.get(name)
    return {
        asset: {"free": str(one.free), "locked": str(one.locked)}
        for asset, one in (found.balances if found else {}).items()
    }


def _proof(house: House, asked: dict[str, Any]) -> Any:
    """What is not as it must be, in words: nothing, or the exchange is wrong."""
    return {"spot": unproved(house.spot)}


def _view(house: House, asked: dict[str, Any]) -> Any:
    """What whoever looks at it wants to see: its time, its fund, its accounts."""
    exchange = house.exchange
    return {
        "now": exchange.now,
        "fund": plain(exchange.insurance),
        "accounts": [
            {
                "name": one.name,
                "wallet": plain(one.wallet),
                "open": len(one.open),
                "positions": [
                    _held(exchange, held) for held in one.positions.values() if held.lots
                ],
            }
            for one in exchange.accounts.values()
        ],
    }


def _held(exchange: Exchange, held: Position) -> Any:
    contract, mark = exchange.contracts[held.symbol], exchange.marks[held.symbol]
    return {
        "symbol": held.symbol,
        "side": held.side,
        "quantity": plain(contract.quantity(held.lots)),
        "mark": plain(mark),
        "unrealised": plain(held.unrealised(contract, mark)),
    }


def _expire(house: House, asked: dict[str, Any]) -> Any:
    """Of the futures' stream, or of those at spot."""
    end = house.end_spot_streams if asked.get("spot") else house.expire_key
    end(asked["account"])
    return {}


ADMIN: dict[tuple[str, str], Callable[[House, dict[str, Any]], Any]] = {
    ("POST", "accounts"): _open,
    ("POST", "transfers"): _transfer,
    ("POST", "fees"): _fees,
    ("GET", "faults"): _faults,
    ("PUT", "faults"): _set_faults,
    ("POST", "clock"): _move_clock,
    ("POST", "status"): _delist,
    ("GET", "books"): _books,
    ("GET", "proof"): _proof,
    ("GET", "view"): _view,
    ("POST", "expire-key"): _expire,
}
