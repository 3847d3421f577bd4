"""A file of a stranger's strategy, and the processes that it may have left behind."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

HEAD = """
from commenda.strategies import strategy

@strategy(name="tried", version="1", params=[], state_size=lambda p: 1, warmup=lambda p: 0,
          python=True)
def tried(state, bar, position, params):
    found = []
"""


def with_word(word: str) -> list[str]:
    """The processes, dead ones left out, whose environment has `word`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (entry / "environ").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            found += [entry.name] if word.encode() in environment and state != "Z" else []
    return found


def alive(word: str) -> list[str]:
    """Those of them that stay for a second: ending takes a moment."""
    for _ in range(20):
        found = with_word(word)
        if not found:
            break
        time.sleep(0.05)
    return found
