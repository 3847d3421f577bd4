"""Products, their return matrix and settlement batches over HTTP: what operators steer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body, Query, Response

from commenda.identity import Changed, Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Moment,
    Page,
    Paged,
    Served,
    key_or_new,
    problems,
    routes,
    write,
)
from commenda.managed import batches, dated, decisions, products
from commenda.managed.model import (
    Asked,
    BatchOrder,
    MatrixCell,
    MatrixChange,
    MatrixProposal,
    Offer,
    ProductHistory,
)

router = routes("managed")

Reader = Annotated[Principal, may(Permission.PRODUCTS)]
Staff = Annotated[Principal, may(Permission.OVERVIEW)]
Operator = Annotated[Principal, may(Permission.TERMS)]

# --- Products and the return matrix ----------------------------------------------------------


@router.get("/managed/products", operation_id="listManagedProducts", responses=GUARDED)
def list_products(service: Served, _who: Reader) -> list[Offer]:
    """Every product with its fees, limits and expected return in force now."""
    with service.database.transaction() as tx:
        return products.offers(tx, business_now(tx))


@router.get(
    "/managed/products/{product_id}",
    operation_id="getManagedProduct",
    responses=GUARDED | problems(404),
)
def get_product(service: Served, _who: Staff, product_id: UUID) -> ProductHistory:
    """A product with all its terms and expectations by date: since when, and who asked for and
    approved each."""
    with service.database.transaction() as tx:
        return dated.history_of(tx, product_id, business_now(tx))


@router.get("/managed/return-matrix", operation_id="getReturnMatrix", responses=GUARDED)
def return_matrix(
    service: Served, _who: Reader, at: Annotated[Moment | None, Query()] = None
) -> list[MatrixCell]:
    """The return matrix in force now, or at another time: by profile, term and tier."""
    with service.database.transaction() as tx:
        return products.return_matrix(tx, business_now(tx) if at is None else at)


@router.put(
    "/managed/return-matrix",
    operation_id="changeReturnMatrix",
    status_code=202,
    response_model=Asked,
    responses=GUARDED | problems(404, 409),
)
def change_return_matrix(
    service: Served,
    who: Operator,
    body: MatrixChange | MatrixProposal,
    key: IdempotencyKey = None,
) -> Response:
    """Ask for a new cell of the return matrix, or for several from one date on; they hold once
    another person has approved them."""
    return write(
        service,
        who,
        "return-matrix",
        key,
        body,
        lambda tx, now: decisions.ask_for_matrix(tx, who, body, now),
        status=202,
    )


@router.post(
    "/managed/return-matrix/preview",
    operation_id="previewReturnMatrix",
    responses=GUARDED | problems(404),
)
def preview_return_matrix(
    service: Served, _who: Operator, body: MatrixChange | MatrixProposal
) -> list[Changed]:
    """What a proposal would change, refused where it would be; nothing is asked for yet."""
    wanted = MatrixProposal.of(body)
    with service.database.transaction() as tx:
        products.require_change(tx, wanted, business_now(tx))
        return dated.matrix_changed(tx, wanted)


# --- Settlement batches ----------------------------------------------------------------------


@router.post(
    "/managed-settlement/run",
    operation_id="runSettlement",
    status_code=202,
    response_model=Asked,
    responses=GUARDED | problems(404, 409),
)
def run_settlement(
    service: Served,
    who: Annotated[Principal, may(Permission.SETTLE)],
    body: Annotated[BatchOrder | None, Body()] = None,
    key: IdempotencyKey = None,
) -> Response:
    """Ask for a batch: once approved, what matured is liquidated, what is liquidated settled."""
    order, named = body or BatchOrder(), key_or_new(key)
    return write(
        service,
        who,
        "settlement-run",
        key,
        order,
        lambda tx, now: decisions.ask_for_batch(tx, who, order.subscription_ids, named, now),
        status=202,
    )


@router.get("/managed-settlement/ready", operation_id="getSettlementReady", responses=GUARDED)
def get_ready(service: Served, _who: Staff) -> list[batches.Ready]:
    """What a batch would take up now: how many by state, and how much money that is."""
    with service.database.transaction() as tx:
        return batches.ready(tx)


@router.get("/managed-settlement/runs", operation_id="listSettlementRuns", responses=GUARDED)
def list_runs(service: Served, _who: Staff, asked: Paged) -> Page[batches.Batch]:
    """Batches that were asked for, the latest first: by whom, decided how, and how far they are."""
    with service.database.transaction() as tx:
        rows = batches.batches(tx, asked.after(int), asked.rows)
    return asked.page(rows, lambda one: one.sequence)


@router.get(
    "/managed-settlement/runs/{approval_id}",
    operation_id="getSettlementRun",
    responses=GUARDED | problems(404),
)
def get_run(service: Served, _who: Staff, approval_id: UUID) -> batches.Batch:
    """One batch, and how far it is; what it took up is listed by `managed-subscriptions?batch=`."""
    with service.database.transaction() as tx:
        return batches.batch_by_id(tx, approval_id)
