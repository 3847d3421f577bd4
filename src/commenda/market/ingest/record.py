"""What a feed hears, in files: depth and trades as a replay reads them, bars as an import does.

    FOLDER/20261130T150000000Z/binance_usdm_BTCUSDT_depth.parquet    (and _trades, and _1m)

A part begins with the whole book and holds every update after it without a gap: where the chain
breaks the part ends, and another begins with the snapshot that mends it. Parts end together, at
whole multiples of their length too. Each is written when it has ended, in one piece: a process
that is killed loses the parts that had not, and leaves nothing that is half a file.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from commenda.kit.errors import CommendaError
from commenda.market.depth import DEPTH_COLUMNS, MILLISECOND, TRADE_COLUMNS
from commenda.market.files import COLUMNS, write_atomically
from commenda.market.grid import interval_name
from commenda.market.ingest.bars import INTERVAL, Candle, Trade
from commenda.market.ingest.book import DepthBook, DepthDelta, Level
from commenda.market.model import Instrument, Series

_log = logging.getLogger(__name__)

MINUTES = 15
"""Of a part. Fifty contracts with twenty levels each tenth of a second: 14 MB a minute."""


class Part:
    """What was heard of one instrument since `begun` (nanoseconds); columns, not rows: a row of
    Python objects takes ten times the memory."""

    def __init__(self, begun: int) -> None:
        self.begun = begun
        self.has_book = False
        self._messages = array("q")
        """Of each: local_ns, event_ms, first, last, previous, its bids and its asks."""
        self._levels = array("d")
        self._trades = array("q")
        """Of each: local_ns, trade_ms, its number, whether the taker sold."""
        self._prints = array("d")
        """Price and quantity of each."""
        self._bars: list[tuple[int, float, float, float, float, float]] = []

    def begin(self, book: DepthBook, at: int, local: int) -> None:
        """The book as it is before everything that follows; `at` in milliseconds."""
        self.has_book = True
        self._message(local, at, 0, book.last, 0, book.bids.items(), book.asks.items())

    def delta(self, one: DepthDelta, at: int, local: int) -> None:
        self._message(local, at, one.first, one.last, one.previous, one.bids, one.asks)

    def trade(self, one: Trade, local: int) -> None:
        self._trades.extend((local, one.at, one.number, one.sold))
        self._prints.extend((one.price, float(one.quantity)))

    def bar(self, candle: Candle) -> None:
        one = candle.bar()
        self._bars.append((one.ts, one.open, one.high, one.low, one.close, one.volume))

    def _message(
        self,
        local: int,
        at: int,
        first: int,
        last: int,
        previous: int,
        bids: Iterable[Level],
        asks: Iterable[Level],
    ) -> None:
        levels, before = self._levels, len(self._levels)
        for side in bids:
            levels.extend(side)
        between = len(levels)
        for side in asks:
            levels.extend(side)
        counts = (between - before) // 2, (len(levels) - between) // 2
        self._messages.extend((local, at, first, last, previous, *counts))

    # --- as files -----------------------------------------------------------------------------

    def write(self, folder: Path, instrument: Instrument) -> int:
        """Write what there is; how many files."""
        begun = datetime.fromtimestamp(self.begun / 1e9, UTC)
        name = f"{begun:%Y%m%dT%H%M%S}{begun.microsecond // 1000:03}Z"
        stem = f"{instrument.venue}_{instrument.symbol}"
        frames = {
            "depth": self.depth(),
            "trades": self.trades(),
            interval_name(INTERVAL): self.bars(),
        }
        kept = {kind: frame for kind, frame in frames.items() if frame.height}
        for kind, frame in kept.items():
            write_atomically(frame, folder / name / f"{stem}_{kind}.parquet")
        return len(kept)

    def depth(self) -> pl.DataFrame:
        """The rows of a depth file."""
        messages = np.frombuffer(self._messages, np.int64).reshape(-1, 7)
        levels = np.frombuffer(self._levels, np.float64).reshape(-1, 2)
        sides = messages[:, 5:].reshape(-1)
        rows = np.repeat(messages[:, :5], messages[:, 5:].sum(axis=1), axis=0)
        is_ask = np.repeat(np.tile([False, True], len(messages)), sides)
        first = int(messages[0, 5:].sum()) if self.has_book else 0
        columns = {
            "local_ns": rows[:, 0],
            "event_ms": rows[:, 1],
            "U": rows[:, 2],
            "u": rows[:, 3],
            "pu": rows[:, 4],
            "price": levels[:, 0],
            "qty": levels[:, 1],
        }
        return pl.DataFrame(columns).select(
            *("local_ns", "event_ms"),
            pl.when(pl.int_range(pl.len()) < first)
            .then(pl.lit("snapshot"))
            .otherwise(pl.lit("delta"))
            .alias("kind"),
            *("u", "U", "pu"),
            pl.when(pl.Series(is_ask)).then(pl.lit("a")).otherwise(pl.lit("b")).alias("side"),
            *("price", "qty"),
        ).cast(DEPTH_COLUMNS)  # fmt: skip

    def trades(self) -> pl.DataFrame:
        """The rows of a file of trades."""
        of = np.frombuffer(self._trades, np.int64).reshape(-1, 4)
        prints = np.frombuffer(self._prints, np.float64).reshape(-1, 2)
        values = (*of[:, :3].T, *prints.T, of[:, 3] != 0)
        return pl.DataFrame(dict(zip(TRADE_COLUMNS, values, strict=True))).cast(TRADE_COLUMNS)

    def bars(self) -> pl.DataFrame:
        names = COLUMNS[Series.CANDLES]
        types = {name: pl.Int64 if name == "ts" else pl.Float64 for name in names}
        frame = pl.DataFrame(self._bars, types, orient="row")
        return frame.with_columns(pl.from_epoch("ts").cast(pl.Datetime("us", "UTC")))


@dataclass(slots=True)
class Recording:
    """One instrument's part, and those that have ended and wait to be written."""

    instrument: Instrument
    ended: Callable[[Instrument, Part], None]
    wall: Callable[[], int] = time.time_ns
    part: Part = field(init=False)

    def __post_init__(self) -> None:
        self.part = Part(self.wall())

    def begin(self, book: DepthBook, at: int) -> None:
        """The book is right from here on."""
        if self.part.has_book:
            self.end()
        self.part.begin(book, at, self.wall())

    def delta(self, one: DepthDelta, at: int) -> None:
        self.part.delta(one, at, self.wall())

    def trade(self, one: Trade) -> None:
        self.part.trade(one, self.wall())

    def end(self, begun: int | None = None) -> None:
        """Have this part written, and begin another."""
        # Later than the last in any case: parts are told apart, and put in order, by their times.
        later = max(begun or self.wall(), self.part.begun + MILLISECOND)
        part, self.part = self.part, Part(later)
        self.ended(self.instrument, part)


class Recorder:
    """Writes what ended under a folder that is this process's alone. Codes `record_unwritable` and
    `record_taken`."""

    def __init__(self, folder: Path, minutes: int = MINUTES) -> None:
        self.folder = folder
        self.length = minutes * 60_000 * MILLISECOND
        self.files = 0
        self.lost = 0
        """Parts that could not be written."""
        self._ended: asyncio.Queue[tuple[Instrument, Part]] = asyncio.Queue()
        self._turn = time.time_ns() // self.length
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / ".recording", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CommendaError(
                "record_unwritable", f"Nothing can be recorded there: {error.strerror}"
            ).at("--record", folder, "name a folder that can be written to") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise CommendaError("record_taken", "Another feed records there already").at(
                "--record", folder, "give each feed a folder of its own"
            ) from None
        for draft in folder.glob("*/.*.parquet.*"):  # of one that was killed while it wrote
            draft.unlink(missing_ok=True)

    def recording(self, instrument: Instrument) -> Recording:
        return Recording(instrument, lambda *part: self._ended.put_nowait(part))

    def turn(self) -> int | None:
        """When the parts that are due to end end (nanoseconds), if they are."""
        turn = time.time_ns() // self.length
        if turn == self._turn:
            return None
        self._turn = turn
        return turn * self.length

    async def keep(self) -> None:
        """Write what has ended, one after the other, until cancelled."""
        while True:
            await self._write(*await self._ended.get())

    async def close(self) -> None:
        """Write what is left."""
        while not self._ended.empty():
            await self._write(*self._ended.get_nowait())
        self.release()

    def release(self) -> None:
        """Let another feed record here."""
        os.close(self._lock)

    async def _write(self, instrument: Instrument, part: Part) -> None:
        # A file that is begun is finished: what cancels this waits for it.
        writing = asyncio.ensure_future(asyncio.to_thread(part.write, self.folder, instrument))
        try:
            self.files += await asyncio.shield(writing)
        except asyncio.CancelledError:
            with suppress(OSError):
                self.files += await writing
            raise
        except OSError as error:
            self.lost += 1
            _log.error("a part of %s could not be written: %s", instrument.symbol, error)
