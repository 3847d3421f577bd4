"""Lay a flow's trades beside its backtest's and say by which causes they differ."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.kit.db import Tx
from commenda.kit.money import from_units, quantise, round_to_total, scale_of, to_units
from commenda.modes.backtest import Seen, Tested, charged_funding, seen_bars, tested
from commenda.modes.model import (
    AssumedCosts,
    Cause,
    CauseAmount,
    CauseTotal,
    ComparedDecisions,
    ComparedMoment,
    ComparedResult,
    ComparedTerms,
    FlowComparison,
    SideOfMoment,
)
from commenda.modes.queries import (
    Book,
    Circumstances,
    Compared,
    Ordered,
    book_of,
    circumstances,
    decided_of,
    exact,
    find_compared,
    moment_of,
    stake_of,
)
from commenda.modes.rules import (
    CARRIED,
    NOTHING,
    ZERO,
    Agreement,
    Asked,
    Decision,
    Event,
    Row,
    Stamp,
    Traded,
    agree,
    cause_of,
    result,
    totals,
    walk,
)
from commenda.strategies import BarData
from commenda.venues import DEFAULT_VENUE

RANKS = {CARRIED: -1, "stop": 0, "funding": 1, "target": 2}
"""What comes first of what is due at one moment; all else comes after it."""
MOST_MOMENTS = 500
"""That are shown: the latest."""


@dataclass(slots=True)
class Sides:
    """Everything that is known of a flow and of its backtest."""

    flow: Compared
    seen: Seen
    tested: Tested
    decided: Mapping[Decision, Decimal]
    agreement: Agreement
    around: Circumstances
    book: Book
    stake: Decimal

    @property
    def ends(self) -> datetime:
        """When the last bar closed: what is traded from then on, the backtest has not."""
        return moment_of(self.seen.bars[-1].ts + self.flow.interval)

    def is_over(self, decision: Decision) -> bool:
        """Whether a decision was traded before the end; a stop trades inside its bar."""
        at, kind = decision
        return at <= self.ends if kind == "stop" else at < self.ends

    def price_at(self, at: datetime) -> Decimal:
        """Where the market opened at a moment, or closed before it."""
        bars, stamp = self.seen.bars, int(at.timestamp())
        place = max(bisect_right(bars, stamp, key=lambda one: one.ts) - 1, 0)
        return exact(bars[place].open if bars[place].ts >= stamp else bars[place].close)


def compare_flow(
    tx: Tx,
    flow_id: UUID,
    *,
    creator: UUID | None = None,
    bars: BarData | None = None,
    most: int | None = None,
) -> FlowComparison:
    """Hold a flow, of a `creator`'s where one is named, against a backtest over the stored bars, or
    over `bars` in their place; over so many at `most`.

    Codes of `find_compared` and `seen_bars`.
    """
    flow = find_compared(tx, flow_id, creator)
    noted = decided_of(tx, flow)
    seen = seen_bars(tx, flow, [one for one, _ in noted], bars, most)
    funding, book = charged_funding(tx, flow, seen.bars), book_of(tx, flow)
    stake, begin = stake_of(flow, seen.bars, book), flow.began_anew_at
    other = tested(flow, seen, funding, stake)
    decided: dict[Decision, Decimal] = {}
    stood = ZERO
    for one, _ in noted:
        if begin is not None and one.closed_at < begin:
            stood = stood if one.stop_price is None else ZERO
            stood = stood if one.target is None else one.target
            continue
        if one.stop_price is not None:
            decided[one.closed_at, "stop"] = ZERO
        if one.target is not None:
            decided[one.closed_at, "target"] = one.target
    if begin is not None:
        # Begun anew a strategy decides afresh; what stands of the terms before is not asked again.
        decided.setdefault((begin, "target"), stood)
        other.decisions.setdefault((begin, "target"), ZERO)
    agreement = agree(other.decisions, decided, seen.missed, seen.changed)
    around = circumstances(tx, flow, noted)
    sides = Sides(flow, seen, other, decided, agreement, around, book, stake)
    events = sorted(_events(sides), key=_place)
    stamps = list(_stamps(sides, funding))
    rows = walk(sorted([*events, *stamps], key=_place), flow.terms, exact(seen.bars[-1].close))
    return _told(sides, events, rows)


def _place(moment: Event | Stamp) -> tuple[datetime, int]:
    kind = "funding" if isinstance(moment, Stamp) else moment.kind
    return moment.at, RANKS.get(kind, 3)


# --- Moments ------------------------------------------------------------------------------------


def _events(sides: Sides) -> Iterator[Event]:
    carried: set[Decision] = set()
    begin = sides.flow.began_anew_at
    if begin is not None and (held := sides.book.before(begin)[1]):
        price = exact(sides.seen.bars[0].close)
        yield Event(begin, CARRIED, price, live=Traded(held, held * price), why=Cause.CARRIED)
    for one in sides.book.ordered:
        if begin is not None and one.created_at < begin:
            continue
        decision = one.decision
        if decision is not None and decision in sides.decided:
            carried.add(decision)
            if sides.is_over(decision):
                yield _decision(sides, decision, one)
        elif one.created_at < sides.ends:
            yield _other(sides, one)
    for decision in {**sides.tested.decisions, **sides.decided}:
        if decision not in carried and sides.is_over(decision):
            yield _decision(sides, decision, None)


def _decision(sides: Sides, decision: Decision, one: Ordered | None) -> Event:
    """A decision, what the backtest traded of it, and the signal that carried it out."""
    at, kind = decision
    traded, price = sides.tested.trades.get(decision, (NOTHING, None))
    if price is None:
        price = sides.price_at(at)
    targets = sides.tested.decisions.get(decision), sides.decided.get(decision)
    apart = sides.agreement.apart.get(decision)
    if one is None:
        why = apart or _unpublished(sides, decision)
        return Event(at, kind, price, traded, why=why, targets=targets, apart=apart)
    moved = apart or (Cause.SIZE if one.target == targets[1] else Cause.LATE)
    asked = _asked(sides, one, moved)
    why = _unasked(sides, one)
    return Event(
        at, kind, price, traded, one.traded, asked, one.reference, why, targets, apart, one.order_id
    )


def _other(sides: Sides, one: Ordered) -> Event:
    """A signal that carries out no decision of a bar, or an order that no signal asked for."""
    at, price = one.created_at, one.reference
    if one.natural_key is None:
        why = Cause.FORCED if one.cause == "forced" else Cause.CLOSED
        return Event(at, one.cause, price, live=one.traded, why=why, order_id=one.order_id)
    kind = one.natural_key.rpartition(":")[2]
    moved = {"again": Cause.HALTED, "exit": Cause.REFUSED}.get(kind, Cause.UNEXPLAINED)
    if kind == "target" and sides.around.ended_a_pause(at):
        moved = Cause.PAUSED
    asked = _asked(sides, one, moved)
    why, targets = _unasked(sides, one), (None, one.target)
    return Event(
        at, kind, price, NOTHING, one.traded, asked, None, why, targets, order_id=one.order_id
    )


def _asked(sides: Sides, one: Ordered, moved: Cause) -> Asked | None:
    """What a signal asked for the book; None where it asked nothing of it."""
    if one.requested is None:
        return None
    filled = bool(one.quantity)
    is_working = one.order_status is not None and one.quantity is None
    held_back = cause_of(one.error if one.execution == "skipped" or filled else None)
    unfilled = cause_of(one.reason, one.order_status)
    if sides.flow.spot and one.order_status == "filled":  # less a fee in kind, or than a lot
        unfilled = Cause.FEE if one.requested > 0 else Cause.ROUNDING
    return Asked(
        one.target or ZERO,
        one.reference,
        sides.book.cash_before(one),
        one.requested,
        moved,
        held_back,
        Cause.WORKING if is_working else unfilled,
    )


def _unasked(sides: Sides, one: Ordered) -> Cause:
    """Why a signal asked nothing of the book."""
    if one.signal_status == "published":
        return Cause.WORKING
    return Cause.CLOSED if sides.flow.book_status == "cancelled" else Cause.PAUSED


def _unpublished(sides: Sides, decision: Decision) -> Cause:
    """Why there is no signal of a decision that the flow took."""
    at, around = decision[0], sides.around
    if at == sides.flow.began_anew_at:
        return Cause.CARRIED
    if at in around.late or at in around.outrun:
        return Cause.LATE
    if around.were_paused(at):
        return Cause.PAUSED
    return Cause.WORKING if sides.flow.pending_at == at else Cause.UNEXPLAINED


def _stamps(sides: Sides, funding: Sequence[tuple[int, Decimal, Decimal]]) -> Iterator[Stamp]:
    known = {ts: (rate, mark) for ts, rate, mark in funding}
    received, last = sides.book.funding(), sides.seen.bars[-1].ts
    begin = sides.flow.began_anew_at
    first = 0 if begin is None else int(begin.timestamp())
    for ts in sorted(known.keys() | {one for one in received if one <= last}):
        if ts < first:
            continue
        yield Stamp(moment_of(ts), *known.get(ts, (ZERO, ZERO)), received.get(ts, ZERO))


# --- What is said of it -------------------------------------------------------------------------


def _told(sides: Sides, events: Sequence[Event], rows: Sequence[Row]) -> FlowComparison:
    flow, last = sides.flow, exact(sides.seen.bars[-1].close)
    stamps = [row.moment for row in rows if isinstance(row.moment, Stamp)]
    live = result((one.live for one in events), (one.received for one in stamps), last)
    scale = scale_of(flow.quote)
    live = quantise(live, scale)
    causes = _causes(rows, scale)
    difference = sum((one.amount for one in causes), ZERO)
    shown = [row for row in rows if isinstance(row.moment, Event) or row.amounts]
    return FlowComparison(
        flow_id=flow.id,
        strategy=flow.strategy,
        symbol=flow.symbol,
        currency=flow.quote,
        venue=flow.venue,
        mode="paper" if flow.venue.partition(":")[0] == DEFAULT_VENUE else "exchange",
        interval_seconds=flow.interval,
        begins=moment_of(sides.seen.bars[0].ts),
        ends=sides.ends,
        bars=len(sides.seen.bars),
        one_sided_bars=len(sides.seen.missed),
        changed_bars=len(sides.seen.changed),
        decisions=ComparedDecisions(*sides.agreement[:3]),
        result=ComparedResult(sides.stake, live - difference, live, difference),
        assumed=AssumedCosts(flow.terms.fee, flow.terms.slippage),
        causes=causes,
        moments=[_moment(row, scale) for row in reversed(shown[-MOST_MOMENTS:])],
        all_moments=len(shown),
        terms=[
            ComparedTerms(one.version, one.began_at, one.stops is not None)
            for one in reversed(flow.versions)
            if one.began_at is not None or one.version == 1
        ],
    )


def _causes(rows: Sequence[Row], scale: int) -> list[CauseTotal]:
    """What each cause made, in whole units of money that add up to the whole, the greatest first.
    One that is less than a unit is in the others'."""
    found = {cause: amount for cause, amount in totals(rows).items() if amount}
    whole = to_units(quantise(sum(found.values(), ZERO), scale), scale)
    names = sorted(found)
    parts = round_to_total(whole, [found[name] for name in names], scale, names)
    told = [
        CauseTotal(name, from_units(part, scale), sum(1 for row in rows if name in row.amounts))
        for name, part in zip(names, parts, strict=True)
        if part
    ]
    return sorted(told, key=lambda one: -abs(one.amount))


def _moment(row: Row, scale: int) -> ComparedMoment:
    moment = row.moment
    event = moment if isinstance(moment, Event) else None
    rounded = {cause: quantise(amount, scale) for cause, amount in row.amounts.items()}
    causes = [CauseAmount(cause, amount) for cause, amount in rounded.items() if amount]
    tested_target, live_target = (None, None) if event is None else event.targets
    decided = event is not None and event.kind in RANKS and event.targets != (None, None)
    return ComparedMoment(
        at=moment.at,
        kind="funding" if event is None else event.kind,
        price=None if event is None else quantise(event.price, 8),
        backtest=_side(tested_target, NOTHING if event is None else event.backtest),
        live=_side(live_target, NOTHING if event is None else event.live),
        agrees=event.apart is None if event is not None and decided else None,
        why=None if event is None else event.apart,
        difference=sum((one.amount for one in causes), ZERO),
        causes=sorted(causes, key=lambda one: -abs(one.amount)),
        order_id=None if event is None else event.order_id,
    )


def _side(target: Decimal | None, traded: Traded) -> SideOfMoment:
    price = quantise(traded.notional / traded.quantity, 8) if traded.quantity else None
    return SideOfMoment(target, quantise(traded.quantity, 8), price, quantise(traded.fee, 8))
