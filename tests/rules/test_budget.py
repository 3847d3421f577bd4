"""What is least urgent is left out first, and waits longest."""

from __future__ import annotations

import threading

import pytest

from commenda.venues.budget import Budget, Gauge, Priority, Turns

WEIGHT = Gauge("X-Used", 60, 1_000)
ORDERS = Gauge("X-Orders", 10, 100, of_orders=True)


@pytest.mark.parametrize(
    ("used", "passing"),
    [
        (699, [Priority.EXIT, Priority.ENTRY, Priority.READ]),
        (700, [Priority.EXIT, Priority.ENTRY]),
        (849, [Priority.EXIT, Priority.ENTRY]),
        (850, [Priority.EXIT]),
        (999, [Priority.EXIT]),
        (1_000, []),
    ],
)
def test_reads_stop_first_then_entries_and_exits_at_the_end(
    used: int, passing: list[Priority]
) -> None:
    budget = Budget((WEIGHT, ORDERS))
    budget.note({"x-used": str(used)}, 100.0)
    for is_order in (False, True):
        found = [one for one in Priority if budget.spent(one, 101.0, is_order=is_order) is None]
        assert found == passing


def test_what_counts_orders_stops_orders_alone() -> None:
    budget = Budget((WEIGHT, ORDERS))
    budget.note({"X-ORDERS": "90", "x-used": "10"}, 100.0)
    assert budget.spent(Priority.READ, 101.0, is_order=False) is None
    assert budget.spent(Priority.ENTRY, 101.0, is_order=True) == ORDERS
    assert budget.spent(Priority.EXIT, 101.0, is_order=True) is None


def test_what_was_told_is_over_after_its_time_and_nonsense_is_nothing() -> None:
    budget = Budget((WEIGHT,))
    budget.note({"X-Used": "950"}, 100.0)
    budget.note({"X-Used": "many"}, 120.0)
    assert budget.used(WEIGHT, 159.9) == 950
    assert budget.used(WEIGHT, 160.0) == 0


def test_of_those_who_wait_the_most_urgent_is_next_then_who_came_first() -> None:
    turns, done = Turns(), list[str]()
    waiting = []

    def take(name: str, priority: Priority) -> None:
        with turns.take(priority):
            done.append(name)

    with turns.take(Priority.READ):
        for name, priority in (
            ("first read", Priority.READ),
            ("second read", Priority.READ),
            ("entry", Priority.ENTRY),
            ("exit", Priority.EXIT),
        ):
            thread = threading.Thread(target=take, args=(name, priority))
            thread.start()
            waiting.append(thread)
            while len(turns._waiting) < len(waiting):
                pass
    for thread in waiting:
        thread.join(10)
    assert done == ["exit", "entry", "first read", "second read"]


def test_a_turn_that_fails_is_given_back() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="no"), turns.take(Priority.EXIT):
        raise ValueError("no")
    with turns.take(Priority.READ):
        assert not turns._waiting
