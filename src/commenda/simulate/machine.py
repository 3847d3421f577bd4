"""The abilities of the machine in a replayed business: founded, run by their rhythm, measured.

All that is due at a tick is decided in the transaction that moves the cursor and stores the
strategies' states, so that a run that is killed and resumed decides the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from commenda.automation import (
    ABILITIES,
    Ability,
    Mode,
    SettingOrder,
    decide,
    look_at,
    measure,
    put_setting,
    to_measure,
)
from commenda.copying import Flow
from commenda.identity import register_users
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.ledger import Author, Owner, OwnerKind
from commenda.managed import deposit
from commenda.operations import next_after
from commenda.portfolios import (
    Method,
    PortfolioChange,
    PortfolioDraft,
    PortfolioRules,
    change_portfolio,
    found_portfolio,
)
from commenda.simulate.scenario import ASSET, Scenario


def found_machine(tx: Tx, author: Author, scenario: Scenario, flows: Sequence[Flow]) -> None:
    """Say how far each ability goes, and found the portfolios that they steer; once."""
    for ability in ABILITIES:
        mode = scenario.abilities.get(ability.name, Mode.OFF)
        order = SettingOrder(ability=ability.name, mode=mode, reason=scenario.title[:500])
        put_setting(tx, author, ability, order, None)
    by_name = {flow.title: flow.id for flow in flows}
    for part in scenario.portfolios:
        owner = Owner(OwnerKind.INVESTOR, ids.derive("portfolio-owner", scenario.seed, part.name))
        register_users(tx, [(owner.id, part.name)], "investor", author.now)
        deposit(tx, author, owner, ASSET, part.capital, f"portfolio:{owner.id}")
        draft = PortfolioDraft(
            name=part.name,
            flows=[by_name[creator] for creator in part.creators],
            amount=part.capital,
            rules=PortfolioRules(method=Method.EQUAL),
        )
        # Into equal parts: at the start there is no record that its own rules could go by.
        founded = found_portfolio(tx, author, owner, draft, "scenario")
        change_portfolio(tx, author, founded, owner.id, PortfolioChange(rules=part.rules))


def due(scenario: Scenario, last: datetime, now: datetime) -> list[Ability]:
    """The abilities that look since `last`, in their order."""
    return [
        one
        for one in ABILITIES
        if scenario.abilities.get(one.name, Mode.OFF) is not Mode.OFF
        and next_after(one.cron, last) <= now
    ]


def look(tx: Tx, author: Author, abilities: Sequence[Ability]) -> None:
    """Let abilities decide."""
    for ability in abilities:
        for seen in look_at(tx, author, ability):
            decide(tx, author, ability, seen)


def measure_due(tx: Tx, author: Author, scenario: Scenario) -> None:
    """Measure what came of decisions whose time has come."""
    for ability in ABILITIES:
        if ability.name in scenario.abilities:
            for decision_id in to_measure(tx, author, ability):
                measure(tx, author, ability, decision_id)
