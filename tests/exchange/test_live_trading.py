"""Strategies trade on a live market: exchange, feed and worker over real ports.

The exchange's clock begins five minutes behind ours and goes three times as fast: a bar comes every
twenty seconds, and is not late.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commenda.copying.runner import RUNNER_CASH
from commenda.exchange import simulated_house
from commenda.kernel import Costs, Stepper
from commenda.kit.db import Database
from commenda.strategies import catalogue
from processes import until

from .businesses import BEGUN, DESK, MOVED, Business, business_at

D = Decimal
PARAMS = {"fast": 2, "slow": 3, "band": 0.0, "exposure": 0.5, "stop": 0.0}
"""Long or short with every turn of the last minutes."""
TURNS = 600
"""Seconds for which the market may go one way."""


@pytest.fixture
def business(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Business]:
    begun = datetime.now(UTC) - timedelta(seconds=290)
    house = simulated_house(["BTCUSDT"], seed=7, start=begun, pace=3.0)
    with business_at(house, db, tmp_path, monkeypatch, params=PARAMS, interval="1m") as made:
        yield made


def last_bar(business: Business) -> datetime | None:
    ((taken,),) = business.rows("SELECT last_bar_at FROM shared_flows WHERE id = %s", business.flow)
    return taken  # type: ignore[no-any-return]


def follow(business: Business) -> Any:
    return business.process(
        "feed", "--symbols", "BTCUSDT", "--url", f"http://{business.served.address}",
        "--history", "1",
    )  # fmt: skip


def decided(business: Business, first: datetime) -> dict[str, Decimal]:
    """What the strategy decides on the stored bars, stepped here: by the close of the bar."""
    stepper = Stepper(catalogue()["ema_trend"].bind(**PARAMS), cash=RUNNER_CASH, costs=Costs())
    bars = business.rows(
        "SELECT extract(epoch FROM ts)::bigint, open, high, low, close, volume FROM market_bars"
        " WHERE instrument_id = %s AND ts >= %s AND ts <= %s ORDER BY ts",
        business.instrument.id,
        first - timedelta(minutes=3),
        last_bar(business),
    )
    found = {}
    for ts, *numbers in bars:
        decision = stepper.on_bar(ts * 10**9, *numbers)
        if decision.changed:
            found[f"{ts + 60}:target"] = D(str(decision.target))
    return found


def killed_before_its_signal(business: Business) -> bool:
    """Let nobody publish until a target waits for it, and kill the worker then; False where a
    signal was just being copied."""
    with business.database.transaction() as tx:
        tx.execute("LOCK trading_signals IN SHARE MODE")
        copied = "SELECT count(*) = 0 FROM trading_signals WHERE status <> 'processed'"
        if business.rows(copied) != [(True,)]:
            return False
        waiting = "SELECT pending_target IS NOT NULL FROM shared_flows WHERE id = %s"
        assert business.worker is not None
        until(
            "a target waits",
            lambda: business.rows(waiting, business.flow) == [(True,)],
            TURNS,
            business.worker,
        )
        business.worker.kill()
        return True


def test_a_strategy_trades_at_the_exchange_on_the_feeds_bars_and_each_bar_is_one_signal(
    business: Business,
) -> None:
    worker = business.start()
    business.wait("the money is there", MOVED)
    business.wait("the exchange was met", BEGUN)
    feed = follow(business)
    until("the first bar is taken", lambda: last_bar(business), 60, worker, feed)
    first = last_bar(business)
    assert first is not None

    # Killed between a bar that was taken and its signal.
    while not killed_before_its_signal(business):
        time.sleep(0.5)
    worker = business.start()
    business.wait(
        "the signal is copied",
        "SELECT bool_and(status = 'processed') AND count(*) > 0 FROM trading_signals",
    )

    # Killed while it takes a bar: the state is not stored.
    with business.database.transaction() as tx:
        tx.execute("SELECT FROM shared_flows WHERE id = %s FOR UPDATE", (business.flow,))
        taken = last_bar(business)
        business.wait("a bar is there", "SELECT max(ts) > %s FROM market_bars", taken)
        time.sleep(2)
        worker.kill()
    worker = business.start()
    later = "SELECT last_bar_at > %s FROM shared_flows"
    business.wait("bars are taken", later, taken + timedelta(minutes=1))
    feed.kill()
    taken = last_bar(business)
    follow(business)  # the next one goes on
    business.wait("bars are taken", later, taken)
    two = "SELECT count(*) > 1 FROM trading_signals"
    until("it turns", lambda: business.rows(two) == [(True,)], TURNS, worker)
    business.wait("all is copied", "SELECT bool_and(status = 'processed') FROM trading_signals")
    assert worker.stop() == 0

    signals = dict(business.rows("SELECT natural_key, target FROM trading_signals"))
    assert signals == decided(business, first)
    assert len(signals) > 1
    orders = business.rows("SELECT DISTINCT venue, status FROM orders")
    assert orders == [(DESK, "filled")]
    assert business.trades() == business.rows("SELECT count(*) FROM orders")[0][0]
    held = business.rows("SELECT sum(quantity) FROM positions")[0][0]
    assert business.held() == held != 0
    business.assert_sound()
