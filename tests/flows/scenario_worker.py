"""A worker for the business of a scenario: `scenario_worker.py SCENARIO DATA`, until killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from commenda import worker
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.settings import Settings
from commenda.simulate import load_scenario
from commenda.simulate.business import open_business


def main(scenario: Path, data: Path) -> None:
    settings = Settings(data=data)
    with Database.open(settings) as database:
        business = open_business(load_scenario(scenario), database)
        running = worker.start(database, business.broker, Keys.of(settings))
        print(f"slot {running.slot.number}", flush=True)
        while not running.lost.is_set():
            time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
