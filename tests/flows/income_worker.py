"""A process that accrues what is due: `income_worker.py URL NOW CHUNK`; prints what it did.

A server that goes away is asked again, as by any job of a worker.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime

import psycopg

from commenda.income import RULES, accrue_due
from commenda.kit.db import Database
from commenda.ledger import Author
from commenda.settings import Settings


def main(url: str, now: str, chunk: str) -> None:
    author = Author("worker", RULES, datetime.fromisoformat(now))
    with Database.open(Settings(database_url=url, pool_size=2), patience=60) as database:
        interrupted = 0
        while True:
            try:
                done = accrue_due(database, author, int(chunk))
                break
            except psycopg.OperationalError:
                interrupted += 1
                time.sleep(0.2)
        print(json.dumps({"holdings": done.holdings, "interrupted": interrupted}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
