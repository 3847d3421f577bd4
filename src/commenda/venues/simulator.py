"""The administration of an exchange of our own: its clock, what goes wrong there, what it has."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.venues.model import VenueUnavailable

_ANSWERS_WITHIN = 10.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Simulator:
    """The administration of the exchange that a demo trades at."""

    address: str
    word: str = field(repr=False)

    @classmethod
    def of(cls, address: str, keys: Keys) -> Simulator:
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
            raise CommendaError(
                str(said.get("code")),
                str(said.get("title", error)),
                field=said.get("field"),
                value=said.get("value"),
                hint=said.get("hint"),
            ) from None
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
