"""Do the abilities pay: the same business with all of them, and with each one left out in turn.

Each pair differs in one ability and nothing else: the same candles, people, strategies and seeds.
A figure's difference is what the business had with the ability less what it had without. Over the
pairs of all seeds and windows its mean is given with a bootstrap interval; pairs are drawn whole,
for one window's figures hang together. An interval that holds zero says that nothing was shown.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from commenda.automation import Mode
from commenda.kit.errors import CommendaError
from commenda.returns import bootstrap_interval
from commenda.simulate.outcome import FIGURES, Outcome
from commenda.simulate.run import simulate
from commenda.simulate.scenario import Scenario

Told = Callable[[int, int, str], None]
"""Told (runs done, runs in all, what the next one is)."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One replay: a window of a seed, without one ability or with all."""

    seed: int
    window: int
    without: str | None


@dataclass(frozen=True, slots=True)
class Paid:
    """What an ability brought in one figure: the mean over the pairs, and where it may lie."""

    ability: str
    figure: str
    mean: float
    low: float | None
    high: float | None
    pairs: int
    decisions: int
    """That were done, over all runs with all abilities."""


def arms(scenario: Scenario, seeds: int, windows: int) -> list[Arm]:
    """Every replay of a comparison; code `nothing_to_compare` where no ability is on."""
    on = [name for name, mode in scenario.abilities.items() if mode is not Mode.OFF]
    if not on:
        raise CommendaError("nothing_to_compare", "No ability is on in this scenario").at(
            "abilities", None, "name those to compare under [abilities]"
        )
    return [
        Arm(scenario.seed + seed, window, without)
        for seed in range(seeds)
        for window in range(windows)
        for without in (None, *on)
    ]


def variant(scenario: Scenario, arm: Arm) -> Scenario:
    """The scenario of one replay: its seed, its window, and one ability less."""
    abilities = {name: mode for name, mode in scenario.abilities.items() if name != arm.without}
    named = f"{scenario.digest}:{arm.seed}:{arm.window}:{arm.without}"
    return replace(
        scenario,
        seed=arm.seed,
        start=scenario.start + timedelta(days=scenario.days * arm.window),
        abilities=abilities or dict.fromkeys(scenario.abilities, Mode.OFF),
        digest=named,
    )


def replayed(
    scenario: Scenario, todo: Sequence[Arm], told: Told
) -> Iterator[tuple[Arm, Outcome, dict[str, int]]]:
    """Replay each arm on a database of its own; its outcome and what each ability did in it."""
    for place, arm in enumerate(todo):
        told(place, len(todo), f"seed {arm.seed}, window {arm.window + 1}, without {arm.without}")
        with tempfile.TemporaryDirectory(prefix="commenda-") as folder:
            result = simulate(variant(scenario, arm), Path(folder))
        if not result["verify"]["clean"]:
            raise CommendaError("not_sound", "A replay's books do not verify").at(
                "seed", arm.seed, "; ".join(result["verify"]["findings"][:3])
            )
        machine = result["machine"]
        done = {row["ability"]: row["done"] for row in machine["abilities"]}
        yield arm, Outcome(**machine["outcome"]), done


def compare(scenario: Scenario, seeds: int, windows: int, told: Told) -> dict[str, Any]:
    """Replay every arm and say what each ability brought, as JSON."""
    todo = arms(scenario, seeds, windows)
    found: dict[Arm, Outcome] = {}
    acted: dict[str, int] = {}
    for arm, came, done in replayed(scenario, todo, told):
        found[arm] = came
        if arm.without is None:
            for name, count in done.items():
                acted[name] = acted.get(name, 0) + count
    return {
        "title": scenario.title,
        "days": scenario.days,
        "seeds": seeds,
        "windows": windows,
        "paid": [asdict(one) for one in paid(found, acted, scenario.seed)],
        "runs": [
            {"seed": arm.seed, "window": arm.window, "without": arm.without, **asdict(came)}
            for arm, came in found.items()
        ],
    }


def paid(found: dict[Arm, Outcome], acted: dict[str, int], seed: int) -> list[Paid]:
    """What each ability brought, figure by figure."""
    names = sorted({arm.without for arm in found if arm.without is not None})
    rows = []
    for name in names:
        for figure in FIGURES:
            differences = [
                getattr(came, figure) - getattr(found[replace(arm, without=name)], figure)
                for arm, came in found.items()
                if arm.without is None
            ]
            low, high = _interval(differences, seed)
            mean = float(np.mean(differences))
            count = acted.get(name, 0)
            rows.append(Paid(name, figure, mean, low, high, len(differences), count))
    return rows


def _interval(differences: Sequence[float], seed: int) -> tuple[float | None, float | None]:
    """The 95 % bootstrap interval of the mean; (None, None) of one pair alone."""
    if len(differences) < 2:
        return None, None
    found = bootstrap_interval(differences, lambda rows: rows.mean(axis=1), seed=seed, length=1)
    return (None, None) if found is None else (found.low, found.high)
