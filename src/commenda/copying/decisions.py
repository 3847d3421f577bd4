"""What a strategy decided, bar by bar, as it is kept: a signal tells what was traded of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import isnan
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.copying.model import INPUTS
from commenda.copying.runner import Move
from commenda.kernel import StopLine
from commenda.kit.db import Tx
from commenda.kit.rows import columns


class Taken(NamedTuple):
    """When a bar closed (epoch seconds) that was taken, and what it made the strategy do."""

    closed: int
    move: Move | None


class Target(NamedTuple):
    """An exposure to move to, or a stop's price, and when the bar closed that it was decided on."""

    value: Decimal
    decided_at: datetime | None
    line: Mapping[str, Any] | None = None
    """The stop that it carries out: which rule, where its price rested and out of what."""

    @property
    def columns(self) -> tuple[Decimal | None, datetime | None, Jsonb | None]:
        """As it waits to be published."""
        return self.value, self.decided_at, None if self.line is None else Jsonb(self.line)


class Decided(NamedTuple):
    """A bar that led to something, or did not follow the one that was taken before it."""

    flow_id: UUID
    closed_at: datetime
    after: datetime | None
    """When that one had closed; None before the first."""
    target: Decimal | None
    stop_price: Decimal | None
    stop: Mapping[str, Any] | None = None
    """Which stop fired, or is carried out."""


def said_line(line: StopLine | None) -> dict[str, Any] | None:
    """A stop that fired as it is kept: which rule, where its price rested and out of what."""
    if line is None:
        return None
    inputs = dict(zip(INPUTS[line.layer], (line.first, line.second), strict=True))
    return {
        "layer": line.layer,
        "level": None if isnan(line.price) else repr(line.price),
        "inputs": {name: repr(value) for name, value in inputs.items() if not isnan(value)},
    }


def worth_noting(
    flow_id: UUID, taken: Sequence[Taken], last_bar: int | None, interval: int
) -> Iterator[Decided]:
    """Of bars that were taken after `last_bar`, the first of all, those with a hole before them and
    those that led to something."""
    before = None if last_bar is None else last_bar + interval
    for closed, move in taken:
        if move is not None or before is None or closed != before + interval:
            stop, target, line = move or (None, None, None)
            after = None if before is None else _moment(before)
            yield Decided(flow_id, _moment(closed), after, target, stop, said_line(line))
        before = closed


def note_taken(tx: Tx, decided: Sequence[Decided], now: datetime) -> None:
    """Keep what bars led to; what is kept already stays."""
    if decided:
        tx.execute(
            "INSERT INTO flow_decisions"
            " (flow_id, closed_at, after, target, stop_price, stop, taken_at)"
            " SELECT n.*, %s FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[],"
            "  %s::numeric[], %s::numeric[], %s::jsonb[]) AS n ON CONFLICT DO NOTHING",
            (now, *columns([(*one[:5], one.stop and Jsonb(one.stop)) for one in decided], 6)),
        )


def come_to(moves: Sequence[Taken]) -> tuple[Target | None, Target | None]:
    """(price of a stop that fired in the last bar, target to move to), either or none."""
    stop, target = None, None
    for place, (closed, move) in enumerate(moves, start=1):
        if move is None:
            continue
        at = datetime.fromtimestamp(closed, UTC)
        if move.stop_price is not None:
            is_last = place == len(moves)
            out = Target(Decimal(0), at)
            said = said_line(move.line)
            fired = Target(move.stop_price, at, said)
            stop, target = (fired, None) if is_last else (None, out._replace(line=said))
        if move.target is not None:
            line = None if move.stop_price is not None else said_line(move.line)
            target = Target(move.target, at, line)
    return stop, target


def _moment(ts: int) -> datetime:
    return datetime.fromtimestamp(ts, UTC)
