"""A worker that copies signals at a slow venue: `kill_worker.py DATA SYMBOLS`, until killed."""

from __future__ import annotations

import sys
from pathlib import Path

from commenda.copying import SIGNALS, copy_signal_workflow
from commenda.execution import Broker
from commenda.kit import durable
from commenda.kit.db import Database
from commenda.settings import Settings
from scripted import SECRET, D, flat
from stopped import WatchedVenue
from world import World


def main(data: Path, symbols: list[str]) -> None:
    with Database.open(Settings(data=data)) as database:
        world = World(database, {one: flat() for one in symbols}, taken_up=True)
        venue = WatchedVenue(database, world.feed, slippage=D(0), participation=D(1))
        broker = Broker((venue,), world.feed, SECRET)
        workflows = (copy_signal_workflow(database, broker),)
        with durable.launch(database, workflows, (SIGNALS,), sweep_seconds=0.5) as worker:
            print(worker.slot.number, flush=True)
            worker.lost.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2].split(","))
