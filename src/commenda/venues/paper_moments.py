"""When a paper order meets a bar: at its open or inside it, once it has closed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from commenda.market import Bar, CandleFeed
from commenda.venues.paper_orders import PaperOrder
from commenda.venues.rules import Trade, at_open, inside


def moments(
    feed: CandleFeed, live: Sequence[PaperOrder], instrument_id: int, now: datetime
) -> Iterator[tuple[int, Bar, Callable[..., Trade | None]]]:
    """(when, bar, how orders trade then): each bar's open and, once it closed, its inside."""
    stamp, interval = int(now.timestamp()), feed.interval
    first = min(order.seen_ts for order in live)
    found = []
    for ts in feed.timestamps(first + 1 - interval, stamp + 1):
        bar = feed.bar(instrument_id, ts)
        if bar is not None:
            found.append((ts, 1, bar, at_open))
            found.append((ts + interval, 0, bar, inside))
    for at, _, bar, price_of in sorted(found, key=lambda one: one[:2]):
        if at <= stamp:
            yield at, bar, price_of


def takes_part(order: PaperOrder, at: int, bar: Bar, interval: int) -> bool:
    """Whether a live order that was placed, and not seen to yet, trades in a bar at that moment."""
    if order.status.is_terminal or at <= order.seen_ts or bar.ts < order.active_ts:
        return False
    if order.rests_since_before and bar.ts + interval > int(order.placed_at.timestamp()):
        return False
    return (
        order.expires_at is None
        or at < order.expires_at.timestamp()
        or (at == order.expires_at.timestamp() and at > bar.ts)
    )
