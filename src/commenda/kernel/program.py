"""A step with its parameters bound: the thing that the loop and the stepper run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from commenda.kernel.account import (
    FEE_RATE,
    LEAST,
    MOST,
    PLAIN_RULES,
    SIZE,
    SLIPPAGE_RATE,
    STOP,
    WARMUP,
)
from commenda.kernel.bars import Array
from commenda.kernel.stops import Stops
from commenda.kernel.terms import BASIS_POINT, Costs, Terms


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """One compiled step and everything fixed about a run of it.

    `identity` names strategy and version; `params` in the order the step reads them; the first
    `warmup` bars' decisions are ignored; `stops` are the engine's. `orders` is how many orders the
    step may have at a time: 0 for one that answers with targets only, and then the step has four
    arguments, else five. `Strategy.bind` makes programs.
    """

    identity: str
    step: Callable[..., float]
    params: Array
    state_size: int
    warmup: int
    stops: Stops = field(default_factory=Stops)
    orders: int = 0

    def __post_init__(self) -> None:
        if self.state_size < 0 or self.warmup < 0 or self.orders < 0:
            raise ValueError(
                f"{self.identity}: state size {self.state_size}, warm-up {self.warmup} and orders"
                f" {self.orders} may not be negative"
            )
        # A private copy: compiled code is handed the array itself.
        object.__setattr__(self, "params", np.array(self.params, dtype=np.float64))

    @property
    def compiled(self) -> bool:
        """Whether the step is compiled; a plain Python function runs bar by bar, slower."""
        return hasattr(self.step, "py_func")

    def fingerprint(self) -> bytes:
        """Sixteen bytes that tell one program's saved state from another's."""
        digest = hashlib.blake2b(self.identity.encode(), digest_size=16)
        digest.update(self.params.tobytes())
        if not self.stops.plain:  # a fraction alone is one of the parameters
            digest.update(repr(self.stops).encode())
        return digest.digest()

    def new_state(self) -> Array:
        """The memory a step starts from: zeros."""
        return np.zeros(self.state_size)

    def rules(self, costs: Costs, size: float | None = None, terms: Terms | None = None) -> Array:
        """Costs, stop, warm-up, size and bounds as the array that the account's functions read."""
        if size is not None and not 0.0 < size < np.inf:
            raise ValueError(f"size = {size!r} is not a positive number of units")
        rules = np.zeros(PLAIN_RULES)
        rules[FEE_RATE] = costs.fee_bps * BASIS_POINT
        rules[SLIPPAGE_RATE] = costs.slippage_bps * BASIS_POINT
        rules[STOP] = self.stops.fraction
        rules[WARMUP] = self.warmup
        rules[SIZE] = size or 0.0
        rules[[LEAST, MOST]] = (terms or Terms()).bounds
        return rules
