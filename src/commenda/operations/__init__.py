"""Running the business: proof that it is sound, and how its daily work is ordered."""

from commenda.operations.approvals import (
    Executor,
    approve_and_carry_out,
    expire_approvals,
    reject_and_give_back,
)
from commenda.operations.chains import CHAINS, Ends, anchor_text, ends_of, read_anchors
from commenda.operations.clockwork import Clockwork, forget_workers
from commenda.operations.health import Health, readiness
from commenda.operations.jobs import JOBS, PRODUCTS
from commenda.operations.metrics import Figures
from commenda.operations.reconciliation import (
    Part,
    Reconciliation,
    note_closed_periods,
    reconcile_all,
    reconcile_books,
)
from commenda.operations.runs import forget_runs
from commenda.operations.schedule_queries import Run, Schedule, Status, list_runs, list_schedules
from commenda.operations.schedules import (
    Plan,
    create_schedule,
    delete_schedule,
    edit_schedule,
    request_run,
    schedule_by_id,
    schedule_named,
    upcoming,
)
from commenda.operations.ticks import (
    CatchUp,
    Interrupted,
    Job,
    Operation,
    Parameters,
    Step,
)
from commenda.operations.verify import CHECKS, verify

__all__ = [
    "CHAINS",
    "CHECKS",
    "JOBS",
    "PRODUCTS",
    "CatchUp",
    "Clockwork",
    "Ends",
    "Executor",
    "Figures",
    "Health",
    "Interrupted",
    "Job",
    "Operation",
    "Parameters",
    "Part",
    "Plan",
    "Reconciliation",
    "Run",
    "Schedule",
    "Status",
    "Step",
    "anchor_text",
    "approve_and_carry_out",
    "create_schedule",
    "delete_schedule",
    "edit_schedule",
    "ends_of",
    "expire_approvals",
    "forget_runs",
    "forget_workers",
    "list_runs",
    "list_schedules",
    "note_closed_periods",
    "read_anchors",
    "readiness",
    "reconcile_all",
    "reconcile_books",
    "reject_and_give_back",
    "request_run",
    "schedule_by_id",
    "schedule_named",
    "upcoming",
    "verify",
]
