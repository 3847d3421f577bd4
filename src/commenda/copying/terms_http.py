"""A flow's terms over HTTP: its versions, the stops in force, and other ones."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from commenda.copying.model import RULES, StopsChange, TermsChange
from commenda.copying.queries import find_flow, unknown_flow
from commenda.copying.terms import OWN, change_terms, restore_terms
from commenda.copying.terms_views import FlowTermsNow, terms_now
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.web import GUARDED, Served, problems, routes
from commenda.ledger import Author
from commenda.risk import find_template, stops_of

router = routes("co-trading", "/co-trading")
Watcher = Annotated[Principal, may(Permission.SHARE, Permission.OVERVIEW)]
Creator = Annotated[Principal, may(Permission.SHARE)]
Protector = Annotated[Principal, may(Permission.SHARE, Permission.RISK)]


def _own(tx: Tx, who: Principal, flow_id: UUID, staff: Permission) -> None:
    """Code `unknown_flow` for another's, except for the staff who may."""
    if not who.may(staff) and find_flow(tx, flow_id).creator_id != who.user_id:
        raise unknown_flow(flow_id)


@router.get(
    "/flows/{flow_id}/terms", operation_id="getFlowTerms", responses=GUARDED | problems(404)
)
def flow_terms(service: Served, who: Watcher, flow_id: UUID) -> FlowTermsNow:
    """What a flow of yours, or for the staff any, trades by: parameters and stops by version, and
    where its stops lie now."""
    with service.database.read() as tx:
        return terms_now(tx, flow_id, None if who.may(Permission.OVERVIEW) else who.user_id)


@router.post(
    "/flows/{flow_id}/terms", operation_id="changeFlowTerms", responses=GUARDED | problems(404, 409)
)
def change_params(service: Served, who: Creator, flow_id: UUID, body: TermsChange) -> FlowTermsNow:
    """Give a flow of yours other parameters from its next bar on, or an earlier version's terms.
    Its strategy begins anew, and trades only what it wants otherwise. Followers are told."""
    if (body.params is None) == (body.version is None):
        raise CommendaError("one_change", "Give other parameters, or a version to go back to").at(
            "version", body.version, "give one of the two"
        )
    with service.database.transaction() as tx:
        _own(tx, who, flow_id, Permission.RISK)
        author = Author(who.actor, RULES, business_now(tx))
        if body.version is not None:
            restore_terms(tx, author, flow_id, body.version, reason=body.reason)
        else:
            change_terms(tx, author, flow_id, params=body.params, reason=body.reason)
        return terms_now(tx, flow_id)


@router.post(
    "/flows/{flow_id}/stops", operation_id="setFlowStops", responses=GUARDED | problems(404, 409)
)
def set_stops(service: Served, who: Protector, flow_id: UUID, body: StopsChange) -> FlowTermsNow:
    """Give a flow other stops from its next bar on: by its creator or a risk officer. What is held
    goes on, and its stop never moves away from the price unless `loosen` says so."""
    if body.template is not None and body.stops is not None:
        raise CommendaError("one_change", "Give a template, or stops one by one").at(
            "template", body.template, "give one of the two"
        )
    with service.database.transaction() as tx:
        _own(tx, who, flow_id, Permission.RISK)
        author = Author(who.actor, RULES, business_now(tx))
        named = None if body.template is None else find_template(tx, body.template)
        said = body.stops if named is None else named.stops
        change_terms(
            tx,
            author,
            flow_id,
            stops=OWN if said is None else stops_of(said),
            reason=body.reason,
            loosen=body.loosen,
            template=None if named is None else f"{named.name}/{named.version}",
        )
        return terms_now(tx, flow_id)
