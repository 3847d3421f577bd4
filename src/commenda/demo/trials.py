"""What the demo's creator tried before the first day: runs to compare, and a study of one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from commenda.identity import find_user
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.strategies import BacktestRequest, ask_for_run
from commenda.studies import StudyRequest, ask_for_study, studies_where

_OVER: dict[str, Any] = {
    "strategy": "ema_trend",
    "venue": "simulated",
    "symbol": "XRPUSDT",
    "interval": "5m",
}
_TRIED: tuple[dict[str, float], ...] = ({}, {"fast": 36, "slow": 144, "band": 0.001})
"""Parameters: its defaults, and what the demo's creator publishes."""
_SPACE = {"fast": "12:96:12", "slow": "96:480:48", "band": "0|0.001|0.002"}


def try_strategies(tx: Tx, home: Path, now: datetime) -> None:
    """Ask once for two backtests and a study; a worker runs them behind trading."""
    creator = find_user(tx, "demo-creator")
    if creator is None or studies_where(tx, asked_by=creator.actor, limit=1):
        return
    for place, params in enumerate(_TRIED):
        body = BacktestRequest(**_OVER, params=params)
        ask_for_run(tx, ids.derive("demo-trial", place), body, home, creator.actor, now)
    ask_for_study(tx, StudyRequest(**_OVER, space=_SPACE, trials=60), home, creator.actor, now)
