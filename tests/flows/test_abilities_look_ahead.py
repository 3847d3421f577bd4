"""No ability knows what comes: with other candles after a moment, the same is decided until then.

Whatever has a row in ABILITIES is held by it, in a replay where every one of them acts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commenda.automation import ABILITIES
from commenda.kit.clock import require_utc
from commenda.simulate import business, load_scenario, machine, simulate
from scenario_runs import SCENARIO

ACTING = "\n[abilities]\n" + "".join(f'{one.name} = "acting"\n' for one in ABILITIES)
PORTFOLIO = """
[[portfolios]]
name = "house"
capital = "20000"
creators = ["c0", "c3", "c6"]
rules = { method = "target_volatility", target_volatility = 0.1, cap = 0.5 }
"""
HOURS = 60
"""After the start, of 144: until then there is enough to decide on, and after it, too."""


def seen_by_abilities(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """(when, ability, target, evidence, what it decided) of each look in a replay."""
    found: list[Any] = []
    decide = machine.decide

    def kept(tx: Any, author: Any, ability: Any, seen: Any) -> None:
        decision = decide(tx, author, ability, seen)
        made = None if decision is None else (decision.action, decision.change, decision.state)
        found.append((author.now, ability.name, seen.target, dict(seen.evidence), made))

    with monkeypatch.context() as patch:
        patch.setattr(machine, "decide", kept)
        simulate(load_scenario(path), folder)
    return found


def otherwise(monkeypatch: pytest.MonkeyPatch, cut: datetime) -> None:
    """Have the bar that opens at `cut` move elsewhere, and all that come after it."""
    market = business.simulate_market

    def altered(seed: int, assets: Any, start: datetime, bars: int, interval: timedelta) -> Any:
        first = int((cut - start) / interval)
        told = market(seed, assets, start, bars, interval)
        others = market(seed + 1, assets, start, bars, interval)
        return {name: _spliced(told[name], others[name], first) for name in told}

    monkeypatch.setattr(business, "simulate_market", altered)


def _spliced(one: Any, other: Any, first: int) -> Any:
    scale = one.bars.open[first] / other.bars.open[first]
    prices = {
        name: np.r_[getattr(one.bars, name)[:first], getattr(other.bars, name)[first:] * scale]
        for name in ("open", "high", "low", "close")
    }
    return replace(one, bars=replace(one.bars, **prices))


def until(found: Sequence[Any], cut: datetime) -> list[Any]:
    return [one for one in found if one[0] <= cut]


def test_what_comes_after_a_moment_changes_nothing_decided_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "acting.toml"
    path.write_text(SCENARIO + ACTING + PORTFOLIO)
    cut = require_utc(load_scenario(path).start) + timedelta(hours=HOURS)
    as_it_was = seen_by_abilities(path, tmp_path / "a", monkeypatch)
    otherwise(monkeypatch, cut)
    altered = seen_by_abilities(path, tmp_path / "b", monkeypatch)
    assert until(altered, cut) == until(as_it_was, cut)
    assert altered != as_it_was, "the candles were others"
    assert any(made for *_, made in until(as_it_was, cut)), "and something was decided before"
