"""Ability 8: a new strategy comes in by stages, each with what it must have shown (002-13).

    conformance suite -> paper -> shadow copy -> small canary -> full

A version of a strategy that was registered and published by somebody enters by the conformance
suite. In paper nobody follows its flows. In shadow copies are held against what the creator's own
book did, and as a canary once more. A stage is left only once all that it asks for has been shown
since it was entered, and by a person's word where the ability needs one. The shipped catalogue is
full from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.automation.model import (
    Ability,
    Decision,
    Done,
    Evidence,
    Proposal,
    Seen,
    Terms,
)
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.rows import put, records
from commenda.kit.wire import Real, Whole, on_wire
from commenda.ledger import Author
from commenda.modes import compare_flow
from commenda.returns import max_drawdown
from commenda.strategies import catalogue
from commenda.testing import Verdict, check_strategy

STAGES = ("conformance", "paper", "shadow", "canary", "full")
FAILED = "failed"
MOST_BARS = 100_000


class OnboardTerms(Terms):
    cooldown_hours: Annotated[Real, Field(ge=0, le=24 * 365)] = Field(
        default=1.0, description="Between two decisions about the same thing."
    )
    days: Annotated[Real, Field(ge=0, le=366)] = Field(
        default=14.0, description="That each stage lasts at least."
    )
    trades: Annotated[Whole, Field(ge=0, le=100_000)] = Field(
        default=10, description="Of the creator's own book in each stage at least."
    )
    drawdown: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=0.2, description="Deepest that is let through, in each stage."
    )
    distance: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=0.02,
        description="Between the results of the flow and of its backtest, of the stake, at most.",
    )
    copies: Annotated[Whole, Field(ge=0, le=1_000)] = Field(
        default=1, description="That must have been held against the creator's book in shadow."
    )
    copy_distance: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=0.01,
        description="Between the returns of a copy and of the creator's book, at most.",
    )


@on_wire
@dataclass(frozen=True, slots=True)
class Stage:
    """How far a version had come from when to when; `left_at` of null: it is there."""

    version: str
    number: int
    stage: str
    entered_at: datetime
    left_at: datetime | None
    decision_id: UUID


_NEW: LiteralString = (
    "SELECT DISTINCT ON (s.name) v.id, s.name, v.version, v.created_at, t.stage, t.entered_at,"
    " t.number FROM strategies s JOIN strategy_versions v ON v.strategy_id = s.id"
    " LEFT JOIN strategy_stages t ON t.version_id = v.id AND t.left_at IS NULL"
    " WHERE s.status = 'published' AND v.created_by <> 'platform'"
    " ORDER BY s.name, v.sequence DESC"
)


def stages_of(tx: Tx, strategy: str) -> list[Stage]:
    """All stages of a strategy's versions, the latest first."""
    return records(
        tx,
        Stage,
        "SELECT v.version, t.number, t.stage, t.entered_at, t.left_at, t.decision_id"
        " FROM strategy_stages t JOIN strategy_versions v ON v.id = t.version_id"
        " JOIN strategies s ON s.id = v.strategy_id WHERE s.name = %s"
        " ORDER BY v.sequence DESC, t.number DESC",
        (strategy,),
    )


def look(tx: Tx, now: datetime, terms: Callable[[str | None], Terms | None]) -> Iterable[Seen]:
    """The latest version of each strategy that was brought in and has not come to its end."""
    for version_id, name, version, registered, stage, entered, number in tx.execute(
        _NEW
    ).fetchall():
        if stage in (FAILED, "full") or terms(name) is None or name not in catalogue():
            continue
        evidence: dict[str, Any] = {"stage": stage or STAGES[0], "version": version}
        if stage is None:
            evidence |= {"registeredAt": registered, "failed": _failed(name)}
        else:
            evidence |= stage_evidence(tx, name, entered, now)
        key = f"{number or 0}:{now.isoformat()}"
        yield Seen("strategy", str(version_id), f"{name} {version}", name, evidence, key)


def _failed(name: str) -> list[dict[str, str]]:
    """The promises that a strategy does not keep."""
    found = check_strategy(catalogue()[name])
    return [
        {"check": one.check, "says": str(one)} for one in found if one.verdict is Verdict.FAILED
    ]


def stage_evidence(tx: Tx, name: str, entered: datetime, now: datetime) -> dict[str, Any]:
    """What a strategy's first open flow has shown since a stage was entered."""
    told: dict[str, Any] = {"days": (now - entered) / timedelta(days=1), "flowId": None}
    row = tx.execute(
        "SELECT f.id, s.leg_id FROM shared_flows f JOIN flow_subscriptions s ON s.flow_id = f.id"
        " AND s.is_leader WHERE f.strategy = %s AND f.status = 'active' AND f.canary_of IS NULL"
        " ORDER BY f.created_at, f.id LIMIT 1",
        (name,),
    ).fetchone()
    if row is None:
        return told
    flow, leg = row
    trades = tx.execute(
        "SELECT count(*) FROM allocations a JOIN orders o ON o.id = a.order_id"
        " WHERE a.leg_id = %s AND a.quantity <> 0 AND o.created_at >= %s",
        (leg, entered),
    ).fetchone()
    assert trades is not None
    own = _units(tx, leg, entered)
    copies = tx.execute(
        "SELECT leg_id FROM flow_subscriptions WHERE flow_id = %s AND NOT is_leader"
        " AND status = 'active' AND copy_mode = 'target' ORDER BY leg_id LIMIT 100",
        (flow,),
    ).fetchall()
    apart = [_apart(own, _units(tx, one, entered)) for (one,) in copies]
    known = [one for one in apart if one is not None]
    return told | {
        "flowId": flow,
        "trades": trades[0],
        "drawdown": max_drawdown(list(own.values())) if len(own) > 1 else None,
        "distance": _distance(tx, flow),
        "copies": len(known),
        "copyDistance": max(known, default=None),
    }


def _units(tx: Tx, leg: UUID, since: datetime) -> dict[datetime, float]:
    """NAV over capital of a leg, day by day."""
    rows = tx.execute(
        "SELECT at, (nav / capital)::float8 FROM nav_history WHERE leg_id = %s AND at >= %s"
        " AND capital > 0 ORDER BY at",
        (leg, since),
    ).fetchall()
    return dict(rows)


def _apart(own: Mapping[datetime, float], copy: Mapping[datetime, float]) -> float | None:
    """By how much the returns over the days that both have differ; None with fewer than two."""
    both = [at for at in copy if at in own]
    if len(both) < 2 or own[both[0]] <= 0 or copy[both[0]] <= 0:
        return None
    return abs(copy[both[-1]] / copy[both[0]] - own[both[-1]] / own[both[0]])


def _distance(tx: Tx, flow: UUID) -> float | None:
    """Between a flow's result and its backtest's, of the stake; None where nothing compares."""
    try:
        with tx.transaction():
            found = compare_flow(tx, flow, most=MOST_BARS).result
    except CommendaError:
        return None
    return float(abs(found.difference) / found.stake) if found.stake > 0 else None


# --- What is decided ---------------------------------------------------------------------------


def missing(evidence: Evidence, terms: OnboardTerms) -> list[dict[str, Any]]:
    """What a stage still asks for: a code for each, with what there is and what is wanted."""
    if evidence.get("flowId") is None:
        return [{"code": "no_flow"}]
    wanted: list[tuple[str, float | None, float, bool]] = [
        ("days", evidence["days"], terms.days, True),
        ("trades", evidence["trades"], terms.trades, True),
        ("drawdown", evidence["drawdown"], terms.drawdown, False),
        ("distance", evidence["distance"], terms.distance, False),
    ]
    if evidence["stage"] != "paper":
        wanted.append(("copies", evidence["copies"], terms.copies, True))
        if evidence["copies"]:
            wanted.append(("copy_distance", evidence["copyDistance"], terms.copy_distance, False))
    return [
        {"code": code, "is": found, "wanted": figure}
        for code, found, figure, least in wanted
        if found is None or (found < figure if least else found > figure)
    ]


def decide(evidence: Evidence, terms: OnboardTerms) -> Proposal | None:
    """Let a version go on once its stage asks for nothing more; a version that does not keep the
    suite's promises fails for good."""
    stage = evidence["stage"]
    if stage == STAGES[0] and evidence["failed"]:
        failed = [{"code": "does_not_conform", **one} for one in evidence["failed"]]
        return Proposal("fail", {"from": stage, "to": FAILED}, failed)
    if stage != STAGES[0] and missing(evidence, terms):
        return None
    following = STAGES[STAGES.index(stage) + 1]
    named = ("days", "trades", "drawdown", "distance", "copies", "copyDistance")
    shown = {name: evidence[name] for name in named if evidence.get(name) is not None}
    return Proposal("advance", {"from": stage, "to": following}, [{"code": "shown", **shown}])


# --- What is done ------------------------------------------------------------------------------


def check(tx: Tx, _now: datetime, decision: Decision) -> None:
    """Code `stage_changed` where the version is not in the stage that was looked at."""
    _require_stage(tx, decision, decision.change["from"])


def _require_stage(tx: Tx, decision: Decision, wanted: str) -> int:
    """The number of the stage that stands; 0 before the first."""
    row = tx.execute(
        "SELECT stage, number FROM strategy_stages WHERE version_id = %s AND left_at IS NULL"
        " FOR UPDATE",
        (decision.target,),
    ).fetchone()
    stage, number = row or (STAGES[0], 0)
    if stage != wanted:
        raise conflict("stage_changed", "This version is in another stage by now").at(
            "stage", stage, "have it decided anew"
        )
    return int(number)


def act(tx: Tx, author: Author, decision: Decision) -> Done:
    """Enter the next stage; the first time the conformance suite is a stage that was left."""
    told = decision.change
    number = _require_stage(tx, decision, told["from"])
    if number == 0:
        since = datetime.fromisoformat(decision.evidence["registeredAt"])
        _enter(tx, decision, 1, STAGES[0], min(since, author.now))
        number = 1
    _leave_and_enter(tx, author, decision, number, told["to"])
    return Done([("stage", f"{decision.target}:{number + 1}")], dict(told))


def undo(tx: Tx, author: Author, decision: Decision) -> Done:
    """Back to the stage before; code `stage_changed` where it has gone on since."""
    told = decision.change
    number = _require_stage(tx, decision, told["to"])
    _leave_and_enter(tx, author, decision, number, told["from"])
    return Done([("stage", f"{decision.target}:{number + 1}")], {"to": told["from"]})


def _leave_and_enter(tx: Tx, author: Author, decision: Decision, number: int, stage: str) -> None:
    tx.execute(
        "UPDATE strategy_stages SET left_at = %s WHERE version_id = %s AND number = %s",
        (author.now, decision.target, number),
    )
    _enter(tx, decision, number + 1, stage, author.now)


def _enter(tx: Tx, decision: Decision, number: int, stage: str, at: datetime) -> None:
    row = {"version_id": decision.target, "number": number, "stage": stage, "entered_at": at}
    put(tx, "INSERT INTO strategy_stages", row | {"decision_id": decision.id})


def measure(tx: Tx, now: datetime, decision: Decision) -> Mapping[str, Any] | None:
    """What the strategy's flow has shown since it entered the stage."""
    assert decision.acted_at is not None, "it is measured once it was done"
    return stage_evidence(tx, str(decision.strategy), decision.acted_at, now)


ONBOARD = Ability(
    name="onboard",
    number=8,
    about="Bring new strategies in by stages, each with what it must have shown.",
    rule="onboard/1",
    cron="40 * * * *",
    look=look,
    decide=decide,
    check=check,
    act=act,
    undo=undo,
    measure=measure,
    terms=OnboardTerms,
    after=timedelta(days=7),
    budget=10,
    wakes=("strategy.published",),
)
