"""Conformance: what a strategy promises, as checks that its author can run.

    from commenda.testing import assert_conforms, check_strategy

    for finding in check_strategy(my_strategy):
        print(finding)

`CHECKS` lists the promises: no index is out of bounds, nothing later than the closed bar is known
to a decision (taken away or changed, at every bar), equal input gives equal bits, the step's memory
is its `state` alone, the backtest's loop and live trading's stepper agree to the bit, the beginning
of the history is forgotten, and parameters run at the ends of their ranges. `commenda strategy
check` prints them.

A compiled step is handed one closed bar at a time, so a future can only come in beside it: through
a table computed from all bars beforehand. Authors who do that examine the function that computes:
`check_strategy(make)` calls `make(bars)` for the program, again and again with bars cut off and
changed, and `precomputed(signals)` makes one out of a function that gives all targets at once.
What never came through the bars (a file read on import, a clock) no such check can see; `sources`
refuses the variables by which it would reach a step.

`commenda.testing.pytest_strategies` has the same checks as pytest's tests;
`commenda.testing.pytest_venues` has those of what a venue promises.
"""

from __future__ import annotations

from collections.abc import Mapping

from commenda.kernel import Bars
from commenda.strategies import Strategy
from commenda.testing.checks import CHECKS
from commenda.testing.subject import Make, Subject, precomputed, sample_bars, subject_of
from commenda.testing.verdict import Check, Finding, Verdict, found


def check_strategy(
    strategy: Strategy | Make,
    *,
    bars: Bars | None = None,
    params: Mapping[str, object] | None = None,
) -> list[Finding]:
    """What each of `CHECKS` finds in `strategy`, or in what a function makes of bars.

    It is examined over `bars` (`sample_bars` if not given) with `params` (defaults elsewhere).
    Codes `unknown_parameter` and `bad_parameter`.
    """
    subject = subject_of(strategy, bars=bars, params=params)
    return [found(check, subject) for check in CHECKS]


def assert_conforms(
    strategy: Strategy | Make,
    *,
    bars: Bars | None = None,
    params: Mapping[str, object] | None = None,
) -> None:
    """Raise AssertionError naming every promise that `strategy` does not keep."""
    findings = check_strategy(strategy, bars=bars, params=params)
    failed = [str(finding) for finding in findings if finding.verdict is Verdict.FAILED]
    assert not failed, "\n".join(failed)


__all__ = [
    "CHECKS",
    "Check",
    "Finding",
    "Make",
    "Subject",
    "Verdict",
    "assert_conforms",
    "check_strategy",
    "found",
    "precomputed",
    "sample_bars",
    "subject_of",
]
