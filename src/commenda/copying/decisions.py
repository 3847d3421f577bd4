"""What a strategy decided, bar by bar, as it is kept: a signal tells what was traded of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from commenda.copying.runner import Move
from commenda.kit.db import Tx
from commenda.kit.rows import columns


class Taken(NamedTuple):
    """When a bar closed (epoch seconds) that was taken, and what it made the strategy do."""

    closed: int
    move: Move | None


class Decided(NamedTuple):
    """A bar that led to something, or did not follow the one that was taken before it."""

    flow_id: UUID
    closed_at: datetime
    after: datetime | None
    """When that one had closed; None before the first."""
    target: Decimal | None
    stop_price: Decimal | None


def worth_noting(
    flow_id: UUID, taken: Sequence[Taken], last_bar: int | None, interval: int
) -> Iterator[Decided]:
    """Of bars that were taken after `last_bar`, the first of all, those with a hole before them and
    those that led to something."""
    before = None if last_bar is None else last_bar + interval
    for closed, move in taken:
        if move is not None or before is None or closed != before + interval:
            stop, target = move or (None, None)
            after = None if before is None else _moment(before)
            yield Decided(flow_id, _moment(closed), after, target, stop)
        before = closed


def note_taken(tx: Tx, decided: Sequence[Decided], now: datetime) -> None:
    """Keep what bars led to; what is kept already stays."""
    if decided:
        tx.execute(
            "INSERT INTO flow_decisions (flow_id, closed_at, after, target, stop_price, taken_at)"
            " SELECT n.*, %s FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[],"
            "  %s::numeric[], %s::numeric[]) AS n ON CONFLICT DO NOTHING",
            (now, *columns(decided, 5)),
        )


def _moment(ts: int) -> datetime:
    return datetime.fromtimestamp(ts, UTC)
