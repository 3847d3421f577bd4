"""Configurations run over a history: pure work on arrays, here or in another process.

A batch is divided among the workers, so that each is sent the history once for its part of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from commenda.kernel import Bars, Costs, Funding, Program, Terms
from commenda.kit.errors import CommendaError
from commenda.returns import Year, sharpe_sample
from commenda.strategies import UNCOMPILED, refuse_warmup, run_program
from commenda.studies.measures import (
    OBJECTIVES,
    Record,
    periods_of,
    record_of,
)
from commenda.studies.model import Fold, Outcome, TrialState
from commenda.studies.splits import Split

RUNGS = (0.25, 0.5)
"""The parts of the history after which a trial may be given up: runs of 1 + 3/4 of it at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What every configuration of a study is run over, and what is measured of it."""

    bars: Bars
    funding: Funding | None
    costs: Costs
    cash: float
    terms: Terms
    year: Year
    objectives: tuple[str, ...]
    splits: tuple[Split, ...]

    def run(self, program: Program, bars: int) -> Record:
        """The record of a program over the first so many bars."""
        whole = len(self.bars)
        given = self.bars if bars == whole else self.bars.between(0, bars)
        result = run_program(
            program,
            given,
            cash=self.cash,
            funding=self.funding,
            costs=self.costs,
            terms=self.terms,
        )
        return record_of(result, self.cash, self.year)

    def rung(self, number: int) -> int:
        """How many bars a trial is judged by at a rung."""
        return max(2, int(len(self.bars) * RUNGS[number]))


def glimpse(course: Course, programs: Sequence[Program], rung: int) -> list[Outcome]:
    """What each program comes to over the part of the history before a rung, were it given up."""
    here = _writable(course)
    return [_glimpsed(here, replace(program), rung) for program in programs]


def evaluate(course: Course, programs: Sequence[Program]) -> list[Outcome]:
    """What each program comes to over the whole history."""
    here = _writable(course)
    return [_outcome(here, replace(program)) for program in programs]


def _writable(course: Course) -> Course:
    """The course with arrays that can be written to, copied where a cluster made them read-only.

    The compiled loop takes no others, though it writes to none of these. Made anew, a value checks
    and copies its arrays by itself; so does a program, for its parameters.
    """
    if course.bars.open.flags.writeable:
        return course
    funding = course.funding
    return replace(course, bars=replace(course.bars), funding=funding and replace(funding))


def _glimpsed(course: Course, program: Program, rung: int) -> Outcome:
    begun = time.perf_counter()
    try:
        record = course.run(program, course.rung(rung))
        value = OBJECTIVES[course.objectives[0]].measure(record)
    except (CommendaError, ValueError, ArithmeticError) as error:
        return _failed(error, begun)
    return _summed_up(record, TrialState.PRUNED, begun, rungs=(value,))


def _outcome(course: Course, program: Program) -> Outcome:
    begun = time.perf_counter()
    try:
        refuse_warmup(program, len(course.bars))
        record = course.run(program, len(course.bars))
        aims, ratio = [OBJECTIVES[name] for name in course.objectives], OBJECTIVES["sharpe"]
        train = [record.within(split.train) for split in course.splits]
        tests = [record.within((split.test,)) for split in course.splits]
        figures = [
            list(map(aim.measure, parts)) for aim in (aims[0], ratio) for parts in (train, tests)
        ]
        if record.ruined is not None:
            values: list[float | None] = [aim.worst for aim in aims]
        else:
            values = [aim.over(list(map(aim.measure, train or [record]))) for aim in aims]
    except (CommendaError, ValueError, ArithmeticError) as error:
        return _failed(error, begun)
    folds = tuple(Fold(*of_one) for of_one in zip(*figures, strict=True))
    return _summed_up(record, TrialState.COMPLETE, begun, values=tuple(values), folds=folds)


def _summed_up(record: Record, state: TrialState, begun: float, **found: Any) -> Outcome:
    sample = sharpe_sample(record.returns)
    return Outcome(
        state,
        **found,
        sharpe=sample.sharpe if sample else None,
        skew=sample.skew if sample else None,
        kurtosis=sample.kurtosis if sample else None,
        bars=record.returns.size,
        trades=record.profits.size,
        periods=periods_of(record.returns) if state is TrialState.COMPLETE else None,
        seconds=time.perf_counter() - begun,
    )


def _failed(error: Exception, begun: float) -> Outcome:
    said = str(error) or type(error).__name__
    if isinstance(error, CommendaError):
        if error.code == UNCOMPILED:  # none of the others would be, either
            raise error
        said = error.message
    return Outcome(TrialState.FAILED, reason=said, seconds=time.perf_counter() - begun)
