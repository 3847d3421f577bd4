"""A feed at a spot market: a chain of its own, no mark but the last trade, and no funding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from commenda.exchange import simulated_house
from commenda.kit.db import Database
from commenda.market import Kind, find_instrument, read_depth
from commenda.market.ingest import SPOT, Address, DepthBook, Recorder
from commenda.market.instruments import is_simulated
from commenda.settings import Settings

from .conftest import START, Served
from .spot_market import MINUTE, SYMBOL, SpotMarket
from .test_feed import SYMBOLS, bars, feeds, following, kinds, rows, until


@pytest.fixture
def market(market_data: Path) -> Iterator[SpotMarket]:
    found = SpotMarket(market_data)
    yield found
    found.stop()


def test_spot_is_followed_by_its_own_rules(
    db: Database, market: SpotMarket, tmp_path: Path
) -> None:
    """Bars, the book and the last trade as the mark are those of the record; a lost update is seen
    and mended; what spot does not have is not asked for."""
    recorder = Recorder(tmp_path)
    with following(
        db, market.url, symbols=[SYMBOL], venue="binance_spot", recorder=recorder
    ) as running:
        until(lambda: feeds(db) and feeds(db)[0][1] is None)
        assert running.feed is not None
        one = running.feed.followed[SYMBOL]
        market.lose = 1
        until(lambda: "sequence_break" in kinds(db))
        until(lambda: one.resyncs >= 2 and feeds(db)[0][1] is None)

        def same() -> bool:
            """At one moment: the two are on two threads."""
            number, (bids, asks) = one.book.last, one.book.top(20)
            told = market.books.get(number)
            if told is None or one.book.last != number:
                return False
            shown = [
                [(float(price), float(qty)) for price, qty in told[side].items()] for side in "ba"
            ]
            assert shown == [bids, asks]
            return True

        for _ in range(20):
            until(same)
        until(lambda: len(bars(db)) >= 3 and one.bars.compared >= 2, 60)
        last = one.trades[-1].number
        until(lambda: rows(db, "SELECT 1 FROM market_marks") and one.trades[-1].number > last)
    of_record = market.trades.group_by(pl.col("trade_ms") // MINUTE * 60).agg(
        pl.col("price").first().alias("open"),
        pl.col("price").max().alias("high"),
        pl.col("price").min().alias("low"),
        pl.col("price").last().alias("close"),
    )
    wanted = {at: prices for at, *prices in of_record.iter_rows()}
    whole = bars(db)[1:]  # of the first the record begins in the middle
    assert len(whole) >= 2
    for symbol, ts, *prices, _volume in whole:
        assert (symbol, prices) == (SYMBOL, wanted[ts])
    assert kinds(db).isdisjoint({"candle_differs", "gap", "crossed_book"})
    ((price, as_of, source),) = rows(db, "SELECT price, as_of, source FROM market_marks")
    assert source == "trade"
    at = market.trades.filter(pl.col("trade_ms") == int(as_of.timestamp() * 1000))
    assert float(price) in at["price"].to_list()
    assert rows(db, "SELECT * FROM market_observations") == []
    assert set(market.asked) <= {"exchangeInfo", "depth", "klines"}
    with db.read() as tx:
        stored = find_instrument(tx, "binance_spot", SYMBOL)
    assert (stored.kind, stored.base, stored.quote) == (Kind.SPOT, "BTC", "USDT")
    assert [str(each) for each in (stored.minimum_notional, stored.taker_fee)] == ["5", "0.001"]
    parts = sorted(tmp_path.glob(f"*/binance_spot_{SYMBOL}_depth.parquet"))
    assert len(parts) >= 2  # it ended where the update was lost
    for part in parts:  # a gap in the chain of one is refused (`depth_gap`)
        assert read_depth(part, None, tick=0.1, lot=0.001).quality.snapshots == 1


def test_spot_has_addresses_of_its_own() -> None:
    assert Address.of(None, SPOT).rest + SPOT.prefix == "https://api.binance.com/api/v3"
    assert Address.of(None, SPOT).streams + SPOT.depth == "wss://stream.binance.com:9443/stream"
    assert Address.of(None).streams == "wss://fstream.binance.com"


def test_one_symbol_is_followed_at_futures_and_at_spot_of_one_exchange(db: Database) -> None:
    """Two feeds, two instruments: bars, books and marks are each market's own."""
    house = simulated_house(SYMBOLS, seed=3, start=START, pace=30.0, spot=SYMBOLS)
    served = Served(house)
    tapes = {"simulated": house.tape, "simulated_spot": house.spot_tape}
    contracts = {"simulated": house.exchange.contracts, "simulated_spot": house.spot.contracts}
    try:
        with (
            following(db, served) as futures,
            following(db, served, "feed-spot", venue="simulated_spot") as spot,
        ):
            until(lambda: len(feeds(db)) == 4 and all(one[1] is None for one in feeds(db)), 90)
            assert futures.feed is not None
            assert spot.feed is not None
            for feed, venue in ((futures.feed, "simulated"), (spot.feed, "simulated_spot")):
                book = feed.followed["BTCUSDT"].book
                depth, of = tapes[venue].depth["BTCUSDT"], contracts[venue]["BTCUSDT"]

                def same(book: DepthBook = book, depth: Any = depth, of: Any = of) -> bool:
                    shown = {
                        float(of.price(ticks)): float(of.quantity(lots))
                        for ticks, lots in depth.shown[1].items()
                    }
                    return book.right and book.last == depth.told and book.bids == shown

                until(same)
            until(lambda: len(bars(db)) >= 12, 60)
            until(lambda: len(rows(db, "SELECT 1 FROM market_marks")) == 4)
            found = {
                venue: {
                    int(ts): prices
                    for ts, *prices in rows(
                        db,
                        "SELECT extract(epoch FROM b.ts), open, high, low, close FROM market_bars b"
                        " JOIN instruments i ON i.id = b.instrument_id"
                        " WHERE i.venue = %s AND i.symbol = 'BTCUSDT'",
                        venue,
                    )
                }
                for venue in tapes
            }
            for venue, stored in found.items():
                assert len(stored) >= 2
                of = contracts[venue]["BTCUSDT"]
                told = {
                    one.at // 1000: [
                        float(of.price(each)) for each in (one.open, one.high, one.low, one.close)
                    ]
                    for one in tapes[venue].minutes["BTCUSDT"]
                }
                assert stored == {ts: told[ts] for ts in stored}
            both = set(found["simulated"]) & set(found["simulated_spot"])
            assert all(found["simulated"][ts] != found["simulated_spot"][ts] for ts in both)
    finally:
        served.stop()
    sources = rows(
        db,
        "SELECT i.venue, i.kind, i.simulated, m.source FROM market_marks m"
        " JOIN instruments i ON i.id = m.instrument_id WHERE i.symbol = 'BTCUSDT'"
        " ORDER BY i.venue",
    )
    assert sources == [
        ("simulated", "linear_perpetual", True, "mark"),
        ("simulated_spot", "spot", True, "trade"),
    ]
    observed = rows(
        db,
        "SELECT DISTINCT i.venue FROM market_observations o"
        " JOIN instruments i ON i.id = o.instrument_id",
    )
    assert observed == [("simulated",)]
    assert kinds(db).isdisjoint({"candle_differs", "gap", "crossed_book"})


@pytest.mark.parametrize(
    ("futures", "spot"), [("binance_usdm", "binance_spot"), ("simulated", "simulated_spot")]
)
def test_what_is_simulated_is_not_stored_under_a_real_market(futures: str, spot: str) -> None:
    """`up` starts both feeds at one address."""
    assert Settings(feed_venue=futures).feed_spot_venue == spot
    assert is_simulated(spot) is is_simulated(futures)
