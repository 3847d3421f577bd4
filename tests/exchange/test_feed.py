"""A feed that follows the exchange simulator: what it stores, and what it does when things fail."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import psycopg
import pytest

from commenda.exchange import simulated_house
from commenda.kit import clock
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.market import FindingKind, untrusted
from commenda.market.ingest import Address, Feed, Recorder, Rest, run_feed
from commenda.operations import watch_feeds
from commenda.settings import Settings

from .conftest import START, Served

SYMBOLS = ["BTCUSDT", "ETHUSDT"]


@pytest.fixture
def market() -> Iterator[Served]:
    """A minute of market each second: three prints and books in a quarter of it."""
    found = Served(simulated_house(SYMBOLS, seed=3, start=START, pace=60.0))
    yield found
    found.stop()


@contextmanager
def following(
    db: Database, served: Served | str, name: str = "feed", **more: Any
) -> Iterator[Running]:
    """A feed at a served exchange, or at an address."""
    url = served if isinstance(served, str) else f"http://{served.address}"
    running = Running(db, url, name, **more)
    try:
        yield running
    finally:
        running.stop()


class Running:
    """A feed on a thread of its own."""

    def __init__(
        self,
        db: Database,
        url: str,
        name: str,
        silence: float = 20.0,
        history: timedelta = timedelta(0),
        settings: Settings | None = None,
        recorder: Recorder | None = None,
        symbols: list[str] = SYMBOLS,
        venue: str = "simulated",
    ) -> None:
        self.settings, self.recorder = settings, recorder
        self.db, self.url, self.name, self.silence = db, url, name, silence
        self.history, self.symbols, self.venue = history, symbols, venue
        self.feed: Feed | None = None
        self.error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        address = Address.of(self.url)
        made = Feed.__post_init__

        def keep(feed: Feed) -> None:
            if feed.name == self.name:  # another may be made meanwhile, on a thread of its own
                feed.silence, self.feed = self.silence, feed
            made(feed)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Feed, "__post_init__", keep)
            try:
                self._loop.run_until_complete(
                    run_feed(
                        self.db,
                        self.name,
                        self.symbols,
                        address,
                        self.venue,
                        self._stopping,
                        self.history,
                        self.settings,
                        self.recorder,
                    )
                )
            except BaseException as error:
                self.error = error

    def stop(self) -> None:
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(20)
        assert not self._thread.is_alive()


def until(true: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `true` says as soon as it is something."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
    return found


def rows(db: Database, query: Any, *values: object) -> list[Any]:
    with db.read() as tx:
        return tx.execute(query, values).fetchall()


def bars(db: Database) -> list[Any]:
    return rows(
        db,
        "SELECT i.symbol, extract(epoch FROM b.ts)::bigint, b.open, b.high, b.low, b.close,"
        " b.volume FROM market_bars b JOIN instruments i ON i.id = b.instrument_id"
        " ORDER BY b.ts, i.symbol",
    )


def told_by(served: Served) -> dict[tuple[str, int], tuple[float, ...]]:
    """The exchange's own candles, as its tape has them."""
    found = {}
    for symbol in SYMBOLS:
        of = served.house.exchange.contracts[symbol]
        for one in list(served.house.tape.minutes[symbol])[:-1]:
            prices = [float(of.price(each)) for each in (one.open, one.high, one.low, one.close)]
            found[symbol, one.at // 1000] = (*prices, float(of.quantity(one.lots)))
    return found


def kinds(db: Database) -> set[str]:
    return {kind for (kind,) in rows(db, "SELECT DISTINCT kind FROM market_quality_findings")}


def feeds(db: Database) -> list[Any]:
    return rows(
        db,
        "SELECT name, distrust, book_right, resyncs, losses, stopped_at IS NOT NULL"
        " FROM market_feeds ORDER BY name, instrument_id",
    )


def trusted(db: Database) -> bool:
    found = feeds(db)
    return len(found) == 2 and all(distrust is None for _, distrust, *_ in found)


def test_bars_marks_and_the_book_are_stored_as_the_exchange_has_them(
    db: Database, market: Served
) -> None:
    with following(db, market) as running:
        until(lambda: len(bars(db)) >= 12 and trusted(db))
        feed = running.feed
        assert feed is not None
        btc = feed.followed["BTCUSDT"]
        until(lambda: btc.bars.compared >= 3)
    stored, told = bars(db), told_by(market)
    assert {(symbol, ts): tuple(numbers) for symbol, ts, *numbers in stored} == {
        key: told[key] for key in ((symbol, ts) for symbol, ts, *_ in stored)
    }
    for symbol in SYMBOLS:  # none is missing between the first and the last
        opens = [ts for name, ts, *_ in stored if name == symbol]
        assert opens == list(range(opens[0], opens[-1] + 1, 60))
    assert "candle_differs" not in kinds(db)
    marks = rows(db, "SELECT price, source FROM market_marks")
    assert [source for _, source in marks] == ["mark", "mark"]
    observed = dict(rows(db, "SELECT series, count(*) FROM market_observations GROUP BY series"))
    assert observed["mark"] == observed["index"] >= 6
    assert observed["open_interest"] >= 2
    assert [(name, stopped) for name, *_, stopped in feeds(db)] == [("feed", True)] * 2


def test_a_book_is_right_again_after_a_gap_and_equals_the_exchanges(
    db: Database, market: Served
) -> None:
    with following(db, market) as running:
        until(lambda: trusted(db))
        market.house.script.set([{"kind": "depth_gap", "matches": "btcusdt", "times": 2}])
        until(lambda: "sequence_break" in kinds(db))
        until(lambda: trusted(db))
        feed = running.feed
        assert feed is not None
        assert feed.followed["BTCUSDT"].resyncs >= 2
        assert feed.followed["ETHUSDT"].resyncs == 1

        def same() -> bool:
            kept = market.house.tape.depth["BTCUSDT"]
            of = market.house.exchange.contracts["BTCUSDT"]
            book = feed.followed["BTCUSDT"].book
            shown = {
                float(of.price(ticks)): float(of.quantity(lots))
                for ticks, lots in kept.shown[1].items()
            }
            return book.right and book.last == kept.told and book.bids == shown

        until(same)


def test_after_a_dropped_and_a_silent_stream_no_bar_is_missing(
    db: Database, market: Served
) -> None:
    with following(db, market, silence=1.5):
        until(lambda: len(bars(db)) >= 4 and trusted(db))
        market.house.script.set(
            [{"kind": "drop_stream", "times": 2}, {"kind": "silent_stream", "times": 1}]
        )
        until(lambda: sum(losses for *_, losses, _ in feeds(db)) >= 4)
        market.house.script.set([])
        until(lambda: trusted(db))
        until(lambda: len(bars(db)) >= 16 and trusted(db))
    stored, told = bars(db), told_by(market)
    assert {(symbol, ts): tuple(numbers) for symbol, ts, *numbers in stored} == {
        key: told[key] for key in ((symbol, ts) for symbol, ts, *_ in stored)
    }
    for symbol in SYMBOLS:
        opens = [ts for name, ts, *_ in stored if name == symbol]
        assert opens == list(range(opens[0], opens[-1] + 1, 60))
    assert "stale" in kinds(db)
    assert kinds(db).isdisjoint({"gap", "out_of_order", "candle_differs"})


def test_a_feed_goes_on_from_the_last_stored_bar(db: Database, market: Served) -> None:
    with following(db, market):
        until(lambda: len(bars(db)) >= 6)
    last = max(ts for _, ts, *_ in bars(db))
    time.sleep(3)  # three minutes of market that nobody follows
    with following(db, market):
        until(lambda: max(ts for _, ts, *_ in bars(db)) >= last + 300 and trusted(db))
    for symbol in SYMBOLS:
        opens = [ts for name, ts, *_ in bars(db) if name == symbol]
        assert opens == list(range(opens[0], opens[-1] + 1, 60))
    assert "gap" not in kinds(db)


def test_a_new_contract_comes_with_its_history_and_what_a_killed_feed_left_out_is_filled_in(
    db: Database, market: Served
) -> None:
    with following(db, market, history=timedelta(hours=2)):
        until(lambda: len(bars(db)) >= 244 and trusted(db))
    stored = bars(db)
    assert min(ts for _, ts, *_ in stored) <= START.timestamp() - 110 * 60
    with psycopg.connect(db.owner_url) as owner:  # as if it had stored a later one first
        first, last = (START - timedelta(minutes=one) for one in (30, 20))
        owner.execute("DELETE FROM market_bars WHERE ts BETWEEN %s AND %s", (first, last))
    assert len(bars(db)) == len(stored) - 22
    with following(db, market):
        until(lambda: len(bars(db)) > len(stored) and trusted(db))
    again = {(symbol, ts): numbers for symbol, ts, *numbers in bars(db)}
    assert all(again[symbol, ts] == numbers for symbol, ts, *numbers in stored)
    assert "gap" not in kinds(db)


def test_two_feeds_store_one_row_of_each_bar_and_one_vouches_for_the_other(
    db: Database, market: Served
) -> None:
    with following(db, market, "first"), following(db, market, "second") as second:
        until(lambda: len(feeds(db)) == 4 and len(bars(db)) >= 8)
        until(lambda: all(distrust is None for _, distrust, *_ in feeds(db)))
        third = Running(db, f"http://{market.address}", "first")
        until(lambda: third.error is not None)
        assert isinstance(third.error, CommendaError)
        assert third.error.code == "feed_runs"
        feed = second.feed
        assert feed is not None
        until(lambda: feed.followed["BTCUSDT"].bars.compared > 0)
    counted = rows(db, "SELECT count(*), count(DISTINCT (instrument_id, ts)) FROM market_bars")
    assert counted[0][0] == counted[0][1]
    assert "candle_differs" not in kinds(db)


def test_an_instrument_that_no_feed_vouches_for_is_one_alert_until_one_does(
    db: Database, market: Served
) -> None:
    with following(db, market):
        until(lambda: trusted(db))
    alerts = "SELECT subject, closed_at IS NULL FROM alerts WHERE kind = 'alert.market_untrusted'"

    def look(stopped: str, seen: str, distrust: str | None) -> list[Any]:
        with db.transaction() as tx:
            clock.follow_wall(tx)
            tx.execute(
                "UPDATE market_feeds f SET stopped_at = clock_timestamp() + %s::interval,"
                " seen_at = clock_timestamp() - %s::interval, distrust = %s::text,"
                " distrusted_at = CASE WHEN %s::text IS NOT NULL"
                "  THEN clock_timestamp() - interval '1 minute' END"
                " FROM instruments i WHERE i.id = f.instrument_id AND i.symbol = 'BTCUSDT'",
                (stopped or None, seen, distrust, distrust),
            )
            watch_feeds(tx)
            watch_feeds(tx)
        return rows(db, alerts)

    assert look("0", "1 minute", "stale: gone") == []  # nobody follows it
    assert look("", "0", "stale: gone") == [("simulated BTCUSDT", True)]
    assert look("", "0", None) == [("simulated BTCUSDT", False)]
    assert look("", "1 minute", None)[-1] == ("simulated BTCUSDT", True)  # it was killed
    with db.read() as tx:
        (one,) = untrusted(tx, 10)
    assert (one.symbol, one.why) == ("BTCUSDT", "feed: it is not seen any more")


def test_what_the_exchange_does_not_trade_is_refused(db: Database, market: Served) -> None:
    async def follow(symbols: list[str]) -> None:
        address = Address.of(f"http://{market.address}")
        await run_feed(db, "feed", symbols, address, "simulated", asyncio.Event())

    with pytest.raises(CommendaError) as refused:
        asyncio.run(follow(["BTCUSDT", "NOPEUSDT"]))
    assert (refused.value.code, refused.value.value) == ("unknown_instrument", "NOPEUSDT")
    with pytest.raises(CommendaError, match="Not an address"):
        Address.of("ftp://somewhere")


def test_after_too_many_requests_nothing_is_asked_until_the_time_is_over(market: Served) -> None:
    market.house.script.set([{"kind": "limited", "times": 1, "milliseconds": 2000}])

    async def ask() -> tuple[str, float, Decimal]:
        async with aiohttp.ClientSession() as session:
            rest = Rest(session, f"http://{market.address}")
            refused = ""
            try:
                await rest.get("openInterest", symbol="BTCUSDT")
            except Exception as error:
                refused = str(error)
            begun = time.monotonic()
            answer = await rest.get("openInterest", symbol="BTCUSDT")
            return refused, time.monotonic() - begun, Decimal(answer["openInterest"])

    refused, waited, interest = asyncio.run(ask())
    assert "429" in refused
    assert 1.5 < waited < 6
    assert interest == 0


def test_findings_are_alerted_of_once(db: Database, market: Served) -> None:
    """The exchange's time runs sixty times too fast, so its clock and ours are apart."""
    with following(db, market):
        until(lambda: FindingKind.CLOCK_SKEW in kinds(db))
        until(lambda: rows(db, "SELECT 1 FROM alerts WHERE kind = 'alert.market_finding'"))
    found = rows(db, "SELECT subject, count FROM alerts WHERE kind = 'alert.market_finding'")
    assert {subject for subject, _ in found} <= {
        f"simulated {symbol} clock_skew" for symbol in SYMBOLS
    }
