"""The kinds of alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from commenda.identity import Permission
from commenda.kit.wire import derived, on_wire


class AlertState(StrEnum):
    """Where an alert stands."""

    NEW = "new"
    """Open, and nobody has acknowledged it."""
    ACKNOWLEDGED = "acknowledged"
    """Open, and somebody has said what is done about it."""
    CLOSED = "closed"
    """What it was about is over."""


class Severity(StrEnum):
    WARNING = "warning"
    """The platform tries again or goes on; look at it within the day."""
    CRITICAL = "critical"
    """Somebody's money waits or does not agree until a person acts."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of alert."""

    name: str
    """Of the event in the audit trail, and the key of its text in each of the languages. A kind
    that was released keeps its name, and a new one begins with `alert.`: the index that finds
    alerts goes by that."""
    severity: Severity
    quiet: timedelta | None = None
    """Of what nobody ends: the business time without another about the same subject after which it
    is over. Where it is None, whoever raises it says when it ends."""
    told: Permission = Permission.OVERVIEW
    """Whoever has this permission is told."""


@on_wire
@dataclass(frozen=True, slots=True)
class Alert:
    """What somebody should look at, in the form of a live message."""

    id: int
    kind: Annotated[str, Field(examples=["liquidation.failed"])]
    subject: str
    correlation_id: UUID
    result: str
    at: Annotated[datetime, Field(description="When it was raised first.")]
    last_at: datetime
    count: Annotated[int, Field(description="How often it was raised since it is open.")]
    acknowledged_at: datetime | None
    acknowledged_by: Annotated[
        str | None, Field(examples=["risk:0b2f6a2c-2f5d-8b52-8d0e-0d1f6c1f1a11"])
    ]
    acknowledged_by_name: Annotated[str | None, Field(examples=["grace"])]
    note: Annotated[str | None, Field(description="What they said of it.")]
    closed_at: Annotated[
        datetime | None, Field(description="When it ended; null while it is open.")
    ]
    details: dict[str, Any]
    type: str = "alert"

    @derived
    def severity(self) -> Severity:
        return kind_named(self.kind).severity

    @derived
    def state(self) -> AlertState:
        if self.closed_at is not None:
            return AlertState.CLOSED
        return AlertState.NEW if self.acknowledged_at is None else AlertState.ACKNOWLEDGED


@on_wire
@dataclass(frozen=True, slots=True)
class Standing:
    """How many alerts are open."""

    open: int
    unacknowledged: int
    critical: Annotated[int, Field(description="Open and critical, acknowledged or not.")]


KINDS = (
    # An instrument whose positions the venue does not let go of, for all books together; each try
    # counts, and it is tried again by itself.
    Kind("liquidation.failed", Severity.WARNING),
    # A subscription that missed a deadline, until the step is done.
    Kind("alert.matured_not_liquidating", Severity.CRITICAL),
    Kind("alert.liquidating_too_long", Severity.CRITICAL),
    Kind("alert.liquidated_not_settled", Severity.CRITICAL),
    Kind("alert.matured_not_settled", Severity.CRITICAL),
    Kind("alert.settled_not_shared", Severity.CRITICAL),
    Kind("alert.profit_share_failing", Severity.WARNING),
    # A withdrawal of a part whose positions do not get closed, and one that came to nothing.
    Kind("alert.withdrawing_too_long", Severity.CRITICAL),
    Kind("alert.withdrawal_refused", Severity.WARNING, timedelta(days=1)),
    # A flow whose strategy or publication fails, and a signal that no follower can take.
    Kind("alert.flow_failed", Severity.CRITICAL),
    Kind("alert.copy_failed", Severity.CRITICAL),
    # A flow whose result differs from its backtest's, and no record says why; until one does.
    Kind("alert.flow_apart", Severity.WARNING),
    # A portfolio is far from the weights it was given; over when it is not.
    Kind("alert.portfolio_drifted", Severity.WARNING),
    # What the machine asked a person for, until somebody decides.
    Kind("alert.decision_waits", Severity.WARNING),
    # A step of the tick, or the job of a schedule, until it succeeds.
    Kind("alert.job_failed", Severity.WARNING),
    # Somebody at the machine made, invited or reset one of the staff: no second person was asked.
    Kind("alert.staff_at_machine", Severity.WARNING, timedelta(days=1)),
    # Somebody at the machine connected an account at an exchange.
    Kind("alert.venue_at_machine", Severity.WARNING, timedelta(days=1)),
    # An account that gives no answer, until it does; and orders there that nobody here sent.
    Kind("alert.venue_silent", Severity.CRITICAL),
    Kind("alert.venue_strange", Severity.CRITICAL),
    # What happens there is found out by asking, only later.
    Kind("alert.venue_deaf", Severity.WARNING),
    # Nothing is asked of it until then, exits neither.
    Kind("alert.venue_limited", Severity.CRITICAL),
    # What an exchange closed by itself, posted to the books that held it.
    Kind("alert.venue_forced", Severity.CRITICAL, timedelta(days=1)),
    # A limit that left less of what was asked for; each time counts.
    Kind("alert.risk_limit", Severity.WARNING, timedelta(days=1)),
    # Entries of a bank statement that match no deposit, and money that the bank took back.
    Kind("alert.bank_unmatched", Severity.WARNING, timedelta(days=1)),
    Kind("alert.bank_reversed", Severity.CRITICAL, timedelta(days=30)),
    # Nothing is opened of what a breaker covers, until it is closed.
    Kind("alert.breaker_open", Severity.CRITICAL),
    # An instrument whose live data no feed can vouch for, until one can; and what a feed found.
    Kind("alert.market_untrusted", Severity.CRITICAL),
    Kind("alert.market_finding", Severity.WARNING, timedelta(hours=6)),
    # A line of the reconciliation with something unexplained, until one without it is held.
    Kind("alert.unreconciled", Severity.CRITICAL),
    # A rule that something breaks, or a chain that is not whole, until a proof finds it whole.
    Kind("alert.proof_broken", Severity.CRITICAL),
)


def kind_named(name: str) -> Kind:
    """The row of this name; KeyError where there is none, which is a mistake in the program."""
    return _BY_NAME[name]


def topic_of(told: Permission) -> str:
    """The topic of live messages about alerts for whoever has this permission."""
    return "alerts" if told is Permission.OVERVIEW else f"alerts:{told}"


_BY_NAME = {kind.name: kind for kind in KINDS}
