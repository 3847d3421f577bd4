"""What a feed knows of an instrument now, as others read it: its last trades, book and funding."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from commenda.kit.cache import Name
from commenda.market.ingest.follow import Followed
from commenda.market.live import now_names

LEVELS = 20
"""Of each side of a book."""

Telling = Callable[[Followed], dict[str, Any] | None]


def entries(feed: str, followed: list[Followed]) -> dict[Name, Callable[[], str | None]]:
    """What makes each value, by its name; see `kit.cache`."""
    return {
        name: _value(feed, one, kind, tell)
        for one in followed
        for name, (kind, tell) in zip(named(one), _TELLINGS.items(), strict=True)
    }


def named(one: Followed) -> tuple[Name, Name, Name]:
    """Under which names its trades, book and funding are told."""
    return now_names(one.instrument)


def _value(feed: str, one: Followed, kind: str, tell: Telling) -> Callable[[], str | None]:
    about = {"type": kind, "venue": one.instrument.venue, "symbol": one.instrument.symbol}

    def value() -> str | None:
        told = tell(one)
        if told is None:
            return None
        whole = {**about, "feed": feed, "distrust": one.watch.distrust, **told}
        return json.dumps(whole, separators=(",", ":"))

    return value


def _tick(one: Followed) -> dict[str, Any] | None:
    if not one.trades:
        return None
    last = one.trades[-1]
    return {
        "at": one.traded_at,
        "id": last.number,
        "price": last.price,
        "trades": [
            (each.number, each.at, each.price, float(each.quantity), "sell" if each.sold else "buy")
            for each in one.trades
        ],
    }


def _book(one: Followed) -> dict[str, Any] | None:
    if not one.depth_at:
        return None
    bids, asks = one.book.top(LEVELS)
    return {
        "at": one.depth_at,
        "id": one.book.last,
        "right": one.book.right,
        "why": one.book.why,
        "bids": bids,
        "asks": asks,
    }


def _funding(one: Followed) -> dict[str, Any] | None:
    told = one.marked
    if told is None:
        return None
    at, mark, index, rate, following = (told.get(name) for name in "EpirT")
    return {"at": at, "id": at, "mark": mark, "index": index, "rate": rate, "next": following}


_TELLINGS: dict[str, Telling] = {"tick": _tick, "book": _book, "funding": _funding}
