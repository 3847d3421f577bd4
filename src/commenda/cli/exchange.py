"""`commenda exchange`: an exchange of one's own, that Binance's clients trade on."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from commenda.cli.options import moment_of
from commenda.cli.tables import say
from commenda.exchange import House, Key, Server, depth_house, simulated_house
from commenda.kit.errors import CommendaError


def run(
    symbols: Annotated[
        str, typer.Option(help="What is traded, by commas.")
    ] = "BTCUSDT,ETHUSDT,SOLUSDT",
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8900,
    seed: Annotated[int, typer.Option(min=0, help="Of the market and of what goes wrong.")] = 7,
    start: Annotated[str | None, typer.Option("--from", help="Now by default.")] = None,
    pace: Annotated[float, typer.Option(min=0.0, help="Its seconds in a second; 0 stands.")] = 1.0,
    depth: Annotated[
        Path | None, typer.Option(help="Recorded depth in place of a simulated market.")
    ] = None,
    trades: Annotated[Path | None, typer.Option(help="The trades of --depth.")] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(help="NAME or NAME:KEY:SECRET of an account with money; may come again."),
    ] = None,
    deposit: Annotated[str, typer.Option(help="USDT of each account.")] = "100000",
    limits: Annotated[
        int, typer.Option(min=1, help="How many times as much may be asked as at Binance.")
    ] = 1,
    admin: Annotated[
        str | None,
        typer.Option(envvar="COMMENDA_EXCHANGE_ADMIN", help="The word for /admin; drawn if none."),
    ] = None,
) -> None:
    """Serve a simulated exchange: Binance USD-M futures, for clients that know no other."""
    house = _house(symbols, depth, trades, seed, moment_of("--from", start), pace)
    house.allows = limits
    keys = [_key(one) for one in account or ["trader"]]
    for key in keys:
        house.open_account(key, Decimal(deposit))
    word = admin or secrets.token_urlsafe(16)

    def ready(at: int) -> None:
        say(f"Exchange at http://{host}:{at}, streams at ws://{host}:{at}/ws; its time is its own")
        for key in keys:
            say(f"account {key.account}: key {key.key}, secret {key.secret}, {deposit} USDT")
        say(f"/admin takes the header X-Admin: {word}")

    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(Server(house, word).run(host, port, ready))


def _house(
    symbols: str,
    depth: Path | None,
    trades: Path | None,
    seed: int,
    begin: datetime | None,
    pace: float,
) -> House:
    named = [one.strip().upper() for one in symbols.split(",") if one.strip()]
    if depth is None and trades is None:
        return simulated_house(named, seed=seed, start=begin, pace=pace)
    if depth is None or trades is None or len(named) != 1:
        raise CommendaError("bad_market", "A recorded market is one contract's").at(
            "--depth", depth, "give --depth, --trades and one symbol"
        )
    return depth_house(named[0], depth, trades, seed=seed, pace=pace)


def _key(told: str) -> Key:
    name, _, rest = told.partition(":")
    key, _, secret = rest.partition(":")
    if not name or (rest and not secret):
        raise CommendaError("bad_account", "An account has a name, or a key and a secret, too").at(
            "--account", told, "such as desk or desk:mykey:mysecret"
        )
    return Key(name, key or secrets.token_hex(32), secret or secrets.token_hex(32))
