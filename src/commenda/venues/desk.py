"""How an exchange is asked through ccxt, and what its answers mean.

What it says counts by its own number (`-2019`), not by the class that ccxt makes of it, which
depends on the address. Three kinds of answers are told apart: it was done; it was refused
(`Refusal`); it may have been done or not (`VenueUnavailable`: whoever asked looks it up). After
"too many" nothing is asked until the time is over, by anybody who shares this desk; so that it does
not come to that, what is least urgent is left out before (`budget`).
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from commenda.venues.binance import Binance
from commenda.venues.budget import Budget, Priority, Turns
from commenda.venues.dialect import Ask, Channel, Dialect, Refusal
from commenda.venues.model import VenueUnavailable

_CODE = re.compile(r'"(?:code|retCode)":\s*"?(-?\d+)')
_LEFT_ALONE = 1.0
"""Seconds of quiet where the exchange names none."""
_SURELY = 0.5
"""The part of what an exchange usually allows within which nobody asks what it allows now."""


@dataclass(slots=True)
class Desk:
    """One key at an exchange. Calls come one at a time, whichever thread they come from."""

    client: Any
    """Of the dialect's `client`."""
    dialect: Dialect = field(default_factory=Binance)
    wall: Callable[[], float] = time.time
    quiet_until: float = 0.0
    address: str | None = None
    """Where the client asks, if not at the exchange itself."""
    budget: Budget = field(init=False)
    _knows_limits: bool = False
    _turns: Turns = field(default_factory=Turns)

    def __post_init__(self) -> None:
        self.budget = Budget(tuple(self.dialect.gauges))

    def asking(self, priority: Priority, *, is_order: bool = False) -> Ask:
        """`ask`, as somebody who goes before others or after them."""
        return partial(self.ask, priority=priority, is_order=is_order)

    def ask(
        self,
        call: str,
        params: Mapping[str, Any] | None = None,
        priority: Priority = Priority.READ,
        *,
        is_order: bool = False,
    ) -> Any:
        """Call a method of ccxt. A clock that is off is set and the call repeated, once: it was
        refused unread."""
        with self._turns.take(priority):
            for attempt in (1, 2):
                if self.wall() < self.quiet_until:
                    raise VenueUnavailable("the exchange asked to be left alone")
                client = self._reached()
                self._require_room(client, priority, is_order=is_order)
                client.last_http_response = None  # what was answered before is no answer to this
                try:
                    return getattr(client, call)(dict(params or {}))
                except Exception as error:
                    refusal = self._judged(error)
                    if refusal.code not in self.dialect.codes.clock or attempt == 2:
                        raise refusal from None
                    self._set_clock()
                finally:
                    self.budget.note(client.last_response_headers or {}, self.wall())
        raise AssertionError("the second attempt returns or raises")

    def load(self) -> tuple[int, int] | None:
        """Of what is counted, used and allowed, where most is used; None where nothing is."""
        now = self.wall()
        shown = [(self.budget.used(one, now), one.allows) for one in self.budget.gauges]
        return max(shown, key=lambda one: one[0] / one[1], default=None)

    def _require_room(self, client: Any, priority: Priority, *, is_order: bool) -> None:
        """What an exchange allows it says itself; it is asked once that could matter."""
        load = self.load()
        if not self._knows_limits and load is not None and load[0] > load[1] * _SURELY:
            try:
                gauges = self.dialect.limits(lambda call, asked: getattr(client, call)(dict(asked)))
            except Exception as error:
                raise VenueUnavailable(_said(error)) from error
            self.budget, self._knows_limits = self.budget.within(gauges), True
        spent = self.budget.spent(priority, self.wall(), is_order=is_order)
        if spent is not None:
            raise VenueUnavailable(f"left for what is more urgent: {spent.header} is near its end")

    def channel(self) -> Channel:
        """Where the account's own stream is."""
        with self._turns.take(Priority.READ):
            client = self._reached()
        return self.dialect.channel(self.ask, client, self.address)

    def keep_channel(self) -> None:
        """Say that the stream is wanted."""
        self.dialect.keep_channel(self.ask)

    def _reached(self) -> Any:
        """The client that asks."""
        return self.client

    def _judged(self, error: Exception) -> Refusal:
        """A refusal by its number; `VenueUnavailable` is raised for what may have been done."""
        ccxt: Any = importlib.import_module("ccxt")
        if not isinstance(error, ccxt.BaseError):
            raise error
        # What ccxt has words of its own for, it tells without the number: the answer has it.
        told = str(error) if _CODE.search(str(error)) else str(self.client.last_http_response)
        found = _CODE.search(told)
        code = int(found[1]) if found else None
        if code in self.dialect.codes.limited or isinstance(
            error, ccxt.DDoSProtection | ccxt.RateLimitExceeded
        ):
            headers = self.client.last_response_headers or {}
            self._hush(self.wall() + float(headers.get("Retry-After", _LEFT_ALONE)))
            raise VenueUnavailable(_said(error)) from error
        if code is None or code in self.dialect.codes.maybe_done:
            raise VenueUnavailable(_said(error)) from error
        return Refusal(code, told)

    def _hush(self, until: float) -> None:
        """Ask nothing more until then."""
        self.quiet_until = until

    def _set_clock(self) -> None:
        """How far the exchange's clock is off: later requests are stamped with its time."""
        try:
            self.client.load_time_difference()
        except Exception as error:
            raise VenueUnavailable(_said(error)) from error
        ahead = self.client.options["timeDifference"]
        self.client.nonce = lambda: self.client.milliseconds() - ahead


def _said(error: Exception) -> str:
    """What happened, without what a request was signed with."""
    return re.sub(r"\?\S+", "", str(error))[:300]
