"""The promises of a strategy, each a plain function of what is examined."""

from __future__ import annotations

from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType

import numpy as np
import numpy.typing as npt

from commenda.kernel import Array, Program, Stepper, run
from commenda.kit.errors import CommendaError
from commenda.strategies import (
    WALLS,
    Limits,
    Strategy,
    is_constant,
    reached,
    reference_to,
    run_sandboxed,
)
from commenda.testing.bounds import BARS_AT_EDGES, MOST_BARS, beyond_bounds
from commenda.testing.lookahead import perturbation, truncation, with_another_future
from commenda.testing.recording import (
    CASH,
    COSTS,
    Answers,
    advance,
    record,
    replay,
    rows_of,
    show,
)
from commenda.testing.subject import Subject
from commenda.testing.verdict import BOUNDS, Broken, Check, Unchecked

RESTARTS = 500
MOST_STATE = 10_000_000
TOLERANCE = 1e-6
HASH_SEEDS = (1, 2)
CODE = (FunctionType, BuiltinFunctionType, type, np.ufunc)
NOT_LOADED = {"no_strategy", "unknown_strategy", "strategy_file_broken", "strategy_name_taken"}
CHILD = Limits(seconds=120.0)


def same_bits_again(subject: Subject) -> str:
    """Two runs here, and two in processes that hash differently, end in the same bits."""
    program = subject.make(subject.bars)
    first = run(program, subject.bars, cash=CASH, costs=COSTS)
    second = run(subject.make(subject.bars), subject.bars, cash=CASH, costs=COSTS)
    _require_same(subject, first.equity, second.equity, "another run in this process")
    _require_same(subject, first.targets, second.targets, "another run in this process")
    strategy = subject.strategy
    source = None if strategy is None else reference_to(strategy)
    if strategy is None or source is None:
        return "two runs in this process; no other can load it"
    for seed in HASH_SEEDS:
        try:
            other = run_sandboxed(
                source,
                subject.params,
                subject.bars,
                cash=CASH,
                costs=COSTS,
                limits=CHILD,
                hash_seed=seed,
                allow=WALLS,  # of its author, on their own machine
            )
        except CommendaError as error:
            if error.code not in NOT_LOADED:
                raise Broken(f"in another process: {error.message}") from error
            return f"two runs in this process; no other can load it: {error.message}"
        where = f"a process with PYTHONHASHSEED={seed}"
        _require_same(subject, first.equity, other.equity, where)
        _require_same(subject, first.targets, other.targets, where)
    return "two runs in this process and two in others that hash differently"


def writes_only_to_its_state(subject: Subject) -> str:
    """Bar, position and parameters are after each call what they were before it."""
    recording = record(subject.make(subject.bars), subject.bars)
    if recording.written is not None:
        at, name = recording.written
        raise Broken(f"the step wrote to `{name}`", bar=at, bars=subject.bars)
    return f"{len(subject.bars):,} calls"


def reads_only_what_it_is_given(subject: Subject) -> str:
    """Of its module and its closure the step reads functions and constants only.

    Anything that can be changed or filled from elsewhere could carry a future into it, or a past
    that is not saved. numba freezes such an array when it compiles, and the source hash of a
    strategy does not follow objects.
    """
    program = subject.make(subject.bars)
    for name, value in reached(program.step).items():
        if not (is_constant(value) or isinstance(value, CODE)):
            raise Broken(
                f"the step reads {name}, which is a {type(value).__name__}: keep what changes in"
                " `state`, pass tables as parameters or write them as a tuple"
            )
    return "functions and constants"


def targets_are_numbers(subject: Subject) -> str:
    """Every answer is finite, or NaN to keep the standing target."""
    program = subject.make(subject.bars)
    answers = record(program, subject.bars).answers.targets
    wrong = np.isinf(answers)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise Broken(f"the step answered {answers[at]}", bar=at, bars=subject.bars)
    kept = int(np.isnan(answers).sum())
    if kept == answers.size and not program.orders and program.warmup < answers.size:
        raise Broken(f"the step never decided anything in {answers.size:,} bars")
    return f"{answers.size - kept:,} targets, {kept:,} times kept"


def loop_and_stepper_agree(subject: Subject) -> str:
    """A backtest's loop and live trading's stepper leave the same bits."""
    program = subject.make(subject.bars)
    whole = run(program, subject.bars, cash=CASH, costs=COSTS)
    stepped = record(program, subject.bars)
    _require_same(subject, whole.targets, stepped.targets, "the stepper")
    _require_same(subject, whole.equity, stepped.equity, "the stepper")
    if whole.account.tobytes() != stepped.account.tobytes():
        raise Broken("the accounts differ after the last bar")
    return f"{len(subject.bars):,} bars, {len(whole.fills):,} fills"


def restores_after_every_bar(subject: Subject) -> str:
    """A run that is saved, led astray and restored after every bar ends each in the same bits.

    Astray means: the stepper that was saved from is shown a bar that never was. A memory outside
    `state` keeps that.
    """
    program = subject.make(subject.bars)
    first = min(program.warmup, max(0, len(subject.bars) - RESTARTS))
    bars = subject.bars.between(0, first + RESTARTS)
    straight = Stepper(program, cash=CASH, costs=COSTS)
    expected = [straight.save() for _ in advance(straight, bars)]
    never = with_another_future(bars, 1)
    stepper = Stepper(program, cash=CASH, costs=COSTS)
    for at in range(len(bars)):
        show(stepper, bars, at)
        saved = stepper.save()
        if saved != expected[at]:
            raise Broken("a restored run has another state", bar=at, bars=subject.bars)
        if first <= at + 1 < len(bars):
            show(stepper, never, at + 1)
            stepper = Stepper.restore(program, saved, costs=COSTS)
    return f"restored after each of {len(bars) - first:,} bars"


def beginning_is_forgotten(subject: Subject) -> str:
    """After a time decisions do not depend on where the history began.

    The answers of runs that begin later are held against those of the whole run, with the whole
    run's positions. Averages that never forget quite converge within 1e-6, and a side that is kept
    until the next signal takes until then; so what is said is how many bars it took.
    """
    program = subject.make(subject.bars)
    if subject.strategy is None:
        raise Unchecked("the program is made for the bars: it cannot begin elsewhere")
    count = len(subject.bars)
    rows = rows_of(subject.bars)
    recording = record(program, subject.bars)
    needed = 0
    starts = sorted({count // 8, count // 4, count // 2})
    if count - starts[-1] <= 2 * program.warmup:
        raise Unchecked(f"{count:,} bars are too few for a warm-up of {program.warmup:,}")
    for start in starts:
        answers = replay(program, program.step, rows[start:], recording, start)
        expected = Answers(*(part[start:] for part in recording.answers))
        differ = np.flatnonzero(~_close(answers, expected))
        took = int(differ[-1]) + 1 if differ.size else 0
        # Still differing in the last third of what there is means: no sign of an end.
        if took > (count - start) * 2 // 3:
            at = start + took - 1
            raise Broken(
                f"{took:,} bars after a later beginning the decision is"
                f" {answers.targets[took - 1]:g} instead of {expected.targets[took - 1]:g}",
                bar=at,
                bars=subject.bars,
            )
        needed = max(needed, took)
    if needed <= program.warmup:
        return f"all alike after the warm-up of {program.warmup:,} bars"
    return f"all alike after {needed:,} bars; the warm-up is {program.warmup:,}"


def edges_of_parameters_run(subject: Subject) -> str:
    """Each parameter at both ends of its range binds, runs and answers with numbers."""
    if subject.strategy is None:
        raise Unchecked("a function that makes programs declares no ranges")
    bars = subject.bars.between(0, BARS_AT_EDGES)
    ran = refused = 0
    for edge, program in _edges(subject.strategy, subject):
        if program is None:
            refused += 1
            continue
        if program.state_size > MOST_STATE:
            raise Broken(f"{edge} takes a state of {program.state_size:,} numbers")
        try:
            recording = record(program, bars)
        except Exception as error:
            raise Broken(f"{edge} raised {type(error).__name__}: {error}") from error
        if np.isinf(recording.answers.targets).any() or not np.isfinite(recording.equity).all():
            raise Broken(f"{edge} led to a target or an equity that is no number")
        ran += 1
    return f"{ran} edges run, {refused} contradict another parameter and are refused"


def _edges(strategy: Strategy, subject: Subject) -> Iterator[tuple[str, Program | None]]:
    for param in strategy.params:
        for value in (param.low, param.high):
            edge = f"{param.name} = {value:g}"
            try:
                yield edge, strategy.bind(**{**subject.params, param.name: value})
            except CommendaError:
                yield edge, None
            except Exception as error:
                raise Broken(f"{edge} does not bind: {type(error).__name__}: {error}") from error


def _require_same(subject: Subject, one: Array, other: Array, where: str) -> None:
    differ = one.view(np.int64) != other.view(np.int64)
    if differ.any():
        at = int(np.argmax(differ))
        raise Broken(f"the result differs from that of {where}", bar=at, bars=subject.bars)


def _close(one: Answers, other: Answers) -> npt.NDArray[np.bool_]:
    """At which bars two runs answer alike, orders included."""
    alike = [
        np.isclose(mine, its, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        for mine, its in zip(one, other, strict=True)
    ]
    return np.asarray(alike[0] & alike[1].all(axis=(1, 2)))


def stays_within_its_arrays(subject: Subject) -> str:
    """No index is out of bounds, at the ends of the parameters' ranges neither."""
    beyond = beyond_bounds(subject)
    if beyond is not None:
        raise Broken(beyond)
    return f"the first {min(len(subject.bars), MOST_BARS):,} bars, interpreted"


CHECKS: tuple[Check, ...] = (
    Check(BOUNDS, "no index is out of bounds", stays_within_its_arrays),
    Check("truncation", "no decision changes when later bars are taken away", truncation),
    Check("perturbation", "no decision changes when later bars are others", perturbation),
    Check("determinism", "equal input gives equal bits, in any process", same_bits_again),
    Check("inputs", "only `state` is written to", writes_only_to_its_state),
    Check(
        "sources", "nothing that can change is read past the arguments", reads_only_what_it_is_given
    ),
    Check("targets", "every answer is finite, or NaN to keep", targets_are_numbers),
    Check("modes", "loop and stepper agree to the bit", loop_and_stepper_agree),
    Check("restore", "a saved state continues to the same bit", restores_after_every_bar),
    Check("warm-up", "where the history began is forgotten", beginning_is_forgotten),
    Check("ranges", "parameters run at both ends of their ranges", edges_of_parameters_run),
)
