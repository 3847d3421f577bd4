"""The market that never ends: the same prices whoever asks, in whatever order, seamless."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from commenda.market import EndlessFeed, load_catalogue, simulated_assets
from commenda.market.endless import KEPT, STRETCH

START = datetime(2026, 1, 5, tzinfo=UTC)
FIRST = int(START.timestamp())
INTERVAL = timedelta(hours=1)
MONTH = int(STRETCH.total_seconds())


def feed(seed: int = 3) -> EndlessFeed:
    assets = simulated_assets(["BTCUSDT", "ETHUSDT"], load_catalogue())
    stored = [replace(one.instrument, id=number) for number, one in enumerate(assets, start=1)]
    return EndlessFeed(seed, assets, stored, START, INTERVAL)


def test_whoever_asks_later_first_gets_the_same_prices() -> None:
    stepwise, at_once = feed(), feed()
    for month in range(4):
        stepwise.bar(1, FIRST + month * MONTH)
    at_once.bar(1, FIRST + 3 * MONTH)
    end = FIRST + 3 * MONTH
    for instrument in (1, 2):
        for ts in range(FIRST, end, 86400 + 3600):
            known = stepwise.bar(instrument, ts)
            assert known is not None
            assert at_once.bar(instrument, ts) == known
        assert stepwise.funding_between(instrument, FIRST, end) == at_once.funding_between(
            instrument, FIRST, end
        )


def test_every_stretch_opens_where_the_one_before_closed() -> None:
    market = feed()
    market.bar(1, FIRST + 3 * MONTH)
    bars = market.arrays(1)
    assert np.array_equal(bars.open[1:], bars.close[:-1])
    assert np.array_equal(np.diff(bars.ts), np.full(len(bars) - 1, 3600))


def test_funding_has_a_stamp_every_eight_hours_across_the_seams() -> None:
    market = feed()
    end = FIRST + 2 * MONTH + 86400
    stamps = [one.ts for one in market.funding_between(1, FIRST, end)]
    assert stamps == list(range(FIRST + 8 * 3600, end + 1, 8 * 3600))


def test_a_market_that_runs_for_years_holds_its_last_stretches_only() -> None:
    stepwise, at_once = feed(), feed()
    months = 2 * KEPT
    for month in range(months + 1):
        stepwise.bar(1, FIRST + month * MONTH)
    end = FIRST + months * MONTH
    assert at_once.bar(2, end) == stepwise.bar(2, end) is not None
    for market in (stepwise, at_once):
        assert len(market.arrays(1)) == KEPT * MONTH // 3600
        assert market.mark_at(1, end).as_of.timestamp() == end
        assert len(market.funding_between(1, end - 86400, end)) == 3


def test_another_seed_is_another_market() -> None:
    assert feed(3).bar(1, FIRST + 86400) != feed(4).bar(1, FIRST + 86400)


def test_one_stretch_is_not_the_next_ones_copy() -> None:
    market = feed()
    market.bar(1, FIRST + 2 * MONTH)
    closes = market.arrays(1).close
    month = MONTH // 3600
    first, second = (np.diff(np.log(closes[i * month : (i + 1) * month])) for i in (0, 1))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2
