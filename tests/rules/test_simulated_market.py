"""The simulated market: reproducible, possible, and visibly not one bell curve."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from commenda.kit.errors import CommendaError
from commenda.market import (
    REGIMES,
    BarArrays,
    CandleFeed,
    SimulatedSeries,
    load_catalogue,
    simulate_market,
    simulated_assets,
)

START = datetime(2025, 1, 1, tzinfo=UTC)
FIVE = timedelta(minutes=5)
YEAR_OF_BARS = 365 * 288
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT", "LAYERUSDT")
ASSETS = simulated_assets(SYMBOLS, load_catalogue())


@pytest.fixture(scope="module")
def year() -> dict[str, SimulatedSeries]:
    return simulate_market(20250101, ASSETS, START, YEAR_OF_BARS, FIVE)


def content(series: SimulatedSeries) -> bytes:
    bars = series.bars
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    observed = (series.marks.ts, series.marks.values, series.funding.ts, series.funding.values)
    return b"".join(column.tobytes() for column in (*columns, *observed, series.regimes))


def log_returns(bars: BarArrays) -> np.ndarray:
    return np.log(bars.close / bars.open)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again = (simulate_market(7, ASSETS, START, 2000, FIVE) for _ in range(2))
    assert {s: content(first[s]) for s in SYMBOLS} == {s: content(again[s]) for s in SYMBOLS}


def test_another_seed_gives_another_market() -> None:
    first, other = (simulate_market(seed, ASSETS, START, 500, FIVE) for seed in (7, 8))
    assert all(content(first[s]) != content(other[s]) for s in SYMBOLS)


def test_an_asset_does_not_change_with_its_company() -> None:
    together = simulate_market(7, ASSETS, START, 500, FIVE)
    alone = simulate_market(7, ASSETS[3:4], START, 500, FIVE)
    assert content(alone["XRPUSDT"]) == content(together["XRPUSDT"])


def test_every_bar_is_possible_and_opens_where_the_last_closed(
    year: dict[str, SimulatedSeries],
) -> None:
    for series in year.values():
        bars = series.bars
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        assert (bars.low > 0).all()
        assert (bars.volume > 0).all()
        assert np.array_equal(bars.open[1:], bars.close[:-1])
        assert (np.diff(bars.ts) == 300).all()
        assert bars.ts[0] == START.timestamp()


def test_prices_lie_on_ticks_and_volumes_on_lots() -> None:
    market = simulate_market(11, ASSETS, START, 500, FIVE)
    for asset in ASSETS:
        bars = market[asset.instrument.symbol].bars
        for price in (*bars.open.tolist(), *bars.high.tolist(), *bars.low.tolist()):
            assert Decimal(repr(price)) == asset.instrument.to_tick(price)
        for volume in bars.volume.tolist():
            # Beyond 2^53 steps a float could not hold a lot; volumes stay far below.
            assert float(asset.instrument.to_lot(volume)) == volume


def test_regimes_differ_in_volatility(year: dict[str, SimulatedSeries]) -> None:
    series = year["BTCUSDT"]
    quiet = series.jumps == 0
    spread = [
        log_returns(series.bars)[(series.regimes == regime) & quiet].std()
        for regime in range(len(REGIMES))
    ]
    # Multiples 0.5, 1 and 2.5 of the asset's volatility: ratios 2 and 2.5.
    assert spread[1] / spread[0] == pytest.approx(2.0, rel=0.05)
    assert spread[2] / spread[1] == pytest.approx(2.5, rel=0.05)
    stays = np.flatnonzero(np.diff(series.regimes)).size
    assert 30 < stays < 600  # regimes last days: neither one for ever nor noise


def test_jumps_make_tails_that_a_bell_curve_has_not(year: dict[str, SimulatedSeries]) -> None:
    for series in year.values():
        returns = log_returns(series.bars)
        jumped = series.jumps != 0
        assert 100 < jumped.sum() < 600
        assert np.abs(returns[jumped]).mean() > 3 * np.abs(returns[~jumped]).mean()
        kurtosis = (returns**4).mean() / (returns**2).mean() ** 2
        assert kurtosis > 5  # a normal distribution has 3


def test_the_realised_volatility_is_of_the_size_asked_for(
    year: dict[str, SimulatedSeries],
) -> None:
    for asset in ASSETS:
        returns = log_returns(year[asset.instrument.symbol].bars)
        yearly = returns.std() * np.sqrt(YEAR_OF_BARS)
        assert 0.7 * asset.volatility < yearly < 1.6 * asset.volatility


def test_assets_move_together_by_their_correlation_with_the_market(
    year: dict[str, SimulatedSeries],
) -> None:
    for i, one in enumerate(ASSETS):
        for other in ASSETS[i + 1 :]:
            measured = np.corrcoef(
                log_returns(year[one.instrument.symbol].bars),
                log_returns(year[other.instrument.symbol].bars),
            )[0, 1]
            assert measured == pytest.approx(one.correlation * other.correlation, abs=0.06)


def test_volume_grows_with_the_range_of_the_bar(year: dict[str, SimulatedSeries]) -> None:
    for series in year.values():
        ranges = np.log(series.bars.high / series.bars.low)
        turnover = series.bars.volume * series.bars.close
        assert np.corrcoef(ranges, turnover)[0, 1] > 0.6


def test_funding_is_stamped_every_8_hours_and_covers_the_whole_series() -> None:
    start = START + timedelta(hours=3)
    series = simulate_market(5, ASSETS[:1], start, 288 * 3, FIVE)["BTCUSDT"]
    expected = [START + timedelta(hours=8 * i) for i in range(10)]  # 3 h + 72 h end at 75 h
    assert series.funding.ts.tolist() == [int(moment.timestamp()) for moment in expected]
    assert np.array_equal(series.marks.ts, series.funding.ts)
    instrument = ASSETS[0].instrument
    feed = CandleFeed.from_simulation([instrument], {"BTCUSDT": series})
    end = int(series.bars.ts[-1]) + 300
    stamps = feed.funding_between(instrument.id, int(start.timestamp()), end)
    assert [funding.ts for funding in stamps] == series.funding.ts[1:].tolist()


def test_funding_rates_differ_and_stay_within_the_cap(year: dict[str, SimulatedSeries]) -> None:
    for series in year.values():
        rates = series.funding.values
        assert (rates > 0).any()
        assert (rates < 0).any()
        assert np.abs(rates).max() <= 0.003
        # Inside the damper's reach the formula gives the interest alone.
        assert 0.5 < (rates == 0.0001).mean() < 0.95


def test_marks_stay_near_the_last_price(year: dict[str, SimulatedSeries]) -> None:
    for series in year.values():
        rows = np.searchsorted(series.bars.ts, series.marks.ts[1:]) - 1
        assert np.allclose(series.marks.values[1:], series.bars.close[rows], rtol=0.005)


def test_a_simulated_instrument_says_so() -> None:
    assert all(a.instrument.simulated and a.instrument.venue == "simulated" for a in ASSETS)


def test_a_real_instrument_is_never_simulated() -> None:
    real = load_catalogue()["binance_usdm", "BTCUSDT"]
    with pytest.raises(CommendaError, match="not_simulated"):
        CandleFeed.from_simulation([real], simulate_market(1, ASSETS[:1], START, 5, FIVE))


@pytest.mark.parametrize(
    ("start", "bars", "interval", "code"),
    [
        (START, 10, timedelta(minutes=7), "bad_interval"),
        (START, 10, timedelta(0), "bad_interval"),
        (START, 10, timedelta(milliseconds=1500), "bad_interval"),
        (START + timedelta(seconds=30), 10, FIVE, "bad_start"),
        (START.replace(tzinfo=None), 10, FIVE, "not_utc"),
        (START, 0, FIVE, "bad_length"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    start: datetime, bars: int, interval: timedelta, code: str
) -> None:
    with pytest.raises(CommendaError) as refusal:
        simulate_market(1, ASSETS, start, bars, interval)
    assert refusal.value.code == code
