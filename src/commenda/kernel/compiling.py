"""How Commenda compiles: one decorator and one signature. The only page that imports numba."""

from __future__ import annotations

import warnings
from typing import Any

import numba
from numba import types
from numba.core.cgutils import unpack_tuple
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
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


class _Part(JITCodeLibrary):
    """The code of a function that is only ever linked into others, left as it is lowered.

    Numba optimises every function with all that it calls, and makes machine code of it: in a deep
    tree of small functions that does the work over and over (measured: two thirds of compiling).
    """

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage.name == "external":
                function.linkage = "linkonce_odr"
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        """The code of this part and of all it calls, each of them once."""
        self._ensure_finalized()  # type: ignore[no-untyped-call]
        if self._shared_module is None:
            whole = self._final_module.clone()
            for each in self._called({self: None}):
                if each is not self:
                    own = isinstance(each, _Part)
                    code = each._final_module if own else each._get_module_for_linking()
                    whole.link_in(code, preserve=True)
            self._shared_module = whole
        return self._shared_module

    def _called(self, seen: dict[Any, None]) -> dict[Any, None]:
        for each in self._linking_libraries:
            if each not in seen:
                seen[each] = None
                if isinstance(each, _Part):
                    each._called(seen)
        return seen

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()  # type: ignore[no-untyped-call]
        return 0

    @property
    def codegen(self) -> Any:
        return self

    def set_env(self, env_name: str, env: Any) -> None:
        """There is no code that would look for it."""


class _PartCompiler(Compiler):
    def define_pipelines(self) -> Any:
        state = self.state
        name = state.func_id.func_qualname
        state.library = _Part(state.targetctx.codegen(), name)  # type: ignore[no-untyped-call]
        return super().define_pipelines()  # type: ignore[no-untyped-call]


_general: Any = types.unliteral


def _part(forceinline: bool) -> Any:
    options = _OPTIONS | {
        "cache": False,
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
        "pipeline_class": _PartCompiler,
        "forceinline": forceinline,
    }

    def decorate(function: Any) -> Any:
        part: Any = numba.njit(**options)(getattr(function, "py_func", function))
        template, general = part.get_call_template, _general
        # Else there would be one for each constant that a caller passes.
        part.get_call_template = lambda args, kws: template(
            tuple(map(general, args)), {name: general(kind) for name, kind in kws.items()}
        )
        return part

    return decorate


inner = _part(forceinline=False)
"""Like `compiled`, for what only compiled code calls: it is made part of that, and nothing else is
made of it. Never inlined by force: without saying so it would inherit that from a caller that is,
and the code grow beyond measure (measured: a loop took minutes to compile)."""

inner_inlined = _part(forceinline=True)
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


def _with_one_row(typing, array):  # type: ignore[no-untyped-def]
    result = types.Array(array.dtype, array.ndim + 1, "C")

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        kind = signature.args[0]
        given = make_array(kind)(context, builder, arguments[0])  # type: ignore[no-untyped-call]
        shape = unpack_tuple(builder, given.shape, kind.ndim)  # type: ignore[no-untyped-call]
        strides = unpack_tuple(builder, given.strides, kind.ndim)  # type: ignore[no-untyped-call]
        row = make_array(result)(context, builder)  # type: ignore[no-untyped-call]
        populate_array(  # type: ignore[no-untyped-call]
            row,
            data=given.data,
            shape=[context.get_constant(types.intp, 1), *shape],
            strides=[builder.mul(shape[0], strides[0]), *strides],
            itemsize=given.itemsize,
            meminfo=None,
        )
        return row._getvalue()

    return result(array), generate


as_row: Any = intrinsic(_with_one_row)
"""The same array, borrowed, as the only row of one with an axis more: a reshape is a call of some
30 ns."""
