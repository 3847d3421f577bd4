"""The exchange that the demo may trade at: our own, in a process of its own, over its protocol.

Its market is the demo's, and its time, too: each tick begins by setting its clock, so that bars,
funding and orders meet at the same moments however fast the demo's day goes. Requests are stamped
by the wall's clock, as everywhere.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.ledger import Author
from commenda.operations import Operation, Step
from commenda.simulate import Scenario
from commenda.venues import (
    RULES,
    Binance,
    Means,
    Secret,
    Simulator,
    Venue,
    add_key,
    contracts_of,
    list_keys,
    reach_exchange,
    try_secret,
)

ACCOUNT = "simulated:demo"
PATIENCE = 30.0
"""Wall seconds that a tick waits for an exchange that is being started again."""


def market_of(scenario: Scenario) -> dict[str, Any]:
    """What the exchange is founded with, for its market to be the demo's."""
    return {
        "symbols": list(scenario.market.symbols),
        "seed": scenario.seed,
        "start": int(scenario.start.timestamp() * 1000),
        "interval": scenario.interval,
    }


def secret_of(keys: Keys) -> Secret:
    """The key of the demo's account there: the installation's own, known to both sides."""
    return Secret(*(keys.derive(f"demo-exchange/{part}").hex() for part in ("key", "secret")))


class _Brisk(Binance):
    """Asks as fast as the demo's day goes: limits are the exchange's, which allows that."""

    def client(self, key: str, secret: str, address: str | None = None) -> Any:
        made = Binance.client(self, key, secret, address)
        made.enableRateLimit = False
        return made


def account_at(database: Database, means: Means, exchange: Simulator, now: datetime) -> Venue:
    """The demo's account, whose key is tried, sealed and let in when the demo is founded."""
    keys = means.keys
    assert keys is not None
    with database.transaction() as tx:
        known = [one for one in list_keys(tx) if one.account == ACCOUNT]
        contracts = contracts_of(tx, ACCOUNT)
    if not known:
        secret = secret_of(keys)
        checks = try_secret(ACCOUNT, secret, exchange.address, contracts)
        with database.transaction() as tx:
            author = Author("demo", RULES, now)
            add_key(tx, keys, ACCOUNT, exchange.address, secret, checks, author, None)
    return reach_exchange(_Brisk, means, ACCOUNT)


def keep_time(exchange: Simulator) -> Step:
    """Set the exchange's clock before anything else of a tick; one that is being started again is
    waited for, and time stands."""

    def set_clock(operation: Operation, now: datetime) -> None:
        def wait(seconds: float) -> None:
            operation.pulse()
            time.sleep(seconds)

        exchange.waited_for(wait, PATIENCE)
        exchange.ask("POST", "clock", {"now": int(now.timestamp() * 1000)})

    return Step("exchange", set_clock)
