"""What is on record of a flow and of its creator's own book."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from commenda.copying import Change, Decided, TermsVersion, changes_after, program_of, versions_of
from commenda.kernel import Costs, Program
from commenda.kit.db import Tx
from commenda.kit.errors import conflict, unknown
from commenda.kit.money import scale_of
from commenda.kit.rows import first, records
from commenda.market import Bar, composed
from commenda.modes.rules import ZERO, Decision, Terms, Traded
from commenda.strategies import costs_of

BASIS_POINT = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Compared:
    """A flow as far as a comparison needs it, with its creator's own book."""

    id: UUID
    creator_id: UUID
    strategy: str
    params: Mapping[str, float]
    venue: str
    instrument_id: int
    symbol: str
    quote: str
    tick: Decimal
    lot: Decimal
    interval: int
    base_interval: int
    last_bar_at: datetime
    costs: Mapping[str, Any] | None
    pending_at: datetime | None
    book: UUID
    leg: UUID
    cash_account: int
    stake: Decimal
    book_status: str
    spot: bool
    versions: Sequence[TermsVersion] = ()
    """Of its terms: those since its strategy was begun anew last, the present ones first."""

    @property
    def program(self) -> Program:
        """What was begun with."""
        return program_of(self.strategy, self.versions[-1])

    @property
    def began_anew_at(self) -> datetime | None:
        """When the first bar closed under other parameters than the flow was shared with; None
        where they stand."""
        return None if self.versions[-1].version == 1 else self.versions[-1].began_at

    @property
    def turns(self) -> Mapping[datetime, Sequence[Change]]:
        """Stops that were changed since, by the close of the first bar that was taken under
        them. What was changed again before that was taken up with it."""
        found: dict[datetime, list[Change]] = {}
        waiting: list[Change] = []
        began = {one.version: one.began_at for one in self.versions}
        for change in changes_after(self.strategy, self.versions):
            waiting.append(change)
            if (at := began[change.version]) is not None:
                found[at], waiting = waiting, []
        return found

    @property
    def own_costs(self) -> Costs:
        return Costs() if self.costs is None else costs_of(dict(self.costs))

    @property
    def terms(self) -> Terms:
        costs = self.own_costs
        return Terms(
            fee=exact(costs.fee_bps) * BASIS_POINT,
            slippage=exact(costs.slippage_bps + costs.spread_bps / 2) * BASIS_POINT,
            tick=self.tick,
            lot=self.lot,
            unit=Decimal(1).scaleb(-scale_of(self.quote)),
        )


@dataclass(frozen=True, slots=True)
class ListedFlow:
    """A shared flow, as the command line lists it."""

    id: UUID
    title: str
    strategy: str
    symbol: str
    venue: str
    status: str
    last_bar_at: datetime | None


def listed_flows(tx: Tx) -> list[ListedFlow]:
    """Every flow, by its title."""
    return records(
        tx,
        ListedFlow,
        "SELECT f.id, f.title, f.strategy, i.symbol, f.venue, f.status, f.last_bar_at"
        " FROM shared_flows f JOIN instruments i ON i.id = f.instrument_id"
        " ORDER BY f.title, f.id",
    )


def exact(number: float) -> Decimal:
    """What a measured number prints as."""
    return Decimal(repr(float(number)))


def find_compared(tx: Tx, flow_id: UUID, creator: UUID | None = None) -> Compared:
    """A flow that trades; codes `unknown_flow`, also for another's where a `creator` is named, and
    `flow_untraded` before it took a bar, or where no book of its creator's follows it."""
    owner = tx.execute(
        "SELECT creator_id, last_bar_at FROM shared_flows WHERE id = %s", (flow_id,)
    ).fetchone()
    if owner is None or creator not in (None, owner[0]):
        raise unknown("flow", flow_id, "flowId")
    found = first(
        tx,
        Compared,
        "SELECT f.id, f.creator_id, f.strategy, f.params, f.venue, f.instrument_id, i.symbol,"
        " i.quote, i.tick, i.lot, coalesce(f.interval_seconds, b.interval_seconds) AS interval,"
        " b.interval_seconds AS base_interval, f.last_bar_at, f.runner_costs AS costs,"
        " f.pending_at, s.id AS book, s.leg_id AS leg, l.account_id AS cash_account,"
        " s.investment_amount AS stake, s.status AS book_status, i.kind = 'spot' AS spot"
        " FROM shared_flows f JOIN instruments i ON i.id = f.instrument_id"
        " JOIN flow_subscriptions s ON s.flow_id = f.id AND s.is_leader"
        " JOIN legs l ON l.id = s.leg_id"
        " CROSS JOIN LATERAL (SELECT interval_seconds FROM market_bars"
        "  WHERE instrument_id = f.instrument_id ORDER BY ts DESC LIMIT 1) b"
        " WHERE f.id = %s AND f.last_bar_at IS NOT NULL AND s.investment_amount > 0",
        (flow_id,),
    )
    if found is None:
        raise conflict("flow_untraded", "This flow has not traded yet").at(
            "flowId", flow_id, "wait until it has taken its first bar"
        )
    return replace(found, versions=_since_begun(found.strategy, versions_of(tx, flow_id)))


def _since_begun(strategy: str, versions: Sequence[TermsVersion]) -> Sequence[TermsVersion]:
    """The versions since the last at which other parameters began the strategy anew, by a bar that
    it has taken."""
    anew = [one.version for one in changes_after(strategy, versions) if one.anew]
    taken = {one.version for one in versions if one.began_at is not None}
    for version in sorted(taken, reverse=True):
        before = max((one for one in taken if one < version), default=0)
        if any(before < one <= version for one in anew):
            return [one for one in versions if one.version >= version]
    return versions


def decided_of(tx: Tx, flow: Compared) -> list[tuple[Decided, datetime]]:
    """What a flow's bars led to until its last one, in order, and when each was taken."""
    rows = tx.execute(
        "SELECT flow_id, closed_at, after, target, stop_price, taken_at FROM flow_decisions"
        " WHERE flow_id = %s AND closed_at <= %s ORDER BY closed_at",
        (flow.id, flow.last_bar_at + timedelta(seconds=flow.interval)),
    )
    return [(Decided(*row), taken) for *row, taken in rows]


def stored_bars(tx: Tx, flow: Compared, since: int, until: int) -> list[Bar]:
    rows = tx.execute(
        "SELECT extract(epoch FROM ts)::bigint, open, high, low, close, volume FROM market_bars"
        " WHERE instrument_id = %s AND ts >= %s AND ts < %s"
        "  AND 0 < low AND low <= least(open, close) AND greatest(open, close) <= high ORDER BY ts",
        (flow.instrument_id, moment_of(since), moment_of(until + flow.interval)),
    ).fetchall()
    return composed([Bar(*row) for row in rows], flow.base_interval, flow.interval)


def funding_stamps(
    tx: Tx, instrument_id: int, after: datetime, until: datetime
) -> list[tuple[int, Decimal, Decimal | None]]:
    """(stamp, rate, mark where one is known) of the funding in (after, until]."""
    return tx.execute(
        "SELECT extract(epoch FROM f.ts)::bigint, f.value, m.value FROM market_observations f"
        " LEFT JOIN market_observations m"
        "  ON m.instrument_id = f.instrument_id AND m.series = 'mark' AND m.ts = f.ts"
        " WHERE f.instrument_id = %s AND f.series = 'funding' AND f.ts > %s AND f.ts <= %s"
        " ORDER BY f.ts",
        (instrument_id, after, until),
    ).fetchall()


@dataclass(frozen=True, slots=True)
class Ordered:
    """A signal and what it did in the creator's own book, or an order that no signal asked for."""

    created_at: datetime
    cause: str
    signal_status: str | None
    natural_key: str | None
    target: Decimal | None
    reference: Decimal
    execution: str | None
    requested: Decimal | None
    error: str | None
    order_id: UUID | None
    order_status: str | None
    reason: str | None
    quantity: Decimal | None
    notional: Decimal | None
    fee: Decimal | None

    @property
    def traded(self) -> Traded:
        return Traded(self.quantity or ZERO, self.notional or ZERO, self.fee or ZERO)

    @property
    def decision(self) -> Decision | None:
        """The decision that it carries out."""
        at, _, kind = (self.natural_key or "").partition(":")
        return (moment_of(int(at)), kind) if at.isdigit() and kind else None


_ORDERED: LiteralString = (
    "SELECT s.created_at, 'signal' AS cause, s.status AS signal_status,"
    " s.natural_key, s.target,"
    " s.reference_price AS reference, e.status AS execution, e.requested, e.error,"
    " o.id AS order_id, o.status AS order_status, o.reason, a.quantity, a.notional, a.fee,"
    " s.sequence AS place"
    " FROM trading_signals s"
    " LEFT JOIN signal_executions e ON e.signal_id = s.id AND e.subscription_id = %(book)s"
    " LEFT JOIN (orders o JOIN allocations a ON a.order_id = o.id AND a.leg_id = %(leg)s)"
    "  ON o.cause = 'signal' AND o.cause_id = s.id"
    " WHERE s.flow_id = %(flow)s"
    " UNION ALL SELECT o.created_at, o.cause, NULL, NULL, NULL, o.reference_price, NULL,"
    " a.requested, NULL, o.id, o.status, o.reason, a.quantity, a.notional, a.fee, o.number"
    " FROM allocations a JOIN orders o ON o.id = a.order_id"
    " WHERE a.leg_id = %(leg)s AND o.cause <> 'signal' AND a.quantity <> 0"
)


class Entry(NamedTuple):
    """What moved a book's cash."""

    kind: str
    key: str
    posted_at: datetime
    effective_at: datetime
    amount: Decimal
    before: Decimal


@dataclass(frozen=True, slots=True)
class Book:
    """What was asked for the creator's own book, in its order, and what moved its cash."""

    ordered: Sequence[Ordered]
    entries: Sequence[Entry]
    by_order: Mapping[str, Decimal] = field(init=False)
    """Cash before the fills of an order, by the beginning of their journals' key."""

    def __post_init__(self) -> None:
        before: dict[str, Decimal] = {}
        for entry in self.entries:
            before.setdefault(entry.key.rpartition(":")[0], entry.before)
        object.__setattr__(self, "by_order", before)

    def cash_before(self, one: Ordered) -> Decimal:
        """The cash when it was asked: before the order's fills, or as it stood then."""
        before = self.by_order.get(f"allocation:{one.order_id}")
        if before is not None:
            return before
        place = bisect_right(self.entries, one.created_at, key=lambda entry: entry.posted_at)
        return self.entries[place - 1].before + self.entries[place - 1].amount if place else ZERO

    def before(self, at: datetime) -> tuple[Decimal, Decimal]:
        """(cash, quantity held) as they stood before what was done at a moment."""
        place = bisect_left(self.entries, at, key=lambda entry: entry.posted_at)
        cash = self.entries[place - 1].before + self.entries[place - 1].amount if place else ZERO
        held = sum((one.traded.quantity for one in self.ordered if one.created_at < at), ZERO)
        return cash, held

    def funding(self) -> dict[int, Decimal]:
        """What it received, by stamp."""
        received: dict[int, Decimal] = {}
        for entry in self.entries:
            if entry.kind == "funding":
                stamp = round(entry.effective_at.timestamp())
                received[stamp] = received.get(stamp, ZERO) + entry.amount
        return received


def stake_of(flow: Compared, bars: Sequence[Bar], book: Book) -> Decimal:
    """What the backtest begins with: the book's stake or, where the strategy was begun anew, what
    the book was worth then, at the close of the first of the `bars`."""
    if flow.began_anew_at is None:
        return flow.stake
    cash, held = book.before(flow.began_anew_at)
    return cash + held * exact(bars[0].close)


def book_of(tx: Tx, flow: Compared) -> Book:
    named: LiteralString = (
        "created_at, cause, signal_status, natural_key, target, reference, execution, requested,"
        " error, order_id, order_status, reason, quantity, notional, fee"
    )
    query: LiteralString = (
        "SELECT " + named + " FROM (" + _ORDERED + ") AS one ORDER BY created_at, place"  # noqa: S608 - constants
    )
    ordered = records(tx, Ordered, query, {"book": flow.book, "leg": flow.leg, "flow": flow.id})
    entries = tx.execute(
        "SELECT j.kind, j.key, j.posted_at, j.effective_at, e.amount, e.balance_before"
        " FROM entries e JOIN journals j ON j.id = e.journal_id"
        " WHERE e.account_id = %s ORDER BY e.version",
        (flow.cash_account,),
    )
    return Book(ordered, [Entry(*row) for row in entries])


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else is known of a flow's decisions, besides its signals."""

    late: frozenset[datetime] = frozenset()
    """When bars closed whose targets came too late to be traded in full."""
    paused: Sequence[tuple[datetime, datetime | None]] = ()
    """Times in which it published nothing."""
    outrun: frozenset[datetime] = frozenset()
    """When bars closed whose targets a later bar's outran in the same tick."""

    def ended_a_pause(self, at: datetime) -> bool:
        return any(end == at for _, end in self.paused)

    def were_paused(self, at: datetime) -> bool:
        return any(begin <= at and (end is None or at <= end) for begin, end in self.paused)


_TOLD = ("flow.resumed", "flow.target_late")
"""Besides whatever paused it: its creator, or that it failed."""


def circumstances(
    tx: Tx, flow: Compared, decided: Sequence[tuple[Decided, datetime]]
) -> Circumstances:
    rows = tx.execute(
        "SELECT kind, happened_at, result, details FROM audit_events"
        " WHERE subject = %s AND (kind = ANY (%s) OR result = 'paused') ORDER BY id",
        (str(flow.id), list(_TOLD)),
    ).fetchall()
    late, paused = set(), list[tuple[datetime, datetime | None]]()
    for kind, at, result, details in rows:
        if kind == "flow.target_late" and details["decided"] is not None:
            late.add(datetime.fromisoformat(details["decided"]))
        elif kind == "flow.resumed" and paused:
            paused[-1] = paused[-1][0], at
        elif result == "paused":
            paused.append((at, None))
    outrun = {
        one.closed_at
        for (one, taken), (_, taken_after) in pairwise(
            [pair for pair in decided if pair[0].target is not None or pair[0].stop_price]
        )
        if taken == taken_after
    }
    return Circumstances(frozenset(late), paused, frozenset(outrun))


def moment_of(ts: int) -> datetime:
    return datetime.fromtimestamp(ts, UTC)
