"""The live book against recorded depth, a book kept by another hand, and breaks on purpose."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.market.ingest import DepthBook, DepthDelta, DepthSnapshot

RECORD = "binance_usdm_BTCUSDT_20240808_depth.parquet"


class Ladder:
    """A book kept another way: sorted lists of decimal prices, applied message by message."""

    def __init__(self, snapshot: DepthSnapshot) -> None:
        self.sides: list[tuple[list[Decimal], list[float]]] = [([], []), ([], [])]
        self.apply(snapshot.bids, snapshot.asks)

    def apply(self, *changes: list[tuple[float, float]]) -> None:
        for (prices, lots), levels in zip(self.sides, changes, strict=True):
            for number, quantity in levels:
                price = Decimal(str(number))
                place = bisect_left(prices, price)
                there = prices[place : place + 1] == [price]
                if there and quantity:
                    lots[place] = quantity
                elif there:
                    del prices[place], lots[place]
                elif quantity:
                    prices.insert(place, price)
                    lots.insert(place, quantity)

    def shown(self) -> list[dict[float, float]]:
        return [
            {float(price): quantity for price, quantity in zip(*side, strict=True)}
            for side in self.sides
        ]


def messages(file: Path) -> tuple[DepthSnapshot, list[DepthDelta]]:
    """What was recorded: its snapshot, and its updates in the order they came."""
    rows = pl.read_parquet(file)

    def levels(part: pl.DataFrame, side: str) -> list[tuple[float, float]]:
        return list(part.filter(pl.col("side") == side).select("price", "qty").iter_rows())

    whole = rows.filter(pl.col("kind") == "snapshot")
    snapshot = DepthSnapshot(whole["u"][0], levels(whole, "b"), levels(whole, "a"))
    deltas = []
    for part in rows.filter(pl.col("kind") == "delta").partition_by("u", maintain_order=True):
        ids = (int(part[name][0]) for name in ("U", "u", "pu"))
        deltas.append(DepthDelta(*ids, levels(part, "b"), levels(part, "a")))
    return snapshot, deltas


@pytest.fixture(scope="module")
def recorded(market_data: Path) -> tuple[DepthSnapshot, list[DepthDelta]]:
    return messages(market_data / RECORD)


def told(
    snapshot: DepthSnapshot, deltas: list[DepthDelta], every: int
) -> Iterator[tuple[DepthDelta, DepthSnapshot | None]]:
    """Each update with, now and then, the snapshot that an exchange would answer after it."""
    ladder = Ladder(snapshot)
    for number, delta in enumerate(deltas):
        if delta.last > snapshot.last:
            ladder.apply(delta.bids, delta.asks)
        bids, asks = (list(side.items()) for side in ladder.shown())
        yield delta, DepthSnapshot(delta.last, bids, asks) if number % every == 0 else None


def test_a_recorded_book_is_the_same_at_every_snapshot(
    recorded: tuple[DepthSnapshot, list[DepthDelta]],
) -> None:
    snapshot, deltas = recorded
    book = DepthBook()
    compared = 0
    for delta, expected in told(snapshot, deltas, every=50):
        if delta.last > snapshot.last and not book.right:
            assert book.take(snapshot)  # joins what waited, some of which is older than it
        right = book.hear(delta)
        assert right is (delta.last > snapshot.last)
        if expected is not None and right:
            assert [book.bids, book.asks] == [dict(expected.bids), dict(expected.asks)]
            assert (book.best_bid, book.best_ask) == (max(book.bids), min(book.asks))
            assert not book.crossed
            compared += 1
    assert compared > 100


def test_a_gap_makes_a_recorded_book_stale_at_once_and_a_snapshot_makes_it_right(
    recorded: tuple[DepthSnapshot, list[DepthDelta]],
) -> None:
    snapshot, deltas = recorded
    book, gaps = DepthBook(), 0
    book.take(snapshot)
    lost: int | None = None
    answer: DepthSnapshot | None = None
    for number, (delta, after) in enumerate(told(snapshot, deltas, every=10)):
        if delta.last <= snapshot.last:
            continue
        if number % 500 == 499:  # this one never arrives
            lost = number
            continue
        right = book.hear(delta)
        if lost is None:
            assert right
        elif number == lost + 1:
            assert not right  # within one message
            assert book.why is not None
            assert f"not {book.last}" in book.why
            gaps += 1
        if lost is not None and number < lost + 30:
            answer = after or answer  # the exchange's answer is some messages old when it comes
        elif lost is not None:
            assert answer is not None
            assert book.take(answer)
            lost = answer = None
        if after is not None and book.right:
            assert [book.bids, book.asks] == [dict(after.bids), dict(after.asks)]
    assert gaps > 10


def spot(first: int, last: int) -> DepthDelta:
    """An update of spot, which does not say what it follows; each sets the price of its ids."""
    levels = [[str(100 + one % 7), str(one)] for one in range(first, last + 1)]
    return DepthDelta.of({"U": first, "u": last, "b": levels, "a": []})


def test_at_spot_an_update_follows_the_id_before_its_first() -> None:
    book = DepthBook()
    for one in (spot(1, 3), spot(4, 6), spot(7, 9)):
        assert not book.hear(one)
    assert book.take(DepthSnapshot(5, [(104.0, 4.0), (105.0, 5.0)], []))  # within the second
    assert book.last == 9
    assert book.bids == {104.0: 4.0, 105.0: 5.0, 106.0: 6.0, 100.0: 7.0, 101.0: 8.0, 102.0: 9.0}
    assert book.hear(spot(10, 10))
    assert not book.hear(spot(12, 12))
    assert book.why == "12 to 12 follows 11, not 10"


def test_a_snapshot_that_is_older_than_what_waits_does_not_join() -> None:
    book = DepthBook()
    book.hear(DepthDelta(21, 25, 20, [(1.0, 1.0)], []))
    assert not book.take(DepthSnapshot(15, [], []))
    assert book.take(DepthSnapshot(20, [], []))  # a later one does, with what waited
    assert (book.last, book.bids) == (25, {1.0: 1.0})


def test_what_is_told_twice_changes_nothing() -> None:
    book = DepthBook()
    book.take(DepthSnapshot(10, [(9.0, 1.0)], [(11.0, 1.0)]))
    one, two = DepthDelta(11, 12, 10, [(9.0, 2.0)], []), DepthDelta(13, 13, 12, [(9.0, 3.0)], [])
    assert [book.hear(each) for each in (one, two, one, two)] == [True] * 4
    assert book.bids == {9.0: 3.0}


def test_a_lost_best_price_is_found_again() -> None:
    book = DepthBook()
    book.take(DepthSnapshot(1, [(9.0, 1.0), (8.0, 1.0)], [(11.0, 1.0), (12.0, 1.0)]))
    assert book.hear(DepthDelta(2, 2, 1, [(10.0, 1.0), (10.0, 0.0), (9.0, 0.0)], [(11.0, 0.0)]))
    assert (book.best_bid, book.best_ask) == (8.0, 12.0)
    assert book.hear(DepthDelta(3, 3, 2, [(12.0, 1.0)], []))
    assert book.crossed


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_it_is_right_only_when_nothing_was_lost(data: st.DataObject) -> None:
    """Whatever is lost, told twice or swapped: a book that says it is right is the exchange's."""
    shown: dict[float, float] = {}
    after: dict[int, dict[float, float]] = {0: {}}
    deltas, last = [], 0
    for size in data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=30)):
        levels = [
            (float(data.draw(st.integers(90, 99))), float(data.draw(st.integers(0, 2))))
            for _ in range(size)
        ]
        deltas.append(DepthDelta(last + 1, last + size, last, levels, []))
        shown |= dict(levels)
        shown = {price: quantity for price, quantity in shown.items() if quantity}
        last += size
        after[last] = dict(shown)
    book = DepthBook()
    order = data.draw(
        st.lists(st.integers(0, len(deltas) - 1), min_size=1, max_size=60).map(
            lambda some: sorted(some, key=lambda one: one // 2)
        )
    )
    for place in order:
        book.hear(deltas[place])
        if data.draw(st.integers(0, 3)) == 0 and not book.right:
            ids = [one for one in after if one >= book.last]
            at = data.draw(st.sampled_from(ids))
            book.take(DepthSnapshot(at, list(after[at].items()), []))
        if book.right:
            assert book.bids == after[book.last]
            assert book.best_bid == max(book.bids, default=None)
