"""The worker: durable work on one PostgreSQL, any number of processes of it.

What runs is listed here by hand: QUEUES says where work waits, `workflows` what it calls.
"""

from __future__ import annotations

from commenda.copying import SIGNALS, copy_signal_workflow
from commenda.kit import durable
from commenda.kit.db import Database
from commenda.trading import Desk

QUEUES = (SIGNALS,)


def workflows(database: Database, desk: Desk) -> tuple[durable.Workflow, ...]:
    """Every workflow, bound to this process's database and desk."""
    return (copy_signal_workflow(database, desk),)


def start(database: Database, desk: Desk) -> durable.Durable:
    """Make this process a worker until its `stop()`, or until it has `lost` its slot.

    Prepares the queue's tables if need be.
    """
    durable.prepare(database.owner_url)
    return durable.launch(database, workflows(database, desk), QUEUES)
