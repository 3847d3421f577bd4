"""Co-trading over HTTP (specification 001-11): flows, copies, signals, executions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from commenda.copying import flow_views, signal_views, subscription_views
from commenda.copying.flow_lists import FlowLists
from commenda.copying.flow_views import FlowNav, SharedFlow
from commenda.copying.flows import follow_by_order, save_flow, toggle_flow
from commenda.copying.following import change_settings
from commenda.copying.leaving import request_leave
from commenda.copying.model import (
    RULES,
    CopyOrder,
    CopySettingsChange,
    FlowDraft,
    FlowToggle,
    Status,
)
from commenda.copying.signal_views import SignalExecution, TradingSignal
from commenda.copying.subscription_views import FlowFollower, FlowSubscription
from commenda.identity import Permission, Principal, Role
from commenda.identity.access import may
from commenda.kit import ids
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Numbered,
    Served,
    Sheet,
    Whole,
    key_or_new,
    numbered,
    on_wire,
    problems,
    routes,
    wire_text,
    write,
)
from commenda.ledger import Author, Owner, OwnerKind

router = routes("co-trading", "/co-trading")

Reader = Annotated[Principal, may(Permission.FLOWS)]
Creator = Annotated[Principal, may(Permission.SHARE)]
Follower = Annotated[Principal, may(Permission.COPY)]

Twenty = Annotated[Numbered, numbered(20)]
Fifty = Annotated[Numbered, numbered(50)]
SortBy = Literal["performance", "followers", "aum", "newest"]


async def _flow_lists(request: Request) -> FlowLists:
    lists: FlowLists = request.app.state.flow_lists
    return lists


Lists = Annotated[FlowLists, Depends(_flow_lists)]


def _author(tx: Tx, who: Principal) -> Author:
    return Author(who.actor, RULES, business_now(tx))


def _owner(who: Principal) -> Owner:
    kind = OwnerKind.CREATOR if who.role is Role.CREATOR else OwnerKind.INVESTOR
    return Owner(kind, who.user_id)


# --- Flows -----------------------------------------------------------------------------------


@router.post(
    "/flows",
    operation_id="createOrUpdateSharedFlow",
    status_code=201,
    response_model=SharedFlow,
    responses=GUARDED
    | problems(404, 409)
    | {200: {"model": SharedFlow, "description": "One's own flow was changed."}},
)
def create_or_update_flow(
    service: Served, who: Creator, lists: Lists, body: FlowDraft, key: IdempotencyKey = None
) -> Response:
    """Share a strategy as a flow with your own stake in it, or present a flow of yours anew."""
    flow_id = body.flow_id or ids.derive("flow", who.user_id, key_or_new(key))

    def act(tx: Tx, now: datetime) -> tuple[SharedFlow, int]:
        new = save_flow(tx, Author(who.actor, RULES, now), _owner(who), flow_id, body)
        return flow_views.flow_view(tx, flow_id), 201 if new else 200

    response = write(service, who, "co-trading.flow", key, body, act)
    lists.forget()
    return response


@router.get("/flows/my", operation_id="getMySharedFlows", responses=GUARDED)
def my_flows(service: Served, who: Creator, asked: Twenty) -> Sheet[SharedFlow]:
    """Your own flows, newest first, paused and closed ones too."""
    with service.database.transaction() as tx:
        return flow_views.flows_of(tx, who.user_id, asked)


@router.get(
    "/flows", operation_id="getSharedFlows", response_model=Sheet[SharedFlow], responses=GUARDED
)
def shared_flows(
    service: Served,
    who: Reader,
    lists: Lists,
    asked: Twenty,
    tags: Annotated[
        list[Annotated[str, Query(pattern=r"^[^\x00-\x1f]{1,200}$")]],
        Query(max_length=10, description="Any of these; repeated, or with commas between."),
    ] = [],  # noqa: B006 - FastAPI copies a default
    sort_by: Annotated[SortBy, Query(alias="sortBy")] = "performance",
) -> Response:
    """Flows that take followers, the best (or most followed, largest, newest) first."""
    wanted = sorted({tag.strip() for each in tags for tag in each.split(",") if tag.strip()})

    def read() -> bytes:
        with service.database.transaction() as tx:
            listed = flow_views.list_flows(tx, wanted, sort_by, asked)
        return wire_text(listed, Sheet[SharedFlow])

    content = lists.page((tuple(wanted), sort_by, asked), read)
    return Response(content, media_type="application/json")


@router.get("/flows/{flow_id}", operation_id="getSharedFlow", responses=GUARDED | problems(404))
def shared_flow(service: Served, who: Reader, flow_id: UUID) -> SharedFlow:
    """One flow."""
    with service.database.transaction() as tx:
        return flow_views.flow_view(tx, flow_id)


@router.get(
    "/flows/{flow_id}/nav", operation_id="getSharedFlowNav", responses=GUARDED | problems(404)
)
def shared_flow_nav(service: Served, who: Reader, flow_id: UUID) -> FlowNav:
    """A flow's record: the daily NAV of its creator's own book as an index."""
    with service.database.transaction() as tx:
        return flow_views.flow_nav(tx, flow_id)


@router.post(
    "/flows/{flow_id}/toggle",
    operation_id="toggleSharedFlowStatus",
    responses=GUARDED | problems(404, 409),
)
def toggle(
    service: Served, who: Creator, lists: Lists, flow_id: UUID, body: FlowToggle
) -> SharedFlow:
    """Pause or resume a flow of yours. Paused, it takes no followers and publishes nothing; what
    followers hold stays until it is resumed or they leave."""
    with service.database.transaction() as tx:
        toggle_flow(tx, _author(tx, who), who.user_id, flow_id, active=body.action == "resume")
        view = flow_views.flow_view(tx, flow_id)
    lists.forget()
    return view


@router.get(
    "/flows/{flow_id}/followers",
    operation_id="getFlowFollowers",
    responses=GUARDED | problems(404),
)
def followers(service: Served, who: Creator, flow_id: UUID, asked: Fifty) -> Sheet[FlowFollower]:
    """Who follows a flow of yours with how much, and who left, the latest first."""
    with service.database.transaction() as tx:
        return subscription_views.followers_of(tx, flow_id, who.user_id, asked)


# --- Subscriptions ---------------------------------------------------------------------------


@router.post(
    "/subscribe",
    operation_id="subscribeToFlow",
    status_code=201,
    response_model=FlowSubscription,
    responses=GUARDED | problems(404, 409),
)
def subscribe(
    service: Served, who: Follower, lists: Lists, body: CopyOrder, key: IdempotencyKey = None
) -> Response:
    """Follow a flow: the amount goes from your wallet into an isolated book that copies it."""
    named = key_or_new(key)

    def act(tx: Tx, now: datetime) -> FlowSubscription:
        author = Author(who.actor, RULES, now)
        subscription = follow_by_order(tx, author, _owner(who), body, named)
        return subscription_views.subscription_view(tx, subscription, who.user_id)

    response = write(service, who, "co-trading.subscribe", key, body, act, status=201)
    lists.forget()
    return response


@router.get("/subscriptions", operation_id="getUserSubscriptions", responses=GUARDED)
def subscriptions(
    service: Served, who: Follower, asked: Fifty, status: Status | None = None
) -> Sheet[FlowSubscription]:
    """Your copies and what they are worth, newest first; as a creator, your own books too."""
    with service.database.transaction() as tx:
        return subscription_views.subscriptions_of(tx, who.user_id, status, asked)


@router.get(
    "/subscriptions/{subscription_id}",
    operation_id="getUserSubscription",
    responses=GUARDED | problems(404),
)
def subscription(service: Served, who: Follower, subscription_id: UUID) -> FlowSubscription:
    """One of your copies."""
    with service.database.transaction() as tx:
        return subscription_views.subscription_view(tx, subscription_id, who.user_id)


@router.delete(
    "/subscriptions/{subscription_id}",
    operation_id="unsubscribeFromFlow",
    status_code=202,
    responses=GUARDED | problems(404, 409),
)
def unsubscribe(
    service: Served, who: Follower, lists: Lists, subscription_id: UUID
) -> FlowSubscription:
    """Leave a copy: it follows no more; its positions are closed at the venue, then its cash is
    paid to your wallet. Asking again changes nothing; `exit` says how far it has come."""
    with service.database.transaction() as tx:
        request_leave(tx, _author(tx, who), subscription_id, who.user_id)
        view = subscription_views.subscription_view(tx, subscription_id, who.user_id)
    lists.forget()
    return view


@router.patch(
    "/subscriptions/{subscription_id}/settings",
    operation_id="updateSubscriptionSettings",
    responses=GUARDED | problems(404, 409),
)
def update_settings(
    service: Served, who: Follower, subscription_id: UUID, body: CopySettingsChange
) -> FlowSubscription:
    """Change a copy's settings. Without `autoFollow` it is paused, and holds what it holds."""
    changes = body.model_dump(exclude_none=True)
    with service.database.transaction() as tx:
        change_settings(tx, _author(tx, who), subscription_id, who.user_id, changes)
        return subscription_views.subscription_view(tx, subscription_id, who.user_id)


# --- Signals and executions ------------------------------------------------------------------


@on_wire
@dataclass(frozen=True, slots=True)
class SignalList:
    items: list[TradingSignal]


@router.get("/signals/{flow_id}", operation_id="getFlowSignals", responses=GUARDED | problems(404))
def flow_signals(
    service: Served, who: Reader, flow_id: UUID, limit: Annotated[Whole, Query(ge=1, le=200)] = 50
) -> SignalList:
    """A flow's signals, newest first: all for its creator and the staff, for followers until they
    left; none for others."""
    everything = who.may(Permission.OVERVIEW)
    with service.database.transaction() as tx:
        found = signal_views.signals_of(tx, flow_id, who.user_id, limit, everything=everything)
        return SignalList(found)


@router.get(
    "/executions/{signal_id}", operation_id="getSignalExecutions", responses=GUARDED | problems(404)
)
def signal_executions(
    service: Served, who: Reader, signal_id: UUID, asked: Fifty
) -> Sheet[SignalExecution]:
    """What a signal did: in your own books, or in all of them where the flow is yours and for the
    staff."""
    everything = who.may(Permission.OVERVIEW)
    with service.database.transaction() as tx:
        return signal_views.executions_of(tx, signal_id, who.user_id, asked, everything=everything)
