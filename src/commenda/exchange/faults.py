"""What goes wrong, on purpose: scripted, drawn from a seed, and the same again from the same one.

A fault says where it strikes (`FAULTS`), on which requests or streams, and how often: each time,
with a chance, or so many times.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from commenda.kit.errors import CommendaError

FAULTS = {
    "latency": "before the answer wait `milliseconds`, and as much again by chance",
    "lost_answer": "do it, and close the connection without an answer",
    "unknown": "do it, and answer 503 with -1007: execution status unknown",
    "not_done": "do nothing, and answer 503 with -1001",
    "throttled": "answer 503 with -1008; what only reduces is let through",
    "clock": "answer -1021, as if the clocks were apart",
    "limited": "answer 429 with Retry-After `milliseconds`",
    "banned": "answer 418 with Retry-After `milliseconds`",
    "maintenance": "answer 503 to everything",
    "expired_key": "end a user stream's key, told by listenKeyExpired",
    "silent_stream": "tell a stream nothing any more, and keep its connection",
    "drop_stream": "close a stream's connection",
    "duplicated": "tell an event twice",
    "delayed": "tell an event `milliseconds` late",
    "reordered": "tell an event after the next one",
    "late_funding": "pay funding three seconds after its stamp",
    "depth_gap": "leave a depth message out",
    "fills_in_part": "fill half of an order, and let the rest expire",
    "shrunk": "take an order for half of its quantity, as one that may close no more than that",
    "filled_first": "fill an order, or half of it, while its cancellation is on the way",
    "not_shown": "answer -2013 for an order that came within the last `milliseconds`",
    "late_trades": "leave the trades of the last `milliseconds` out of an account's",
    "adl": "take what a liquidation leaves from other accounts, though the fund could take it",
}
"""Each fault and what it does."""
INSIDE = ("expired_key", "late_funding", "fills_in_part", "shrunk", "filled_first", "adl")
"""Those that change what the exchange has: they strike again where its calls are done again. The
others change what is told of it."""


@dataclass(slots=True)
class Fault:
    """One row of a script. `matches` is a part of the request's method and path, or of the stream's
    name; empty for all. `times` counts down; None is for ever."""

    kind: str
    matches: str = ""
    chance: float = 1.0
    times: int | None = None
    milliseconds: int = 0


def fault_of(row: dict[str, Any]) -> Fault:
    """A fault as it is told; codes `unknown_fault`, `bad_fault`."""
    if row.get("kind") not in FAULTS:
        raise CommendaError("unknown_fault", "There is no such fault").at(
            "kind", row.get("kind"), f"choose {', '.join(FAULTS)}"
        )
    try:
        return replace(Fault(str(row["kind"])), **{k: v for k, v in row.items() if k != "kind"})
    except TypeError as error:
        raise CommendaError("bad_fault", "A fault has no such field").at("fault", row) from error


@dataclass(slots=True)
class Script:
    """The faults that are on, and the chances that are drawn for them."""

    seed: int = 0
    faults: list[Fault] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)
    """How often each kind did."""
    draw: random.Random = field(init=False)
    """For those inside; a draw of its own, so that who asks and who listens does not move it."""
    told: Callable[[int], None] = lambda _number: None
    """Is told of each that struck outside, by its place in the script."""
    _outside: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(f"faults {self.seed}")
        self._outside = random.Random(f"faults outside {self.seed}")

    def set(self, rows: Iterable[dict[str, Any]]) -> None:
        self.faults = [fault_of(one) for one in rows]

    def strike(self, kind: str, where: str) -> Fault | None:
        """The fault of that kind that strikes here now, if one does."""
        draw = self.draw if kind in INSIDE else self._outside
        for number, one in enumerate(self.faults):
            if one.kind != kind or one.times == 0 or one.matches not in where:
                continue
            if one.chance < 1.0 and draw.random() >= one.chance:
                continue
            self.count(number)
            if kind not in INSIDE:
                self.told(number)
            return one
        return None

    def count(self, number: int) -> None:
        """The fault at that place struck."""
        one = self.faults[number]
        if one.times is not None:
            one.times -= 1
        self.struck[one.kind] = self.struck.get(one.kind, 0) + 1

    def either(self, one: int, other: int) -> int:
        """One of two, by chance."""
        return one if self.draw.random() < 0.5 else other

    def jitter(self, milliseconds: int) -> float:
        """Seconds of a latency: as long, and up to as much again."""
        return milliseconds * (1.0 + self._outside.random()) / 1000
