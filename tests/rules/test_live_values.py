"""Which of two feeds' messages of one thing is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from commenda.market import Kind, load_catalogue, now_names, supersedes, topic_of


def book(feed: str, at: int, number: int, *, right: bool = True) -> str:
    return json.dumps({"feed": feed, "at": at, "id": number, "right": right})


@pytest.mark.parametrize(
    ("old", "new", "taken"),
    [
        (book("a", 1, 10), book("a", 2, 12), True),
        (book("a", 2, 12), book("a", 1, 10), False),  # it came the slower way
        (book("a", 2, 12), book("a", 2, 12, right=False), True),
        (book("a", 1, 10), book("b", 2, 12), True),
        (book("a", 1, 10), book("b", 2, 10), False),  # the same again
        (book("a", 1, 10), book("b", 2, 12, right=False), False),
        (book("a", 2, 12, right=False), book("b", 1, 10), True),
        (book("a", 2, 12, right=False), book("b", 3, 14, right=False), True),
    ],
)
def test_a_message_takes_the_place_of_what_it_knows_more_than(
    old: str, new: str, taken: bool
) -> None:
    assert supersedes(old, new) is taken


def test_trades_of_two_feeds_count_by_their_number() -> None:
    first, second = ({"feed": one, "at": 5, "id": number} for one, number in (("a", 7), ("b", 8)))
    assert supersedes(json.dumps(first), json.dumps(second))
    assert not supersedes(json.dumps(second), json.dumps(first))


def test_the_names_are_those_of_the_specification() -> None:
    one = load_catalogue()["binance_usdm", "BTCUSDT"]
    names = now_names(one)
    assert [one.key for one in names] == [
        "md:tick:BTCUSDT",
        "md:book:BTCUSDT",
        "md:funding:BTCUSDT",
    ]
    assert {name.field for name in names} == {"binance_usdm"}


def test_what_is_told_of_one_symbol_at_two_venues_has_two_names() -> None:
    perpetual = load_catalogue()["binance_usdm", "BTCUSDT"]
    spot = replace(perpetual, venue="binance_spot", kind=Kind.SPOT)
    assert not set(now_names(perpetual)) & set(now_names(spot))
    assert topic_of(perpetual) != topic_of(spot)
