"""Co-trading over HTTP (specification 001-11): flows, copies, signals, executions."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from commenda.copying import bodies, flow_views, signal_views, subscription_views
from commenda.copying.flow_lists import FlowLists
from commenda.copying.flows import Draft, save_flow, toggle_flow
from commenda.copying.following import change_settings, follow
from commenda.copying.leaving import request_leave
from commenda.copying.model import RULES, FollowSettings
from commenda.copying.queries import asset_of, find_flow
from commenda.copying.sheets import Sheet
from commenda.identity import Permission, Principal, Role
from commenda.identity.access import may
from commenda.kit import ids
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.web import (
    GUARDED,
    Answer,
    IdempotencyKey,
    Served,
    answer_once,
    problems,
    refused,
    wire,
)
from commenda.ledger import Author, Owner, OwnerKind

router = APIRouter(tags=["co-trading"], prefix="/co-trading")

Reader = Annotated[Principal, may(Permission.FLOWS)]
Creator = Annotated[Principal, may(Permission.SHARE)]
Follower = Annotated[Principal, may(Permission.COPY)]

Page = Annotated[int, Query(ge=1, le=10_000)]
Limit = Annotated[int, Query(ge=1, le=100)]
SortBy = Literal["performance", "followers", "aum", "newest"]


_making = threading.Lock()


async def _flow_lists(request: Request) -> FlowLists:
    state = request.app.state
    with _making:
        if not hasattr(state, "flow_lists"):
            state.flow_lists = FlowLists()
    lists: FlowLists = state.flow_lists
    return lists


Lists = Annotated[FlowLists, Depends(_flow_lists)]


def _author(tx: Tx, who: Principal) -> Author:
    return Author(who.actor, RULES, business_now(tx))


def _owner(who: Principal) -> Owner:
    kind = OwnerKind.CREATOR if who.role is Role.CREATOR else OwnerKind.INVESTOR
    return Owner(kind, who.user_id)


def _answered(tx: Tx, act: Callable[[], Answer]) -> Answer:
    """What `act` answers; its refusal as a value that is recorded, with nothing of it done."""
    try:
        with tx.transaction():
            return act()
    except CommendaError as error:
        return refused(
            error.code, error.message, field=error.field, hint=error.hint, status=error.status
        )


# --- Flows -----------------------------------------------------------------------------------


@router.post(
    "/flows",
    operation_id="createOrUpdateSharedFlow",
    status_code=201,
    response_model=bodies.SharedFlow,
    responses=GUARDED
    | problems(404, 409)
    | {200: {"model": bodies.SharedFlow, "description": "One's own flow was changed."}},
)
def create_or_update_flow(
    service: Served,
    who: Creator,
    lists: Lists,
    body: bodies.FlowDraft,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Share a strategy as a flow with your own stake in it, or present a flow of yours anew."""
    named = key if key is not None else secrets.token_hex(16)
    draft = Draft(
        id=body.flow_id or ids.derive("flow", who.user_id, named),
        title=body.title,
        description=body.description,
        tags=tuple(dict.fromkeys(body.tags)),
        max_followers=body.max_followers,
        min_investment=body.min_investment,
        strategy=body.strategy,
        symbol=body.symbol,
        params=body.params,
        stake=body.investment_amount,
    )
    with service.database.transaction() as tx:
        author = _author(tx, who)

        def act() -> Answer:
            new = save_flow(tx, author, _owner(who), draft)
            return Answer(wire(flow_views.flow_view(tx, draft.id)), 201 if new else 200)

        response = answer_once(
            tx,
            "co-trading.flow",
            str(who.user_id),
            key,
            body,
            author.now,
            lambda: _answered(tx, act),
        )
    lists.forget()
    return response


@router.get("/flows/my", operation_id="getMySharedFlows", responses=GUARDED)
def my_flows(service: Served, who: Creator, page: Page = 1, limit: Limit = 20) -> bodies.FlowPage:
    """Your own flows, newest first, paused and closed ones too."""
    with service.database.transaction() as tx:
        return flow_views.flows_of(tx, who.user_id, Sheet(page, limit))


@router.get(
    "/flows",
    operation_id="getSharedFlows",
    response_model=bodies.FlowPage,
    responses=GUARDED,
)
def shared_flows(
    service: Served,
    who: Reader,
    lists: Lists,
    tags: Annotated[
        list[Annotated[str, Query(pattern=r"^[^\x00-\x1f]{1,200}$")]],
        Query(max_length=10, description="Any of these; repeated, or with commas between."),
    ] = [],  # noqa: B006 - FastAPI copies a default
    sort_by: Annotated[SortBy, Query(alias="sortBy")] = "performance",
    page: Page = 1,
    limit: Limit = 20,
) -> Response:
    """Flows that take followers, the best (or most followed, largest, newest) first."""
    wanted = sorted({tag.strip() for each in tags for tag in each.split(",") if tag.strip()})

    def read() -> bytes:
        with service.database.transaction() as tx:
            listed = flow_views.list_flows(tx, wanted, sort_by, Sheet(page, limit))
        return listed.model_dump_json(by_alias=True).encode()

    content = lists.page((tuple(wanted), sort_by, page, limit), read)
    return Response(content, media_type="application/json")


@router.get("/flows/{flow_id}", operation_id="getSharedFlow", responses=GUARDED | problems(404))
def shared_flow(service: Served, who: Reader, flow_id: UUID) -> bodies.SharedFlow:
    """One flow."""
    with service.database.transaction() as tx:
        return flow_views.flow_view(tx, flow_id)


@router.get(
    "/flows/{flow_id}/nav", operation_id="getSharedFlowNav", responses=GUARDED | problems(404)
)
def shared_flow_nav(service: Served, who: Reader, flow_id: UUID) -> bodies.FlowNav:
    """A flow's record: the daily NAV of its creator's own book as an index."""
    with service.database.transaction() as tx:
        return flow_views.flow_nav(tx, flow_id)


@router.post(
    "/flows/{flow_id}/toggle",
    operation_id="toggleSharedFlowStatus",
    responses=GUARDED | problems(404, 409),
)
def toggle(
    service: Served,
    who: Creator,
    lists: Lists,
    flow_id: UUID,
    body: bodies.FlowToggle,
) -> bodies.SharedFlow:
    """Pause or resume a flow of yours. Paused, it takes no followers and publishes nothing; what
    followers hold stays until it is resumed or they leave."""
    with service.database.transaction() as tx:
        toggle_flow(tx, _author(tx, who), who.user_id, flow_id, active=body.action == "resume")
        view = flow_views.flow_view(tx, flow_id)
    lists.forget()
    return view


# --- Subscriptions ---------------------------------------------------------------------------


@router.post(
    "/subscribe",
    operation_id="subscribeToFlow",
    status_code=201,
    response_model=bodies.FlowSubscription,
    responses=GUARDED | problems(404, 409),
)
def subscribe(
    service: Served,
    who: Follower,
    lists: Lists,
    body: bodies.CopyOrder,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Follow a flow: the amount goes from your wallet into an isolated book that copies it."""
    named = key if key is not None else secrets.token_hex(16)
    with service.database.transaction() as tx:
        author = _author(tx, who)

        def act() -> Answer:
            _require_house_custody(body)
            flow = find_flow(tx, body.flow_id)
            subscription = follow(
                tx,
                author,
                flow=flow,
                follower=_owner(who),
                amount=body.investment_amount,
                asset=asset_of(tx, flow.instrument_id),
                key=named,
                mode=body.mode,
                settings=FollowSettings(**body.settings.model_dump()),
            )
            view = subscription_views.subscription_view(tx, subscription, who.user_id, author.now)
            return Answer(wire(view), 201)

        response = answer_once(
            tx,
            "co-trading.subscribe",
            str(who.user_id),
            key,
            body,
            author.now,
            lambda: _answered(tx, act),
        )
    lists.forget()
    return response


def _require_house_custody(body: bodies.CopyOrder) -> None:
    field = "vaultAddress" if body.vault_address is not None else "chainType"
    if body.vault_address is not None or body.chain_type is not None:
        raise CommendaError(
            "own_vault_not_served",
            "Copies trade in the platform's custody; own vaults are not served yet",
        ).at(field, hint="leave out vaultAddress and chainType")


@router.get("/subscriptions", operation_id="getUserSubscriptions", responses=GUARDED)
def subscriptions(
    service: Served,
    who: Follower,
    status: Literal["active", "paused", "cancelled"] | None = None,
    page: Page = 1,
    limit: Limit = 50,
) -> bodies.SubscriptionPage:
    """Your copies and what they are worth, newest first; as a creator, your own books too."""
    with service.database.transaction() as tx:
        return subscription_views.subscriptions_of(
            tx, who.user_id, status, Sheet(page, limit), business_now(tx)
        )


@router.get(
    "/subscriptions/{subscription_id}",
    operation_id="getUserSubscription",
    responses=GUARDED | problems(404),
)
def subscription(
    service: Served,
    who: Follower,
    subscription_id: UUID,
) -> bodies.FlowSubscription:
    """One of your copies."""
    with service.database.transaction() as tx:
        return subscription_views.subscription_view(
            tx, subscription_id, who.user_id, business_now(tx)
        )


@router.delete(
    "/subscriptions/{subscription_id}",
    operation_id="unsubscribeFromFlow",
    status_code=202,
    responses=GUARDED | problems(404, 409),
)
def unsubscribe(
    service: Served,
    who: Follower,
    lists: Lists,
    subscription_id: UUID,
) -> bodies.FlowSubscription:
    """Leave a copy: it follows no more; its positions are closed at the venue, then its cash is
    paid to your wallet. Asking again changes nothing; `exit` says how far it has come."""
    with service.database.transaction() as tx:
        author = _author(tx, who)
        request_leave(tx, author, subscription_id, who.user_id)
        view = subscription_views.subscription_view(tx, subscription_id, who.user_id, author.now)
    lists.forget()
    return view


@router.patch(
    "/subscriptions/{subscription_id}/settings",
    operation_id="updateSubscriptionSettings",
    responses=GUARDED | problems(404, 409),
)
def update_settings(
    service: Served,
    who: Follower,
    subscription_id: UUID,
    body: bodies.CopySettingsChange,
) -> bodies.FlowSubscription:
    """Change a copy's settings. Without `autoFollow` it is paused, and holds what it holds."""
    changes = body.model_dump(exclude_none=True)
    with service.database.transaction() as tx:
        author = _author(tx, who)
        change_settings(tx, author, subscription_id, who.user_id, changes)
        return subscription_views.subscription_view(tx, subscription_id, who.user_id, author.now)


# --- Signals and executions ------------------------------------------------------------------


@router.get("/signals/{flow_id}", operation_id="getFlowSignals", responses=GUARDED | problems(404))
def flow_signals(
    service: Served,
    who: Reader,
    flow_id: UUID,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> bodies.SignalList:
    """A flow's signals, newest first: for its creator, and for followers until they left."""
    with service.database.transaction() as tx:
        return signal_views.signals_of(tx, flow_id, who.user_id, limit)


@router.get(
    "/executions/{signal_id}",
    operation_id="getSignalExecutions",
    responses=GUARDED | problems(404),
)
def signal_executions(
    service: Served,
    who: Reader,
    signal_id: UUID,
    page: Page = 1,
    limit: Limit = 50,
) -> bodies.ExecutionPage:
    """What a signal did: in your own books, or in all of them where the flow is yours."""
    with service.database.transaction() as tx:
        return signal_views.executions_of(tx, signal_id, who.user_id, Sheet(page, limit))
