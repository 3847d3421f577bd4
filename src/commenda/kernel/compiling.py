"""How Commenda compiles: one decorator and one signature. The only page that imports numba."""

from __future__ import annotations

from typing import Any

import numba
from numba import types
from numba.extending import register_jitable

INTEGER = types.int64
FLOATS = types.Array(types.float64, 1, "C")
TABLE = types.Array(types.float64, 2, "C")
INDEXES = types.Array(types.int64, 1, "C")

STEP_SIGNATURE = types.float64(FLOATS, FLOATS, FLOATS, FLOATS)
"""step(state, bar, position, params) -> target exposure."""

STEP_FUNCTION = types.FunctionType(STEP_SIGNATURE)
"""A step as a first-class function: one type for all strategies."""

# fastmath would let LLVM reorder sums differently in the loop and in the stepper: equal bits need
# it off. error_model "numpy": a division by zero gives inf or NaN, as arrays do, not an exception.
_OPTIONS: Any = {"cache": True, "nogil": True, "fastmath": False, "error_model": "numpy"}

compiled = numba.njit(**_OPTIONS)
"""Decorate a function of the kernel, an indicator or a step: compiled at its first call, cached."""

inlined = numba.njit(forceinline=True, **_OPTIONS)
"""Like `compiled`, for what runs on every bar: a call would count references on each array it is
handed (measured: the accounting of an idle bar takes 26 ns inlined, 63 ns called)."""

plain = register_jitable
"""Decorate a function that Python calls as it is and compiled code may call too."""


def compiled_for(signature: Any) -> Any:
    """Like `compiled`, for one explicit signature, compiled or loaded at once."""
    return numba.njit(signature, **_OPTIONS)
