"""The life of a managed subscription: its states, what may follow what, and what is overdue.

    RESERVED -> ACTIVE -> MATURED -> LIQUIDATING -> LIQUIDATED -> SETTLED
            \\-> CANCELLED      ACTIVE -> LIQUIDATING  (early exit, where the product allows it)

A liquidation that fails is not a transition: the state stays LIQUIDATING with a reason and a next
retry. Rules: DESIGN.md, section 4; acceptance.md, 000-06 to 000-08 and part 2, "Liquidation".
Times carry their time zone; `now` is always passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from commenda.kit.errors import conflict


class State(StrEnum):
    """The state of a managed subscription, as the specification names it."""

    RESERVED = "RESERVED"
    """Principal is occupied; creators are not yet copied."""
    ACTIVE = "ACTIVE"
    MATURED = "MATURED"
    """The term is over; no new exposure, liquidation not yet asked for."""
    LIQUIDATING = "LIQUIDATING"
    LIQUIDATED = "LIQUIDATED"
    """Every position is really closed; only from here can it be settled."""
    SETTLED = "SETTLED"
    CANCELLED = "CANCELLED"


TRANSITIONS: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.RESERVED: frozenset({State.ACTIVE, State.CANCELLED}),
        State.ACTIVE: frozenset({State.MATURED, State.LIQUIDATING}),
        State.MATURED: frozenset({State.LIQUIDATING}),
        State.LIQUIDATING: frozenset({State.LIQUIDATED}),
        State.LIQUIDATED: frozenset({State.SETTLED}),
        State.SETTLED: frozenset(),
        State.CANCELLED: frozenset(),
    }
)
"""What may follow each state. ACTIVE -> LIQUIDATING is the early exit."""


def require_transition(current: State, to: State, *, early_exit: bool = False) -> None:
    """Refuse a move that the state machine does not know.

    Codes: `bad_transition`; `early_exit_not_allowed` for ACTIVE -> LIQUIDATING where the product
    does not allow an early exit.
    """
    allowed = TRANSITIONS[current]
    if to not in allowed:
        follows = ", ".join(sorted(allowed)) or "nothing: it is final"
        raise conflict("bad_transition", f"A subscription that is {current} cannot become {to}").at(
            "status", current, f"after {current} may follow: {follows}"
        )
    if (current, to) == (State.ACTIVE, State.LIQUIDATING) and not early_exit:
        raise conflict("early_exit_not_allowed", "This product is held to maturity").at(
            "status", current, "wait for maturity"
        )


@dataclass(frozen=True, slots=True)
class Milestones:
    """When things happened to one subscription; None for what has not.

    `shared_at` is when the profit share and referral of the settlement were paid out;
    `share_failures` how often paying them has failed.
    """

    state: State
    matures_at: datetime
    liquidation_requested_at: datetime | None = None
    liquidated_at: datetime | None = None
    settled_at: datetime | None = None
    shared_at: datetime | None = None
    share_failures: int = 0


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each step may take before somebody is told."""

    mature: timedelta = timedelta(minutes=15)
    """From the end of the term to a requested liquidation."""
    liquidate: timedelta = timedelta(hours=1)
    """From the request to the last position closed."""
    settle: timedelta = timedelta(minutes=30)
    """From the last position closed to the settlement."""
    mature_to_settle: timedelta = timedelta(hours=2)
    """From the end of the term to the settlement, whatever the reason."""
    share: timedelta = timedelta(minutes=30)
    """From the settlement to its profit share and referral paid."""


def overdue(milestones: Milestones, now: datetime, deadlines: Deadlines | None = None) -> list[str]:
    """The alert codes of one subscription at `now`, in a fixed order.

    `matured_not_liquidating`, `liquidating_too_long`, `liquidated_not_settled`,
    `matured_not_settled`, `settled_not_shared`, `profit_share_failing`. A deadline is missed when
    more than its time has passed, not when exactly its time has.
    """
    limits = deadlines or Deadlines()
    state = milestones.state
    running = state in (State.ACTIVE, State.MATURED)
    closing = state in (State.LIQUIDATING, State.LIQUIDATED)

    def late(since: datetime | None, limit: timedelta) -> bool:
        return since is not None and now - since > limit

    unshared = state is State.SETTLED and milestones.shared_at is None
    rules = {
        "matured_not_liquidating": running and late(milestones.matures_at, limits.mature),
        "liquidating_too_long": state is State.LIQUIDATING
        and late(milestones.liquidation_requested_at, limits.liquidate),
        "liquidated_not_settled": state is State.LIQUIDATED
        and late(milestones.liquidated_at, limits.settle),
        "matured_not_settled": (running or closing)
        and late(milestones.matures_at, limits.mature_to_settle),
        "settled_not_shared": unshared and late(milestones.settled_at, limits.share),
        "profit_share_failing": milestones.share_failures > 0 and milestones.shared_at is None,
    }
    return [code for code, due in rules.items() if due]
