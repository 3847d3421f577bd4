"""What the demo's investors do at each tick, wave after wave."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from commenda.books import Trigger
from commenda.demo.savings import offer_products, save, save_credited, take_out
from commenda.demo.transfers import decide
from commenda.demo.trials import try_strategies
from commenda.kit import clock
from commenda.managed import mature_due
from commenda.operations import Operation, Step
from commenda.simulate import Investor, Scenario, arrive, knock, population, renew

_FOREVER = timedelta(days=36500)


def people(scenario: Scenario, home: Path | None = None) -> Step:
    """Investors arrive, ask for their money at their own door, and come back with it; some save.

    Once a day the staff decides about transfers. Those who ask for nothing are swept when their
    term is over. With a data directory as its `home`, whose market has a past, the creator tries
    strategies there.
    """
    waves: dict[int, tuple[Investor, ...]] = {}
    untried = home is not None

    def live(operation: Operation, now: datetime) -> None:
        nonlocal untried
        author, secret = operation.author(now), operation.broker.secret
        number = (now - scenario.start) // timedelta(days=scenario.days)
        if number not in waves:
            waves.clear()
            waves[number] = _wave(scenario, number)
        with operation.database.transaction() as tx:
            last = clock.read(tx) or now
            begin, end = last.timestamp(), now.timestamp()
            arrived = [one for one in waves[number] if begin < one.arrives <= end]
            if arrived:
                arrive(tx, author, arrived, waves[number], secret)
                save(tx, author, scenario, offer_products(tx, scenario), arrived)
            if last.date() != now.date():
                credited = decide(tx, author, scenario)
                save_credited(tx, author, scenario, offer_products(tx, scenario), credited)
            renew(tx, author, scenario, last, now + _FOREVER, secret)
            mature_due(tx, now)
            knock(tx, author, scenario, (Trigger.INVESTOR, Trigger.OPERATOR))
            take_out(tx, author, scenario)
            if home is not None and untried:
                try_strategies(tx, home, scenario.start)
        untried = False

    return Step("people", live)


def _wave(scenario: Scenario, number: int) -> tuple[Investor, ...]:
    """The people of one wave, drawn from a seed of its own."""
    start = scenario.start + number * timedelta(days=scenario.days)
    drawn = population(replace(scenario, seed=scenario.seed + 1 + number, start=start))
    return tuple(replace(one, username=f"wave-{number + 1}-{one.username}") for one in drawn)
