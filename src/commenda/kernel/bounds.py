"""A step interpreted, so that an index out of bounds is an IndexError that names the line.

Compiled code looks at no bounds: a step that writes past its state writes into the memory of
whatever lies there. numpy looks, so the same source is run uncompiled, with every compiled function
that it calls. That is some hundred times slower.
"""

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import timedelta
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from commenda.kernel.bars import Bars
from commenda.kernel.program import Program
from commenda.kernel.stepper import Stepper
from commenda.kernel.terms import Costs, Terms


def interpreted(function: Any, seen: dict[int, Any] | None = None) -> Any:
    """The Python twin of a compiled function, which calls the twins of those it calls."""
    seen = {} if seen is None else seen
    if id(function) in seen:
        return seen[id(function)]
    source = getattr(function, "py_func", function)
    if not isinstance(source, FunctionType):
        return function
    names = dict(source.__globals__)
    twin = FunctionType(
        source.__code__,
        names,
        source.__name__,
        source.__defaults__,
        source.__closure__ and tuple(map(_cell, source.__closure__)),
    )
    seen[id(function)] = twin
    for name in source.__code__.co_names:
        if name in names:
            names[name] = _uncompiled(names[name], seen)
    for cell in twin.__closure__ or ():
        cell.cell_contents = _uncompiled(cell.cell_contents, seen)
    return twin


def _cell(cell: Any) -> Any:
    return type(cell)(cell.cell_contents)


def _uncompiled(value: Any, seen: dict[int, Any]) -> Any:
    if hasattr(value, "py_func"):
        return interpreted(value, seen)
    if isinstance(value, ModuleType) and any(hasattr(v, "py_func") for v in vars(value).values()):
        inside = {name: _uncompiled(v, seen) for name, v in vars(value).items() if v is not value}
        return SimpleNamespace(**inside)
    return value


def keep_bounds(
    program: Program,
    bars: Bars,
    *,
    cash: float,
    costs: Costs | None = None,
    size: float | None = None,
    terms: Terms | None = None,
    interval: timedelta | None = None,
    side: int | None = None,
) -> None:
    """Run a program interpreted; IndexError naming file, line and bar of the first index beyond.

    With a `side` it is told what a leg is told. Of the run nothing is kept: `run` has its results.
    """
    plain = replace(program, step=interpreted(program.step))
    asked = {"costs": costs, "size": size, "terms": terms, "interval": interval, "side": side}
    stepper = Stepper(plain, cash=cash, **asked)  # type: ignore[arg-type]
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    with np.errstate(all="ignore"):  # compiled code says nothing of a division by zero either
        for number, row in enumerate(rows):
            try:
                stepper.on_bar(*row)
            except IndexError as error:
                raise IndexError(f"{_where(error, program)}, at bar {number}: {error}") from None


def _where(error: IndexError, program: Program) -> str:
    """The author's line: that of the step, or of the function beside it, that went too far."""
    own = getattr(program.step, "py_func", program.step).__code__.co_filename
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if frame.filename == own), frames[-1])
    inner = "" if frames[-1] is last else f" (in {frames[-1].name})"
    return f"{last.filename}, line {last.lineno}, `{last.line}`{inner}"
