"""Environments of their own for what is only tested against: other people's packages.

One is made by uv, which keeps what it downloads for the next time, in `.cache/clients`; where it
cannot be installed in time the test is skipped and says so.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KEPT = Path(__file__).parents[1] / ".cache" / "clients"
INSTALL = 150
"""Seconds that one may take."""


def environment(*requirements: str, base: str = sys.executable) -> Path:
    """The interpreter of an environment, of that Python, that holds these packages."""
    folder = KEPT / "+".join(requirements).replace("==", "-")
    python, ready = folder / "bin" / "python", folder / "ready"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:  # tests run beside each other
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            try:
                made = [uv(), "venv", "--quiet", "--clear", "--python", base, str(folder)]
                _shell(made)
                install = [uv(), "pip", "install", "--quiet", "--python", str(python)]
                _shell([*install, *requirements])
            except (subprocess.SubprocessError, OSError) as error:
                said = getattr(error, "stderr", None) or b""
                named = ", ".join(requirements)
                pytest.skip(f"{named} cannot be installed here: {error} {said.decode()}")
            ready.touch()
    return python


def uv() -> str:
    """The machine's, or one in an environment of its own."""
    found, own = shutil.which("uv"), KEPT / "uv" / "bin" / "uv"
    if found is None and not own.exists():
        _shell([sys.executable, "-m", "venv", "--clear", str(KEPT / "uv")])
        _shell([str(KEPT / "uv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"])
    return found or str(own)


def newer(least: int) -> str:
    """An interpreter of Python 3.`least`, or of one of the two after it."""
    for minor in range(least, least + 3):
        kept = (Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python")
        for one in (shutil.which(f"python3.{minor}"), *map(str, kept)):
            if one and subprocess.run([one, "--version"], capture_output=True).returncode == 0:
                return one
    pytest.skip(f"no Python from 3.{least} to 3.{least + 2} here")


def _shell(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=INSTALL)
