"""The feed: bars by their open, marks by their date, funding that is never missing silently."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.kit.times import iso
from commenda.market import (
    BarArrays,
    CandleFeed,
    Instrument,
    Kind,
    Observations,
    SeriesFiles,
    load_catalogue,
)
from commenda.market.track import Track

BTC = replace(load_catalogue()["binance_usdm", "BTCUSDT"], id=1)
STEP = 300
HOUR = 3600
T0 = int(datetime(2025, 4, 1, tzinfo=UTC).timestamp())


def moment(ts: int) -> datetime:
    return datetime.fromtimestamp(ts, UTC)


def bars_at(*opens: int, close: float = 100.0) -> BarArrays:
    """Bars that open at the given times; the i-th closes at `close` + i."""
    ts = np.array(opens, np.int64)
    closes = close + np.arange(ts.size, dtype=np.float64)
    return BarArrays(ts, closes - 0.5, closes + 1, closes - 1, closes.copy(), closes * 0 + 7)


def observed(values: dict[int, float]) -> Observations:
    return Observations(np.array(list(values), np.int64), np.array(list(values.values()), float))


def feed_of(
    bars: BarArrays,
    marks: dict[int, float] | None = None,
    funding: dict[int, float] | None = None,
    instrument: Instrument = BTC,
) -> CandleFeed:
    track = Track(instrument, STEP, bars, observed(marks or {}), observed(funding or {}))
    return CandleFeed([track], STEP)


def hourly(hours: int) -> BarArrays:
    return bars_at(*range(T0, T0 + hours * HOUR, STEP))


def test_a_bar_is_found_by_its_open_and_by_its_close() -> None:
    feed = feed_of(bars_at(T0, T0 + STEP))
    bar = feed.bar(1, T0 + STEP)
    assert bar is not None
    assert (bar.ts, bar.open, bar.high, bar.low, bar.close, bar.volume) == (
        T0 + STEP,
        100.5,
        102.0,
        100.0,
        101.0,
        7.0,
    )
    assert feed.closed_bar(1, T0 + 2 * STEP) == bar


def test_where_no_bar_opens_there_is_none() -> None:
    feed = feed_of(bars_at(T0, T0 + 2 * STEP))
    assert feed.bar(1, T0 + STEP) is None
    assert feed.bar(1, T0 + 1) is None
    assert feed.closed_bar(1, T0) is None


def test_an_instrument_outside_the_feed_is_refused() -> None:
    with pytest.raises(CommendaError, match="unknown_instrument"):
        feed_of(bars_at(T0)).bar(99, T0)


def test_timestamps_are_the_opens_of_all_instruments_once() -> None:
    other = replace(BTC, id=2, symbol="ETHUSDT")
    tracks = [
        Track(one, STEP, bars, Observations.none(), Observations.none())
        for one, bars in ((BTC, bars_at(T0, T0 + STEP)), (other, bars_at(T0, T0 + 2 * STEP)))
    ]
    feed = CandleFeed(tracks, STEP)
    assert feed.instruments == (BTC, other)
    assert feed.timestamps(0, 2**40) == [T0, T0 + STEP, T0 + 2 * STEP]
    assert feed.timestamps(T0 + STEP, T0 + 2 * STEP) == [T0 + STEP]  # the end is exclusive


def test_arrays_are_read_only() -> None:
    arrays = feed_of(bars_at(T0)).arrays(1)
    with pytest.raises(ValueError, match="read-only"):
        arrays.close[0] = 1.0


def test_the_mark_price_is_preferred_at_its_stamp() -> None:
    feed = feed_of(bars_at(T0), marks={T0 + STEP: 99.123456789})
    mark = feed.mark_at(1, T0 + STEP)
    assert (mark.price, mark.source) == (Decimal("99.12345679"), "mark")
    assert mark.as_of == moment(T0 + STEP)


def test_a_fresher_candle_close_comes_before_an_older_mark_price() -> None:
    feed = feed_of(bars_at(T0, T0 + STEP), marks={T0 + STEP: 99.0})
    mark = feed.mark_at(1, T0 + 2 * STEP)
    assert (mark.price, mark.source) == (Decimal("101.0"), "candle")
    assert mark.as_of == moment(T0 + 2 * STEP)


def test_a_close_is_not_known_one_second_before_the_bar_closes() -> None:
    feed = feed_of(bars_at(T0, T0 + STEP))
    assert feed.mark_at(1, T0 + 2 * STEP - 1).price == 100
    with pytest.raises(CommendaError, match="no_price"):
        feed.mark_at(1, T0 + STEP - 1)


def test_a_close_crosses_into_decimal_at_its_tick() -> None:
    mark = feed_of(bars_at(T0, close=100.26)).mark_at(1, T0 + STEP)
    assert mark.price == Decimal("100.3")


@given(
    opens=st.sets(st.integers(0, 40), max_size=15),
    marks=st.dictionaries(st.integers(0, 45 * STEP), st.integers(1, 10**6), max_size=10),
    at=st.integers(-10, 50 * STEP),
)
def test_a_mark_is_the_freshest_price_and_never_from_the_future(
    opens: set[int], marks: dict[int, int], at: int
) -> None:
    bars = bars_at(*(STEP * i for i in sorted(opens)))
    feed = feed_of(bars, {ts: float(marks[ts]) for ts in sorted(marks)})
    # Told independently: every price with the time it was known; a mark after a candle wins ties.
    known = [
        (ts + STEP, 0, Decimal(repr(close)))
        for ts, close in zip(bars.ts.tolist(), bars.close.tolist(), strict=True)
    ] + [(ts, 1, Decimal(price)) for ts, price in marks.items()]
    past = [one for one in known if one[0] <= at]
    if not past:
        with pytest.raises(CommendaError, match="no_price"):
            feed.mark_at(1, at)
        return
    as_of, is_mark, price = max(past)
    mark = feed.mark_at(1, at)
    assert (mark.as_of, mark.price) == (moment(as_of), price)
    assert mark.source == ("mark" if is_mark else "candle")


def test_funding_lies_after_the_start_and_until_the_end() -> None:
    stamps = {T0 + 8 * i * HOUR: 0.0001 * (i + 1) for i in range(3)}
    feed = feed_of(hourly(17), marks={T0 + 8 * HOUR: 90.5}, funding=stamps)
    first, second = T0 + 8 * HOUR, T0 + 16 * HOUR
    found = feed.funding_between(1, T0, second)
    assert [funding.ts for funding in found] == [first, second]
    assert [funding.rate for funding in found] == [Decimal("0.0002"), Decimal(repr(0.0001 * 3))]
    assert found[0].mark.source == "mark"
    assert found[0].mark.price == Decimal("90.5")
    assert found[1].mark.source == "candle"
    assert found[1].mark.as_of == moment(second)
    assert feed.funding_between(1, first, second - 1) == []


@pytest.mark.parametrize(
    ("after", "until", "missing"),
    [
        (-9, -8, -8),  # before the record: due every 8 h up to its first stamp
        (16, 24, 24),  # after its end
        (16, 240, 24),
    ],
)
def test_funding_beyond_the_record_is_an_error_and_not_zero(
    after: int, until: int, missing: int
) -> None:
    feed = feed_of(hourly(40), funding={T0 + 8 * i * HOUR: 0.0001 for i in range(3)})
    with pytest.raises(CommendaError) as refusal:
        feed.funding_between(1, T0 + after * HOUR, T0 + until * HOUR)
    assert refusal.value.code == "missing_funding"
    assert refusal.value.value == iso(moment(T0 + missing * HOUR))


def test_funding_missing_inside_the_record_is_an_error() -> None:
    hours = (0, 8, 24, 32)
    feed = feed_of(hourly(40), funding={T0 + hour * HOUR: 0.0001 for hour in hours})
    assert len(feed.funding_between(1, T0, T0 + 16 * HOUR - 1)) == 1
    with pytest.raises(CommendaError, match="missing_funding"):
        feed.funding_between(1, T0, T0 + 16 * HOUR)
    assert len(feed.funding_between(1, T0 + 16 * HOUR, T0 + 32 * HOUR)) == 2


def test_no_stamp_is_due_between_stamps() -> None:
    feed = feed_of(hourly(40), funding={T0 + 8 * i * HOUR: 0.0001 for i in range(3)})
    assert feed.funding_between(1, T0 + 16 * HOUR, T0 + 24 * HOUR - 1) == []
    assert feed.funding_between(1, T0 - 8 * HOUR, T0 - 1) == []


def test_a_perpetual_without_funding_is_refused_where_a_stamp_is_due() -> None:
    feed = feed_of(hourly(40))
    assert feed.funding_between(1, T0, T0 + HOUR) == []
    with pytest.raises(CommendaError, match="missing_funding"):
        feed.funding_between(1, T0, T0 + 8 * HOUR)


def test_spot_pays_no_funding() -> None:
    spot = replace(BTC, kind=Kind.SPOT)
    assert feed_of(hourly(40), instrument=spot).funding_between(1, T0, T0 + 40 * HOUR) == []


def real_feed(market_data: Path, symbol: str, interval: str, seconds: int) -> CandleFeed:
    instrument = replace(load_catalogue()["binance_usdm", symbol], id=1)
    start = str(market_data / f"binance_usdm_{symbol}")
    files = SeriesFiles(
        Path(f"{start}_{interval}.parquet"),
        Path(f"{start}_funding.parquet"),
        Path(f"{start}_mark_8h.parquet"),
    )
    return CandleFeed.from_files([(instrument, files)], seconds)


def test_real_funding_of_btc_comes_with_the_mark_price_of_its_stamp(market_data: Path) -> None:
    feed = real_feed(market_data, "BTCUSDT", "5m", STEP)
    opens = feed.timestamps(0, 2**40)
    found = feed.funding_between(1, opens[0], opens[-1])
    assert len(opens) == 10_906
    assert {b.ts - a.ts for a, b in pairwise(found)} == {8 * HOUR}
    assert all(one.mark.source == "mark" for one in found)
    assert all(one.mark.as_of == moment(one.ts) for one in found)
    # The first rows of the funding and mark files, 2025-03-06 16:00.
    assert found[0].rate == Decimal("0.00006818")
    assert found[0].mark.price == Decimal("90776.94748889")


def test_real_funding_of_layer_changes_between_1_and_4_hours(market_data: Path) -> None:
    feed = real_feed(market_data, "LAYERUSDT", "1m", 60)
    opens = feed.timestamps(0, 2**40)
    until = int(datetime(2025, 6, 3, 14, tzinfo=UTC).timestamp())  # the last recorded stamp
    found = feed.funding_between(1, opens[0], until)
    steps = {b.ts - a.ts for a, b in pairwise(found)}
    assert steps == {HOUR, 4 * HOUR}
    assert {one.mark.source for one in found} == {"mark", "candle"}
    assert all(one.mark.as_of == moment(one.ts) for one in found)
    with pytest.raises(CommendaError, match="missing_funding"):
        feed.funding_between(1, until, opens[-1])  # the bars go on past 15:00


def test_prices_of_the_catalogue_round_to_the_nearest_tick() -> None:
    assert BTC.to_tick(84701.44) == Decimal("84701.4")
    assert BTC.to_tick(Decimal("84701.45")) == Decimal("84701.4")  # ties to the even tick
    assert BTC.to_tick(84701.46) == Decimal("84701.5")
    assert BTC.to_lot(0.0019) == Decimal("0.001")
    assert BTC.to_lot(Decimal("-0.0019")) == Decimal("-0.001")
