"""L2 replay against an exchange of plain dictionaries, and on the recorded BTCUSDT file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.kernel import (
    L2_CLOCK,
    L2_HELD,
    L2_IOC,
    L2_POST_ONLY,
    FillSource,
    L2Events,
    L2Kind,
    L2Program,
    L2Rules,
    QueueModel,
    book_samples,
    compiled,
    l2_ask,
    l2_ask_lots,
    l2_bid,
    l2_bid_lots,
    l2_cancel,
    l2_limit,
    l2_market,
    l2_open,
    l2_price,
    l2_unfilled,
    run_l2,
)
from commenda.market import DepthRecord, read_depth
from plain_exchange import CANCEL, LIMIT, MARKET, Act, Rows, assert_offered, plain_replay

BID, ASK, SOLD, BOUGHT, CLEAR = L2Kind
DAY = "binance_usdm_BTCUSDT_20240808"
TICK, LOT = 0.1, 0.001
STEP = 10


@compiled
def scripted(state, book, position, params, orders):
    """Rows of params: step, what, lots, price (of a cancel: which row), flags."""
    step = int(state[0])
    state[0] += 1.0
    for i in range(params.size // 5):
        if params[5 * i] == step:
            what, lots, price = params[5 * i + 1], params[5 * i + 2], params[5 * i + 3]
            if what == LIMIT:
                state[1 + i] = l2_limit(orders, lots, price, params[5 * i + 4])
            elif what == MARKET:
                state[1 + i] = l2_market(orders, lots)
            else:
                l2_cancel(orders, state[1 + int(price)])


@compiled
def watching(state, book, position, params, orders):
    """Note the best level of both sides at each step."""
    at = 1 + 5 * int(state[0])
    state[0] += 1.0
    state[at] = position[L2_CLOCK]
    state[at + 1], state[at + 2] = l2_bid(book, 0), l2_bid_lots(book, 0)
    state[at + 3], state[at + 4] = l2_ask(book, 0), l2_ask_lots(book, 0)


@compiled
def market_maker(state, book, position, params, orders):
    """Keep one post-only order at each best price, within `params[1]` lots either way; now and
    then cross the spread with what is held.
    """
    state[2] += 1.0
    if params[2] > 0.0 and state[2] % params[2] == 0.0 and position[L2_HELD] != 0.0:
        l2_market(orders, -position[L2_HELD])
    for side in range(2):
        lots = params[0] if side == 0 else -params[0]
        price = l2_bid(book, 0) if side == 0 else l2_ask(book, 0)
        if l2_open(orders, state[side]):
            if l2_price(orders, state[side]) == price and l2_unfilled(orders, state[side]) == lots:
                continue
            l2_cancel(orders, state[side])
        if abs(position[L2_HELD] + lots) <= params[1] and not np.isnan(price):
            state[side] = l2_limit(orders, lots, price, L2_POST_ONLY)


def events_of(rows: Rows) -> L2Events:
    ts, kind, price, lots = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return L2Events(ts, np.full(ts.size, -1), kind, price, lots, ts, 1.0, 1.0)


def best(levels: dict[int, int], side: int) -> int | None:
    return (max(levels) if side == BID else min(levels)) if levels else None


PRICES = st.integers(96, 104)


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
    """An opening book and then messages and trades around it, in order of time."""
    rows = [(0, BID, p, draw(st.integers(1, 9))) for p in (98, 99)]
    rows += [(0, ASK, p, draw(st.integers(1, 9))) for p in (101, 102)]
    at = 0
    for _ in range(draw(st.integers(1, 40))):
        at += draw(st.integers(1, 9))
        what = draw(st.sampled_from(["message", "message", "trade", "trade", "snapshot"]))
        if what == "trade":
            kind = draw(st.sampled_from([SOLD, BOUGHT]))
            rows.append((at, kind, draw(PRICES), draw(st.integers(1, 12))))
            continue
        if what == "snapshot":
            rows.append((at, CLEAR, 0, 0))
        for _ in range(draw(st.integers(1, 4))):
            side, price = draw(st.sampled_from([BID, ASK])), draw(PRICES)
            rows.append((at, side, price, draw(st.sampled_from([0, 0, 1, 2, 5, 9]))))
    return [(t, int(kind), price, lots) for t, kind, price, lots in rows]


@st.composite
def scripts(draw: st.DrawFn) -> list[Act]:
    acts: list[Act] = []
    for i in range(draw(st.integers(0, 10))):
        step = draw(st.integers(0, 12))
        what = draw(st.sampled_from([LIMIT, LIMIT, LIMIT, MARKET, CANCEL]))
        lots = draw(st.integers(1, 8)) * draw(st.sampled_from([1, -1]))
        if what == CANCEL and i > 0:
            acts.append((step, CANCEL, 0, draw(st.integers(0, i - 1)), 0.0))
        else:
            flags = draw(st.sampled_from([0.0, 0.0, L2_POST_ONLY, L2_IOC]))
            limit = what != MARKET
            acts.append(
                (step, LIMIT if limit else MARKET, lots, draw(PRICES) if limit else 0,
                 flags if limit else 0.0)
            )  # fmt: skip
    return acts


@settings(max_examples=400, deadline=None)
@given(streams(), scripts(), st.sampled_from([None, 1]), st.integers(0, 12))
def test_fills_are_those_of_an_exchange_of_plain_dictionaries(
    rows: list[tuple[int, int, int, int]], acts: list[Act], n: int | None, latency: int
) -> None:
    queue = QueueModel.PESSIMISTIC if n is None else QueueModel.POWER
    rules = L2Rules(interval=STEP, order_latency=latency, queue=queue)
    params = np.array([x for act in acts for x in act], dtype=np.float64)
    events = events_of(rows)
    result = run_l2(L2Program(scripted, params, 1 + len(acts)), events, rules, cash=1e6)
    plain = plain_replay(rows, acts, n, latency, STEP)
    number = {int(order): i for i, order in enumerate(result.state[1:].tolist()) if order}
    got = [(fill.ts, number[fill.order], fill.lots, fill.price) for fill in result.fills]
    assert got == plain.fills
    assert_offered(events, result.fills)
    assert result.quantity == sum(lots for _, _, lots, _ in plain.fills)
    spent = sum(lots * price for _, _, lots, price in plain.fills)
    assert result.cash + result.fees == pytest.approx(1e6 - spent)


@settings(max_examples=200, deadline=None)
@given(streams())
def test_the_book_is_that_of_plain_dictionaries(rows: list[tuple[int, int, int, int]]) -> None:
    events = events_of(rows)
    rules = L2Rules(interval=1)
    steps = rows[-1][0]
    result = run_l2(L2Program(watching, [], 1 + 5 * steps), events, rules, cash=1.0)
    noted = result.state[1:].reshape(-1, 5)
    shown: tuple[dict[int, int], dict[int, int]] = ({}, {})
    at = 0
    for now, *found in noted.tolist():
        while at < len(rows) and rows[at][0] <= now:
            _, kind, price, lots = rows[at]
            at += 1
            if kind == CLEAR:
                shown[BID].clear()
                shown[ASK].clear()
            elif kind <= ASK:
                shown[kind].pop(price, None)
                if lots:
                    shown[kind][price] = lots
        wanted = []
        for side in (BID, ASK):
            top = best(shown[side], side)
            wanted += [math.nan, 0.0] if top is None else [top, shown[side][top]]
        assert found == pytest.approx(wanted, nan_ok=True)


@pytest.fixture(scope="module")
def files(market_data: Path) -> dict[str, pl.DataFrame]:
    return {
        name: pl.read_parquet(market_data / f"{DAY}_{name}.parquet")
        for name in ("depth", "trades", "bookticker")
    }


@pytest.fixture(scope="module")
def record(market_data: Path) -> DepthRecord:
    depth, trades = (market_data / f"{DAY}_{name}.parquet" for name in ("depth", "trades"))
    return read_depth(depth, trades, tick=TICK, lot=LOT)


def test_the_best_prices_are_those_that_the_exchange_announced(
    record: DepthRecord, files: dict[str, pl.DataFrame]
) -> None:
    """Both streams carry update ids: the book after message `u` must show the last announced best
    bid and ask up to `u`, prices and quantities, without any tolerance. By time alone they could
    differ: depth comes every 50 ms, the best prices at once.
    """
    every = 100_000_000
    span = int(record.events.ts[-1] - record.events.ts[0])
    program = L2Program(watching, [], 1 + 5 * (span // every))
    result = run_l2(program, record.events, L2Rules(interval=every), cash=1.0)
    noted = result.state[1:].reshape(-1, 5)
    ends = files["depth"].filter(pl.col("kind") == "delta").unique("u").sort("u")
    tickers = files["bookticker"].sort("u")
    times = ends["event_ms"].to_numpy() * 1_000_000 - int(record.events.ts[0])
    last = np.searchsorted(times, noted[:, 0], side="right") - 1
    announced = np.searchsorted(tickers["u"].to_numpy(), ends["u"].to_numpy()[last], side="right")
    wanted = tickers[announced - 1].select(
        pl.col("bid") / TICK, pl.col("bid_qty") / LOT, pl.col("ask") / TICK, pl.col("ask_qty") / LOT
    )
    assert len(noted) == span // every > 3_000
    np.testing.assert_array_equal(noted[:, 1:], wanted.to_numpy().round())


@pytest.mark.parametrize("queue", list(QueueModel))
def test_fills_never_exceed_what_book_and_trades_offered(
    record: DepthRecord, queue: QueueModel
) -> None:
    rules = L2Rules(
        interval=50_000_000,
        feed_latency=5_000_000,
        order_latency=3_000_000,
        response_latency=4_000_000,
        queue=queue,
    )
    # Orders large beside the best levels, and a market order every second.
    program = L2Program(market_maker, [2_000.0, 10_000.0, 20.0], 3)
    result = run_l2(program, record.events, rules, cash=1e7)
    assert result.counts.maker_fills > 500
    assert result.counts.taker_fills > 200
    assert_offered(record.events, result.fills)
    assert result.counts.taken == sum(abs(fill.lots) for fill in result.fills)
    held = sum(fill.lots for fill in result.fills)
    assert result.quantity == pytest.approx(held * LOT)
    spent = sum(fill.lots * fill.price for fill in result.fills) * TICK * LOT
    paid = sum(
        abs(fill.lots) * fill.price * (5e-4 if fill.source is FillSource.TAKING else 2e-4)
        for fill in result.fills
    )
    assert result.fees == pytest.approx(paid * TICK * LOT, rel=1e-9)
    assert result.cash == pytest.approx(1e7 - spent - result.fees, rel=1e-12)


def test_the_pessimist_is_filled_last(record: DepthRecord) -> None:
    """A bid every three seconds, 2 USDT lower each time, none cancelled: what others cancel can
    only bring orders forward.
    """
    acts = [(3 * i, LIMIT, 500.0, 617_400.0 - 20 * i, L2_POST_ONLY) for i in range(60)]
    program = L2Program(scripted, [x for act in acts for x in act], 1 + len(acts))
    done: dict[QueueModel, dict[int, int]] = {}
    for queue in QueueModel:
        rules = L2Rules(interval=1_000_000_000, queue=queue, most_orders=64)
        result = run_l2(program, record.events, rules, cash=1e6)
        assert (result.counts.filled, result.counts.orders) == (60, 60)
        done[queue] = {fill.order: fill.ts for fill in result.fills}
    pessimist = done.pop(QueueModel.PESSIMISTIC)
    for model in done.values():
        assert all(model[order] <= ts for order, ts in pessimist.items())
        assert any(model[order] < ts for order, ts in pessimist.items())


def test_the_same_replay_twice_is_the_same_to_the_bit(record: DepthRecord) -> None:
    rules = L2Rules(interval=50_000_000, feed_latency=1_000_000, queue=QueueModel.LOG)
    program = L2Program(market_maker, [10.0, 100.0, 0.0], 3)
    first, second = (run_l2(program, record.events, rules, cash=1e6) for _ in range(2))
    assert first.equity.tobytes() == second.equity.tobytes()
    assert first.fills == second.fills
    assert first.counts == second.counts


def test_sampled_books_are_those_of_plain_dictionaries(record: DepthRecord) -> None:
    samples = book_samples(record.events, 10_000_000_000, 20)
    assert samples.ts.size == 35
    shown: tuple[dict[int, int], dict[int, int]] = ({}, {})
    at = 0
    events = record.events
    for row, stamp in enumerate(samples.ts.tolist()):
        until = int(np.searchsorted(events.ts, stamp, side="right"))
        for kind, price, lots in zip(
            events.kind[at:until].tolist(),
            events.price[at:until].tolist(),
            events.lots[at:until].tolist(),
            strict=True,
        ):
            if kind <= ASK:
                shown[kind].pop(price, None)
                if lots:
                    shown[kind][price] = lots
        at = until
        mid = (max(shown[BID]) + min(shown[ASK])) / 2
        for taker, side in ((0, ASK), (1, BID)):
            ladder = sorted(shown[side].items(), reverse=side == BID)[:20]
            sizes = np.cumsum([lots for _, lots in ladder])
            worth = np.cumsum([price * lots for price, lots in ladder])
            assert samples.sizes[row, taker] == pytest.approx(sizes * LOT, rel=1e-12)
            apart = np.abs(worth / sizes / mid - 1.0)
            assert samples.offsets[row, taker] == pytest.approx(apart, rel=1e-6, abs=1e-12)
