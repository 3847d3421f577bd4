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
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from commenda.kernel import Program, compiled
from commenda.kit.errors import CommendaError

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
            raise CommendaError(
                "bad_parameter",
                f"{self.name} is not {allowed}",
                field=self.name,
                value=value,
                mend=f"give {allowed}",
            )
        return number


class Conflict(NamedTuple):
    """Two parameters that do not go together: the field to change, why, and what would mend it."""

    field: str
    message: str
    mend: str


@dataclass(frozen=True, slots=True)
class Strategy:
    """A published step. `warmup` and `state_size` depend on the parameters' values.

    `stop` names the parameter that is the hard stop the engine enforces (a fraction of the entry
    price, 0 for none); `check` refuses parameters that contradict one another.
    """

    name: str
    version: str
    doc: str
    params: tuple[Param, ...]
    step: Any
    warmup: Callable[[Values], float]
    state_size: Callable[[Values], float]
    stop: str | None
    check: Callable[[Values], Conflict | None] | None
    source_hash: str

    def resolve(self, params: Mapping[str, object]) -> dict[str, float]:
        """Every parameter's value in declared order: those given, checked, and defaults."""
        known = [param.name for param in self.params]
        for name in params:
            if name not in known:
                raise CommendaError(
                    "unknown_parameter",
                    f"{self.name} has no parameter {name}",
                    field=name,
                    value=params[name],
                    mend=f"its parameters are {', '.join(known)}",
                )
        values = {p.name: p.checked(params.get(p.name, p.default)) for p in self.params}
        conflict = self.check(values) if self.check else None
        if conflict:
            raise CommendaError(
                "bad_parameter",
                conflict.message,
                field=conflict.field,
                value=values[conflict.field],
                mend=conflict.mend,
            )
        return values

    def bind(self, **params: object) -> Program:
        """The program that the kernel runs: this step with these parameters, defaults elsewhere."""
        values = self.resolve(params)
        return Program(
            identity=f"{self.name} {self.version}",
            step=self.step,
            params=np.array(list(values.values())),
            state_size=int(self.state_size(values)),
            warmup=int(self.warmup(values)),
            stop=values[self.stop] if self.stop else 0.0,
        )


def strategy(
    *,
    name: str,
    version: str,
    params: Sequence[Param],
    warmup: Callable[[Values], float],
    state_size: Callable[[Values], float],
    stop: str | None = None,
    check: Callable[[Values], Conflict | None] | None = None,
) -> Callable[[Callable[..., Any]], Strategy]:
    """Declare the function below as a strategy's step: see the top of this page."""
    names = [param.name for param in params]
    if len(set(names)) < len(names) or (stop is not None and stop not in names):
        raise ValueError(
            f"{name}: parameters repeat, or the stop {stop!r} is none of them: {names}"
        )

    def declare(step: Callable[..., Any]) -> Strategy:
        plain = getattr(step, "py_func", step)
        return Strategy(
            name=name,
            version=version,
            doc=inspect.getdoc(plain) or "",
            params=tuple(params),
            step=step if plain is not step else compiled(step),
            warmup=warmup,
            state_size=state_size,
            stop=stop,
            check=check,
            source_hash=source_hash(plain),
        )

    return declare


def source_hash(function: FunctionType | Any) -> str:
    """SHA-256 over the source of `function`, of all it calls, and the constants they read.

    An indicator's edit changes it; a comment elsewhere in its file does not.
    """
    digest = hashlib.sha256()
    for part in sorted(_reached(function, {}).values()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _reached(function: Any, found: dict[str, str]) -> dict[str, str]:
    """Source or value of each name that `function` reaches in its module, by qualified name."""
    key = f"{function.__module__}.{function.__qualname__}"
    if key in found:
        return found
    found[key] = inspect.getsource(function)
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        callee = getattr(value, "py_func", value)
        if isinstance(callee, FunctionType):
            _reached(callee, found)
        elif isinstance(value, (int, float, str)):
            found[f"{function.__module__}.{name}"] = f"{name} = {value!r}"
    return found
