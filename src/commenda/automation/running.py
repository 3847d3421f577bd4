"""The running flows, as abilities see them: their terms, their record and their market's bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from commenda.automation.model import Terms
from commenda.copying import (
    Flow,
    TermsVersion,
    find_flow,
    flow_nav,
    open_flow_ids,
    strategy_of,
    versions_of,
)
from commenda.kit.db import Tx
from commenda.market import Bar, composed, length_stored, stored_bars
from commenda.risk import Limit, Measure, limits_in_force, said_stops

RANGE = 22
"""Bars of the average range: LeBeau's month of days."""


@dataclass(frozen=True, slots=True)
class Running:
    """One active flow, and all versions of its terms, the latest first."""

    flow: Flow
    versions: Sequence[TermsVersion]

    @property
    def terms(self) -> TermsVersion:
        return self.versions[0]

    @property
    def stops(self) -> dict[str, Any]:
        """Those in force, whoever set them."""
        return stops_in(self.flow, self.terms)


def active_flows(tx: Tx) -> list[Flow]:
    """Every flow that trades."""
    flows = [find_flow(tx, flow_id) for flow_id in open_flow_ids(tx)]
    return [one for one in flows if one.status == "active"]


def running(tx: Tx, told: Callable[[str | None], Terms | None]) -> Iterator[tuple[Running, Any]]:
    """Every active flow that its creator lets the machine change, with the terms of the ability
    that asks; those are left out for which it is off."""
    for flow in active_flows(tx):
        terms = told(flow.strategy)
        if terms is not None and flow.automatic:
            yield Running(flow, versions_of(tx, flow.id)), terms


def target_of(tx: Tx, flow: Flow) -> float:
    """A flow's standing exposure, a signed fraction of its equity."""
    row = tx.execute(
        "SELECT s.target FROM trading_signals s JOIN shared_flows f ON f.id = s.flow_id"
        " AND f.last_sequence = s.sequence WHERE f.id = %s",
        (flow.id,),
    ).fetchone()
    return 0.0 if row is None else float(row[0])


def units_of(tx: Tx, flow: Flow) -> list[float]:
    """What a unit of a flow's leading book was worth, day by day, from 1."""
    return [float(point.nav) for point in flow_nav(tx, flow.id).points]


def stops_in(flow: Flow, version: TermsVersion) -> dict[str, Any]:
    """The stops of a version of a flow's terms: those that were set, or the strategy's."""
    own = strategy_of(flow.strategy).bind(**version.params).stops
    return dict(said_stops(own) if version.stops is None else version.stops)


def bars_of(tx: Tx, flow: Flow, now: datetime, count: int) -> list[Bar]:
    """The last bars of a flow's own length that have closed, `count` at most."""
    base, until = length_stored(tx, flow.instrument_id), int(now.timestamp())
    if base is None:
        return []
    interval = flow.interval_seconds or base
    first = (until // interval - count) * interval
    bars = stored_bars(tx, flow.instrument_id, base, first, until)
    return [one for one in composed(bars, base, interval) if first <= one.ts <= until - interval][
        -count:
    ]


def average_range(bars: list[Bar], length: int) -> float | None:
    """The mean true range of the last `length` bars, as a fraction of the last close; None where
    there are fewer."""
    if len(bars) <= length:
        return None
    ranges = [
        max(bar.high, before.close) - min(bar.low, before.close)
        for before, bar in zip(bars[-length - 1 :], bars[-length:], strict=False)
    ]
    return float(np.mean(ranges)) / bars[-1].close


def tightest_fall(tx: Tx, flow: Flow) -> Limit | None:
    """The tightest limit of drawdown in force over a flow's books, whatever its level."""
    places = {
        ("platform", ""),
        ("strategy", flow.strategy),
        ("flow", str(flow.id)),
        ("creator", str(flow.creator_id)),
        ("venue", flow.venue),
        *((level, "*") for level in ("strategy", "flow", "creator", "venue", "scope")),
    }
    found = [
        one
        for one in limits_in_force(tx)
        if one.measure == Measure.DRAWDOWN and (one.level, one.subject) in places
    ]
    return min(found, key=lambda one: one.amount, default=None)
