"""A tick waits until its signals are copied."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from itertools import count
from uuid import UUID

from commenda import copying
from commenda.kit import outbox
from commenda.kit.db import AWAY, Tx
from commenda.operations.ticks import Interrupted, Operation

_LOOK = 0.02
"""Wall seconds between two looks at signals that workers are copying."""
_RESCUE = 250
"""Looks from one to the next search for signals that no worker has in its queue."""

_log = logging.getLogger(__name__)


def wait_for_copies(operation: Operation, now: datetime) -> None:
    """Return when every signal is copied, by whichever worker.

    Two signals of one tick are one after the other, and funding is charged on whole positions.
    A signal whose workflow has failed or is gone is copied here: it must not stop the business.
    One that cannot be copied here either is told of and left for the next time, as is one whose
    orders work at a venue; its flow waits.
    """
    failed: set[UUID] = set()
    for look in count():
        with operation.database.transaction() as tx:
            waiting = [one for one in copying.unprocessed_signals(tx) if one not in failed]
            lost = _lost(tx, waiting) if look % _RESCUE == 0 else []
        if not waiting:
            return
        if operation.stopping.is_set():
            raise Interrupted
        failed.update(one for one in lost if not _copied_here(operation, one, now))
        if not lost:
            time.sleep(_LOOK)


def _copied_here(operation: Operation, signal_id: UUID, now: datetime) -> bool:
    try:
        return copying.copy_signal(operation.database, operation.broker, signal_id, now)
    except AWAY:
        raise
    except Exception as error:
        _log.exception("the signal %s cannot be copied", signal_id)
        with operation.database.transaction() as tx:
            copying.tell_uncopied(tx, signal_id, error)
        return False


def _lost(tx: Tx, signal_ids: list[UUID]) -> list[UUID]:
    return [one for one in signal_ids if not outbox.pending(tx, copying.workflow_of(one))]
