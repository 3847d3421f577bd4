"""Orders in a replayed book: what they take, when they are seen, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from commenda.kernel import (
    L2_IOC,
    L2_POST_ONLY,
    L2Program,
    L2Result,
    L2Rules,
    book_samples,
    survey_book,
)
from l2_scenes import (
    ASK,
    BID,
    BOUGHT,
    CANCEL,
    CLEAR,
    LIMIT,
    MARKET,
    OPEN,
    SOLD,
    WATCHED,
    Act,
    Row,
    buy,
    events_of,
    fills,
    play,
)


def sell(step: int, lots: int, price: int, flags: float = 0.0) -> Act:
    return Act(step, LIMIT, -lots, price, flags)


def market(step: int, lots: int) -> Act:
    return Act(step, MARKET, lots)


def cancel(step: int, which: int) -> Act:
    return Act(step, CANCEL, price=which)


def seen(result: L2Result, acts: int, step: int) -> list[float]:
    at = 1 + acts + WATCHED * step
    return result.state[at : at + WATCHED].tolist()


FAR: list[Row] = [*OPEN, (0, ASK, 103, 5), (0, BID, 98, 30)]


def test_a_market_order_walks_the_book_and_pays_for_each_level() -> None:
    result = play([*FAR, (20, BID, 98, 31)], market(0, 6), taker_bps=10.0, cash=1_000.0)
    assert fills(result) == [(10, 2, 101, "taking"), (10, 3, 102, "taking"), (10, 1, 103, "taking")]
    notional = 2 * 101 + 3 * 102 + 1 * 103
    assert result.fees == pytest.approx(notional * 0.001, rel=1e-12)
    assert result.cash == pytest.approx(1_000 - notional * 1.001, rel=1e-12)
    assert result.quantity == 6.0
    # The recorded market does not move: its mid stays at 100.5.
    assert result.final_equity == pytest.approx(1_000 - notional * 1.001 + 6 * 100.5, rel=1e-12)


def test_liquidity_taken_is_gone_until_its_level_is_updated() -> None:
    rows = [*FAR, (25, ASK, 101, 2), (40, BID, 98, 1)]
    result = play(rows, market(0, 6), market(1, 6), market(2, 6))
    assert fills(result)[3:] == [(20, 4, 103, "taking"), (30, 2, 101, "taking")]
    assert result.counts.expired == 2
    assert result.counts.taken == 6 + 4 + 2
    assert result.counts.taker_fills == 5


def test_what_recorded_trades_took_is_gone_too() -> None:
    # A trade at 102 proves that nothing is left at 101, whatever is displayed there.
    rows = [*FAR, (5, BOUGHT, 102, 1), (20, BID, 98, 1)]
    assert fills(play(rows, market(0, 3))) == [(10, 2, 102, "taking"), (10, 1, 103, "taking")]


def test_a_crossing_limit_takes_what_it_may_and_rests() -> None:
    rows = [*FAR, (20, BID, 101, 5), (30, SOLD, 101, 3)]
    result = play(rows, buy(0, 4, 101), maker_bps=-1.0, taker_bps=5.0)
    assert fills(result) == [(10, 2, 101, "taking"), (30, 2, 101, "trade")]
    assert result.fees == pytest.approx(202 * 5e-4 - 202 * 1e-4, rel=1e-12)
    assert (result.counts.maker_fills, result.counts.taker_fills) == (1, 1)


def test_post_only_is_rejected_where_it_would_take() -> None:
    rows = [*FAR, (20, BID, 98, 1)]
    result = play(rows, buy(0, 4, 101, L2_POST_ONLY), buy(0, 4, 100, L2_POST_ONLY))
    assert result.fills == ()
    assert (result.counts.orders, result.counts.rejected, result.counts.open) == (2, 1, 1)


def test_the_rest_of_an_immediate_order_expires() -> None:
    rows = [*FAR, (20, SOLD, 101, 50)]
    result = play(rows, buy(0, 4, 101, L2_IOC))
    assert fills(result) == [(10, 2, 101, "taking")]
    assert (result.counts.expired, result.counts.open) == (1, 0)


def test_own_orders_do_not_trade_with_each_other() -> None:
    rows = [*FAR, (20, BID, 99, 25), (40, BID, 98, 1)]
    # Our bid rests at 99: the sale takes the 10 at 100 and stops before 99.
    result = play(rows, buy(0, 5, 99), sell(1, 12, 99), sell(2, 1, 99, L2_POST_ONLY))
    assert fills(result) == [(20, -10, 100, "taking")]
    assert (result.counts.self_crosses, result.counts.expired, result.counts.rejected) == (1, 1, 1)


def test_a_cancel_ends_the_order_unless_it_comes_too_late() -> None:
    rows = [*OPEN, (35, SOLD, 100, 40), (60, BID, 100, 1)]
    assert play(rows, buy(0, 4, 100), cancel(1, 0)).counts.cancelled == 1
    late = play(rows, buy(0, 4, 100), cancel(2, 0), order_latency=6, response_latency=50)
    assert fills(late) == [(35, 4, 100, "trade")]
    assert (late.counts.missed_cancels, late.counts.cancelled, late.counts.filled) == (1, 0, 1)


def test_orders_that_are_none_or_too_many_never_leave() -> None:
    rows = [*OPEN, (90, BID, 100, 1)]
    bad = [Act(0, LIMIT, 0, 100), Act(0, LIMIT, 1, -3), buy(0, 1, 100, 3.0), market(0, 0)]
    result = play(rows, *bad, buy(1, 1, 90), buy(1, 1, 91), buy(1, 1, 92), most_orders=2)
    assert result.counts.refused == 5
    assert (result.counts.orders, result.counts.open) == (2, 2)


def test_an_order_meets_the_book_of_its_arrival() -> None:
    rows = [*FAR, (14, ASK, 101, 1), (15, ASK, 101, 0), (16, ASK, 101, 9), (40, BID, 98, 1)]
    # Sent at 10, arrives at 15, after what happened at 15 and before 16.
    assert fills(play(rows, market(0, 1), order_latency=5)) == [(15, 1, 102, "taking")]


def test_a_step_sees_the_book_one_feed_latency_ago() -> None:
    rows = [*FAR, (3, BOUGHT, 101, 1), (4, ASK, 101, 1), (9, ASK, 101, 7), (40, SOLD, 100, 2)]
    prompt = play(rows, steps=4)
    late = play(rows, steps=4, feed_latency=6)
    assert seen(prompt, 0, 0)[9:11] == [101.0, 7.0]
    assert seen(late, 0, 0)[9:11] == [101.0, 1.0]
    assert seen(late, 0, 1)[9:11] == [101.0, 7.0]
    assert seen(late, 0, 0)[3:6] == [101.0, 1.0, 0.0]  # last, bought, sold since the step before
    assert seen(late, 0, 1)[3:6] == [101.0, 0.0, 0.0]
    assert seen(prompt, 0, 3)[3:6] == [100.0, 0.0, 2.0]
    assert seen(prompt, 0, 0)[6:9] == [100.0, 10.0, 99.0]


def test_a_step_learns_of_fills_one_response_latency_later() -> None:
    rows = [*FAR, (60, BID, 98, 1)]
    result = play(rows, market(0, 2), steps=6, order_latency=3, response_latency=10, cash=1_000.0)
    assert [seen(result, 1, step)[1] for step in range(6)] == [0.0, 0.0, 2.0, 2.0, 2.0, 2.0]
    assert [seen(result, 1, step)[2] for step in range(3)] == [1_000.0, 1_000.0, 798.0]
    # The exchange knows at 13; the samples of the result are its account.
    assert result.held.tolist() == [0, 2, 2, 2, 2, 2]


def test_steps_follow_the_events_that_the_strategy_sees() -> None:
    rows = [(0, BID, 100, 1), (2, ASK, 101, 1), (5, BID, 100, 2), (5, BID, 99, 1), (9, ASK, 101, 2)]
    result = play(rows, steps=3, every_events=2, feed_latency=3)
    # After the 2nd event, and after the 4th with all of its stamp; never inside a message.
    assert result.ts.tolist() == [5, 8]
    assert seen(result, 0, 0)[6:8] == [100.0, 1.0]
    assert seen(result, 0, 1)[6:9] == [100.0, 2.0, 99.0]


def test_a_snapshot_empties_the_book_and_keeps_own_orders() -> None:
    rows = [
        *OPEN,
        (20, CLEAR, 0, 0),
        (20, BID, 100, 4),
        (20, ASK, 102, 1),
        (30, SOLD, 100, 5),
        (40, BID, 98, 1),
    ]
    result = play(rows, buy(0, 3, 100), steps=4)
    assert seen(result, 1, 1)[6:] == [100.0, 4.0, pytest.approx(math.nan, nan_ok=True), 102.0, 1.0,
                                      pytest.approx(math.nan, nan_ok=True)]  # fmt: skip
    assert fills(result) == [(30, 1, 100, "trade")]  # 4 ahead at most


def test_nothing_is_ahead_at_a_level_that_a_snapshot_does_not_show() -> None:
    rows = [*OPEN, (20, CLEAR, 0, 0), (20, BID, 99, 4), (20, ASK, 102, 1), (30, SOLD, 100, 5)]
    assert fills(play(rows, buy(0, 3, 100))) == [(30, 3, 100, "trade")]


def test_equity_is_cash_and_position_at_the_mid() -> None:
    rows = [*FAR, (15, ASK, 101, 0), (15, ASK, 102, 0), (40, BID, 98, 1)]
    result = play(rows, market(0, 2), taker_bps=10.0, cash=500.0)
    cash = 500 - 202 * 1.001
    assert result.equity == pytest.approx([500.0, cash + 2 * 101.5, cash + 203.0, cash + 203.0])
    assert result.ts.tolist() == [10, 20, 30, 40]


def test_a_book_is_sampled_as_a_taker_would_find_it() -> None:
    samples = book_samples(events_of([*FAR, (20, BID, 98, 3)], tick=0.5, lot=0.1), 10, 3)
    assert samples.ts.tolist() == [0, 10, 20]
    mid = 100.5
    # Who buys takes 2 at 101, 3 at 102, 5 at 103; who sells 10 at 100, 20 at 99, 30 at 98.
    assert samples.sizes[0] == pytest.approx(np.array([[0.2, 0.5, 1.0], [1.0, 3.0, 6.0]]))
    bought = [101, (2 * 101 + 3 * 102) / 5, (2 * 101 + 3 * 102 + 5 * 103) / 10]
    sold = [100, (1000 + 20 * 99) / 30, (1000 + 20 * 99 + 30 * 98) / 60]
    wanted = np.array([[p / mid - 1 for p in bought], [1 - p / mid for p in sold]])
    assert samples.offsets[0] == pytest.approx(wanted, rel=1e-12)
    assert samples.sizes[2, 1, 2] == pytest.approx(3.3)
    # With four levels asked for there is no sample: neither side has them.
    assert book_samples(events_of(FAR), 10, 4).ts.size == 0


def test_crossed_and_locked_books_are_counted_by_message() -> None:
    rows = [*OPEN, (1, BID, 101, 1), (2, BID, 102, 1), (3, BID, 102, 0), (3, BID, 101, 0)]
    survey = survey_book(events_of([*rows, (4, SOLD, 100, 1), (5, ASK, 101, 0), (5, ASK, 102, 0)]))
    assert survey == (5, 1, 1, 1)


@pytest.mark.parametrize(
    "rules",
    [{}, {"interval": 1, "every_events": 1}, {"interval": 1, "order_latency": -1}, {"interval": 1,
     "depth": 0}, {"interval": 1, "exponent": 0.0}, {"interval": 1, "maker_bps": math.nan}],
)  # fmt: skip
def test_rules_that_make_no_sense_are_refused(rules: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="L2 rules"):
        L2Rules(**rules)  # type: ignore[arg-type]


def test_a_step_of_plain_python_is_refused() -> None:
    with pytest.raises(ValueError, match="not compiled"):
        L2Program(lambda *given: None, [])


def test_events_that_make_no_sense_are_refused() -> None:
    for rows, why in (
        ([(1, BID, 100, 1), (0, BID, 100, 1)], "goes back"),
        ([(0, BID, 0, 1)], "not a positive"),
        ([(0, SOLD, 100, 0)], "not a positive"),
        ([(0, BID, 100, -1)], "not a positive"),
        ([(0, 5, 100, 1)], "no such kind"),
        ([(0, BID, 1, 1), (0, ASK, 1 << 28, 1)], "span"),
    ):
        with pytest.raises(ValueError, match=why):
            events_of(rows)
