"""Running the business: proof that it is sound, and how its daily work is ordered."""

from commenda.operations.approvals import (
    EXECUTORS,
    Executor,
    approve_and_carry_out,
    expire_approvals,
    reject_and_give_back,
)
from commenda.operations.clockwork import Clockwork, forget_workers
from commenda.operations.health import Health, Readiness, readiness
from commenda.operations.jobs import schedules
from commenda.operations.metrics import Figure, Figures
from commenda.operations.schedules import Interrupted, Operation, Schedule
from commenda.operations.verify import CHECKS, verify

__all__ = [
    "CHECKS",
    "EXECUTORS",
    "Clockwork",
    "Executor",
    "Figure",
    "Figures",
    "Health",
    "Interrupted",
    "Operation",
    "Readiness",
    "Schedule",
    "approve_and_carry_out",
    "expire_approvals",
    "forget_workers",
    "readiness",
    "reject_and_give_back",
    "schedules",
    "verify",
]
