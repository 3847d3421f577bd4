"""`commenda exchange`: an exchange of one's own, that Binance's clients trade on."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from commenda.cli.options import Data, moment_of, settings_of
from commenda.cli.service import set_in, stop_with_parent
from commenda.cli.tables import say
from commenda.exchange import House, Keeper, Key, Server, administer, depth_house, simulated_house
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.kit.money import number
from commenda.settings import Settings

MILLISECOND = 1000
DEFAULT = {"symbols": ["BTCUSDT", "ETHUSDT", "SOLUSDT"], "spot": [], "seed": 7, "interval": 60}


def run(
    symbols: Annotated[
        str | None, typer.Option(help="What is traded, by commas: BTCUSDT,ETHUSDT,SOLUSDT.")
    ] = None,
    spot: Annotated[
        str | None, typer.Option(help="Which of them are traded at spot, too; none by default.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8900,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the market and of what goes wrong; 7.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="Now by default.")] = None,
    pace: Annotated[
        float | None,
        typer.Option(min=0.0, max=1_000_000.0, help="Its seconds in a second; 0 stands; 1."),
    ] = None,
    depth: Annotated[
        Path | None, typer.Option(help="Recorded depth in place of a simulated market.")
    ] = None,
    trades: Annotated[Path | None, typer.Option(help="The trades of --depth.")] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME or NAME:KEY:SECRET[:PASSPHRASE] of an account with money; may come again."
        ),
    ] = None,
    deposit: Annotated[str, typer.Option(help="USDT of each new account.")] = "100000",
    spot_deposit: Annotated[
        list[str] | None,
        typer.Option(help="ASSET:AMOUNT of each new account at spot; may come again."),
    ] = None,
    limits: Annotated[
        int, typer.Option(min=1, help="How many times as much may be asked as at Binance.")
    ] = 1,
    admin: Annotated[
        str | None,
        typer.Option(envvar="COMMENDA_EXCHANGE_ADMIN", help="The word for /admin; drawn if none."),
    ] = None,
    data: Data = None,
    demo: Annotated[
        bool, typer.Option("--demo", hidden=True, help="The demo's: its market, account and clock.")
    ] = False,
    supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what was kept, and begin anew.")
    ] = False,
    sync: Annotated[
        bool, typer.Option("--sync", help="Write through to the disk before each answer.")
    ] = False,
) -> None:
    """Serve a simulated exchange: Binance USD-M futures, and spot, for clients that know no other.

    What it has is kept in `exchange` under the data directory; started again it goes on with it,
    its market as if it had gone on meanwhile.
    """
    begin = moment_of("--from", start)
    asked = {
        "symbols": _listed(symbols),
        "spot": _listed(spot, "--spot"),
        "seed": seed,
        "start": None if begin is None else int(begin.timestamp() * MILLISECOND),
        "interval": None,
        "depth": None if depth is None else str(depth.resolve()),
        "trades": None if trades is None else str(trades.resolve()),
    }
    keys = [_key(one) for one in account or ()]
    amount = _amount(deposit)
    had = dict(_asset(one) for one in spot_deposit or ())
    settings = settings_of(data)
    if demo:
        told, key, admin = _of_demo(settings)
        asked, keys, amount, pace = asked | told, [key], "0", 0.0
        had = {}
    keeper = Keeper(settings.data / "exchange", sync)
    try:
        if fresh:
            keeper.forget()
        house = _house(keeper, asked, pace)
        house.allows = limits
        _open(house, keys, amount, had)
        word = admin or secrets.token_urlsafe(16)

        def ready(at: int) -> None:
            say(f"Exchange at http://{host}:{at}, streams at ws://{host}:{at}/ws")
            say(f"its time is its own, {_time(house)}; what it has is kept in {keeper.folder}")
            if demo:  # this is written to a log
                return
            for key in house.keys.values():
                wallet = house.exchange.account(key.account).wallet
                words = f", passphrase {key.passphrase}" if key.passphrase else ""
                told = f"key {key.key}, secret {key.secret}{words}"
                say(f"account {key.account}: {told}, {wallet:f} USDT")
                for asset, one in house.spot.account(key.account).balances.items():
                    say(f"and at spot {one.whole:f} {asset}")
            say(f"/admin takes the header X-Admin: {word}")

        with suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(_serve(Server(house, word), host, port, ready, supervised))
    finally:
        keeper.close()


async def _serve(
    server: Server, host: str, port: int, ready: Callable[[int], None], supervised: bool
) -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    stop = partial(set_in, loop, task.cancel)
    await asyncio.to_thread(stop_with_parent, supervised, stop)
    try:
        await server.run(host, port, ready)
    except OSError as error:
        raise CommendaError("cannot_listen", "The exchange cannot listen there").at(
            "--host, --port", f"{host}:{port}", f"name another: {error.strerror or error}"
        ) from None


def _of_demo(settings: Settings) -> tuple[dict[str, Any], Key, str]:
    """The market of the demo's exchange, its one account, and the word of its administration."""
    from commenda.demo import demo_scenario, market_of, secret_of
    from commenda.venues import Simulator

    keys = Keys.of(settings)
    secret = secret_of(keys)
    word = Simulator.of("", keys).word
    return market_of(demo_scenario()), Key("demo", secret.key, secret.secret), word


def _house(keeper: Keeper, asked: dict[str, Any], pace: float | None) -> House:
    """The exchange that is kept, or a new one; code `other_exchange` where another is kept."""
    if keeper.founded is None:
        how = asked | {name: one for name, one in DEFAULT.items() if asked[name] is None}
        house = _founded(how, 1.0 if pace is None else pace)
        begun = house.clock.start + how["interval"] * MILLISECOND
        keeper.begin(house, how | {"start": begun})
        return house
    for name, one in asked.items():
        kept = keeper.founded.get(name, DEFAULT.get(name))
        if one is not None and one != kept:
            raise CommendaError("other_exchange", "Another exchange is kept here").at(
                f"--{name}", one, f"it has {kept}: name another --data, or --fresh"
            )
    house = _founded(keeper.founded, 0)
    keeper.go_on(house)
    if pace is not None and pace != house.clock.pace:
        house.set_clock(house.clock.now(), pace)
    house.catch_up()
    return house


def _founded(how: dict[str, Any], pace: float) -> House:
    symbols, seed, start = how["symbols"], how["seed"], how["start"]
    depth, trades = how["depth"], how["trades"]
    if depth is None and trades is None:
        begin = None if start is None else datetime.fromtimestamp(start / MILLISECOND, UTC)
        interval = timedelta(seconds=how["interval"])
        spot = how.get("spot", [])  # what was founded before has none
        return simulated_house(
            symbols, seed=seed, start=begin, pace=pace, interval=interval, spot=spot
        )
    for option, file in (("--depth", depth), ("--trades", trades)):
        if file is not None and not Path(file).is_file():
            raise CommendaError("no_such_file", "There is no such file").at(option, file)
    if how.get("spot"):
        raise CommendaError("bad_market", "A recorded market is futures").at(
            "--spot", ",".join(how["spot"]), "leave it out, or --depth and --trades"
        )
    if depth is None or trades is None or len(symbols) != 1:
        raise CommendaError("bad_market", "A recorded market is one contract's").at(
            "--depth", depth, "give --depth, --trades and one symbol"
        )
    return depth_house(symbols[0], Path(depth), Path(trades), seed=seed, pace=pace)


def _time(house: House) -> str:
    moment = datetime.fromtimestamp(house.exchange.now / MILLISECOND, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _listed(symbols: str | None, option: str = "--symbols") -> list[str] | None:
    if symbols is None:
        return None
    listed = [one.strip().upper() for one in symbols.split(",") if one.strip()]
    if not listed:
        raise CommendaError("no_symbols", "An exchange trades at least one contract").at(
            option, symbols, "name some, such as BTCUSDT,ETHUSDT"
        )
    return listed


def _amount(text: str) -> str:
    try:
        if number(text) >= 0:
            return text
    except ValueError:
        pass
    raise CommendaError("bad_amount", "Not an amount of money").at(
        "--deposit", text, "give USDT of zero or more, such as 2500.00"
    )


def _asset(told: str) -> tuple[str, str]:
    """An asset and how much of it; code `bad_amount`."""
    asset, _, amount = told.partition(":")
    with suppress(ValueError):
        if asset.isalnum() and number(amount) >= 0:
            return asset.upper(), amount
    raise CommendaError("bad_amount", "Not an amount of an asset").at(
        "--spot-deposit", told, "such as BTC:0.5 or USDT:2500"
    )


def _open(house: House, keys: list[Key], deposit: str, had: dict[str, str]) -> None:
    """Let in whom it does not know yet; somebody, where nobody was ever named."""
    if not keys and not house.keys:
        keys = [_key("trader")]
    for key in keys:
        if key.key not in house.keys:
            known = house.spot.account(key.account).transfers  # by another key, it may have had it
            for asset, amount in had.items():
                paid = {"account": key.account, "asset": asset, "amount": amount}
                if (reference := f"opening:{key.account}:{asset}") not in known:
                    administer(house, "POST", "transfers", paid | {"reference": reference})
            asked = {"account": key.account, "key": key.key, "secret": key.secret}
            asked |= {"passphrase": key.passphrase} if key.passphrase else {}
            administer(house, "POST", "accounts", asked | {"deposit": deposit})


def _key(told: str) -> Key:
    """The passphrase is what OKX's protocol asks for, too."""
    name, *parts = told.split(":", 3)
    if not name or len(parts) == 1 or not all(parts):
        raise CommendaError("bad_account", "An account has a name, or a key and a secret, too").at(
            "--account",
            told,
            "such as desk, desk:mykey:mysecret or desk:mykey:mysecret:mywords",
        )
    key, secret, *phrase = parts or (secrets.token_hex(32), secrets.token_hex(32))
    return Key(name, key, secret, passphrase="".join(phrase))
