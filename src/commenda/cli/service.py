"""`commenda api`, `commenda worker`, `commenda feed`, `commenda up`: the living system.

`api`, `worker` and `feed` run in the foreground until SIGTERM or Ctrl-C, any number of each on one
PostgreSQL. `up` starts one of each beside the embedded database and looks after them; a feed where
the settings name what it is to follow.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from commenda.cli.options import Data, Out, output, settings_of
from commenda.kit.errors import CommendaError
from commenda.kit.imports import importing
from commenda.kit.keys import Keys
from commenda.kit.money import number
from commenda.settings import Settings

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65535)]
Demo = Annotated[
    bool, typer.Option("--demo", help="A living demo: simulated market, people, sign-ins.")
]
Supervised = Annotated[
    bool, typer.Option("--supervised", hidden=True, help="Stop when stdin is closed.")
]
Pace = Annotated[
    str, typer.Option(help="How fast the demo's clock runs: business seconds in a second.")
]
AtExchange = Annotated[
    str | None,
    typer.Option("--exchange", hidden=True, help="Where the demo's own exchange listens."),
]


class DemoVenue(StrEnum):
    PAPER = "paper"
    EXCHANGE = "exchange"


At = Annotated[
    DemoVenue,
    typer.Option("--venue", help="Where the demo trades: on paper, or at an exchange of its own."),
]
AtPort = Annotated[
    int,
    typer.Option("--exchange-port", help="Where the demo's exchange listens.", min=1, max=65535),
]
DAY_A_MINUTE = "1440"


def api(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    data: Data = None,
    demo: Demo = False,
    exchange: AtExchange = None,
    supervised: Supervised = False,
) -> None:
    """Serve the HTTP API, the WebSockets and the console."""
    with importing():
        import uvicorn

        from commenda.app import create_app
        from commenda.kit.listener import Listener
        from commenda.kit.logs import configure_logs

        settings = _prepared(data, demo, exchange)
        app = create_app(settings)
    configure_logs(settings, "api")
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=Listener,
            log_config=None,
            access_log=False,
            proxy_headers=False,  # uvicorn would believe whoever comes from 127.0.0.1
            timeout_graceful_shutdown=10,
            ws_max_size=64 * 1024,
        )
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    # In place of uvicorn's own handlers, which end an orderly stop by raising the signal again.
    server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)
    stop_with_parent(supervised, stop)
    if not server.should_exit:
        server.run()
    if not server.started:
        raise typer.Exit(1)


def worker(
    data: Data = None,
    demo: Demo = False,
    pace: Pace = DAY_A_MINUTE,
    exchange: AtExchange = None,
    supervised: Supervised = False,
) -> None:
    """Do durable work and the business's ticks; of several workers one leads the ticks."""
    with importing():
        import dbos  # noqa: F401 - by the time that it is needed, the database has been waited for

        from commenda.kit.logs import configure_logs
        from commenda.worker import work_until

    settings = _prepared(data, demo, exchange)
    configure_logs(settings, "worker")
    stopping = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stopping.set())
    stop_with_parent(supervised, stopping.set)
    if not stopping.is_set() and not work_until(settings, stopping, pace=_pace(pace)):
        typer.echo("another worker took this one's place", err=True)
        raise typer.Exit(3)


def feed(
    symbols: Annotated[
        str | None, typer.Option(help="What is followed, by commas; COMMENDA_FEED_SYMBOLS.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="An exchange at another address; COMMENDA_FEED_URL.")
    ] = None,
    venue: Annotated[
        str | None,
        typer.Option(
            help="What it is stored under, COMMENDA_FEED_VENUE; a name that ends in _spot is the"
            " spot market's: binance_spot."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Of this feed, where there are several.")] = "feed",
    history: Annotated[
        int, typer.Option(min=0, max=168, help="Hours of bars to ask for of a new contract.")
    ] = 24,
    record: Annotated[
        Path | None,
        typer.Option(help="A folder to keep depth, trades and bars in, as Parquet."),
    ] = None,
    record_minutes: Annotated[
        int, typer.Option(min=1, max=1440, help="Of each part; one that has not ended is lost.")
    ] = 15,
    data: Data = None,
    supervised: Supervised = False,
) -> None:
    """Follow an exchange's live market: bars, marks, funding, the book, and what is wrong there."""
    with importing():
        from commenda.kit.db import Database
        from commenda.kit.logs import configure_logs
        from commenda.market.ingest import Address, Recorder, protocol_of, run_feed

    settings = _prepared(data, demo=False)
    named = symbols.upper().split(",") if symbols else settings.feed_symbols
    wanted = tuple(dict.fromkeys(one.strip() for one in named if one.strip()))
    if not wanted:
        raise CommendaError("no_symbols", "A feed follows at least one contract").at(
            "--symbols", symbols, "name some, or set COMMENDA_FEED_SYMBOLS, such as BTCUSDT,ETHUSDT"
        )
    chosen = venue or settings.feed_venue
    address = Address.of(url or settings.feed_url, protocol_of(chosen))
    configure_logs(settings, "feed")

    async def follow() -> None:
        stopping, loop = asyncio.Event(), asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, stopping.set)
        waiting = partial(stop_with_parent, supervised, partial(set_in, loop, stopping.set))
        await asyncio.to_thread(waiting)
        if not stopping.is_set():
            with Database.open(settings) as database:
                past = timedelta(hours=history)
                recorder = Recorder(record, record_minutes) if record else None
                what = name, wanted, address, chosen, stopping, past, settings, recorder
                await run_feed(database, *what)

    asyncio.run(follow())


def up(
    demo: Demo = False,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    data: Data = None,
    pace: Pace = DAY_A_MINUTE,
    venue: At = DemoVenue.PAPER,
    exchange_port: AtPort = 8900,
) -> None:
    """Start the database, the API, a worker and a configured feed; look after them until Ctrl-C.

    With `--demo --venue exchange` an exchange of the demo's own, too, at which its strategies trade
    over the protocol.
    """
    from commenda.cli.supervisor import Part, supervise

    at = f"http://127.0.0.1:{exchange_port}" if venue is DemoVenue.EXCHANGE else None
    settings = _settings(data, demo, at)
    _pace(pace)
    flags = ["--demo"] if demo else []
    folder = [] if settings.database_url else ["--data", str(settings.data)]
    logs = settings.data / "logs"
    parts = []
    if settings.demo and at is not None:
        flags += ["--exchange", at]
        told = ["--demo", "--port", str(exchange_port), "--limits", "100000"]
        told += ["--data", str(settings.data)]
        parts.append(Part("exchange", ["exchange", *told], logs / "exchange.log"))
    parts += [
        Part(
            "api", ["api", "--host", host, "--port", str(port), *folder, *flags], logs / "api.log"
        ),
        Part("worker", ["worker", "--pace", pace, *folder, *flags], logs / "worker.log"),
    ]
    if settings.feed_symbols and not settings.demo:  # a demo has a market and a clock of its own
        parts.append(Part("feed", ["feed", *folder], logs / "feed.log"))
    if settings.feed_spot_symbols and not settings.demo:
        named = ",".join(settings.feed_spot_symbols)
        what = ["--venue", settings.feed_spot_venue, "--name", "feed-spot", "--symbols", named]
        parts.append(Part("feed-spot", ["feed", *what, *folder], logs / "feed-spot.log"))
    raise typer.Exit(supervise(settings, parts, host, port))


def openapi(out: Out = None) -> None:
    """Print the OpenAPI document of the HTTP API, for clients and their generators."""
    from commenda.app import create_app

    document = json.dumps(create_app(Settings()).openapi(), indent=2, ensure_ascii=False) + "\n"
    with output(out) as target:
        target.write(document)


def _settings(data: Path | None, demo: bool, exchange: str | None = None) -> Settings:
    settings = settings_of(data)
    unnamed = data is None and settings.database_url is None and settings.data == Settings().data
    if exchange is not None:
        settings = replace(settings, demo_exchange=exchange)
    if demo and unnamed:
        name = "demo" if exchange is None else "demo-exchange"
        settings = replace(settings, data=settings.data / name)
    if demo or settings.demo:
        # Nothing here is worth protecting: people are made up and sign-ins are published.
        settings = replace(settings, demo=True, paper_funding=True, require_second_factor=False)
        settings = replace(settings, bank_currencies=settings.bank_currencies or ("USD=USDT",))
    return settings


def _prepared(data: Path | None, demo: bool, exchange: str | None = None) -> Settings:
    """The settings of a process that serves: what it lacks is said before it begins.

    What it writes is its owner's alone.
    """
    settings = _settings(data, demo, exchange)
    os.umask(0o077)
    Keys.of(settings)
    return settings


def _pace(text: str) -> Decimal:
    try:
        pace = number(text)
    except ValueError:
        pace = Decimal(0)
    if not 0 < pace <= 1_000_000:
        raise CommendaError("bad_pace", "Not a pace").at(
            "--pace", text, "give a number above 0, such as 1440 for a day a minute"
        )
    return pace


def set_in(loop: asyncio.AbstractEventLoop, act: Callable[[], object]) -> None:
    """Do something in a loop from another thread; the loop may be over."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(act)


def stop_with_parent(supervised: bool, stop: Callable[[], None]) -> None:
    """Wait for the supervisor's word that the database is open, with all that is imported by now.

    From then on call `stop` when it is gone, however it went: its end of our stdin is closed.
    """

    def watch() -> None:
        while os.read(0, 1024):  # not sys.stdin: its lock would be held at the end
            begun.set()
        stop()
        begun.set()

    begun = threading.Event()

    if supervised:
        threading.Thread(target=watch, name="commenda-parent", daemon=True).start()
        begun.wait()
