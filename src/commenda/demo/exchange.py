"""The exchange that the demo may trade at: our own, in a process of its own, over its protocol.

Its market is the demo's, and its time, too: each tick begins by setting its clock, so that bars,
funding and orders meet at the same moments however fast the demo's day goes. Requests are stamped
by the wall's clock, as everywhere.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPException
from typing import Any

from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.ledger import Author
from commenda.operations import Operation, Step
from commenda.simulate import Scenario
from commenda.venues import (
    RULES,
    Binance,
    Means,
    Secret,
    Venue,
    VenueUnavailable,
    add_key,
    contracts_of,
    list_keys,
    reach_exchange,
    try_secret,
)

ACCOUNT = "simulated:demo"
PATIENCE = 30.0
"""Wall seconds that a tick waits for an exchange that is being started again."""
_ANSWERS_WITHIN = 10.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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


@dataclass(frozen=True, slots=True)
class Exchange:
    """The administration of the demo's exchange."""

    address: str
    word: str = field(repr=False)

    @classmethod
    def of(cls, address: str, keys: Keys) -> Exchange:
        return cls(address, keys.derive("demo-exchange/admin").hex())

    def ask(self, method: str, what: str, told: dict[str, Any] | None = None) -> Any:
        """What it answers; `VenueUnavailable` where it does not, its own refusals as they are."""
        request = urllib.request.Request(
            f"{self.address}/admin/{what}",
            None if told is None else json.dumps(told).encode(),
            {"X-Admin": self.word, "Content-Type": "application/json"},
            method=method,
        )
        try:
            with _DIRECT.open(request, timeout=_ANSWERS_WITHIN) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = json.loads(error.read() or b"{}")
            raise CommendaError(str(said.get("code")), str(said.get("title", error))) from None
        except (OSError, HTTPException, ValueError) as error:
            raise VenueUnavailable(f"the exchange at {self.address} gives no answer") from error

    def waited_for(self, wait: Callable[[float], object], patience: float) -> Any:
        """What it has of faults, as soon as it answers at all."""
        until = time.monotonic() + patience
        while True:
            try:
                return self.ask("GET", "faults")
            except VenueUnavailable:
                if time.monotonic() > until:
                    raise
                wait(0.1)


class _Brisk(Binance):
    """Asks as fast as the demo's day goes: limits are the exchange's, which allows that."""

    def client(self, key: str, secret: str, address: str | None = None) -> Any:
        made = Binance.client(self, key, secret, address)
        made.enableRateLimit = False
        return made


def account_at(database: Database, means: Means, exchange: Exchange, now: datetime) -> Venue:
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


def keep_time(exchange: Exchange) -> Step:
    """Set the exchange's clock before anything else of a tick; one that is being started again is
    waited for, and time stands."""

    def set_clock(operation: Operation, now: datetime) -> None:
        def wait(seconds: float) -> None:
            operation.pulse()
            time.sleep(seconds)

        exchange.waited_for(wait, PATIENCE)
        exchange.ask("POST", "clock", {"now": int(now.timestamp() * 1000)})

    return Step("exchange", set_clock)
