"""What goes wrong in an author's code, said in one refusal that names the file, the line, the bar.

A compiled loop does not say at which bar a step raised. The first bar that fails is looked for: a
run over so many bars raises if and only if it is among them.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeVar

import numpy as np

from commenda.kernel import Bars, Program, Result, run
from commenda.kernel.bars import Stamps
from commenda.kit.errors import CommendaError

R = TypeVar("R")

FAILED = "strategy_failed"
UNCOMPILED = "strategy_does_not_compile"
INFINITE = "the strategy's step returned an infinite target"
"""What the kernel says of it: it has no other name in compiled code."""
NO_NUMBER = "it answered no number"
MOST_REPLAYED = 100_000
"""Bars that are gone through in plain Python to see which line answered: a second or two."""
_PLACE = re.compile(r'(?:File "([^"]+)", line |(\S+\.py) \()(\d+)')
_COMPILER = f"{os.sep}numba{os.sep}"


class Watched:
    """A plain Python step that says in which bar it raised, or answered what is no number."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self.__wrapped__, self.bars = step, 0

    def __call__(self, *given: Any) -> float:
        self.bars += 1
        answer = self.__wrapped__(*given)
        try:
            return float(answer)
        except (TypeError, ValueError):
            raise TypeError(f"{NO_NUMBER} but {answer!r}") from None


@contextmanager
def declared(step: Any, identity: str, what: str) -> Iterator[None]:
    """An author's declaration is called in here (`what` it says); code `strategy_failed`."""
    try:
        yield
    except CommendaError:
        raise
    except Exception as error:
        place = _place_of(step, error) or _defined(step)
        raise _fault(identity, place, f"{what}: {_said(error)}") from error


def refuse_warmup(program: Program, bars: int) -> None:
    """Code `warmup_exceeds_data` for a program that would decide nothing in so many bars."""
    if program.warmup >= bars:
        raise CommendaError(
            "warmup_exceeds_data",
            f"{program.identity} decides nothing in its first {program.warmup:,} bars, and there"
            f" are {bars:,}",
        ).at("bars", bars, "give a longer history, or parameters that look back less far")


def run_program(program: Program, bars: Bars, **terms: Any) -> Result:
    """`kernel.run`; codes of `watch`."""

    def over(count: int | None) -> Result:
        return run(program, bars if count is None else bars.between(0, count), **terms)

    def answering(bar: int) -> int | None:
        return _answering(program, bars, bar, terms)

    return watch(program.step, program.identity, over, lambda: bars.ts, answering)


def watch(
    step: Any,
    identity: str,
    over: Callable[[int | None], R],
    stamps: Callable[[], Stamps],
    answering: Callable[[int], int | None] = lambda bar: None,
    *,
    of: str = "bar",
) -> R:
    """`over(None)`, a run with an author's `step`: what that raises is one refusal.

    `over(n)` runs over the first n of `stamps` only; `answering` says on which line of the step
    the answer to a bar was. Codes `strategy_failed` and `strategy_does_not_compile`.
    """
    try:
        return over(None)
    except (CommendaError, MemoryError):
        raise
    except Exception as error:
        place, said = _place_of(step, error), str(error)
        if _uncompiled(error):
            said = f"it cannot be compiled: {_said(error)}"
            raise _fault(identity, place or _defined(step), said, UNCOMPILED) from error
        answered = said == INFINITE or said.startswith(NO_NUMBER)
        if place is None and not answered:
            raise
        at = stamps()
        number = step.bars - 1 if isinstance(step, Watched) else _first(over, at.size)
        if answered:
            file, line = _defined(step)
            place = file, answering(number) or line
        moment = np.datetime64(int(at[number]), "ns").astype("datetime64[ms]").item()
        said = f"{of} {number} ({moment:%Y-%m-%dT%H:%M:%S}Z): {_said(error)}"
        raise _fault(identity, place, said) from error


def _first(over: Callable[[int | None], object], count: int) -> int:
    """The number of the bar that fails: a run of as many passes, of one more it does not."""
    sound, failing = 0, count
    while failing - sound > 1:
        middle = (sound + failing) // 2
        try:
            over(middle)
        except Exception:
            failing = middle
        else:
            sound = middle
    return failing - 1


def _answering(program: Program, bars: Bars, bar: int, terms: dict[str, Any]) -> int | None:
    """The line of a step that answered at a bar, by going through all before it in Python."""
    if bar >= MOST_REPLAYED:
        return None
    plain = _plain(program.step)
    code: CodeType = plain.__code__
    last, seen = [code.co_firstlineno], [0]

    def follow(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code is not code:
            return None
        last[0] = frame.f_lineno
        return follow

    def step(*given: Any) -> float:
        seen[0] += 1
        if seen[0] <= bar:
            return float(plain(*given))
        before = sys.gettrace()
        sys.settrace(follow)
        try:
            return float(plain(*given))
        finally:
            sys.settrace(before)

    without = {name: value for name, value in terms.items() if name not in ("finer", "samples")}
    with suppress(Exception), np.errstate(all="ignore"):
        run(replace(program, step=step), bars.between(0, bar + 1), **without)
    return last[0]


def _place_of(step: Any, error: BaseException) -> tuple[str, int] | None:
    """File and line of an author's code in which an error came up; None where it did not."""
    known = _folder(step)
    frames = [
        (each.filename, each.lineno or 0) for each in traceback.extract_tb(error.__traceback__)
    ]
    frames += [(one or other, int(line)) for one, other, line in _PLACE.findall(str(error))]
    for file, number in reversed(frames):
        if Path(file).is_absolute() and Path(file).parent == known:
            return file, number
        if not Path(file).is_absolute() and (known / file).is_file():  # as numba names it
            return file, number
    return None


def _defined(step: Any) -> tuple[str, int]:
    code = _plain(step).__code__
    return code.co_filename, code.co_firstlineno


def _folder(step: Any) -> Path:
    """Where a step and what it imports of its own stand."""
    return Path(_plain(step).__code__.co_filename).parent


def _plain(step: Any) -> Any:
    return getattr(step, "py_func", inspect.unwrap(step))


def _uncompiled(error: Exception) -> bool:
    """Whether the compiler raised it: what runs raises it from its own lines."""
    frames = traceback.extract_tb(error.__traceback__)
    return _COMPILER in frames[-1].filename


def _said(error: Exception) -> str:
    """What an error says, in a line; of a compiler's message the first that says something."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip(" >") for line in plain.splitlines() if line.strip()]
    if _uncompiled(error):
        lines = [line for line in lines if not line.startswith("Failed in")]
        said = " ".join(lines[: 1 + lines[0].endswith(":")]) if lines else type(error).__name__
        return said.partition(" Raised from ")[0]
    said = lines[0] if lines else ""
    if said == INFINITE:
        return "it answered an infinite target"
    if said.startswith(NO_NUMBER):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _fault(
    identity: str, place: tuple[str, int] | None, said: str, code: str = FAILED
) -> CommendaError:
    where = f"{Path(place[0]).name}, line {place[1]}, " if place else ""
    return CommendaError(code, f"{where}{said}").at(
        "strategy", identity, "mend that line; commenda strategy check examines the whole"
    )
