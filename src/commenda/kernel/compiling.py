"""How Commenda compiles: one decorator and one signature. The only page that imports numba."""

from __future__ import annotations

import warnings
from typing import Any

import numba
from numba import types
from numba.extending import intrinsic, overload, register_jitable
from numba.np.arrayobj import make_array, populate_array

NOTHING = types.none
INTEGER = types.int64
FLOATS = types.Array(types.float64, 1, "C")
TABLE = types.Array(types.float64, 2, "C")
CUBE = types.Array(types.float64, 3, "C")
INDEXES = types.Array(types.int64, 1, "C")
FLOAT = types.float64
CODES = types.Array(types.int8, 1, "C")
FLAGS = types.Array(types.boolean, 1, "C")
INTEGER_TABLE = types.Array(types.int64, 2, "C")
INTEGER_CUBE = types.Array(types.int64, 3, "C")

STEP_SIGNATURE = types.float64(FLOATS, FLOATS, FLOATS, FLOATS)
"""step(state, bar, position, params) -> target exposure."""

STEP_FUNCTION = types.FunctionType(STEP_SIGNATURE)
"""A step as a first-class function: one type for all strategies."""

ORDER_STEP_SIGNATURE = types.float64(FLOATS, FLOATS, FLOATS, FLOATS, TABLE)
"""step(state, bar, position, params, orders) -> target exposure, or NaN to trade by orders only."""

ORDER_STEP_FUNCTION = types.FunctionType(ORDER_STEP_SIGNATURE)

L2_STEP_SIGNATURE = types.void(FLOATS, FLOATS, FLOATS, FLOATS, TABLE)
"""step(state, book, position, params, orders), which places orders and returns nothing."""

L2_STEP_FUNCTION = types.FunctionType(L2_STEP_SIGNATURE)

# Numba says so of every tuple of steps; what we use of it is held by tests.
warnings.filterwarnings("ignore", "First-class function type feature is experimental")

# fastmath would let LLVM reorder sums differently in the loop and in the stepper: equal bits need
# it off. error_model "numpy": a division by zero gives inf or NaN, as arrays do, not an exception.
_OPTIONS: Any = {"cache": True, "nogil": True, "fastmath": False, "error_model": "numpy"}

compiled = numba.njit(**_OPTIONS)
"""Decorate a function of the kernel, an indicator or a step: compiled at its first call, cached."""

inlined = numba.njit(forceinline=True, **_OPTIONS)
"""Like `compiled`, for what runs on every bar: a call would count references on each array it is
handed (measured: the accounting of an idle bar takes 26 ns inlined, 63 ns called)."""

_BARE: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

inner = numba.njit(forceinline=False, **_BARE, **_OPTIONS)
"""Like `compiled`, for what only compiled code calls: without a wrapper for Python it compiles in
half the time. Never inlined by force: without saying so it would inherit that from a caller that
is, and the code grow beyond measure (measured: a loop took minutes to compile)."""

inner_inlined = numba.njit(forceinline=True, **_BARE, **_OPTIONS)
"""`inner` and `inlined`: what only compiled code calls, on every bar."""

plain = register_jitable
"""Decorate a function that Python calls as it is and compiled code may call too."""


def compiled_for(signature: Any) -> Any:
    """Like `compiled`, for one explicit signature, compiled or loaded at once."""
    return numba.njit(signature, **_OPTIONS)


def record_of(columns: Any, *members: Any) -> Any:
    """The type of the NamedTuple class `columns` with members of these types."""
    return types.NamedTuple(members, columns)  # type: ignore[no-untyped-call]


def many_of(member: Any, count: int) -> Any:
    """The type of a tuple of `count` members of one type, which code may index by a variable."""
    return types.UniTuple(member, count)  # type: ignore[no-untyped-call]


def tuple_of(*members: Any) -> Any:
    """The type of a tuple of these types, as a compiled function returns it."""
    return types.Tuple(members)  # type: ignore[no-untyped-call]


def ask(step: Any, state: Any, bar: Any, position: Any, params: Any, orders: Any) -> float:
    """What a step answers to a closed bar; `orders` is left out for a step that places none.

    Compiled code chooses by the step's type.
    """
    raise NotImplementedError("compiled code only")


@overload(ask, inline="always")
def _ask(step, state, bar, position, params, orders):  # type: ignore[no-untyped-def]
    if step == ORDER_STEP_FUNCTION:
        return lambda step, state, bar, position, params, orders: step(
            state, bar, position, params, orders
        )
    return lambda step, state, bar, position, params, orders: step(state, bar, position, params)


def _without_owner(typing, array):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        kind = signature.args[0]
        owned = make_array(kind)(context, builder, arguments[0])  # type: ignore[no-untyped-call]
        bare = make_array(kind)(context, builder)  # type: ignore[no-untyped-call]
        populate_array(  # type: ignore[no-untyped-call]
            bare,
            data=owned.data,
            shape=owned.shape,
            strides=owned.strides,
            itemsize=owned.itemsize,
            meminfo=None,
        )
        return bare._getvalue()

    return array(array), generate


borrowed: Any = intrinsic(_without_owner)
"""The same array without an owner, so that compiled code counts no references to it: counting them
at every call costs more than the accounting of a bar (measured: 26 million bars a second with it,
50 without, and 6 against 30 at a desk). For arguments only: the caller holds the array meanwhile.
"""
