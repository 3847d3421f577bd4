"""Routes of users, for administrators: customers are created, the staff are invited.

None of them takes an Idempotency-Key, as in `http`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi.responses import JSONResponse

from commenda.identity import bodies, invitations
from commenda.identity.access import Proved, may
from commenda.identity.actions import change_user, create_user, prepare_password
from commenda.identity.approvals import request_approval
from commenda.identity.invitations import Invitation
from commenda.identity.model import CUSTOMERS, Permission, Principal, Role, UserProfile
from commenda.identity.queries import user_by_id, users
from commenda.identity.tokens import wall_now
from commenda.kit.clock import business_now
from commenda.kit.errors import conflict
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import GUARDED, Page, Served, Whole, on_wire, problems, routes, wire

router = routes("identity")
CONFLICTS = GUARDED | problems(404, 409)
Admin = Annotated[Principal, may(Permission.USERS)]


@on_wire
@dataclass(frozen=True, slots=True)
class ToApprove:
    """Nothing is changed yet: another of the staff must approve it."""

    approval_id: UUID


@router.get("/users", operation_id="listUsers", responses=GUARDED)
def list_users(
    service: Served,
    _who: Admin,
    role: Role | None = None,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[Whole, Query(ge=1, le=200)] = 50,
) -> Page[UserProfile]:
    """Users by name, of one role if given."""
    after = key_after(cursor, str) or ""
    with service.database.transaction() as tx:
        rows = [UserProfile.of(one) for one in users(tx, role, after, limit + 1)]
    return page_of(rows, limit, lambda one: one.username)


@router.post(
    "/users", operation_id="createUser", status_code=201, responses=GUARDED | problems(409)
)
def add_user(service: Served, who: Admin, _: Proved, body: bodies.NewUser) -> UserProfile:
    """Create a customer, who signs in with this password and should change it. The staff are
    invited."""
    if body.role not in CUSTOMERS:
        raise conflict("invitation_needed", "One of the staff chooses their own password").at(
            "role", body.role.value, "invite them: POST /api/v1/users/invitations"
        )
    hashed = prepare_password(body.password.get_secret_value(), body.username)
    with service.database.transaction() as tx:
        return UserProfile.of(
            create_user(tx, body.username, hashed, body.role, business_now(tx), actor=who.actor)
        )


@router.post(
    "/users/invitations",
    operation_id="inviteUser",
    status_code=201,
    responses=GUARDED | problems(409),
)
def invite_user(service: Served, who: Admin, _: Proved, body: bodies.Invited) -> Invitation:
    """Invite one of the staff: a token for them alone, with which they choose a password and second
    factor. Somebody else approves the account before it may come in."""
    with service.database.transaction() as tx:
        return invitations.invite(tx, who, body.username, body.role, wall_now())


@router.post(
    "/users/{user_id}/reset", operation_id="resetUser", status_code=201, responses=CONFLICTS
)
def reset_user(service: Served, who: Admin, _: Proved, user_id: UUID) -> Invitation:
    """Give somebody who is locked out a token for a new password and second factor. Once it is
    taken up, their account waits for somebody else's approval."""
    with service.database.transaction() as tx:
        return invitations.reset(tx, who, user_id, wall_now())


@router.patch(
    "/users/{user_id}",
    operation_id="changeUser",
    response_model=UserProfile,
    responses=CONFLICTS
    | {202: {"model": ToApprove, "description": "Another of the staff must approve it."}},
)
def patch_user(
    service: Served, who: Admin, _: Proved, user_id: UUID, body: bodies.UserChange
) -> JSONResponse:
    """Change another user's role, or disable or enable them; their sessions end. Another role for
    one of the staff, or letting them in again, waits for somebody else's approval."""
    with service.database.transaction() as tx:
        wanted = change_user(tx, who, user_id, body.role, body.status, wall_now())
        if wanted is None:
            return JSONResponse(wire(UserProfile.of(user_by_id(tx, user_id))))
        payload = {"username": wanted.user.username, "role": wanted.role, "status": wanted.status}
        kind, named, now = invitations.ACCESS, str(user_id), business_now(tx)
        asked = request_approval(tx, who, kind, named, payload, user_id, now)
    return JSONResponse(wire(ToApprove(asked.id)), 202)
