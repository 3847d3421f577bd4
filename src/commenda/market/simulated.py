"""A simulated market: candles, marks and funding drawn from a seed, always labelled simulated.

One market moves all assets. It passes through calm, normal and stormy regimes (a Markov chain
that sets the volatility), jumps now and then, and drifts with a slow trend, so that following and
fading trends lead to different results. Each asset shares a part of that movement and adds
movement and jumps of its own. Every bar is built from a path of sub-steps, so it could have been
traded; volume grows with the bar's range. Funding follows the premium of the perpetual over its
index by the exchanges' formula.

An asset's series depends on the seed and its own symbol only: adding another asset, or reordering
them, changes nothing. It is no forecast and resembles no recorded period.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from commenda.kit.clock import require_utc
from commenda.kit.errors import CommendaError, not_found
from commenda.kit.times import iso
from commenda.market.grid import Stamps
from commenda.market.instruments import Catalogue, listed, simulated_twin
from commenda.market.model import Instrument
from commenda.market.processes import generator, jumps, markov_states, mean_reverting
from commenda.market.track import MARK_SCALE, Array, BarArrays, Observations

REGIMES = ("calm", "normal", "stormy")

_DAY = 86400
_YEAR = 365 * _DAY
_HOUR = 3600
_SUBSTEPS = 12
"""Steps of the path inside one bar."""

# In the order of REGIMES: volatility as a multiple of the asset's own, seconds that a regime lasts
# on average, and the chances of the regime that follows it.
_VOLATILITY = np.array([0.5, 1.0, 2.5])
_MEAN_STAY = np.array([72.0, 48.0, 12.0]) * _HOUR
_SUCCESSOR = np.array([[0.0, 0.9, 0.1], [0.6, 0.0, 0.4], [0.2, 0.8, 0.0]])

# A jump's standard deviation is a part of the asset's yearly volatility: 1 % at 50 %.
_JUMPS_A_DAY = 0.4
_JUMP_SIZE = 0.02

# The trend's yearly drift has this standard deviation, as a multiple of the asset's volatility.
_TREND_SIZE = 1.5
_TREND_HALF_LIFE = 3.0 * _DAY

_PREMIUM_MEAN = 0.00005
_PREMIUM_SIZE = 0.0004
_PREMIUM_HALF_LIFE = 12.0 * _HOUR

# The exchanges' formula: premium + clamp(interest − premium, ±damper), within ±cap.
_FUNDING_STEP = 8 * _HOUR
_INTEREST = 0.0001
_DAMPER = 0.0005
_FUNDING_CAP = 0.003


@dataclass(frozen=True, slots=True)
class SimulatedAsset:
    """An instrument of the venue `simulated` and how it moves.

    `price` is where it starts; `volatility` its yearly standard deviation in the normal regime;
    `correlation` its correlation with the market, 0 to 1; `turnover` its usual daily volume in
    the quote asset.
    """

    instrument: Instrument
    price: float
    volatility: float
    correlation: float
    turnover: float


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedSeries:
    """What `simulate_market` made of one asset, and the truth behind it.

    `interval` in seconds. For each bar, `regimes` is an index of `REGIMES` and `jumps` the log
    return that came by jumps: 0 in most bars.
    """

    symbol: str
    interval: int
    bars: BarArrays
    marks: Observations
    funding: Observations
    regimes: npt.NDArray[np.int8]
    jumps: Array


CHARACTERS: Mapping[str, tuple[float, float, float, float]] = MappingProxyType(
    {
        "BTCUSDT": (80_000.0, 0.50, 0.90, 12e9),
        "ETHUSDT": (2_000.0, 0.70, 0.85, 8e9),
        "SOLUSDT": (130.0, 0.85, 0.80, 3e9),
        "XRPUSDT": (2.2, 0.80, 0.70, 2e9),
        "BNBUSDT": (600.0, 0.55, 0.75, 6e8),
        "LAYERUSDT": (1.5, 1.40, 0.45, 1e8),
    }
)
"""Price, volatility, correlation and turnover to simulate with: round numbers, sized as in 2025."""


def simulated_assets(symbols: Iterable[str], catalogue: Catalogue) -> tuple[SimulatedAsset, ...]:
    """Assets on the terms of Binance's perpetuals; code `unknown_instrument` for any other."""
    assets = []
    for symbol in symbols:
        if symbol not in CHARACTERS:
            raise not_found("unknown_instrument", "No character to simulate this symbol with").at(
                "symbol",
                symbol,
                f"use one of {', '.join(CHARACTERS)}, or make a SimulatedAsset for it",
            )
        twin = simulated_twin(listed(catalogue, "binance_usdm", symbol))
        assets.append(SimulatedAsset(twin, *CHARACTERS[symbol]))
    return tuple(assets)


def simulate_market(
    seed: int,
    assets: Sequence[SimulatedAsset],
    start: datetime,
    bars: int,
    interval: timedelta,
) -> dict[str, SimulatedSeries]:
    """`bars` candles of each asset from `start` on, by symbol; the same seed, the same bytes.

    Marks and funding are stamped every 8 h, from the last stamp at or before `start` on, so that
    funding is known for the whole of the series. Codes `bad_seed` (negative), `bad_interval` (whole
    seconds that divide 8 h), `bad_start` (off the interval's grid), `bad_length`, and
    `not_simulated` for an instrument of a real venue.
    """
    _refuse_unless(seed >= 0, "bad_seed", "A seed is a whole number from 0 on", "seed", seed)
    step = int(interval.total_seconds())
    divides = step > 0 and timedelta(seconds=step) == interval and _FUNDING_STEP % step == 0
    _refuse_unless(divides, "bad_interval", "Bars must divide 8 hours", "interval", str(interval))
    first = int(require_utc(start).timestamp())
    on_grid = start.microsecond == 0 and first % step == 0
    _refuse_unless(on_grid, "bad_start", "A bar does not open then", "start", iso(start))
    _refuse_unless(bars > 0, "bad_length", "A market has at least one bar", "bars", bars)
    real = [asset.instrument.symbol for asset in assets if not asset.instrument.simulated]
    _refuse_unless(not real, "not_simulated", "Real instruments are not simulated", "assets", real)

    market = _draw_market(generator(seed, "market"), bars, step)
    stamps = first + step * np.arange(bars, dtype=np.int64)
    return {
        asset.instrument.symbol: _draw_series(seed, asset, market, stamps, step) for asset in assets
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Market:
    """What all assets share: noise and jumps for each sub-step, regime and trend for each bar."""

    regimes: npt.NDArray[np.int8]
    trend: Array
    noise: Array
    jumps: Array


def _draw_market(rng: np.random.Generator, bars: int, step: int) -> _Market:
    return _Market(
        regimes=markov_states(rng, bars, step, _MEAN_STAY, _SUCCESSOR, REGIMES.index("normal")),
        trend=mean_reverting(rng, bars, step, _TREND_HALF_LIFE),
        noise=rng.standard_normal((bars, _SUBSTEPS)),
        jumps=_draw_jumps(rng, bars, step),
    )


def _draw_jumps(rng: np.random.Generator, bars: int, step: int) -> Array:
    return jumps(rng, bars, _SUBSTEPS, min(1.0, _JUMPS_A_DAY * step / _DAY))


def _draw_series(
    seed: int, asset: SimulatedAsset, market: _Market, stamps: Stamps, step: int
) -> SimulatedSeries:
    """One asset: its share of the market's movement and its own, as bars, marks and funding."""
    rng = generator(seed, asset.instrument.symbol)
    bars = stamps.size
    shared, own = asset.correlation, np.sqrt(1 - asset.correlation**2)
    years = step / _SUBSTEPS / _YEAR
    noise = shared * market.noise + own * rng.standard_normal((bars, _SUBSTEPS))
    leaps = shared * market.jumps + own * _draw_jumps(rng, bars, step)
    leaps *= _JUMP_SIZE * asset.volatility
    deviation = asset.volatility * _VOLATILITY[market.regimes] * np.sqrt(years)
    drift = shared * _TREND_SIZE * asset.volatility * market.trend * years - deviation**2 / 2
    returns = deviation[:, None] * noise + drift[:, None] + leaps
    path = asset.price * np.exp(np.cumsum(returns.ravel())).reshape(returns.shape)
    candles = _candles(rng, asset, stamps, path, step)
    premium = mean_reverting(rng, bars, step, _PREMIUM_HALF_LIFE)
    marks, funding = _marks_and_funding(candles, _PREMIUM_MEAN + _PREMIUM_SIZE * premium, step)
    return SimulatedSeries(
        asset.instrument.symbol, step, candles, marks, funding, market.regimes, leaps.sum(axis=1)
    )


def _candles(
    rng: np.random.Generator, asset: SimulatedAsset, stamps: Stamps, path: Array, step: int
) -> BarArrays:
    """Bars that open where the one before closed and hold all sub-steps of their path."""
    tick = asset.instrument.tick
    prices = _at_least_one_step(path, tick)
    close = prices[:, -1].copy()
    opened = np.concatenate([_at_least_one_step(np.array([asset.price]), tick), close[:-1]])
    high = np.maximum(opened, prices.max(axis=1))
    low = np.minimum(opened, prices.min(axis=1))
    # A Brownian path's mean range is √(8/π) ≈ 1.6 standard deviations of its return.
    activity = np.log(high / low) / (1.6 * asset.volatility * np.sqrt(step / _YEAR))
    usual = asset.turnover * step / _DAY / close
    volume = usual * (0.3 + 0.7 * activity) * np.exp(rng.normal(-0.06, 0.35, stamps.size))
    lots = _at_least_one_step(volume, asset.instrument.lot)
    return BarArrays(stamps, opened, high, low, close, lots)


def _marks_and_funding(
    candles: BarArrays, premium: Array, step: int
) -> tuple[Observations, Observations]:
    """Marks and rates at each stamp, from the bars that had closed by then.

    The rate follows the mean premium since the stamp before; the mark is the index (the last
    price without its premium) plus that mean. Nothing had closed by the first stamp: it has the
    first open and the first premium.
    """
    first, last = int(candles.ts[0]), int(candles.ts[-1]) + step
    start = first // _FUNDING_STEP * _FUNDING_STEP
    stamps = np.arange(start, last + 1, _FUNDING_STEP, dtype=np.int64)
    closed = np.clip((stamps - first) // step, 0, candles.ts.size)
    totals = np.concatenate([[0.0], np.cumsum(premium)])
    since = np.concatenate([[0], closed[:-1]])
    means = (totals[closed] - totals[since]) / np.maximum(1, closed - since)
    means[0] = premium[0]
    latest = np.maximum(closed - 1, 0)
    price = np.where(closed > 0, candles.close[latest], candles.open[0])
    mark = np.round(price / (1 + premium[latest]) * (1 + means), MARK_SCALE)
    damped = means + np.clip(_INTEREST - means, -_DAMPER, _DAMPER)
    rate = np.round(np.clip(damped, -_FUNDING_CAP, _FUNDING_CAP), 8)
    return Observations(stamps, mark), Observations(stamps, rate)


def _at_least_one_step(values: Array, step: Decimal) -> Array:
    """Values at the nearest whole step, 1 at least; as close to the decimal as a float can be."""
    numerator, denominator = step.as_integer_ratio()
    whole = np.maximum(1.0, np.rint(values / float(step)))
    return whole * numerator / denominator


def _refuse_unless(sound: bool, code: str, message: str, field: str, value: object) -> None:
    if not sound:
        raise CommendaError(code, message).at(field, value)
