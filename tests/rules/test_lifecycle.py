"""The state machine of a managed subscription, its retries and its alerts."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pytest

from commenda.books import next_retry
from commenda.kit.errors import CommendaError
from commenda.managed.lifecycle import (
    TRANSITIONS,
    Milestones,
    State,
    overdue,
    require_transition,
)

S = State
NOW = datetime(2025, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

# DESIGN.md, section 4, drawn by hand.
ALLOWED = {
    (S.RESERVED, S.ACTIVE),
    (S.RESERVED, S.CANCELLED),
    (S.ACTIVE, S.MATURED),
    (S.ACTIVE, S.LIQUIDATING),
    (S.MATURED, S.LIQUIDATING),
    (S.LIQUIDATING, S.LIQUIDATED),
    (S.LIQUIDATED, S.SETTLED),
}


def test_exactly_the_drawn_transitions_are_allowed() -> None:
    for current, to in product(State, State):
        if (current, to) in ALLOWED:
            require_transition(current, to, early_exit=True)
        else:
            with pytest.raises(CommendaError) as refusal:
                require_transition(current, to, early_exit=True)
            assert refusal.value.code == "bad_transition"
            assert refusal.value.value == str(current)


def test_a_subscription_lives_from_reserved_to_settled() -> None:
    life = [S.RESERVED, S.ACTIVE, S.MATURED, S.LIQUIDATING, S.LIQUIDATED, S.SETTLED]
    for current, to in pairwise(life):
        require_transition(current, to)


def test_nothing_is_settled_before_it_is_liquidated() -> None:
    assert [state for state in State if S.SETTLED in TRANSITIONS[state]] == [S.LIQUIDATED]


def test_an_early_exit_needs_a_product_that_allows_it() -> None:
    with pytest.raises(CommendaError) as refusal:
        require_transition(S.ACTIVE, S.LIQUIDATING)
    assert refusal.value.code == "early_exit_not_allowed"


def test_the_transitions_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[S.SETTLED] = frozenset({S.ACTIVE})  # type: ignore[index]


def test_retries_back_off_from_thirty_seconds_to_fifteen_minutes() -> None:
    waits = [(next_retry(attempt, NOW) - NOW).total_seconds() for attempt in range(7)]
    assert waits == [30, 60, 120, 240, 480, 900, 900]
    assert next_retry(10**9, NOW) - NOW == timedelta(minutes=15)


def test_a_negative_attempt_is_refused() -> None:
    with pytest.raises(CommendaError, match="bad_attempt"):
        next_retry(-1, NOW)


def test_a_subscription_in_time_raises_nothing() -> None:
    running = Milestones(S.ACTIVE, matures_at=NOW + HOUR)
    early = Milestones(S.LIQUIDATING, NOW + 90 * HOUR, liquidation_requested_at=NOW)
    shared = Milestones(S.SETTLED, NOW - 9 * HOUR, settled_at=NOW - 8 * HOUR, shared_at=NOW)
    cancelled = Milestones(S.CANCELLED, NOW - 9 * HOUR)
    for milestones in (running, early, shared, cancelled):
        assert overdue(milestones, NOW) == []


@pytest.mark.parametrize("state", [S.ACTIVE, S.MATURED])
def test_a_term_that_ended_without_liquidation_is_reported(state: State) -> None:
    at_limit = Milestones(state, NOW - timedelta(minutes=15))
    late = Milestones(state, NOW - timedelta(minutes=15, seconds=1))
    assert overdue(at_limit, NOW) == []
    assert overdue(late, NOW) == ["matured_not_liquidating"]


def test_a_term_that_ended_long_ago_is_also_not_settled() -> None:
    late = Milestones(S.MATURED, NOW - 3 * HOUR)
    assert overdue(late, NOW) == ["matured_not_liquidating", "matured_not_settled"]


def test_a_liquidation_that_takes_too_long_is_reported_after_an_early_exit_too() -> None:
    slow = Milestones(S.LIQUIDATING, NOW + 90 * HOUR, liquidation_requested_at=NOW - 2 * HOUR)
    assert overdue(slow, NOW) == ["liquidating_too_long"]


def test_a_liquidated_subscription_that_waits_for_settlement_is_reported() -> None:
    waiting = Milestones(S.LIQUIDATED, NOW - 3 * HOUR, liquidated_at=NOW - HOUR)
    assert overdue(waiting, NOW) == ["liquidated_not_settled", "matured_not_settled"]


def test_a_settlement_that_is_not_shared_is_reported() -> None:
    unshared = Milestones(S.SETTLED, NOW - 9 * HOUR, settled_at=NOW - HOUR)
    assert overdue(unshared, NOW) == ["settled_not_shared"]


def test_a_failing_profit_share_is_reported_at_once_and_until_it_is_paid() -> None:
    failing = Milestones(S.SETTLED, NOW - HOUR, settled_at=NOW, share_failures=1)
    paid = Milestones(S.SETTLED, NOW - HOUR, settled_at=NOW, shared_at=NOW, share_failures=1)
    assert overdue(failing, NOW) == ["profit_share_failing"]
    assert overdue(paid, NOW) == []
