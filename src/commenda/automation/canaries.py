"""Canaries: flows that try other parameters beside a flow, with a part of its capital.

A canary is a flow of the same creator with a leading book of its own, paid from the creator's
wallet: what leads a flow is neither paid into nor out of. Nobody follows it, no list shows it, and
what it holds goes back to the wallet when it ends.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.automation.running import bars_of
from commenda.copying import (
    Flow,
    TermsVersion,
    asset_of,
    find_flow,
    follow,
    request_leave,
    share_flow,
)
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.kit.rows import first, put, records
from commenda.ledger import Author, Owner, OwnerKind
from commenda.market import length_stored
from commenda.risk import stops_of

MOST_BARS = 20_000


@dataclass(frozen=True, slots=True)
class Canary:
    """Parameters that are tried beside a flow; `outcome` of None still runs."""

    id: UUID
    flow_id: UUID
    canary_flow_id: UUID
    study_id: UUID
    params: Mapping[str, float]
    terms_version: int
    """Of the incumbent, against which it is held."""
    capital: Decimal
    began_at: datetime
    begun_by: UUID
    ended_at: datetime | None
    outcome: str | None
    ended_by: UUID | None


_CANARY: LiteralString = (
    "SELECT id, flow_id, canary_flow_id, study_id, params, terms_version, capital, began_at,"
    " begun_by, ended_at, outcome, ended_by FROM canaries"
)


def running_canaries(tx: Tx) -> list[Canary]:
    """Those that have not ended, the earliest first."""
    return records(tx, Canary, _CANARY + " WHERE ended_at IS NULL ORDER BY began_at, id")


def canaries_of(tx: Tx, flow_id: UUID) -> list[Canary]:
    """All that a flow ever had beside it, the latest first."""
    query: LiteralString = _CANARY + " WHERE flow_id = %s ORDER BY began_at DESC, id"
    return records(tx, Canary, query, (flow_id,))


def canary_begun_by(tx: Tx, decision_id: UUID) -> Canary | None:
    """The canary that a decision began."""
    return first(tx, Canary, _CANARY + " WHERE begun_by = %s", (decision_id,))


def open_canary(tx: Tx, canary_id: UUID) -> Canary:
    """A canary that runs, locked; code `canary_ended`."""
    query: LiteralString = _CANARY + " WHERE id = %s AND ended_at IS NULL FOR UPDATE"
    found = first(tx, Canary, query, (canary_id,))
    if found is None:
        raise conflict("canary_ended", "This canary has ended").at(
            "canaryId", canary_id, "begin another one"
        )
    return found


def require_no_canary(tx: Tx, flow_id: UUID) -> None:
    """Code `canary_runs` where other parameters are being tried beside a flow."""
    running = next((one for one in canaries_of(tx, flow_id) if one.ended_at is None), None)
    if running is not None:
        raise conflict("canary_runs", "Other parameters are being tried beside this flow").at(
            "canaryId", running.id, "wait until it ends, or take it back"
        )


def begin_canary(
    tx: Tx,
    author: Author,
    flow: Flow,
    terms: TermsVersion,
    params: Mapping[str, float],
    capital: Decimal,
    study: UUID,
    begun_by: UUID,
) -> Canary:
    """Let `params` trade beside a flow with `capital` of its creator's wallet, under its stops.

    Codes those of `share_flow` and of `follow`, of which `insufficient_balance` is the likeliest.
    """
    canary_id = ids.derive("canary", begun_by)
    own = replace(
        flow,
        id=ids.derive("canary-flow", canary_id),
        title=f"{flow.title[:100]} · canary",
        params=params,
        max_followers=None,
        description="",
        tags=(),
        automatic=False,
        canary_of=flow.id,
    )
    stops = None if terms.stops is None else stops_of(terms.stops)
    share_flow(tx, own, author.now, stops, terms.template)
    follow(
        tx,
        author,
        flow=own,
        follower=Owner(OwnerKind.CREATOR, flow.creator_id),
        amount=capital,
        asset=asset_of(tx, flow.instrument_id),
        key="vault",
        is_leader=True,
    )
    row = {
        "id": canary_id,
        "flow_id": flow.id,
        "canary_flow_id": own.id,
        "study_id": study,
        "params": Jsonb(dict(find_flow(tx, own.id).params)),
        "terms_version": terms.version,
        "capital": capital,
        "began_at": author.now,
        "begun_by": begun_by,
    }
    put(tx, "INSERT INTO canaries", row)
    return open_canary(tx, canary_id)


def end_canary(tx: Tx, author: Author, canary: Canary, outcome: str, ended_by: UUID) -> None:
    """Close the canary's flow; its book is closed and paid back as any other that is left."""
    tx.execute(
        "UPDATE canaries SET ended_at = %s, outcome = %s, ended_by = %s WHERE id = %s",
        (author.now, outcome, ended_by, canary.id),
    )
    row = tx.execute(
        "SELECT id, follower_id FROM flow_subscriptions WHERE flow_id = %s AND is_leader"
        " AND status <> 'cancelled'",
        (canary.canary_flow_id,),
    ).fetchone()
    if row is not None:  # its creator may have left it already
        request_leave(tx, author, row[0], row[1])


# --- What both did -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeadingBook:
    """A flow's leading book: what its cash and what it holds were, since when."""

    asset: str
    capital: Decimal
    cash: Sequence[tuple[datetime, Decimal]]
    held: Sequence[tuple[datetime, Decimal]]

    def worth(self, at: datetime, price: Decimal) -> Decimal:
        """Cash and what is held, at a price."""
        return _standing(self.cash, at) + _standing(self.held, at) * price


def _standing(moves: Sequence[tuple[datetime, Decimal]], at: datetime) -> Decimal:
    place = bisect_right(moves, at, key=lambda one: one[0])
    return moves[place - 1][1] if place else Decimal(0)


def leading_book(tx: Tx, flow: Flow) -> LeadingBook | None:
    """The book that leads a flow; None where it has none."""
    row = tx.execute(
        "SELECT l.id, l.account_id, l.capital FROM flow_subscriptions s"
        " JOIN legs l ON l.id = s.leg_id WHERE s.flow_id = %s AND s.is_leader",
        (flow.id,),
    ).fetchone()
    if row is None:
        return None
    leg, account, capital = row
    entries = tx.execute(
        "SELECT j.posted_at, e.balance_after, j.key FROM entries e"
        " JOIN journals j ON j.id = e.journal_id WHERE e.account_id = %s ORDER BY e.version",
        (account,),
    ).fetchall()
    fills = tx.execute(
        "SELECT a.order_id::text, a.quantity FROM allocations a JOIN orders o ON o.id = a.order_id"
        " WHERE a.leg_id = %s AND o.instrument_id = %s AND a.quantity <> 0",
        (leg, flow.instrument_id),
    ).fetchall()
    waiting: dict[str, Decimal] = dict(fills)
    held, quantity = list[tuple[datetime, Decimal]](), Decimal(0)
    for at, _, key in entries:
        # A fill counts from the moment at which its cash moved.
        _, _, named = key.partition("allocation:")
        quantity += waiting.pop(named.partition(":")[0], Decimal(0))
        held.append((at, quantity))
    asset = asset_of(tx, flow.instrument_id)
    return LeadingBook(asset, capital, [(at, after) for at, after, _ in entries], held)


def equity_now(tx: Tx, flow: Flow, now: datetime) -> Decimal | None:
    """What a flow's leading book is worth at the latest mark; None without a book or a mark."""
    book = leading_book(tx, flow)
    row = tx.execute(
        "SELECT price FROM market_marks WHERE instrument_id = %s", (flow.instrument_id,)
    ).fetchone()
    return None if book is None or row is None else book.worth(now, row[0])


def paired_returns(tx: Tx, canary: Canary, now: datetime) -> list[tuple[float, float]]:
    """(incumbent, canary) returns of each bar that closed since the canary began, of both leading
    books as they were worth at its close."""
    flow, own = find_flow(tx, canary.flow_id), find_flow(tx, canary.canary_flow_id)
    books = leading_book(tx, flow), leading_book(tx, own)
    seconds = flow.interval_seconds or length_stored(tx, flow.instrument_id)
    if books[0] is None or books[1] is None or seconds is None:
        return []
    step = timedelta(seconds=seconds)
    bars = bars_of(tx, flow, now, min(MOST_BARS, (now - canary.began_at) // step + 1))
    closes = [
        (datetime.fromtimestamp(one.ts, UTC) + step, Decimal(repr(one.close))) for one in bars
    ]
    worth = [
        (books[0].worth(at, price), books[1].worth(at, price))
        for at, price in closes
        if at >= canary.began_at
    ]
    return [
        (float(after[0] / before[0] - 1), float(after[1] / before[1] - 1))
        for before, after in pairwise(worth)
        if min(before) > 0
    ]


def told_of(canary: Canary) -> dict[str, Any]:
    """A canary as decisions' evidence names it."""
    return {
        "canaryId": canary.id,
        "flowId": canary.flow_id,
        "canaryFlowId": canary.canary_flow_id,
        "studyId": canary.study_id,
        "params": dict(canary.params),
        "termsVersion": canary.terms_version,
        "beganAt": canary.began_at,
    }
