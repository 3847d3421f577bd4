"""A broker for what sends no orders."""

from __future__ import annotations

from typing import cast

from commenda.execution import Broker
from commenda.market import CandleFeed


def no_broker() -> Broker:
    """One that reaches no venue and knows no market."""
    return Broker((), cast(CandleFeed, None), b"")
