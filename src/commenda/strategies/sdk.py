"""The author's API: a step, its parameters and what the engine must know of it.

    @strategy(
        name="ema_trend", version="1.0.0",
        params=[Param("fast", default=48, low=2, high=2000, kind=int), ...],
        state_size=lambda p: 2 * EMA_SIZE, warmup=lambda p: p["slow"], stop="stop",
    )
    def ema_trend(state, bar, position, params):
        return target

The step sees one closed bar. `state` is its memory (zeros at first), `bar` is open, high, low,
close, volume; `position` is exposure, entry price (NaN when flat), bars held; `params` are the
declared parameters in order. It returns the exposure it wants as a signed fraction of equity, or
NaN to keep the standing target. All arrays are float64, and the step may write only to `state`.

With `orders=n` the step has a fifth argument, a table of at most n orders of its own, and writes to
it by `limit_order`, `stop_order` and the like of `commenda.kernel`.

A step is compiled. With `python=True` it stays a plain Python function: any library may be called
in it, and it runs hundreds of times slower.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple, Self

import numpy as np

from commenda.kernel import Program, Stops, compiled
from commenda.kit.errors import CommendaError, not_found
from commenda.strategies.faults import Watched, declared

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: `low` and `high` are allowed; `kind` int takes whole numbers only."""

    name: str
    default: float
    low: float
    high: float
    kind: type[int] | type[float] = float

    def checked(self, value: object) -> float:
        """`value` as a float, or CommendaError naming the field, the value and what would mend."""
        wanted = "a whole number" if self.kind is int else "a number"
        allowed = f"{wanted} from {self.low:g} to {self.high:g}"
        try:
            number = math.nan if isinstance(value, (bool, str)) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = math.nan
        if not self.low <= number <= self.high or (self.kind is int and number % 1.0 != 0.0):
            raise CommendaError("bad_parameter", f"{self.name} is not {allowed}").at(
                self.name, value, f"give {allowed}"
            )
        return number


class Conflict(NamedTuple):
    """Two parameters that do not go together: the field to change, why, and what would mend it."""

    field: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Declared:
    """What every published step declares.

    `state_size`, the size of its memory, depends on the parameters' values; `check` refuses
    parameters that contradict one another.
    """

    name: str
    version: str
    doc: str
    params: tuple[Param, ...]
    step: Any
    state_size: Callable[[Values], float]
    check: Callable[[Values], Conflict | None] | None
    source_hash: str

    @property
    def identity(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"

    @property
    def compiled(self) -> bool:
        """Whether the step is compiled; a plain Python one is hundreds of times slower."""
        return hasattr(self.step, "py_func")

    def code(self) -> tuple[Any, ...]:
        """All that decides what the step does, for the hash of its source."""
        return getattr(self.step, "py_func", self.step), self.state_size

    def hashed(self) -> Self:
        """The same with the hash of its source as it is now."""
        return replace(self, source_hash=source_hash(*self.code()))

    def resolve(self, params: Mapping[str, object]) -> dict[str, float]:
        """Every parameter's value in declared order: those given, checked, and defaults."""
        known = [param.name for param in self.params]
        for name in params:
            if name not in known:
                raise not_found("unknown_parameter", f"{self.name} has no parameter {name}").at(
                    name, params[name], f"its parameters are {', '.join(known)}"
                )
        values = {p.name: p.checked(params.get(p.name, p.default)) for p in self.params}
        with declared(self.check, self.identity, "check"):
            conflict = self.check(values) if self.check else None
        if conflict:
            raise CommendaError("bad_parameter", conflict.message).at(
                conflict.field, values[conflict.field], conflict.hint
            )
        return values


@dataclass(frozen=True, slots=True)
class Strategy(Declared):
    """A published step that is called at the close of every bar. `warmup` depends on the
    parameters' values.

    `stop` names the parameter that is the hard stop the engine enforces (a fraction of the entry
    price, 0 for none), or `stops` makes all of the engine's stops of the parameters' values.
    `orders` is how many orders of its own the step may have at a time; with 0 it answers with
    targets only.
    """

    warmup: Callable[[Values], float]
    stop: str | None
    stops: Callable[[Values], Stops] | None = None
    orders: int = 0

    def code(self) -> tuple[Any, ...]:
        # Zero-argument super() does not find a class that was made anew for its slots.
        step, state_size = Declared.code(self)
        return step, state_size, self.warmup, self.stops, self.stop, self.orders

    def bind(self, **params: object) -> Program:
        """The program that the kernel runs: this step with these parameters, defaults elsewhere."""
        values = self.resolve(params)
        with declared(self.step, self.identity, "what it declares"):
            return Program(
                identity=self.identity,
                step=self.step if self.compiled else Watched(self.step),
                params=np.array(list(values.values())),
                state_size=int(self.state_size(values)),
                warmup=self.look_back(values),
                stops=self.stops_of(values),
                orders=self.orders,
            )

    def look_back(self, values: Values) -> int:
        """Bars whose decisions are ignored: the warm-up of these values."""
        with declared(self.step, self.identity, "warmup"):
            return int(self.warmup(values))

    def stops_of(self, values: Values) -> Stops:
        """The stops that the engine enforces with these values."""
        if self.stops is not None:
            return self.stops(values)
        return Stops(fraction=values[self.stop] if self.stop else 0.0)


def strategy(
    *,
    name: str,
    version: str,
    params: Sequence[Param],
    warmup: Callable[[Values], float],
    state_size: Callable[[Values], float],
    stop: str | None = None,
    stops: Callable[[Values], Stops] | None = None,
    check: Callable[[Values], Conflict | None] | None = None,
    orders: int = 0,
    python: bool = False,
) -> Callable[[Callable[..., Any]], Strategy]:
    """Declare the function below as a strategy's step: see the top of this page."""
    refuse_repeated(name, params)
    if stop is not None and stop not in [param.name for param in params]:
        raise ValueError(f"{name}: the stop {stop!r} is none of its parameters")
    if stop is not None and stops is not None:
        raise ValueError(f"{name}: name one parameter as `stop`, or make `stops` of all, not both")

    def declare(step: Callable[..., Any]) -> Strategy:
        plain = getattr(step, "py_func", step)
        return Strategy(
            name=name,
            version=version,
            doc=inspect.getdoc(plain) or "",
            params=tuple(params),
            step=step if python or plain is not step else compiled(step),
            state_size=state_size,
            check=check,
            source_hash="",
            warmup=warmup,
            stop=stop,
            stops=stops,
            orders=orders,
        ).hashed()

    return declare


def refuse_repeated(name: str, params: Sequence[Param]) -> None:
    """A parameter that is declared twice is the author's mistake: ValueError."""
    names = [param.name for param in params]
    if len(set(names)) < len(names):
        raise ValueError(f"{name}: parameters repeat: {names}")


def source_hash(*parts: Any) -> str:
    """SHA-256 over the source of functions, of all they call, and the constants they read.

    A part that is a constant counts itself. An indicator's edit changes the hash; a comment
    elsewhere in its file does not. Not covered: other people's libraries, and objects that are
    neither functions, constants nor arrays.
    """
    digest = hashlib.sha256()
    for part in parts:
        texts = [repr(part)] if is_constant(part) else _texts(part)
        for text in (*texts, ""):
            digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _texts(function: Any) -> list[str]:
    found = (_text(name, value) for name, value in reached(function).items())
    return sorted(text for text in found if text is not None)


def reached(function: Any) -> dict[str, Any]:
    """What `function` reaches by the names of its module and its closure, by qualified name.

    Functions are followed, also through modules; those of numpy, numba and Python itself are not.
    """
    found: dict[str, Any] = {}
    first = getattr(function, "py_func", inspect.unwrap(function))
    if isinstance(first, FunctionType):
        _reach(first, found)
    return found


def _reach(function: FunctionType, found: dict[str, Any]) -> None:
    key = f"{function.__module__}.{function.__qualname__}"
    if key in found:
        return
    found[key] = function
    for name, value in _names_of(function):
        callee = getattr(value, "py_func", value)
        if isinstance(callee, FunctionType):
            if not _foreign(callee.__module__):
                _reach(callee, found)
        elif not isinstance(value, ModuleType):
            found[f"{function.__module__}.{name}"] = value


def _names_of(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Each name that the function's code reads outside itself, and what it stands for."""
    names = set(_names_in(function.__code__))
    for name in names & function.__globals__.keys():
        value = function.__globals__[name]
        yield name, value
        if isinstance(value, ModuleType) and not _foreign(value.__name__):
            attributes = vars(value)
            yield from ((each, attributes[each]) for each in names & attributes.keys())
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # a name that is not bound yet
            yield f"{function.__qualname__}.{name}", cell.cell_contents


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _foreign(module: str | None) -> bool:
    top = (module or "").partition(".")[0]
    return top in ("numpy", "numba") or top in sys.stdlib_module_names


def _text(name: str, value: Any) -> str | None:
    if isinstance(value, FunctionType):
        return inspect.getsource(value)
    name = name.rpartition(".")[2]  # the module of a file is named after all that stands in it
    if isinstance(value, np.ndarray):
        return f"{name} = {value.dtype} {value.shape} {value.tobytes().hex()}"
    return f"{name} = {value!r}" if is_constant(value) else None


def is_constant(value: object) -> bool:
    """Whether `value` can never change: a number, a text, or a tuple of such."""
    if isinstance(value, tuple):
        return all(is_constant(each) for each in value)
    return value is None or isinstance(value, (int, float, complex, str, bytes))
