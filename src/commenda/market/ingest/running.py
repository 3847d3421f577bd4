"""A feed from its settings to its end: which contracts, where to go on from, one of each name."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import psycopg

from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.market.ingest.connection import Backoff
from commenda.market.ingest.feed import Feed
from commenda.market.ingest.protocol import protocol_of
from commenda.market.ingest.record import Recorder
from commenda.market.ingest.rest import Address, Rest, Unanswered, described
from commenda.market.ingest.store import following_bars, forget_feeds
from commenda.market.instruments import ensure_instrument, load_catalogue, stored_instrument
from commenda.market.model import VENUE, Instrument
from commenda.settings import Settings

_log = logging.getLogger(__name__)
_LOCK = 0x636F6D66  # "comf": held with a feed's name


async def run_feed(
    database: Database,
    name: str,
    symbols: Sequence[str],
    address: Address,
    venue: str,
    stopping: asyncio.Event,
    history: timedelta = timedelta(0),
    settings: Settings | None = None,
    recorder: Recorder | None = None,
) -> None:
    """Follow these contracts until `stopping`; an exchange that is away is waited for. Of one that
    is new the bars of `history` are asked for too, by the exchange's clock.

    Codes `feed_runs`, `bad_venue`, `unknown_instrument`, `instrument_changed`, `bad_interval`.
    """
    if not re.fullmatch(VENUE, venue):
        raise CommendaError("bad_venue", "Not the name of a venue").at(
            "--venue", venue, "small letters, digits and single underscores, as in binance_usdm"
        )
    with _alone(database, name):
        async with aiohttp.ClientSession(trust_env=True) as session:
            rest = Rest(session, address.rest, protocol_of(venue))
            work = _follow(
                database, name, symbols, address, venue, rest, history, settings, recorder
            )
            following = asyncio.create_task(work)
            ending = asyncio.create_task(stopping.wait())
            await asyncio.wait({following, ending}, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            following.cancel()
            await asyncio.gather(ending, return_exceptions=True)
            with suppress(asyncio.CancelledError):
                await following


async def _follow(
    database: Database,
    name: str,
    symbols: Sequence[str],
    address: Address,
    venue: str,
    rest: Rest,
    history: timedelta,
    settings: Settings | None,
    recorder: Recorder | None,
) -> None:
    info = await _asked(rest)
    offered = described(info, symbols, venue)
    since = datetime.fromtimestamp(info["serverTime"] / 1000, UTC) - history if history else None

    def begin() -> tuple[list[Instrument], dict[int, int]]:
        with database.transaction() as tx:
            stored = [ensure_instrument(tx, _terms(stored_instrument(tx, venue, one.symbol), one))
                      for one in offered]  # fmt: skip
            forget_feeds(tx, name, stored)
            return stored, following_bars(tx, stored, since)

    instruments, following = await asyncio.to_thread(begin)
    kept = settings or Settings()
    feed = Feed(name, instruments, database, rest, address.streams, following, kept, recorder)
    _log.info("following %s at %s", ", ".join(symbols), address.rest)
    try:
        await feed.run()
    finally:
        await feed.stop()


def _terms(stored: Instrument | None, offered: Instrument) -> Instrument:
    """The catalogue's terms; else the exchange's, with fees and leverage as they are stored: it
    tells neither without a key."""
    listed = load_catalogue().get((offered.venue, offered.symbol))
    if listed is not None or stored is None:
        return listed or offered
    return replace(
        offered,
        maker_fee=stored.maker_fee,
        taker_fee=stored.taker_fee,
        maximum_leverage=stored.maximum_leverage,
    )


async def _asked(rest: Rest) -> dict[str, Any]:
    backoff = Backoff(first=1.0)
    while True:
        try:
            info: dict[str, Any] = await rest.get("exchangeInfo")
            return info
        except Unanswered as error:
            _log.warning("the exchange cannot be reached: %s", error)
            await asyncio.sleep(backoff.next())


@contextmanager
def _alone(database: Database, name: str) -> Iterator[None]:
    """Hold a feed's name; it is free the moment this process ends, however it does."""
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_LOCK, name)
        ).fetchone()
        if row != (True,):
            raise CommendaError("feed_runs", "A feed of this name runs already").at(
                "--name", name, "give each feed a name of its own; two may follow the same"
            )
        yield
