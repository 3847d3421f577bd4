"""The backtest: what it reports, what it refuses, and funding that must not be missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commenda.kernel import Bars, Costs, Fill, FillKind, Funding
from commenda.kit.errors import CommendaError
from commenda.strategies import (
    Backtest,
    Trade,
    as_bars,
    backtest,
    catalogue,
    funding_between,
    refuse_gaps,
)
from commenda.strategies.backtest import round_trips

HOUR = timedelta(hours=1)
START = datetime(2025, 3, 6, 10, tzinfo=UTC)
TREND = {"fast": 3, "slow": 9, "band": 0.0, "stop": 0.05}


def hourly(count: int, seed: int = 3) -> pl.DataFrame:
    """Random hourly candles as a frame."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    opening = np.concatenate(([100.0], close[:-1]))
    return pl.DataFrame(
        {
            "ts": [START + HOUR * i for i in range(count)],
            "open": opening,
            "high": np.maximum(opening, close) * 1.002,
            "low": np.minimum(opening, close) * 0.998,
            "close": close,
            "volume": np.ones(count),
        }
    )


def rates(*stamps: datetime) -> pl.DataFrame:
    return pl.DataFrame({"ts": stamps, "rate": [1e-4] * len(stamps)})


def eight_hourly(count: int) -> list[datetime]:
    """16:00 on the first day, then every eight hours, each a few milliseconds late."""
    first = START.replace(hour=16)
    return [first + timedelta(hours=8 * i, milliseconds=i % 9) for i in range(count)]


def test_metrics_agree_with_their_definitions() -> None:
    frame = hourly(500)
    result = run_trend(frame, funding_between(as_bars(frame), rates(*eight_hourly(70))))
    metrics = result.metrics
    curve = [result.cash, *result.equity.tolist()]
    moves = np.diff(curve) / curve[:-1]
    peaks = [max(curve[: i + 1]) for i in range(len(curve))]
    assert metrics.year == (8_760.0, "every_day")
    assert metrics.total_return == pytest.approx(curve[-1] / result.cash - 1)
    assert metrics.max_drawdown == pytest.approx(
        max(1 - value / peak for value, peak in zip(curve, peaks, strict=True))
    )
    assert metrics.sharpe == pytest.approx(moves.mean() / moves.std(ddof=1) * 8_760**0.5)
    downside = np.sqrt(np.mean(np.where(moves < 0, moves, 0.0) ** 2))
    assert metrics.sortino == pytest.approx(moves.mean() / downside * 8_760**0.5)
    assert metrics.fees == pytest.approx(sum(fill.fee for fill in result.fills))
    assert metrics.trades == len(result.trades) > 10
    assert metrics.win_rate == np.mean([trade.profit > 0 for trade in result.trades])


def run_trend(frame: pl.DataFrame, funding: Funding | None) -> Backtest:
    return backtest(
        catalogue()["ema_trend"],
        TREND,
        frame,
        interval=HOUR,
        funding=funding,
        costs=Costs(fee_bps=5.0, slippage_bps=1.0),
        cash=1_000.0,
    )


def test_profit_of_trades_and_funding_add_up_to_the_change_of_equity() -> None:
    frame = hourly(500)
    result = run_trend(frame, funding_between(as_bars(frame), rates(*eight_hourly(70))))
    last = result.trades[-1].closed
    assert result.fills[-1].held != 0.0
    opened = [fill for fill in result.fills if fill.bar >= last][-1]
    entry = opened.fee * abs(opened.held / opened.quantity)
    unrealised = opened.held * (frame["close"][-1] - opened.price) - entry
    realised = sum(trade.profit for trade in result.trades)
    assert result.equity[-1] - result.cash == pytest.approx(
        realised + unrealised - result.metrics.funding
    )


def test_a_run_says_how_it_can_be_repeated() -> None:
    result = run_trend(hourly(50), None)
    assert (result.strategy, result.version) == ("ema_trend", "1.0.0")
    assert result.source_hash == catalogue()["ema_trend"].source_hash
    assert result.params == {**TREND, "exposure": 1.0}
    assert (result.interval, result.cash) == (HOUR, 1_000.0)


def test_a_frame_and_arrays_give_the_same_run() -> None:
    frame = hourly(200)
    arrays = backtest(
        catalogue()["ema_trend"], TREND, as_bars(frame), interval=HOUR, funding=None, cash=1_000.0
    )
    assert arrays.equity.tobytes() == run_trend(frame, None).equity.tobytes()


def test_ratios_of_a_ruined_run_are_undefined() -> None:
    prices = np.array([100.0, 100.0, 100.0, 101.0, 101.0, 20.0, 20.0])
    stamps = np.arange(prices.size) * 3_600_000_000_000
    bars = Bars(stamps, prices, prices, prices, prices, np.ones(prices.size))
    params = {"fast": 2, "slow": 3, "band": 0.0, "stop": 0.0, "exposure": 3.0}
    result = backtest(catalogue()["ema_trend"], params, bars, interval=HOUR, funding=None)
    assert result.equity[-2:].tolist() == [0.0, 0.0]
    assert result.metrics.sharpe is None
    assert result.metrics.max_drawdown == 1.0


# Trades


def fill(bar: int, quantity: float, held: float, price: float, fee: float) -> Fill:
    return Fill(bar, quantity, held, price, fee, FillKind.TARGET, maker=False)


def test_a_trade_runs_from_flat_to_flat_with_its_fees() -> None:
    fills = [fill(1, 2, 2, 100, 1), fill(4, 1, 3, 110, 1), fill(9, -3, 0, 120, 2)]
    # Bought 2 at 100 and 1 at 110, sold 3 at 120: 360 - 310 - 4
    assert round_trips(fills) == (Trade(1, 9, 1, 46.0),)


def test_a_fill_that_turns_the_position_ends_one_trade_and_opens_the_next() -> None:
    fills = [fill(1, 2, 2, 100, 0), fill(5, -3, -1, 110, 3), fill(8, 1, 0, 90, 0)]
    # The turn sells 2 (fee 2 of 3) and opens 1 short (fee 1): 20 - 2, then 20 - 1
    assert round_trips(fills) == (Trade(1, 5, 1, 18.0), Trade(5, 8, -1, 19.0))


def test_an_open_position_is_no_trade_yet() -> None:
    assert round_trips([fill(1, 2, 2, 100, 1)]) == ()


# Funding


def test_no_funding_is_a_choice_and_the_result_says_so() -> None:
    result = run_trend(hourly(50), None)
    assert not result.funding_charged
    assert result.metrics.funding == 0.0


@pytest.mark.parametrize(
    ("without", "named"),
    [(0, "2025-03-06T16:00:00Z"), (2, "2025-03-07T08:00:00Z"), (5, "2025-03-08T08:00:00Z")],
)
def test_missing_funding_is_an_error_that_names_the_stamp(without: int, named: str) -> None:
    stamps = eight_hourly(6)  # the last bar opens at 11:00 on March 8
    frame = hourly(50)
    run_trend(frame, funding_between(as_bars(frame), rates(*stamps)))
    gap = rates(*(stamp for i, stamp in enumerate(stamps) if i != without))
    with pytest.raises(CommendaError) as refused:
        run_trend(frame, funding_between(as_bars(frame), gap))
    assert (refused.value.code, refused.value.value) == ("missing_funding", named)
    assert named in str(refused.value)


def test_several_missing_stamps_are_reported_by_the_first() -> None:
    stamps = eight_hourly(6)
    bars = as_bars(hourly(50))
    with pytest.raises(CommendaError) as refused:
        refuse_gaps(funding_between(bars, rates(stamps[4], stamps[5])), bars)
    assert refused.value.value == "2025-03-06T16:00:00Z"
    with pytest.raises(CommendaError) as refused:
        refuse_gaps(Funding.none(), bars)
    assert refused.value.value == "2025-03-06T16:00:00Z"


def test_a_run_between_two_stamps_needs_no_funding() -> None:
    bars = as_bars(hourly(6))  # 10:00 to 15:00
    refuse_gaps(Funding.none(), bars)


def test_funding_is_priced_at_mark_else_at_the_close_and_says_so() -> None:
    frame = hourly(20)
    bars = as_bars(frame)
    stamps = eight_hourly(2)
    marks = pl.DataFrame({"ts": [stamps[0].replace(microsecond=0)], "open": [123.0]})
    funding = funding_between(bars, rates(*stamps), marks)
    before_midnight = frame.filter(pl.col("ts") == START.replace(hour=23))["close"].item()
    assert funding.mark.tolist() == [123.0, before_midnight]
    assert funding.estimated == 1


def test_recorded_funding_is_complete_over_the_recorded_bars(market_data: Path) -> None:
    for asset in ("BTC", "ETH", "SOL", "XRP", "BNB"):
        bars = as_bars(pl.read_parquet(market_data / f"binance_usdm_{asset}USDT_5m.parquet"))
        paid = pl.read_parquet(market_data / f"binance_usdm_{asset}USDT_funding.parquet")
        marks = pl.read_parquet(market_data / f"binance_usdm_{asset}USDT_mark_8h.parquet")
        funding = funding_between(bars, paid, marks)
        refuse_gaps(funding, bars)
        assert funding.estimated == 0


def test_an_instrument_that_settles_at_one_and_four_hours_states_the_longest(
    market_data: Path,
) -> None:
    bars = as_bars(pl.read_parquet(market_data / "binance_usdm_LAYERUSDT_1m.parquet"))
    paid = pl.read_parquet(market_data / "binance_usdm_LAYERUSDT_funding.parquet")
    funding = funding_between(bars, paid)
    refuse_gaps(funding, bars, every=timedelta(hours=4))
    # Hourly by the end, and the record ends at 14:00 where the bars go on to 15:35.
    with pytest.raises(CommendaError) as refused:
        refuse_gaps(funding, bars)
    assert refused.value.value == "2025-06-03T15:00:00Z"


# Bars


def test_bars_of_another_interval_are_refused() -> None:
    for interval in (timedelta(minutes=5), timedelta(hours=2)):
        with pytest.raises(CommendaError) as refused:
            backtest(catalogue()["ema_trend"], TREND, hourly(50), interval=interval, funding=None)
        assert (refused.value.code, refused.value.field) == ("bad_bars", "interval")
    with pytest.raises(CommendaError, match="two bars"):
        run_trend(hourly(1), None)


def test_candles_that_the_recording_lacks_are_counted() -> None:
    frame = hourly(50)
    with_gap = pl.concat([frame[:20], frame[23:]])
    assert run_trend(with_gap, None).missing_bars == 3
