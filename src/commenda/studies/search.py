"""Which configurations to try next: Optuna's samplers, asked and told.

Our tables are the record, and Optuna's study lives in memory only. A killed study is asked again
for what it was asked before and told what came of it: the same seed gives the same configurations,
so that every sampler, whatever it remembers, stands where it stood. Where a newer Optuna would
choose others, the recorded ones are told all the same.

The grid is ours: it is known beforehand, and leaves out what the strategy would refuse.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from commenda.studies.measures import is_number
from commenda.studies.model import Outcome, Plan, Sampler, TrialState
from commenda.studies.space import Dimension, Params, Space

if TYPE_CHECKING:  # importing Optuna takes half a second: only a study pays for it
    import optuna

STARTUP = 10
"""Trials drawn at random before a model of them is of use."""


@dataclass(slots=True)
class Asked:
    """A configuration to try, and the sampler's own name for it."""

    params: Params
    handle: Any = None


class Search(Protocol):
    """Who chooses configurations. What was asked together is told together, in that order."""

    def ask(self, count: int, recorded: Sequence[Params] = ()) -> list[Asked]:
        """The next `count`, fewer at the end of a grid; `recorded` is what they were before."""
        ...

    def hopeless(self, asked: Asked, rung: int, value: float | None) -> bool:
        """Whether what was seen of a trial so far is worse than the median there."""
        ...

    def tell(self, asked: Asked, outcome: Outcome) -> None:
        """What came of it."""
        ...


def search_of(plan: Plan, space: Space, allowed: Callable[[Params], bool]) -> Search:
    """The search that a plan asks for. `allowed` says what the strategy takes."""
    if plan.sampler is Sampler.GRID:
        return GridSearch(plan, space, allowed)
    return SampledSearch(plan, space)


class GridSearch:
    """Every configuration once, in an order drawn from the seed: a part of it is a fair sample."""

    def __init__(self, plan: Plan, space: Space, allowed: Callable[[Params], bool]) -> None:
        self._points = [point for point in space.grid() if allowed(point)]
        random.Random(plan.seed).shuffle(self._points)
        self._next = 0
        self._pruner = _Median(plan)

    def ask(self, count: int, recorded: Sequence[Params] = ()) -> list[Asked]:
        found = [Asked(point) for point in self._points[self._next : self._next + count]]
        self._next += len(found)
        return found

    def hopeless(self, asked: Asked, rung: int, value: float | None) -> bool:
        return self._pruner.hopeless(rung, value)

    def tell(self, asked: Asked, outcome: Outcome) -> None:
        self._pruner.learn(outcome)


class SampledSearch:
    """A search led by one of Optuna's samplers, or by our own Gaussian process."""

    def __init__(self, plan: Plan, space: Space) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._distributions = {one.name: _distribution(one) for one in space.dimensions}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study = optuna.create_study(
                sampler=_sampler(plan, space),
                directions=["maximize" if one.maximise else "minimize" for one in plan.aims],
            )
        self._pruner = _Median(plan)

    def ask(self, count: int, recorded: Sequence[Params] = ()) -> list[Asked]:
        import optuna

        asked = []
        for place in range(count):
            trial = self._study.ask(self._distributions)
            params = {name: float(value) for name, value in trial.params.items()}
            if place < len(recorded) and recorded[place] != params:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                asked.append(Asked(dict(recorded[place])))
            else:
                asked.append(Asked(params, trial))
        return asked

    def hopeless(self, asked: Asked, rung: int, value: float | None) -> bool:
        return self._pruner.hopeless(rung, value)

    def tell(self, asked: Asked, outcome: Outcome) -> None:
        import optuna

        self._pruner.learn(outcome)
        # What is undefined or was ruined has no number to tell: as what was given up it ranks last.
        values = [value for value in outcome.values if is_number(value)]
        ended = outcome.state is TrialState.COMPLETE and len(values) < len(outcome.values)
        state = _states()[TrialState.PRUNED if ended else outcome.state]
        told = values if outcome.values and not ended else None
        seen = () if ended else enumerate(outcome.rungs)
        rungs = {rung: value for rung, value in seen if is_number(value)}
        if asked.handle is not None:
            for rung, value in rungs.items() if self._pruner.active else ():
                asked.handle.report(value, rung)
            self._study.tell(asked.handle, told, state=state)
            return
        self._study.add_trial(
            optuna.trial.create_trial(
                state=state,
                params=self._typed(asked.params),
                distributions=self._distributions,
                values=told,
                intermediate_values=rungs,
            )
        )

    def _typed(self, params: Mapping[str, float]) -> dict[str, Any]:
        import optuna

        whole = optuna.distributions.IntDistribution
        return {
            name: int(value) if isinstance(self._distributions[name], whole) else value
            for name, value in params.items()
        }


class _Median:
    """Gives a trial up where it is worse than the median of those before it (Golovin and others,
    "Google Vizier", 2017: the median stopping rule).

    Ours rather than Optuna's, so that a batch is judged by the trials before the batch and not by
    which of its neighbours was quicker.
    """

    def __init__(self, plan: Plan) -> None:
        self.active = plan.pruning
        self._aim = plan.aims[0]
        self._seen: dict[int, list[float]] = {}

    def hopeless(self, rung: int, value: float | None) -> bool:
        seen = self._seen.get(rung, ())
        if not self.active or len(seen) < STARTUP or value is None:
            return False  # what decided nothing yet is not worse
        return self._aim.signed(value) < sorted(seen)[len(seen) // 2]

    def learn(self, outcome: Outcome) -> None:
        for rung, value in enumerate(outcome.rungs):
            if value is not None:
                self._seen.setdefault(rung, []).append(self._aim.signed(value))


def _states() -> dict[TrialState, optuna.trial.TrialState]:
    from optuna.trial import TrialState as Their

    return {
        TrialState.RUNNING: Their.RUNNING,
        TrialState.COMPLETE: Their.COMPLETE,
        TrialState.PRUNED: Their.PRUNED,
        # Not as failed: a sampler forgets what failed, and asks for it for ever.
        TrialState.FAILED: Their.PRUNED,
    }


def _distribution(one: Dimension) -> optuna.distributions.BaseDistribution:
    from optuna import distributions

    if one.choices:
        return distributions.CategoricalDistribution(list(one.choices))
    if one.whole:
        step = 1 if one.log else int(one.step or 1)
        return distributions.IntDistribution(int(one.low), int(one.high), log=one.log, step=step)
    return distributions.FloatDistribution(one.low, one.high, log=one.log, step=one.step)


def _sampler(plan: Plan, space: Space) -> optuna.samplers.BaseSampler:
    from optuna import samplers

    match plan.sampler:
        case Sampler.CMAES:
            return samplers.CmaEsSampler(
                seed=plan.seed, n_startup_trials=STARTUP, warn_independent_sampling=False
            )
        case Sampler.NSGA2:
            # Ten generations of a long search; a short one has smaller ones.
            population = max(4, min(50, plan.trials // 10))
            return samplers.NSGAIISampler(seed=plan.seed, population_size=population)
        case Sampler.GP:
            from commenda.studies.gaussian import gaussian_sampler

            return gaussian_sampler(plan, space)
        case _:
            return samplers.TPESampler(
                seed=plan.seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True
            )
