"""Recorded depth and trades of one instrument, as one sequence of events that a book can replay.

A depth file has one row for each level of each message: `local_ns` (the recorder's clock),
`event_ms` (the exchange's), `kind` (`delta` or `snapshot`), the update ids `U`, `u` and `pu`,
`side` (`b` or `a`), `price` and `qty` (the level's new quantity, 0 removes it). A trades file has
`local_ns`, `trade_ms`, `id`, `price`, `qty` and `buyer_maker`. `local_ns` may be left out. Raw
WebSocket frames as recorded (`<local_ns> <JSON>`, one to a line, gzipped or not) become frames of
the same columns.

The sequence is Binance's ("How to manage a local order book correctly", USDⓈ-M futures): deltas
that end before the snapshot are dropped, the first one kept must reach back to it, and from there
on each message's `pu` is the `u` of the one before. What breaks the chain is refused with the ids
that are missing; nothing is skipped without being counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from commenda.kit.errors import CommendaError
from commenda.kit.outside import lines, pieces, refuse_rows
from commenda.market.files import read_parquet

if TYPE_CHECKING:
    from commenda.kernel import L2Events

MILLISECOND = 1_000_000
UNKNOWN = -1
"""Local time of what was recorded without one."""

DEPTH_COLUMNS = pl.Schema(
    {
        "local_ns": pl.Int64,
        "event_ms": pl.Int64,
        "kind": pl.String,
        "u": pl.Int64,
        "U": pl.Int64,
        "pu": pl.Int64,
        "side": pl.String,
        "price": pl.Float64,
        "qty": pl.Float64,
    }
)
TRADE_COLUMNS = pl.Schema(
    {
        "local_ns": pl.Int64,
        "trade_ms": pl.Int64,
        "id": pl.Int64,
        "price": pl.Float64,
        "qty": pl.Float64,
        "buyer_maker": pl.Boolean,
    }
)
_WORDS = {"kind": ["delta", "snapshot"], "side": ["b", "a"]}
_CLOCKS = pl.Schema({"local_ns": pl.Int64, "event_ms": pl.Int64})


class ClockOffset(NamedTuple):
    """The recorder's clock less the exchange's, in nanoseconds, over that many messages.

    A message arrives after it was sent, so the recorder is behind by `-least` at the very least;
    `median` adds the usual delay of the network to the offset of the clocks.
    """

    least: int
    median: int
    messages: int


@dataclass(frozen=True, slots=True)
class DepthQuality:
    """What a record holds, and what is not right with it.

    `early_rows` and `early_trades` are from before the first snapshot and were dropped;
    `missing_trades` are ids never seen; the last three count messages after which the book was
    crossed (bid above ask), locked (bid at ask) or had one side only.
    """

    messages: int
    rows: int
    trades: int
    snapshots: int
    early_rows: int
    early_trades: int
    missing_trades: int
    crossed: int
    locked: int
    one_sided: int
    clock: ClockOffset | None


@dataclass(frozen=True, slots=True, eq=False)
class DepthRecord:
    """Events in order for `run_l2`, and how far they can be trusted."""

    events: L2Events
    quality: DepthQuality


@dataclass(frozen=True, slots=True, eq=False)
class RawFrames:
    """Recorded frames by what they hold: `depth` and `trades` with the columns of such files,
    `clocks` with both times of every frame that has them (the exchange's is when it was sent).
    """

    depth: pl.DataFrame
    trades: pl.DataFrame
    clocks: pl.DataFrame


def read_depth(depth: Path, trades: Path | None, *, tick: float, lot: float) -> DepthRecord:
    """Read Parquet files, of depth alone where there are no `trades`; the codes are those of
    `depth_record`, and `market_file_missing`, `market_file_unreadable`.
    """
    hits = pl.DataFrame(schema=TRADE_COLUMNS) if trades is None else read_parquet(trades)
    return depth_record(read_parquet(depth), hits, tick=tick, lot=lot)


def depth_record(
    depth: pl.DataFrame, trades: pl.DataFrame, *, tick: float, lot: float
) -> DepthRecord:
    """Order the rows of both frames by the exchange's time and check their sequence.

    `tick` in quote currency, `lot` in units. At one stamp trades come first: the depth message of
    that stamp holds their effect. Codes: `depth_columns`, `depth_no_snapshot`, `depth_gap`,
    `depth_time` where a stamp goes back, `depth_trade_order` where a trade's id does, and
    `depth_off_grid` where a price is no whole tick or a quantity no whole lot.
    """
    # numba takes half a second to import, and of this domain only this page needs it.
    from commenda.kernel import L2Events, L2Kind, survey_book

    depth, trades = _typed(depth, DEPTH_COLUMNS, "depth"), _typed(trades, TRADE_COLUMNS, "trades")
    rows, early_rows, snapshots = _sequence(depth)
    begins = int(rows["event_ms"][0])
    _refuse_disorder(trades, "id", "trade_ms")
    kept = trades.filter(pl.col("trade_ms") > begins)
    is_ask = pl.col("side") == "a"
    levels = rows.with_columns(
        code=pl.when(is_ask).then(L2Kind.ASK.value).otherwise(L2Kind.BID.value),
        stamp="event_ms",
        id="u",
        part=1,
    )
    # A snapshot's first row is there twice: emptying the book comes before it.
    emptied = levels.filter(pl.col("opens")).with_columns(
        code=L2Kind.CLEAR.value, price=0.0, qty=0.0, part=0
    )
    updates = pl.concat([emptied, levels], how="vertical_relaxed").sort("order", "part")
    hits = kept.with_columns(
        code=pl.when("buyer_maker").then(L2Kind.SOLD.value).otherwise(L2Kind.BOUGHT.value),
        stamp="trade_ms",
    )
    columns = ["stamp", "local_ns", "code", "price", "qty", "id"]
    both = [hits.select(columns), updates.select(columns)]
    events = pl.concat(both, how="vertical_relaxed").sort("stamp", maintain_order=True)
    sequence = L2Events(
        ts=events["stamp"].to_numpy() * MILLISECOND,
        local=events["local_ns"].to_numpy(),
        kind=events["code"].cast(pl.Int8).to_numpy(),
        price=_whole(events, "price", tick),
        lots=_whole(events, "qty", lot),
        update=events["id"].to_numpy(),
        tick=tick,
        lot=lot,
    )
    survey = survey_book(sequence)
    quality = DepthQuality(
        messages=survey.messages,
        rows=rows.height,
        trades=kept.height,
        snapshots=snapshots,
        early_rows=early_rows,
        early_trades=trades.height - kept.height,
        missing_trades=int((kept["id"].diff().drop_nulls() - 1).sum()),
        crossed=survey.crossed,
        locked=survey.locked,
        one_sided=survey.one_sided,
        clock=clock_offset(sequence.local, sequence.ts),
    )
    return DepthRecord(sequence, quality)


def clock_offset(
    local: npt.NDArray[np.int64], exchange: npt.NDArray[np.int64]
) -> ClockOffset | None:
    """Offset of the clocks from messages' times in nanoseconds; None where there are none."""
    known = local != UNKNOWN
    if not known.any():
        return None
    apart = local[known] - exchange[known]
    return ClockOffset(int(apart.min()), int(np.median(apart)), int(apart.size))


def read_frames(file: Path) -> RawFrames:
    """Read raw frames, `.gz` or plain; codes `market_file_missing`, `market_file_unreadable`,
    `file_too_large`, and `depth_frame` naming the line that is none.
    """
    depth, trades, clocks = (
        _Table(DEPTH_COLUMNS, file),
        _Table(TRADE_COLUMNS, file),
        _Table(_CLOCKS, file),
    )
    number = 0
    for block in lines(pieces(file, ".jsonl", "market_file"), file):
        for line in block.removesuffix(b"\n").split(b"\n"):
            number += 1
            try:
                stamp, text = line.split(b" ", 1)
                local, message = int(stamp), json.loads(text)
                message = message.get("data", message)
                if message.get("e") == "depthUpdate":
                    depth.rows += _level_rows(local, message, "delta", "b", "a")
                elif "lastUpdateId" in message:
                    message |= {"U": 0, "u": message["lastUpdateId"], "pu": 0}
                    depth.rows += _level_rows(local, message, "snapshot", "bids", "asks")
                elif message.get("e") == "trade":
                    numbers = float(message["p"]), float(message["q"])
                    trades.rows.append(
                        (local, int(message["T"]), int(message["t"]), *numbers, bool(message["m"]))
                    )
                if "E" in message:
                    clocks.rows.append((local, int(message["E"])))
                for table in (depth, trades, clocks):
                    table.settle()
            except (
                ValueError,
                KeyError,
                TypeError,
                AttributeError,
                OverflowError,
                RecursionError,
            ) as error:
                raise CommendaError(
                    "depth_frame",
                    f"Line {number} is not a recorded frame ({type(error).__name__}:"
                    f" {str(error)[:80]})",
                ).at("file", file, "each line is <nanoseconds> <JSON of the message>") from error
    return RawFrames(depth.whole(), trades.whole(), clocks.whole())


class _Table:
    """Rows that become columns before there are many of them: a tuple takes ten times as much."""

    def __init__(self, columns: pl.Schema, file: Path) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._columns, self._file = columns, file
        self._settled: list[pl.DataFrame] = []

    def settle(self, least: int = 50_000) -> None:
        if len(self.rows) >= least:
            try:
                part = pl.DataFrame(self.rows, self._columns, orient="row")
            except (OverflowError, TypeError, pl.exceptions.PolarsError) as error:
                raise CommendaError("depth_frame", "A recorded frame has a number out of range").at(
                    "file", self._file, "record it again"
                ) from error
            self._settled.append(part)
            self.rows = []
            refuse_rows(sum(part.height for part in self._settled), self._file)

    def whole(self) -> pl.DataFrame:
        self.settle(least=0)
        return pl.concat(self._settled)


def _level_rows(
    local: int, message: dict[str, Any], kind: str, bids: str, asks: str
) -> Iterator[tuple[Any, ...]]:
    numbers = (int(message[name]) for name in ("u", "U", "pu"))
    about = (local, int(message["T"]), kind, *numbers)
    for side, levels in (("b", message[bids]), ("a", message[asks])):
        for price, quantity in levels:
            yield (*about, side, float(price), float(quantity))


def _typed(frame: pl.DataFrame, columns: pl.Schema, name: str) -> pl.DataFrame:
    missing = [column for column in columns if column not in frame.columns and column != "local_ns"]
    if "local_ns" not in frame.columns:
        frame = frame.with_columns(local_ns=pl.lit(UNKNOWN, pl.Int64))
    if not missing:
        try:
            frame = frame.select(list(columns)).cast(columns)
        except pl.exceptions.PolarsError as error:
            missing = [str(error).splitlines()[0]]
        else:
            missing = [column for column in columns if frame[column].null_count()]
            for column in _WORDS.keys() & columns.keys():
                if not frame[column].is_in(_WORDS[column]).all():
                    missing.append(f"{column} (not {' or '.join(_WORDS[column])})")
    if missing:
        raise CommendaError(
            "depth_columns", f"The {name} lack or have unusable values in {', '.join(missing)}"
        ).at(name, frame.columns, f"give the columns {', '.join(columns)}, all filled")
    return frame


def _sequence(depth: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    """Rows from the first snapshot on, in `order`, with `opens` at each snapshot's first row; how
    many rows were before it; how many snapshots there are.
    """
    depth = depth.with_columns(is_new=pl.col("kind") == "snapshot").with_columns(
        first=pl.struct("kind", "u").ne_missing(pl.struct("kind", "u").shift(1))
    )
    snapshots = depth.filter(pl.col("is_new") & pl.col("first"))
    if snapshots.is_empty():
        raise CommendaError("depth_no_snapshot", "The depth has no snapshot to begin with").at(
            "kind", "delta", "add the exchange's depth snapshot with its last update id"
        )
    start = int(snapshots["u"][0])
    late = ~pl.col("is_new") & (pl.col("u") < start)
    deltas = depth.filter(~pl.col("is_new") & ~late)
    messages = deltas.filter(pl.col("first"))
    _refuse_gap(messages, start)
    _refuse_disorder(messages, "u", "event_ms")
    # Behind which message a snapshot belongs: the last one that ended before it.
    ends, times = messages["u"].to_numpy(), messages["event_ms"].to_numpy()
    place = np.searchsorted(ends, depth["u"].to_numpy(), side="left")
    new = depth["is_new"].to_numpy()
    stamps = depth["event_ms"].to_numpy().copy()
    if times.size:
        before = times[np.maximum(place - 1, 0)]
        stamps = np.where(new & (place > 0), np.maximum(stamps, before), stamps)
        after = times[np.minimum(place, times.size - 1)]
        stamps = np.where(new & (place < times.size), np.minimum(stamps, after), stamps)
    # A message and the snapshot before it have the same place.
    ordered = (
        depth.with_columns(
            event_ms=pl.Series(stamps),
            place=pl.Series(place),
            opens=pl.col("is_new") & pl.col("first"),
        )
        .filter(~late)
        .sort("place", ~pl.col("is_new"), maintain_order=True)
        .with_row_index("order")
    )
    return ordered, depth.height - ordered.height, snapshots.height


def _refuse_gap(messages: pl.DataFrame, start: int) -> None:
    """`messages` are the deltas' first rows from the snapshot (ending with update `start`) on."""
    if messages.is_empty():
        return
    ends, reach = messages["u"].to_numpy(), messages["pu"].to_numpy()
    broken = np.concatenate(([reach[0] > start], reach[1:] != ends[:-1]))
    if not broken.any():
        return
    at = int(np.argmax(broken))
    before = int(ends[at - 1]) if at else start
    raise CommendaError(
        "depth_gap",
        f"Updates are missing before {_moment(messages, at, 'event_ms')}: message"
        f" {messages['U'][at]} to {ends[at]} follows update {reach[at]}, but the last one here is"
        f" {before}",
    ).at(
        "pu",
        int(reach[at]),
        "record again, or cut the file there and begin the rest with a snapshot",
    )


def _refuse_disorder(frame: pl.DataFrame, number: str, stamp: str) -> None:
    """Ids must rise and stamps must not go back."""
    numbers, stamps = frame[number].to_numpy(), frame[stamp].to_numpy()
    for code, name, wrong in (
        ("depth_trade_order", number, numbers[1:] <= numbers[:-1]),
        ("depth_time", stamp, stamps[1:] < stamps[:-1]),
    ):
        if wrong.any():
            at = int(np.argmax(wrong)) + 1
            raise CommendaError(
                code, f"{name} goes back at {_moment(frame, at, stamp)}, {number} {numbers[at]}"
            ).at(name, int(frame[name][at]), "sort the file by it and remove what is there twice")


def _moment(frame: pl.DataFrame, at: int, stamp: str) -> str:
    moment = datetime.fromtimestamp(frame[stamp][at] / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"


def _whole(events: pl.DataFrame, name: str, grid: float) -> npt.NDArray[np.int64]:
    """The column in whole ticks or lots."""
    exact = events[name].to_numpy() / grid
    whole = np.rint(exact)
    off = ~((np.abs(exact - whole) < 1e-3) & (whole >= 0.0))
    if off.any():
        at = int(np.argmax(off))
        raise CommendaError(
            "depth_off_grid", f"{name} at {_moment(events, at, 'stamp')} is no multiple of {grid:g}"
        ).at(name, float(events[name][at]), "give the instrument's tick and lot")
    return whole.astype(np.int64)
