"""Public clients, as they are published, trade on the exchange.

Each has an environment of its own, since two of them are imported under one name. It is kept in
`.cache/clients`; where it cannot be installed the test is skipped and says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Served

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "clients"


def run(requirement: str, script: str, served: Served) -> dict[str, Any]:
    """Let a script trade in the environment of its client; what it saw."""
    python = environment(requirement)
    done = subprocess.run(
        [python, SCRIPTS / script, served.address],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def environment(requirement: str) -> Path:
    """The interpreter of an environment that holds this one client."""
    folder = ROOT / ".cache" / "clients" / requirement.replace("==", "-")
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        try:
            for command in (
                [sys.executable, "-m", "venv", str(folder)],
                [str(python), "-m", "pip", "install", "--quiet", requirement],
            ):
                subprocess.run(command, check=True, capture_output=True, timeout=600)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"{requirement} cannot be installed here: {error}")
        ready.touch()
    return python


def test_python_binance(served: Served) -> None:
    seen = run("python-binance==1.0.37", "python_binance.py", served)
    assert seen["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert (seen["leverage"], seen["bought"], seen["stop"]) == (10, "FILLED", "NEW")
    assert (seen["open"], seen["cancelled"], seen["position"]) == (1, "CANCELED", "0.02")
    assert seen["refused"] == -4003
    assert seen["income"][:1] == ["COMMISSION"]
    assert (seen["candles"], seen["key"]) == (5, True)


def test_binance_futures_connector(served: Served) -> None:
    seen = run("binance-futures-connector==4.2.0", "futures_connector.py", served)
    assert seen["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert (seen["leverage"], seen["mode"], seen["bought"]) == (10, -4059, "FILLED")
    assert (seen["open"], seen["cancelled"], seen["position"]) == (1, "CANCELED", "0.02")
    assert (seen["candles"], seen["heard"]) == (5, ["ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"])
