"""L2 replay by hand: queue models, the walk through the book, what is gone, and latencies."""

from __future__ import annotations

import math

import pytest

from commenda.kernel import (
    QueueModel,
)
from l2_scenes import ASK, BID, OPEN, SOLD, Row, buy, fills, play


def test_an_order_waits_for_what_was_displayed_ahead_of_it() -> None:
    rows = [*OPEN, (20, SOLD, 100, 7), (30, SOLD, 100, 5), (40, SOLD, 100, 1), (50, SOLD, 100, 9)]
    result = play(rows, buy(0, 4, 100))
    # 10 ahead: 7 and 3 of the next 5 are theirs; then 2, 1 and the last 1 of 9 are ours.
    assert fills(result) == [(30, 2, 100, "trade"), (40, 1, 100, "trade"), (50, 1, 100, "trade")]
    assert [fill.offered for fill in result.fills] == [2, 1, 9]
    assert [fill.event for fill in result.fills] == [5, 6, 7]
    assert result.counts.filled == 1
    assert result.counts.open == 0


def test_own_orders_of_one_price_share_a_trade_in_order_of_arrival() -> None:
    rows = [*OPEN, (15, BID, 100, 16), (30, SOLD, 100, 12), (40, SOLD, 100, 8)]
    result = play(rows, buy(0, 3, 100), buy(1, 3, 100))
    # 10, ours 3, 6 that came between, ours 3: the trade of 12 ends 1 lot before our first is done.
    assert fills(result) == [(30, 2, 100, "trade"), (40, 1, 100, "trade"), (40, 1, 100, "trade")]
    assert result.fills[0].order == result.fills[1].order != result.fills[2].order


MILLION = 1_000_000


def fill_after_cancellation(
    ahead: int, behind: int, cancelled: int, trade: int, **rules: object
) -> tuple[int, int]:
    """Lots filled by `trade`, after the level lost `cancelled`; and the ambiguous decreases."""
    rows: list[Row] = [
        (0, BID, 100, ahead),
        (0, ASK, 101, MILLION),
        (15, BID, 100, ahead + behind),
        (25, BID, 100, ahead + behind - cancelled),
        (30, SOLD, 100, trade),
    ]
    result = play(rows, buy(0, 100 * MILLION, 100), **rules)
    return sum(fill.lots for fill in result.fills), result.counts.ambiguous


@pytest.mark.parametrize(
    ("rules", "share"),
    [
        ({}, 0.0),
        ({"queue": QueueModel.POWER}, 0.25),
        ({"queue": QueueModel.POWER, "exponent": 3.0}, 1.0 / (1.0 + 27.0)),
        (
            {"queue": QueueModel.LOG},
            math.log1p(10e6) / (math.log1p(10e6) + math.log1p(30e6)),
        ),
    ],
)
def test_cancellations_move_the_order_by_the_queue_model(
    rules: dict[str, object], share: float
) -> None:
    """f(10) / (f(10) + f(30)) of the cancelled 8 million lots stood ahead: Rigtorp, step 3."""
    filled, ambiguous = fill_after_cancellation(
        10 * MILLION, 30 * MILLION, 8 * MILLION, 12 * MILLION, **rules
    )
    assert filled == math.floor(12e6 - (10e6 - 8e6 * share) + 1e-9)
    assert ambiguous == 1


def test_more_than_is_displayed_is_never_ahead() -> None:
    # Of 10 + 30 only 4 are left: 6 of the 10 ahead are gone, even for the pessimist.
    assert fill_after_cancellation(10, 30, 36, 12)[0] == 8
    assert fill_after_cancellation(10, 30, 40, 12)[0] == 12


def test_a_decrease_that_trades_explain_moves_nothing_twice() -> None:
    rows = [*OPEN, (15, BID, 100, 30), (20, SOLD, 100, 4), (25, BID, 100, 26), (30, SOLD, 100, 7)]
    for model in QueueModel:
        result = play(rows, buy(0, 5, 100), queue=model)
        assert fills(result) == [(30, 1, 100, "trade")]
        assert result.counts.ambiguous == 0


def test_what_traded_before_arrival_is_not_ahead() -> None:
    rows = [*OPEN, (5, SOLD, 100, 6), (20, SOLD, 100, 5)]
    assert fills(play(rows, buy(0, 5, 100))) == [(20, 1, 100, "trade")]


def test_a_touch_without_trades_fills_nothing() -> None:
    rows = [*OPEN, (20, BID, 100, 3), (30, BID, 100, 0), (30, BID, 99, 1), (40, BID, 100, 5)]
    result = play(rows, buy(0, 4, 100), queue=QueueModel.POWER)
    assert result.fills == ()
    assert result.counts.open == 1


def test_a_trade_beyond_the_price_fills_better_orders_first_and_no_more_than_traded() -> None:
    rows = [*OPEN, (20, SOLD, 98, 5)]
    result = play(rows, buy(0, 2, 99), buy(0, 4, 100))
    assert fills(result) == [(20, 4, 100, "trade"), (20, 1, 99, "trade")]
    assert [fill.level for fill in result.fills] == [98, 98]
    assert [fill.offered for fill in result.fills] == [5, 1]


def test_the_other_side_at_the_price_fills_what_it_displays_and_only_once() -> None:
    rows = [
        *OPEN,
        (20, BID, 100, 0),
        (20, ASK, 100, 3),
        (30, BID, 98, 7),
        (40, ASK, 100, 1),
        (50, ASK, 99, 9),
        (50, BID, 99, 0),
    ]
    result = play(rows, buy(0, 6, 100))
    assert fills(result) == [(20, 3, 100, "book"), (40, 1, 100, "book"), (50, 2, 100, "book")]
    assert [fill.level for fill in result.fills] == [100, 100, 99]
    assert [fill.offered for fill in result.fills] == [3, 1, 9]


def test_a_book_half_updated_fills_nothing() -> None:
    # The message first moves the ask down to our bid and then takes that ask away again.
    rows = [*OPEN, (20, ASK, 100, 3), (20, ASK, 100, 0), (20, ASK, 101, 1)]
    assert play(rows, buy(0, 6, 100)).fills == ()
