"""Running the business: proof that it is sound, and how its daily work is ordered."""

from commenda.operations.approvals import (
    Executor,
    approve_and_carry_out,
    expire_approvals,
    reject_and_give_back,
)
from commenda.operations.chains import CHAINS, Ends, anchor_text, ends_of, read_anchors
from commenda.operations.clockwork import Clockwork, forget_workers
from commenda.operations.cron import EITHER_DAY, next_after
from commenda.operations.feeds import watch_feeds
from commenda.operations.health import Health, Readiness, readiness
from commenda.operations.jobs import JOBS, MARGINED, PRODUCTS, carry_books, charge_funding
from commenda.operations.metrics import Figures
from commenda.operations.proofs import PROOFS, run_proof_workflow
from commenda.operations.reconciliation import (
    Part,
    Reconciliation,
    note_closed_periods,
    reconcile_all,
    reconcile_books,
)
from commenda.operations.runs import Run, forget_runs, list_runs, request_run
from commenda.operations.schedules import (
    Plan,
    Schedule,
    Status,
    create_schedule,
    delete_schedule,
    edit_schedule,
    list_schedules,
    note_of,
    preview,
    schedule_by_id,
    schedule_named,
    upcoming,
)
from commenda.operations.stopping import Stopped, settle_stop
from commenda.operations.ticks import CatchUp, Interrupted, Job, Operation, Parameters, Step
from commenda.operations.verify import CHECKS, prove, verify

__all__ = [
    "CHAINS",
    "CHECKS",
    "EITHER_DAY",
    "JOBS",
    "MARGINED",
    "PRODUCTS",
    "PROOFS",
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
    "Readiness",
    "Reconciliation",
    "Run",
    "Schedule",
    "Status",
    "Step",
    "Stopped",
    "anchor_text",
    "approve_and_carry_out",
    "carry_books",
    "charge_funding",
    "create_schedule",
    "delete_schedule",
    "edit_schedule",
    "ends_of",
    "expire_approvals",
    "forget_runs",
    "forget_workers",
    "list_runs",
    "list_schedules",
    "next_after",
    "note_closed_periods",
    "note_of",
    "preview",
    "prove",
    "read_anchors",
    "readiness",
    "reconcile_all",
    "reconcile_books",
    "reject_and_give_back",
    "request_run",
    "run_proof_workflow",
    "schedule_by_id",
    "schedule_named",
    "settle_stop",
    "upcoming",
    "verify",
    "watch_feeds",
]
