"""A group of instruments: their streams, what is asked beside them, and what is stored of both."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from commenda.kit.cache import Keeper
from commenda.kit.db import AWAY, Database
from commenda.market.ingest.bars import INTERVAL, Bars, Candle
from commenda.market.ingest.connection import SILENCE, Backoff, Connection
from commenda.market.ingest.follow import Followed, Observation
from commenda.market.ingest.record import Recorder
from commenda.market.ingest.rest import Rest, Unanswered
from commenda.market.ingest.store import LONGEST, Batch, Seen, judge, store
from commenda.market.ingest.telling import entries, named
from commenda.market.live import NOW
from commenda.market.model import FindingKind, Instrument
from commenda.settings import Settings

_log = logging.getLogger(__name__)

BEAT = 1.0
"""Seconds between two looks at what only time tells, and two rows of state."""
_PAGE = 1_000
_CHANGES = {"depthUpdate": ("book",), "aggTrade": ("tick",), "markPriceUpdate": ("funding",)}
"""Which values of `NOW` are others after an event."""
_POLL = 60.0
"""Seconds in which open interest is asked for once of each instrument."""
_FUNDING_LATE = 600_000
"""Milliseconds after its stamp within which an exchange tells a funding rate."""


@dataclass(slots=True)
class Feed:
    """Follows instruments until it is cancelled; `name` is told beside what it saw.

    `following` are the opens of the bars to go on from, by the instrument's id. `on_stored` is
    told the bars of each transaction that stored some as new, once it is committed.
    """

    name: str
    instruments: Sequence[Instrument]
    database: Database
    rest: Rest
    streams: str
    following: dict[int, int] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    recorder: Recorder | None = None
    silence: float = SILENCE
    wall: Callable[[], float] = time.time
    on_stored: Callable[[Sequence[tuple[Instrument, Candle]]], None] = lambda _: None
    followed: dict[str, Followed] = field(init=False)
    connections: tuple[Connection, Connection] = field(init=False)
    keeper: Keeper = field(init=False)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _kept: Batch = field(default_factory=Batch)
    _unjudged: list[tuple[Followed, Candle]] = field(default_factory=list)
    _recorded: int = 0
    """Bars of what is kept that are recorded already."""
    _told_at: float = 0.0

    def __post_init__(self) -> None:
        self.followed = {
            one.symbol: Followed(one, Bars(self.following.get(one.id))) for one in self.instruments
        }
        if self.recorder is not None:
            for one in self.followed.values():
                one.recording = self.recorder.recording(one.instrument)
        names = [symbol.lower() for symbol in self.followed]
        depth = [f"{name}@depth@100ms" for name in names]
        spoken = self.rest.spoken
        others = [f"{name}@{kind}" for name in names for kind in spoken.told]
        self.connections = (
            self._connection("depth", spoken.depth, depth, of_depth=True),
            self._connection("market", spoken.others, others, of_depth=False),
        )
        known = entries(self.name, list(self.followed.values()))
        self.keeper = Keeper(self.settings, self.database, known)

    async def run(self) -> None:
        """Connect, and go on until cancelled; what was heard by then is stored."""
        async with asyncio.TaskGroup() as group:
            for one in self.connections:
                group.create_task(one.keep(self.rest.session))
            works = [self._beat, self._store, self.keeper.keep]
            if "openInterest" in self.rest.spoken.weights:
                works.append(self._poll)
            for work in works:
                group.create_task(work())
            if self.recorder is not None:
                group.create_task(self.recorder.keep())

    async def stop(self) -> None:
        """Store what is left, and say that this feed is at rest."""
        for task in list(self._tasks):
            task.cancel()
        try:
            await self._write(stopped=True)
        except AWAY as error:
            _log.warning("the database did not take the last of it: %s", error)
        if self.recorder is not None:
            self._end_parts(time.time_ns())
            await self.recorder.close()

    def _end_parts(self, at: int) -> None:
        for one in self.followed.values():
            one.turn_part(at)

    # --- hearing ------------------------------------------------------------------------------

    def _connection(
        self, name: str, path: str, streams: list[str], *, of_depth: bool
    ) -> Connection:
        def opened() -> None:
            if of_depth:
                for one in self.followed.values():
                    self._join(one)

        def lost(why: str) -> None:
            _log.warning("the %s streams are gone: %s", name, why)
            for one in self.followed.values():
                one.lose(f"connection lost: {why}", depth=of_depth)
                self._touch(one, *NOW)
            self._news.set()

        return Connection(
            f"{self.streams}{path}",
            streams,
            self._hear,
            opened,
            lost,
            silence=self.silence,
            wall=self.wall,
        )

    def _hear(self, told: dict[str, Any], wall: int) -> None:
        one = self.followed.get(told.get("s", ""))
        if one is None:
            return
        one.hear(told, wall)
        self._touch(one, *_CHANGES.get(told["e"], ()))
        if one.needs_snapshot:
            self._join(one)
        if one.has_news:
            self._news.set()

    def _touch(self, one: Followed, *kinds: str) -> None:
        for kind in kinds:
            self.keeper.touch(named(one)[NOW.index(kind)])

    # --- asking -------------------------------------------------------------------------------

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("asking the exchange failed", exc_info=error)

    def _join(self, one: Followed) -> None:
        if one.needs_snapshot and self.connections[0].is_open:
            one.is_joining = True
            self._begin(self._resynchronise(one))

    async def _resynchronise(self, one: Followed) -> None:
        """Ask for snapshots, later and later, until the book is right or the connection gone."""
        backoff = Backoff(first=0.2)
        try:
            while self.connections[0].is_open:
                try:
                    right = one.take_snapshot(await self.rest.snapshot(one.instrument.symbol))
                    self._touch(one, "book")
                    if right:
                        return
                except (Unanswered, KeyError, ValueError) as error:
                    _log.warning("no snapshot of %s: %s", one.instrument.symbol, error)
                await asyncio.sleep(backoff.next())
        finally:
            one.is_joining = False

    async def _fill(self, one: Followed) -> None:
        """Ask for the bars that no stream brought, a page at a time."""
        try:
            while (span := one.bars.missing(one.event)) is not None:
                first, last = span
                oldest = one.event // 1000 // INTERVAL * INTERVAL - int(LONGEST.total_seconds())
                if first < oldest:
                    why = "too long ago to be asked for: an import brings them"
                    one.bars.fill([], min(last, oldest - INTERVAL), why)
                    continue
                last = min(last, first + (_PAGE - 1) * INTERVAL)
                one.bars.fill(await self.rest.candles(one.instrument.symbol, first, last), last)
                self._news.set()
        except (Unanswered, KeyError, ValueError) as error:
            _log.warning("no bars of %s: %s", one.instrument.symbol, error)  # with the next beat
        finally:
            one.is_asking = False

    async def _funding(self, one: Followed, due: int) -> None:
        """Ask for the rates that were settled since the stamp before; they are told a bit late."""
        symbol = one.instrument.symbol
        rows = await self.rest.get("fundingRate", symbol=symbol, startTime=due - 60_000, limit=10)
        for row in rows:
            stamp = datetime.fromtimestamp(round(row["fundingTime"] / 1000), UTC)
            one.observations.append(Observation("funding", stamp, Decimal(row["fundingRate"])))
        if rows:
            one.funding_due = None
        elif one.event - due > _FUNDING_LATE:
            one.funding_due = None
            one.watch.once(FindingKind.GAP, due, "no funding rate")

    async def _poll(self) -> None:
        """Ask each instrument in turn for what no stream tells."""
        pause = 0.0  # the first time at once
        while True:
            for one in self.followed.values():
                try:
                    answer = await self.rest.get("openInterest", symbol=one.instrument.symbol)
                    minute = datetime.fromtimestamp(answer["time"] // 60_000 * 60, UTC)
                    value = Decimal(answer["openInterest"])
                    one.observations.append(Observation("open_interest", minute, value))
                    if one.funding_due is not None:
                        await self._funding(one, one.funding_due)
                except (Unanswered, KeyError, ValueError, ArithmeticError) as error:
                    _log.warning("%s was not told: %s", one.instrument.symbol, error)
                await asyncio.sleep(pause)
            pause = _POLL / len(self.followed)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            wall = int(self.wall() * 1000)
            bars, self._unjudged = self._unjudged, []
            if bars:
                await asyncio.to_thread(judge, bars)
            if self.recorder is not None and (turn := self.recorder.turn()) is not None:
                self._end_parts(turn)
            lost = next((one.why for one in self.connections if not one.is_open), None)
            for one in self.followed.values():
                one.check(wall, self.silence, lost)
                if one.bars.missing(one.event) is not None and not one.is_asking:
                    one.is_asking = True
                    self._begin(self._fill(one))
            self._news.set()

    # --- storing ------------------------------------------------------------------------------

    async def _store(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._write()
            except AWAY as error:
                _log.warning("the database cannot be written: %s", error)
                await asyncio.sleep(1.0)
                self._news.set()

    async def _write(self, *, stopped: bool = False) -> None:
        """Store what gathered. What a database that is away did not take is kept for the next."""
        batch = self._kept
        for one in self.followed.values():
            batch.gather(one)
        now = time.monotonic()
        if stopped or now - self._told_at >= BEAT:
            self._told_at = now
            batch.marks = [(one.instrument, one.mark) for one in self.followed.values() if one.mark]
            batch.seen = [self._seen(one) for one in self.followed.values()]
        if not batch:
            return
        for followed, candle in batch.bars[self._recorded :]:
            if followed.recording is not None:
                followed.recording.part.bar(candle)
        self._recorded = len(batch.bars)
        new = await asyncio.to_thread(partial(store, self.database, self.name, batch, stopped))
        self._kept, self._recorded = Batch(), 0
        self._unjudged += batch.bars
        if new:
            self.on_stored(new)

    def _seen(self, one: Followed) -> Seen:
        depth, market = self.connections
        one.note_trust(int(self.wall() * 1000))
        return Seen(
            one.instrument.id,
            datetime.fromtimestamp(one.event / 1000, UTC) if one.event else None,
            one.watch.lag,
            one.book.right,
            one.book.best_bid,
            one.book.best_ask,
            one.messages,
            depth.losses + market.losses,
            one.resyncs,
            one.watch.distrust,
            one.distrusted,
            self.keeper.source,
        )
