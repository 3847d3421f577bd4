"""Ability 7: strategies that are worse than the others by more than luck stop for a time (002-12).

    in the market -> banned: nothing is opened -> on trial: entries of a part -> in the market

A ban is a breaker of the flow: whoever sends finds it, exits go on, and it stands on the risk
centre's list with everybody else's. While it stands no product draws the flow. It lasts `ban_days`,
twice as long after each relapse; the trial lasts `trial_days`, and whoever is as bad in it is
banned again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from statistics import fmean
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from commenda.automation.comparing import Compared, Record, compared, is_worse
from commenda.automation.model import Ability, Decision, Done, Evidence, Proposal, Seen, Terms
from commenda.automation.running import active_flows
from commenda.copying import flow_nav, open_flow_ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.kit.times import iso
from commenda.kit.wire import Real, Whole
from commenda.ledger import Author
from commenda.risk import (
    BAN,
    Breaker,
    Effect,
    Level,
    Standing,
    close_breaker,
    find_ban,
    let_half,
    trip,
)

LOOKS = 52
"""A year, among which the error is shared out."""
MOST_RELAPSES = 3
"""After so many the ban grows no more: eight times itself."""


class EliminateTerms(Terms):
    days: Annotated[Whole, Field(ge=10, le=3_660)] = Field(
        default=250, description="Of record that are compared."
    )
    least_days: Annotated[Whole, Field(ge=5, le=3_660)] = Field(
        default=30, description="In common with others, below which nobody is banned."
    )
    error: Annotated[Real, Field(gt=0, le=0.5)] = Field(
        default=0.05, description="The chance that luck alone bans anybody within a year."
    )
    ban_days: Annotated[Real, Field(gt=0, le=366)] = Field(
        default=30.0, description="That a ban lasts; twice as long after each relapse."
    )
    trial_days: Annotated[Real, Field(gt=0, le=366)] = Field(
        default=30.0, description="In which entries of a part of their size are let through."
    )


def look(tx: Tx, now: datetime, terms: Callable[[str | None], Terms | None]) -> Iterable[Seen]:
    flows = active_flows(tx)
    bans = {one.id: find_ban(tx, one.id) for one in flows}
    whole = {one.id: record_of(tx, one.id) for one in flows}

    @cache  # most flows ask the same
    def in_market(days: int) -> dict[UUID, Record]:
        since = now - timedelta(days=days)
        return {one: later(record, since) for one, record in whole.items() if not bans[one]}

    @cache
    def compared_there(days: int, least: int) -> dict[UUID, Compared | None]:
        return against_others(in_market(days), least)

    for flow in flows:
        told = terms(flow.strategy)
        if not isinstance(told, EliminateTerms):
            continue
        ban = bans[flow.id]
        if ban is not None and ban.state == Standing.HALF_OPEN:
            since = max(now - timedelta(days=told.days), ban.changed_at)
            own_trial = {flow.id: later(whole[flow.id], since)}
            found = against_others(in_market(told.days) | own_trial, told.least_days)
        else:
            found = compared_there(told.days, told.least_days)
        own = found.get(flow.id)
        evidence = {
            "now": iso(now),
            "state": "in" if ban is None else ban.state,
            "since": ban and iso(ban.changed_at),
            "relapses": ban.relapses if ban else 0,
            "version": ban.version if ban else 0,
            "days": own and own.days,
            "difference": own and own.difference,
            "t": own and own.t,
            "luck": own and own.luck,
            "ofAll": sorted(one.luck for one in found.values() if one is not None),
        }
        key = f"{evidence['state']}:{evidence['version']}:{now.isoformat()}"
        yield Seen("flow", str(flow.id), flow.title, flow.strategy, evidence, key)


def later(record: Record, since: datetime) -> Record:
    """The days of a record that ended after a moment."""
    return {day: value for day, value in record.items() if day > f"{since:%Y-%m-%d}"}


def against_others(records: Mapping[UUID, Record], least: int) -> dict[UUID, Compared | None]:
    """Each record against all others."""
    return {
        one: compared(record, [of for other, of in records.items() if other != one], least)
        for one, record in records.items()
    }


def record_of(tx: Tx, flow_id: UUID, since: datetime | None = None) -> Record:
    """The daily returns of a flow's own book (since a moment), by the day that they end with."""
    points = [one for one in flow_nav(tx, flow_id).points if since is None or one.at >= since]
    return {
        f"{now.at:%Y-%m-%d}": float(now.nav / before.nav) - 1.0
        for before, now in pairwise(points)
        if before.nav > 0
    }


def decide(evidence: Evidence, terms: EliminateTerms) -> Proposal | None:
    """Ban who is worse than the others by more than luck; let whoever served the time go on trial,
    and back into the market."""
    luck, state = evidence["luck"], evidence["state"]
    worse = luck is not None and is_worse(luck, evidence["ofAll"], terms.error / LOOKS)
    figures = {name: evidence[name] for name in ("days", "difference", "t", "luck")}
    if state in ("in", Standing.HALF_OPEN) and worse:
        why = {"code": "worse_than_luck", "compared": len(evidence["ofAll"]), **figures}
        return Proposal("ban", {"version": evidence["version"]}, [why])
    if state == "in":
        return None
    served = datetime.fromisoformat(evidence["now"]) - datetime.fromisoformat(evidence["since"])
    if state == Standing.OPEN:
        asked = terms.ban_days * 2 ** min(evidence["relapses"], MOST_RELAPSES)
        then, code = "trial", "ban_served"
    else:
        asked, then, code = terms.trial_days, "reinstate", "trial_passed"
    days = served / timedelta(days=1)
    if days < asked:
        return None
    return Proposal(then, {"version": evidence["version"]}, [{"code": code, "days": days}])


def act(tx: Tx, author: Author, decision: Decision) -> Done:
    ban = find_ban(tx, UUID(decision.target), lock=True)
    _require(ban, int(decision.change["version"]))
    reason = f"decision {decision.id}"
    if decision.action == "ban":
        return _made(_ban(tx, author, decision, reason))
    assert ban is not None, "there is a version of it"
    if decision.action == "trial":
        return _made(let_half(tx, author, ban, dict(decision.evidence)))
    return _made(close_breaker(tx, author, ban, reason, dict(decision.evidence)))


def _ban(tx: Tx, author: Author, decision: Decision, reason: str) -> Breaker:
    why = dict(decision.evidence)
    return trip(tx, author, Level.FLOW, decision.target, BAN, Effect.NO_ENTRIES, reason, why)


def _made(breaker: Breaker) -> Done:
    made = {"version": breaker.version, "state": breaker.state}
    return Done([("breaker", breaker.id)], made)


def _require(ban: Breaker | None, version: int) -> None:
    """Code `ban_changed` where a ban is not as it was looked at."""
    stands = ban.version if ban else 0
    if stands != version:
        raise conflict("ban_changed", "The flow's ban was changed meanwhile").at(
            "version", version, f"it is version {stands} now: have it decided anew"
        )


def undo(tx: Tx, author: Author, decision: Decision) -> Done:
    """Lift a ban; ban again whom a trial or the market was opened to."""
    ban = find_ban(tx, UUID(decision.target), lock=True)
    if decision.action == "ban":
        if ban is None or ban.state != Standing.OPEN:
            raise conflict("ban_changed", "The flow's ban was changed meanwhile").at(
                "state", ban.state if ban else "closed", "only a ban that stands is lifted"
            )
        return _made(close_breaker(tx, author, ban, "taken back", {}))
    if ban is not None and ban.state == Standing.OPEN:
        raise conflict("ban_changed", "The flow's ban was changed meanwhile").at(
            "state", ban.state, "it is banned already"
        )
    return _made(_ban(tx, author, decision, "taken back"))


def measure(tx: Tx, now: datetime, decision: Decision) -> Mapping[str, Any] | None:
    """What the flow and the others made since, a day in the mean."""
    assert decision.acted_at is not None, "it was done"
    flow = UUID(decision.target)
    own = record_of(tx, flow, decision.acted_at)
    others = [
        fmean(record.values())
        for one in open_flow_ids(tx)
        if one != flow and (record := record_of(tx, one, decision.acted_at))
    ]
    return {
        "return": fmean(own.values()) if own else None,
        "others": fmean(others) if others else None,
        "ban": getattr(find_ban(tx, flow), "state", Standing.CLOSED),
    }


ELIMINATE = Ability(
    name="eliminate",
    number=7,
    about="Stop strategies that are worse than the others by more than luck, for a time.",
    rule="eliminate/1",
    cron="20 0 * * 1",
    look=look,
    decide=decide,
    act=act,
    undo=undo,
    measure=measure,
    terms=EliminateTerms,
    after=timedelta(days=30),
    budget=5,
    opens=False,
)
