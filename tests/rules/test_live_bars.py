"""Bars made of trades, each once, and what is found wrong with a live market."""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commenda.market import FindingKind, listed, load_catalogue
from commenda.market.ingest import (
    Backoff,
    Bars,
    Candle,
    DepthSnapshot,
    Followed,
    Trade,
    Watch,
)

M = 1_772_445_600  # 2026-03-02 10:00 UTC
GAP, DIFFERS = FindingKind.GAP, FindingKind.CANDLE_DIFFERS


def trade(number: int, second: float, price: float = 100.0, quantity: str = "1") -> Trade:
    """A trade so many seconds after 10:00; each is one single trade, numbered ten times as high."""
    return Trade(number, number * 10, price, Decimal(quantity), int((M + second) * 1000))


def kline(minute: int, volume: str, last: int, price: float = 100.0) -> Candle:
    return Candle(M + 60 * minute, price, price, price, price, Decimal(volume), last)


def begun() -> Bars:
    """Trades from before 10:01 on, so that the bar of 10:01 is the first whole one."""
    bars = Bars()
    assert bars.hear(trade(1, 30), 0) is None
    bars.tell(kline(0, "5", 10))
    assert [(one.ts, one.volume) for one in bars.closed] == [(M, Decimal(5))]  # the exchange's
    bars.closed.clear()
    return bars


def test_a_whole_bar_is_stored_when_a_later_trade_comes_and_compared_with_the_exchanges() -> None:
    bars = begun()
    for number, second, price, quantity in [
        (2, 60, 101.0, "0.1"),
        (3, 90, 99.5, "0.2"),
        (4, 119.9, 100.5, "0.3"),
        (5, 120, 103.0, "9"),
    ]:
        assert bars.hear(trade(number, second, price, quantity), 77) is None
    (bar,) = bars.closed
    assert (bar.open, bar.high, bar.low, bar.close) == (101.0, 101.0, 99.5, 100.5)
    assert (bar.volume, bar.event) == (Decimal("0.6"), 77)
    bars.tell(Candle(M + 60, 101.0, 101.0, 99.5, 100.5, Decimal("0.600"), 40))
    assert (bars.compared, bars.findings, len(bars.closed)) == (1, [], 1)


def test_the_exchanges_own_end_closes_a_bar_before_the_next_trade() -> None:
    bars = begun()
    bars.hear(trade(2, 61), 0)
    bars.tell(kline(1, "2", last=30))  # it knows of a trade that is on its way
    assert bars.closed == []
    bars.hear(trade(3, 119), 0)
    assert bars.closed == []
    bars.hear(trade(4, 125), 0)
    assert [(one.ts, one.volume) for one in bars.closed] == [(M + 60, Decimal(2))]
    bars.tell(kline(2, "1", last=40))  # and here of none
    assert [one.ts for one in bars.closed] == [M + 60, M + 120]
    assert (bars.compared, bars.findings) == (2, [])


def test_a_bar_that_differs_from_the_exchanges_is_a_finding() -> None:
    bars = begun()
    bars.hear(trade(2, 61, 100.0), 0)
    bars.hear(trade(3, 121), 0)
    bars.tell(kline(1, "1.5", 20))
    (found,) = bars.findings
    assert (found.kind, found.at) == (DIFFERS, datetime.fromtimestamp(M + 60, UTC))
    assert found.details == "from trades: volume 1 against 1.5"


def test_where_trades_are_missing_the_exchanges_bar_stands_in() -> None:
    bars = begun()
    bars.hear(trade(2, 61), 0)
    assert bars.hear(trade(5, 70), 0) == "trades 3 to 4"
    bars.hear(trade(6, 121), 0)
    assert bars.closed == []  # what was heard of that minute is not all of it
    bars.tell(kline(1, "4", 50))
    bars.hear(trade(7, 181), 0)
    assert [(one.ts, one.volume) for one in bars.closed] == [
        (M + 60, Decimal(4)),
        (M + 120, Decimal(1)),  # whole again: nothing is missing since before it opened
    ]
    assert bars.findings == []


def test_bars_that_no_stream_brought_are_asked_for_and_what_is_nowhere_is_a_gap() -> None:
    bars = begun()
    assert bars.missing((M + 124) * 1000) is None  # it has five seconds to come
    assert bars.missing((M + 60 * 5 + 5) * 1000) == (M + 60, M + 240)
    answer = [kline(minute, "1", 0) for minute in (1, 4)]
    bars.fill(answer, M + 240)
    assert [one.ts for one in bars.closed] == [M + 60, M + 240]
    (gap,) = bars.findings
    assert (gap.kind, gap.at.minute, gap.details) == (GAP, 2, "2 missing, the exchange has none")
    assert bars.missing((M + 60 * 5 + 5) * 1000) is None


def test_trades_that_come_after_their_bar_was_asked_for_do_not_make_another() -> None:
    bars = begun()
    bars.hear(trade(2, 61), 0)
    bars.fill([kline(1, "2", 0)], M + 60)
    bars.hear(trade(3, 62), 0)
    bars.hear(trade(4, 121), 0)
    assert [(one.ts, one.volume) for one in bars.closed] == [(M + 60, Decimal(2))]
    assert bars.findings == []


@pytest.mark.parametrize("seed", range(40))
def test_every_bar_is_stored_once_and_right_whatever_is_lost(seed: int) -> None:
    """Trades and ends of bars are lost, told twice and late; asked for, the exchange answers all.
    Another hand counts the bars."""
    draw = random.Random(seed)
    truth: dict[int, list[tuple[int, float, Decimal]]] = defaultdict(list)
    trades = []
    second = 20.0
    for number in range(1, 200):
        second += draw.expovariate(1 / 12)
        one = trade(number, second, float(draw.randint(90, 110)), str(draw.randint(1, 9)))
        trades.append(one)
        truth[one.at // 60_000 * 60].append((one.last, one.price, one.quantity))

    def told(ts: int) -> Candle:
        prices = [price for _, price, _ in truth[ts]]
        volume = sum((quantity for *_, quantity in truth[ts]), Decimal(0))
        ends = prices[0], max(prices), min(prices), prices[-1]
        return Candle(ts, *ends, volume, truth[ts][-1][0])

    bars = Bars()
    minute = trades[0].at // 60_000 * 60
    for one in trades:
        while one.at // 60_000 * 60 > minute:
            if minute in truth and draw.random() < 0.8:
                bars.tell(told(minute))
            if (span := bars.missing(one.at)) is not None:
                asked = [told(ts) for ts in sorted(truth) if span[0] <= ts <= span[1]]
                bars.fill(asked, span[1])
            minute += 60
        if draw.random() < 0.95:
            bars.hear(one, 0)
        if draw.random() < 0.05:
            bars.hear(one, 0)
    stored = [one.ts for one in bars.closed]
    assert len(stored) == len(set(stored)) > 10
    for one in bars.closed:
        right = told(one.ts)
        assert one.differs_from(right) is None
    gaps = {found.at.timestamp() for found in bars.findings if found.kind is GAP}
    assert [found for found in bars.findings if found.kind is DIFFERS] == []
    assert all(ts not in truth for ts in gaps)


def test_what_a_watch_finds() -> None:
    watch = Watch()
    watch.price(100.0, M * 1000)
    watch.price(109.0, M * 1000)
    watch.price(122.0, M * 1000)
    (jump,) = watch.found
    assert (jump.kind, jump.details) == (FindingKind.PRICE_JUMP, "from 109.0 to 122.0")
    watch.found.clear()
    for at in range(0, 30_000, 500):
        watch.clock(M * 1000 + at, M * 1000 + at - 1_270)
    assert [one.kind for one in watch.found] == [FindingKind.CLOCK_SKEW]  # it lasts: one finding
    assert watch.lag == -1_270
    assert watch.distrust is None


def test_a_bar_is_judged_as_an_import_judges_it() -> None:
    watch = Watch()
    for minute, volume in enumerate(["1", "0", "0", "1"]):
        watch.bars([kline(minute, volume, 0).bar()], 60)
    watch.bars([kline(7, "1", 0).bar()], 60)
    assert [(one.kind, one.at.minute) for one in watch.found] == [
        (FindingKind.ZERO_VOLUME, 1),
        (FindingKind.ZERO_VOLUME, 2),
    ]  # the gap before 10:07 is found by whoever asked for it
    watch.found.clear()
    broken = Candle(M + 480, 100.0, 99.0, 98.0, 100.0, Decimal(1))
    watch.bars([broken.bar()], 60)
    assert [one.kind for one in watch.found] == [FindingKind.IMPOSSIBLE_BAR]


def test_the_recorders_clock_of_recorded_frames_is_found_behind(market_data: Path) -> None:
    instrument = listed(load_catalogue(), "binance_usdm", "BTCUSDT")
    one = Followed(instrument, Bars())
    path = market_data / "binance_usdm_BTCUSDT_20240808_raw_120s.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        for line in lines:
            stamp, text = line.split(" ", 1)
            message: dict[str, Any] = json.loads(text)
            message = message.get("data", message)
            if "lastUpdateId" in message:
                one.take_snapshot(DepthSnapshot.of(message))
            elif "E" in message and "e" in message:
                one.hear(message, int(stamp) // 1_000_000)
    assert one.watch.lag is not None
    assert -1_300 < one.watch.lag < -1_200
    assert FindingKind.CLOCK_SKEW in {found.kind for found in one.watch.found}
    assert one.book.right
    assert one.resyncs == 1


def followed() -> Followed:
    one = Followed(listed(load_catalogue(), "binance_usdm", "BTCUSDT"), Bars())
    one.take_snapshot(DepthSnapshot(10, [(99.0, 1.0)], [(101.0, 1.0)]))
    one.event = one.heard = M * 1000
    one.check(M * 1000, 20.0, None)
    one.note_trust(M * 1000)
    assert one.distrusted is None
    return one


def depth(first: int, last: int, previous: int, bid: str = "99.0") -> dict[str, Any]:
    ids = {"U": first, "u": last, "pu": previous}
    return {"e": "depthUpdate", "E": M * 1000, **ids, "b": [[bid, "1"]], "a": []}


def test_a_break_of_the_chain_is_not_trusted_within_one_message() -> None:
    one = followed()
    one.hear(depth(11, 12, 10), M * 1000)
    assert one.watch.distrust is None
    one.hear(depth(15, 16, 14), M * 1000)
    assert one.watch.distrust == "sequence_break: depth: 15 to 16 follows 14, not 12"
    assert one.needs_snapshot
    assert one.take_snapshot(DepthSnapshot(15, [(99.0, 1.0)], [(101.0, 1.0)]))
    assert one.watch.distrust is None
    assert [found.kind for found in one.watch.found] == [FindingKind.SEQUENCE_BREAK]


def test_a_crossed_book_is_not_trusted_until_a_snapshot_is_not_crossed() -> None:
    one = followed()
    one.hear(depth(11, 12, 10, bid="101.0"), M * 1000)
    assert one.watch.distrust == "crossed_book: bid 101.0, ask 101.0"
    assert one.needs_snapshot
    assert not one.take_snapshot(DepthSnapshot(12, [(102.0, 1.0)], [(101.0, 1.0)]))
    assert one.take_snapshot(DepthSnapshot(13, [(99.0, 1.0)], [(101.0, 1.0)]))
    assert one.watch.distrust is None


def test_silence_and_a_lost_connection_are_not_trusted() -> None:
    one = followed()
    one.check(M * 1000 + 19_000, 20.0, None)
    assert one.watch.distrust is None
    one.check(M * 1000 + 21_000, 20.0, None)
    assert one.watch.distrust == "stale: nothing was heard for 21 s"
    one.hear(depth(11, 12, 10), M * 1000 + 22_000)
    one.check(M * 1000 + 22_000, 20.0, None)
    assert one.watch.distrust is None
    one.lose("connection lost: closed", depth=False)
    one.check(M * 1000 + 22_000, 20.0, "closed")  # the depth goes on, the trades do not
    assert one.watch.distrust == "stale: closed"
    assert [found.kind for found in one.watch.found] == [FindingKind.STALE] * 2


def test_a_wait_doubles_to_a_bound_and_is_never_the_same_for_all() -> None:
    backoff = Backoff(first=0.5, longest=8.0, draw=random.Random(1))
    waits = [backoff.next() for _ in range(50)]
    for number, one in enumerate(waits):
        assert min(8.0, 0.5 * 2**number) / 2 <= one <= min(8.0, 0.5 * 2**number)
    assert len(set(waits)) == 50
    backoff.reset()
    assert backoff.next() <= 0.5
