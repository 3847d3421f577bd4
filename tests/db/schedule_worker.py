"""A worker that is killed inside its n-th run; see test_schedules.

schedule_worker.py FILE N: writes the day of each run to FILE
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

from commenda.kit.db import Database
from commenda.operations import CatchUp, Clockwork, Job, Operation, Parameters
from commenda.settings import Settings
from nowhere import no_broker


def main(lines: Path, kill_at: int) -> None:
    ran = 0

    def accrue(_operation: Operation, at: datetime, _told: Parameters) -> None:
        nonlocal ran
        ran += 1
        with lines.open("a") as file:
            file.write(f"{at:%d}\n")
        if ran == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    settings = Settings(database_url=os.environ["COMMENDA_TEST_OWNER_URL"], durable_commits=False)
    with Database.open(settings) as database:
        operation = Operation(database, no_broker())
        work = Clockwork(
            operation,
            (Job("accrue", accrue, "", None, CatchUp.EVERY, any_moment=True),),
            timedelta(minutes=15),
            os.getpid(),
        )
        assert work.poll()
        work.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
