"""Why a subscription is not settled yet: what it waits for, in codes that a page can say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import on_wire, one_of
from commenda.managed.lifecycle import Milestones, State, overdue
from commenda.managed.queries import Held


class Wait(StrEnum):
    """What a subscription waits for, in the order of its life."""

    ACTIVATION = "activation"
    TERM = "term"
    MATURING = "maturing"
    SWEEP = "sweep"
    CLOSING = "closing"
    RETRY = "retry"
    PAYOUT = "payout"


@on_wire
@dataclass(frozen=True, slots=True)
class Waits:
    """What a subscription waits for: `activation` and `term` before its end, then to be noticed
    (`maturing`), to be closed (`sweep`, `closing`, after a refusal `retry`) and to be paid out."""

    code: Annotated[str, one_of(Wait)]
    since: datetime
    until: Annotated[
        datetime | None, Field(description="When it goes on, where a time is set for that.")
    ]
    late: Annotated[bool, Field(description="A deadline has passed, or a try has failed.")]
    attempts: Annotated[int, Field(description="How many tries to close it have failed.")]
    reason: Annotated[str | None, Field(description="Why the last one failed, as the venue says.")]
    approval_id: Annotated[
        UUID | None, Field(description="A batch with it that waits for somebody's approval.")
    ]


def waits_of(held: Held) -> Waits | None:
    """What a subscription waits for; None once it is settled or cancelled."""
    state, closing = State(held.status), held.liquidation
    since, until = held.subscribed_at, None
    if state in (State.SETTLED, State.CANCELLED):
        return None
    if state is State.RESERVED:
        code = Wait.ACTIVATION
    elif state is State.ACTIVE and held.matures_at is not None and held.matures_at > held.now:
        code, since, until = Wait.TERM, held.activated_at or since, held.matures_at
    elif state is State.ACTIVE:
        code, since = Wait.MATURING, held.matures_at or since
    elif closing is None:
        code, since = Wait.SWEEP, held.matured_at or held.matures_at or since
    elif closing.liquidated_at is not None:
        code, since = Wait.PAYOUT, closing.liquidated_at
    else:
        code = Wait.RETRY if closing.attempts else Wait.CLOSING
        since, until = closing.requested_at, closing.next_retry_at
    reached = Milestones(
        state,
        held.matures_at or held.now,
        closing.requested_at if closing else None,
        closing.liquidated_at if closing else None,
    )
    late = code is Wait.RETRY or bool(overdue(reached, held.now))
    attempts, reason = (closing.attempts, closing.reason) if closing else (0, None)
    return Waits(code, since, until, late, attempts, reason, held.batch)
