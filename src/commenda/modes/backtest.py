"""The backtest that a flow is held against: over which bars, and what it decided and traded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np

from commenda.copying import LATE, RUNNER_CASH, Decided
from commenda.kernel import Bars, FillKind, Funding, Terms
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.market import Bar
from commenda.modes.queries import Compared, exact, funding_stamps, moment_of, stored_bars
from commenda.modes.rules import NOTHING, ZERO, Decision, Traded
from commenda.strategies import BarData, run_program

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """The bars of both sides, from the flow's first to its last, and those before for warm-up."""

    warm: Sequence[Bar]
    bars: Sequence[Bar]
    missed: Sequence[datetime] = ()
    """When bars closed that only one side has."""
    changed: Sequence[datetime] = ()
    """When bars closed that are others on the two sides."""


def seen_bars(
    tx: Tx,
    flow: Compared,
    decided: Sequence[Decided],
    others: BarData | None = None,
    most: int | None = None,
) -> Seen:
    """The stored bars that the backtest is run on, or `others` in their place.

    Codes `flow_untraded` where the flow's first bar is not known or there are none of its
    time, `comparison_too_long`, and `other_interval` where the others are longer or shorter.
    """
    begin = next((one.closed_at for one in decided if one.after is None), None)
    if begin is None:
        raise conflict("flow_untraded", "It is not known which bar this flow took first").at(
            "flowId", flow.id, "share another flow"
        )
    first_at, last_at = int(begin.timestamp()) - flow.interval, int(flow.last_bar_at.timestamp())
    if most is not None and (last_at - first_at) // flow.base_interval > most:
        raise CommendaError(
            "comparison_too_long", f"A comparison over HTTP has {most:,} bars at most"
        ).at("flowId", flow.id, "run commenda flow compare")
    warmup = flow.program.warmup
    earlier = warmup + int(LATE.total_seconds()) // flow.interval + 1
    since = first_at - earlier * flow.interval
    stored = stored_bars(tx, flow, since, last_at)
    given = stored if others is None else _given(flow, others)
    holes = [
        (int(one.after.timestamp()), int(one.closed_at.timestamp()))
        for one in decided
        if one.after is not None and one.closed_at > one.after + timedelta(seconds=flow.interval)
    ]
    took = {
        bar.ts: bar
        for bar in stored
        if first_at <= bar.ts
        and not any(after < bar.ts + flow.interval < closed for after, closed in holes)
    }
    played = {bar.ts: bar for bar in given if first_at <= bar.ts <= last_at}
    if not played:
        raise conflict("flow_untraded", "There are no bars of the time it traded in").at(
            "flowId", flow.id, "give bars of that time"
        )

    def closes(opens: set[int]) -> list[datetime]:
        return [moment_of(ts + flow.interval) for ts in sorted(opens)]

    before = [bar for bar in given if since <= bar.ts < first_at]
    return Seen(
        before[-warmup:] if warmup else [],
        list(played.values()),
        closes(took.keys() ^ played.keys()),
        closes({ts for ts in took.keys() & played.keys() if took[ts] != played[ts]}),
    )


def _given(flow: Compared, others: BarData) -> list[Bar]:
    seconds = others.source.interval // timedelta(seconds=1)
    if seconds != flow.interval:
        raise CommendaError("other_interval", "The flow steps on bars of another length").at(
            "bars", f"{seconds} s", f"give bars of {flow.interval} s"
        )
    bars = others.bars
    prices = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows = zip((bars.ts // SECOND).tolist(), *(one.tolist() for one in prices), strict=True)
    return [Bar(*row) for row in rows]


def charged_funding(
    tx: Tx, flow: Compared, bars: Sequence[Bar]
) -> list[tuple[int, Decimal, Decimal]]:
    """(stamp, rate, mark) of the stamps that a backtest over the bars is charged at. A mark that is
    not known is the close of the bar before."""
    closes = np.array([bar.ts + flow.interval for bar in bars])

    def mark_at(ts: int) -> Decimal:
        place = int(np.searchsorted(closes, ts, side="right")) - 1
        return exact(bars[place].close if place >= 0 else bars[0].open)

    begin, end = moment_of(bars[0].ts), moment_of(bars[-1].ts)
    return [
        (ts, rate, mark_at(ts) if mark is None else mark)
        for ts, rate, mark in funding_stamps(tx, flow.instrument_id, begin, end)
    ]


@dataclass(frozen=True, slots=True)
class Tested:
    """What the backtest decided and traded, by decision; with the market's price of each trade."""

    decisions: Mapping[Decision, Decimal]
    trades: Mapping[Decision, tuple[Traded, Decimal]]


def tested(flow: Compared, seen: Seen, funding: Sequence[tuple[int, Decimal, Decimal]]) -> Tested:
    """Run the backtest; its amounts are of an account of the book's stake."""
    every, warm = [*seen.warm, *seen.bars], len(seen.warm)
    bars = Bars(
        np.array([bar.ts for bar in every]) * SECOND,
        *(
            np.array([getattr(bar, name) for bar in every])
            for name in ("open", "high", "low", "close", "volume")
        ),
    )
    charged = Funding(
        np.array([ts for ts, _, _ in funding], dtype=np.int64) * SECOND,
        np.array([float(rate) for _, rate, _ in funding]),
        np.array([float(mark) for _, _, mark in funding]),
    )
    run = run_program(
        flow.program,
        bars,
        cash=RUNNER_CASH,
        funding=charged,
        costs=flow.own_costs,
        terms=Terms(spot=flow.spot),
    )
    scale = flow.stake / exact(RUNNER_CASH)
    closes = [moment_of(bar.ts + flow.interval) for bar in every]
    decisions: dict[Decision, Decimal] = {}
    targets = run.targets.tolist()
    for place, (was, target) in enumerate(pairwise([0.0, *targets])):
        if target != was and place >= warm:
            decisions[closes[place], "target"] = exact(target)
    trades: dict[Decision, tuple[Traded, Decimal]] = {}
    slippage = flow.terms.slippage
    for fill in run.fills:
        quantity, price = exact(fill.quantity) * scale, exact(fill.price)
        traded = Traded(quantity, quantity * price, exact(fill.fee) * scale)
        if fill.kind is FillKind.TARGET:
            trades[closes[fill.bar - 1], "target"] = traded, exact(every[fill.bar].open)
            continue
        key = closes[fill.bar], "stop"
        decisions[key] = ZERO
        reference = price / (1 + (slippage if quantity > 0 else -slippage))
        more, _ = trades.get(key, (NOTHING, ZERO))
        trades[key] = (
            Traded(*(one + two for one, two in zip(traded, more, strict=True))),
            reference.quantize(Decimal(1).scaleb(-18)),
        )
    return Tested(decisions, trades)
