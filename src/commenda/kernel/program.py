"""A step with its parameters bound: the thing that the loop and the stepper run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from commenda.kernel.account import FEE_RATE, RULES, SLIPPAGE_RATE, STOP, WARMUP
from commenda.kernel.bars import Array, Costs

BASIS_POINT = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """One compiled step and everything fixed about a run of it.

    `identity` names strategy and version; `params` in the order the step reads them; the first
    `warmup` bars' decisions are ignored; `stop` is the hard stop as a fraction of the entry price,
    0 for none. `Strategy.bind` makes programs.
    """

    identity: str
    step: Callable[[Array, Array, Array, Array], float]
    params: Array
    state_size: int
    warmup: int
    stop: float

    def __post_init__(self) -> None:
        if self.state_size < 0 or self.warmup < 0 or not 0.0 <= self.stop < 1.0:
            raise ValueError(
                f"{self.identity}: state size {self.state_size} and warm-up {self.warmup} may not"
                f" be negative, and the stop {self.stop} lies in [0, 1)"
            )
        # A private copy: compiled code is handed the array itself.
        object.__setattr__(self, "params", np.array(self.params, dtype=np.float64))

    def fingerprint(self) -> bytes:
        """Sixteen bytes that tell one program's saved state from another's."""
        digest = hashlib.blake2b(self.identity.encode(), digest_size=16)
        digest.update(self.params.tobytes())
        return digest.digest()

    def new_state(self) -> Array:
        """The memory a step starts from: zeros."""
        return np.zeros(self.state_size)

    def rules(self, costs: Costs) -> Array:
        """Costs, stop and warm-up as the array that the account's functions read."""
        rules = np.zeros(RULES)
        rules[FEE_RATE] = costs.fee_bps * BASIS_POINT
        rules[SLIPPAGE_RATE] = costs.slippage_bps * BASIS_POINT
        rules[STOP] = self.stop
        rules[WARMUP] = self.warmup
        return rules
