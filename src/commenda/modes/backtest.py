"""The backtest that a flow is held against: over which bars, and what it decided and traded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np

from commenda.copying import LATE, RUNNER_CASH, SEEN, Decided, move_of
from commenda.kernel import Bars, Fill, FillKind, Funding, Stepper, Terms, wants, with_stops
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.market import Bar
from commenda.modes.queries import Compared, exact, funding_stamps, moment_of, stored_bars
from commenda.modes.rules import NOTHING, ZERO, Decision, Traded
from commenda.strategies import BarData, run_program

SECOND = 1_000_000_000
AT_THE_OPEN = frozenset({FillKind.TARGET, FillKind.TIME})


@dataclass(frozen=True, slots=True)
class Seen:
    """The bars of both sides, from the flow's first to its last, and those before for warm-up."""

    warm: Sequence[Bar]
    bars: Sequence[Bar]
    missed: Sequence[datetime] = ()
    """When bars closed that only one side has."""
    changed: Sequence[datetime] = ()
    """When bars closed that are others on the two sides."""
    before: Sequence[Bar] = ()
    """All that are known before them, for stops that learn from those."""


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
    begin = flow.began_anew_at or next(
        (one.closed_at for one in decided if one.after is None), None
    )
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
    if flow.turns:
        earlier = max(earlier, SEEN)
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
        before,
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

    decisions: dict[Decision, Decimal]
    trades: Mapping[Decision, tuple[Traded, Decimal]]


def tested(
    flow: Compared, seen: Seen, funding: Sequence[tuple[int, Decimal, Decimal]], stake: Decimal
) -> Tested:
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
    closes = [moment_of(bar.ts + flow.interval) for bar in every]
    decisions: dict[Decision, Decimal] = {}
    if flow.program.stops.plain and not flow.turns:
        run = run_program(
            flow.program,
            bars,
            cash=RUNNER_CASH,
            funding=charged,
            costs=flow.own_costs,
            terms=Terms(spot=flow.spot),
        )
        targets = run.targets.tolist()
        for place, (was, target) in enumerate(pairwise([0.0, *targets])):
            if target != was and place >= warm:
                decisions[closes[place], "target"] = exact(target)
        fills: Sequence[Fill] = run.fills
    else:
        decisions, fills = _stepped(flow, seen, charged, bars, closes)
    scale = stake / exact(RUNNER_CASH)
    trades: dict[Decision, tuple[Traded, Decimal]] = {}
    slippage = flow.terms.slippage
    for fill in fills:
        quantity, price = exact(fill.quantity) * scale, exact(fill.price)
        traded = Traded(quantity, quantity * price, exact(fill.fee) * scale)
        key = closes[fill.bar], "stop"
        if fill.kind in AT_THE_OPEN or (key not in decisions and not flow.program.stops.plain):
            trades[closes[fill.bar - 1], "target"] = traded, exact(every[fill.bar].open)
            continue
        decisions[key] = ZERO
        reference = price / (1 + (slippage if quantity > 0 else -slippage))
        more, _ = trades.get(key, (NOTHING, ZERO))
        trades[key] = (
            Traded(*(one + two for one, two in zip(traded, more, strict=True))),
            reference.quantize(Decimal(1).scaleb(-18)),
        )
    return Tested(decisions, trades)


def _stepped(
    flow: Compared, seen: Seen, funding: Funding, bars: Bars, closes: Sequence[datetime]
) -> tuple[dict[Decision, Decimal], Sequence[Fill]]:
    """What a run with stops in layers decided and filled, bar by bar as the flow's own: its stops
    are changed where the flow's were."""
    stepper = Stepper(
        flow.program, cash=RUNNER_CASH, costs=flow.own_costs, terms=Terms(spot=flow.spot)
    )
    decisions: dict[Decision, Decimal] = {}
    fills: list[Fill] = []
    known = [*seen.before, *seen.bars]
    earlier = len(known) - len(closes)
    prices = list(zip(bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True))
    stamps = list(zip(funding.ts, funding.rate, funding.mark, strict=True))
    for place, (ts, price) in enumerate(zip(bars.ts.tolist(), prices, strict=True)):
        for change in flow.turns.get(closes[place], ()):
            learnt = known[max(0, earlier + place - SEEN) : earlier + place]
            columns = [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in learnt]
            stops = change.program.stops
            stepper = with_stops(stepper, stops, columns, cash=RUNNER_CASH, loosen=change.loosen)
        after = bars.ts[place - 1] if place else ts - flow.interval * SECOND
        charged = [(rate, mark) for at, rate, mark in stamps if after < at <= ts]
        was = wants(stepper)
        warms = place < len(seen.warm)
        opened, high, low, close, volume = map(float, price)
        decision = stepper.on_bar(ts, opened, high, low, close, volume, () if warms else charged)
        move = move_of(stepper, decision, was)
        if move is not None and move.stop_price is not None:
            decisions[closes[place], "stop"] = ZERO
        if move is not None and move.target is not None:
            decisions[closes[place], "target"] = move.target
        fills += [fill._replace(bar=place) for fill in stepper.fills]
    return decisions, fills
