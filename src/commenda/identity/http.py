"""Routes of accounts: registration, sign-in, one's own sessions, second factor and keys; users.

None of them takes an Idempotency-Key: its record would hold a fast digest of a password. Names are
the natural keys of users and API keys; refresh tokens and codes are used once by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from commenda.identity import bodies, second_factor, sign_in
from commenda.identity.access import may
from commenda.identity.actions import CUSTOMERS, change_user, create_user, prepare_password
from commenda.identity.api_keys import ApiKey, MadeKey, create_key, keys_of, revoke_key
from commenda.identity.model import Permission, Principal, Role, User, UserProfile, UserStatus
from commenda.identity.queries import find_user, locked_user, user_by_id, users
from commenda.identity.sessions import Client, Opened, Session, end_session, refresh, sessions_of
from commenda.identity.tokens import ACCESS_LIFETIME, Tokens, wall_now
from commenda.identity.trail import note
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, not_found, unknown
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import GUARDED, Page, Served, on_wire, problems

router = APIRouter(tags=["identity"])
UNKNOWN = GUARDED | problems(404)
CONFLICTS = GUARDED | problems(404, 409)
Own = Annotated[Principal, may(Permission.ACCOUNT)]
Admin = Annotated[Principal, may(Permission.USERS)]

T = TypeVar("T")
Introduce = Callable[[Tx, UUID, UUID, datetime], None]
"""Records (user, referrer). Referrals stand above identity, so the application brings this."""


async def _client(request: Request) -> Client:
    agent = request.headers.get("user-agent", "")
    return Client(
        request.client.host if request.client else "",
        "".join(letter for letter in agent[:200] if letter.isprintable()),
    )


async def _tokens(request: Request) -> Tokens:
    tokens: Tokens = request.app.state.gate.tokens
    return tokens


async def _introduce(request: Request) -> Introduce:
    introduce: Introduce = request.app.state.introduce
    return introduce


async def _apart(request: Request, act: Callable[[], T]) -> T:
    """Run what holds a password against its hash on one of the few threads that are for it."""
    return await anyio.to_thread.run_sync(act, limiter=request.app.state.password_threads)


From = Annotated[Client, Depends(_client)]
Issuer = Annotated[Tokens, Depends(_tokens)]
Introducer = Annotated[Introduce, Depends(_introduce)]


@on_wire
@dataclass(frozen=True, slots=True)
class SignedIn:
    """Tokens of a session: the access token for requests, the refresh token for the next pair."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: Annotated[
        int, Field(description="Seconds that the access token lives.", examples=[900])
    ]
    user: UserProfile
    token_type: Literal["Bearer"] = "Bearer"

    @classmethod
    def of(cls, opened: Opened, tokens: Tokens, now: datetime) -> SignedIn:
        user, session = opened.user, opened.session_id
        access = tokens.issue(user.id, user.role, session, opened.second_factor, now)
        lives = int(ACCESS_LIFETIME.total_seconds())
        return cls(access, opened.refresh_token, lives, UserProfile.of(user))


@on_wire
@dataclass(frozen=True, slots=True)
class Me(UserProfile):
    """Who is asking, and in which session."""

    session_id: UUID | None
    session_second_factor: Annotated[
        bool, Field(description="Whether the present session was opened with a second factor.")
    ]


# --- Without a token -------------------------------------------------------------------------


@router.post(
    "/auth/register",
    operation_id="register",
    status_code=201,
    responses=problems(404, 409, 422, 429),
)
async def register(
    request: Request, service: Served, introduce: Introducer, body: bodies.Registration
) -> UserProfile:
    """Register as an investor or a creator; a referrer is recorded with it."""

    def act() -> UserProfile:
        hashed = prepare_password(body.password.get_secret_value(), body.username)
        with service.database.transaction() as tx:
            now = business_now(tx)
            user = create_user(tx, body.username, hashed, Role(body.role), now)
            if body.referrer is not None:
                introduce(tx, user.id, _referrer(tx, body.referrer).id, now)
            return UserProfile.of(user)

    return await _apart(request, act)


def _referrer(tx: Tx, username: str) -> User:
    name = username.strip().lower()
    found = find_user(tx, name) if name.isprintable() else None
    if found is None or found.role not in CUSTOMERS or found.status is not UserStatus.ACTIVE:
        raise not_found("unknown_referrer", "No investor or creator has this name").at(
            "referrer", username, "correct it, or register without one"
        )
    return found


@router.post("/auth/login", operation_id="login", responses=problems(401, 422, 429))
async def login(
    request: Request, service: Served, tokens: Issuer, client: From, body: bodies.Credentials
) -> SignedIn:
    """Sign in. Where a second factor is set up, `totpCode` is needed beside the password."""

    def act() -> SignedIn:
        now = wall_now()
        opened = sign_in.sign_in(service.database, service.keys, body, client, now)
        return SignedIn.of(opened, tokens, now)

    return await _apart(request, act)


@router.post("/auth/refresh", operation_id="refresh", responses=problems(401, 409, 422, 429))
def refresh_tokens(service: Served, tokens: Issuer, body: bodies.RefreshToken) -> SignedIn:
    """Exchange a refresh token for a new pair. Used again, it ends its session."""
    now = wall_now()
    with service.database.transaction() as tx:
        outcome = refresh(tx, body.refresh_token.get_secret_value(), now)
    if isinstance(outcome, CommendaError):  # raised after what it did is committed
        raise outcome
    return SignedIn.of(outcome, tokens, now)


# --- One's own account -----------------------------------------------------------------------


@router.post("/auth/logout", operation_id="logout", status_code=204, responses=GUARDED)
def logout(service: Served, who: Own) -> None:
    """End the present session; its access token is refused within a second."""
    now = wall_now()
    with service.database.transaction() as tx:
        if who.session_id is not None and end_session(tx, who.session_id, "signed out", now):
            _note_end(tx, who, who.session_id, "signed out", now)


@router.get("/auth/me", operation_id="getMe", responses=UNKNOWN)
def me(service: Served, who: Own) -> Me:
    """Who is asking, what they may do and whether a second factor is set up."""
    with service.database.transaction() as tx:
        user = user_by_id(tx, who.user_id)
    return Me(
        **asdict(user),
        permissions=sorted(who.permissions),
        session_id=who.session_id,
        session_second_factor=who.second_factor,
    )


@router.post("/auth/password", operation_id="changePassword", status_code=204, responses=UNKNOWN)
async def change_password(
    request: Request, service: Served, who: Own, body: bodies.NewPassword
) -> None:
    """Change one's own password; all other sessions end."""
    current, new = body.current.get_secret_value(), body.new.get_secret_value()
    await _apart(
        request, lambda: sign_in.change_password(service.database, who, current, new, wall_now())
    )


@router.post("/auth/totp", operation_id="setUpTotp", responses=CONFLICTS)
def set_up_totp(service: Served, who: Own) -> second_factor.TotpSetUp:
    """Begin to set up a second factor; it counts once it is confirmed by a code."""
    with service.database.transaction() as tx:
        return second_factor.begin(tx, service.keys, locked_user(tx, who.user_id), wall_now())


@router.post("/auth/totp/confirm", operation_id="confirmTotp", responses=CONFLICTS)
def confirm_totp(
    service: Served, who: Own, tokens: Issuer, client: From, body: bodies.TotpCode
) -> SignedIn:
    """Confirm the second factor; the tokens are of a new session with it, the present one ends."""
    now = wall_now()
    opened = sign_in.confirm_second_factor(
        service.database, service.keys, who, client, body.code, now
    )
    return SignedIn.of(opened, tokens, now)


@router.delete("/auth/totp", operation_id="removeTotp", status_code=204, responses=UNKNOWN)
def remove_totp(
    service: Served,
    who: Own,
    code: Annotated[str, Query(pattern="^[0-9]{6}$", description="A present code; taken once.")],
) -> None:
    """Remove the second factor by one of its codes; all sessions end, the present one too."""
    sign_in.remove_second_factor(service.database, service.keys, who, code, wall_now())


@router.get("/auth/sessions", operation_id="listSessions", responses=GUARDED)
def list_sessions(service: Served, who: Own) -> list[Session]:
    """One's own sessions that have not ended, the latest first."""
    with service.database.transaction() as tx:
        return sessions_of(tx, who.user_id, who.session_id, wall_now())


@router.delete(
    "/auth/sessions/{session_id}", operation_id="endSession", status_code=204, responses=UNKNOWN
)
def delete_session(service: Served, who: Own, session_id: UUID) -> None:
    """End one of one's own sessions."""
    now = wall_now()
    with service.database.transaction() as tx:
        if not end_session(tx, session_id, "ended by its owner", now, user=who.user_id):
            raise unknown("session", session_id, "id")
        _note_end(tx, who, session_id, "ended by its owner", now)


def _note_end(tx: Tx, who: Principal, session: UUID, why: str, now: datetime) -> None:
    note(tx, "session.ended", session, why, who.actor, who.user_id, now)


# --- Keys for programs -----------------------------------------------------------------------


@router.get("/auth/api-keys", operation_id="listApiKeys", responses=GUARDED)
def list_keys(service: Served, who: Own) -> list[ApiKey]:
    """One's own API keys that were not revoked, by name; never their secrets."""
    with service.database.transaction() as tx:
        return keys_of(tx, who.user_id)


@router.post("/auth/api-keys", operation_id="createApiKey", status_code=201, responses=CONFLICTS)
def make_key(service: Served, who: Own, body: bodies.NewKey) -> MadeKey:
    """Make an API key with some of one's own permissions; its secret is shown this once."""
    with service.database.transaction() as tx:
        return create_key(tx, locked_user(tx, who.user_id), who, body, wall_now())


@router.delete(
    "/auth/api-keys/{key_id}", operation_id="revokeApiKey", status_code=204, responses=UNKNOWN
)
def delete_key(service: Served, who: Own, key_id: UUID) -> None:
    """Revoke one of one's own API keys; it is refused within a second."""
    with service.database.transaction() as tx:
        revoke_key(tx, user_by_id(tx, who.user_id), key_id, wall_now())


# --- Users, for administrators ---------------------------------------------------------------


@router.get("/users", operation_id="listUsers", responses=GUARDED)
def list_users(
    service: Served,
    _who: Admin,
    role: Role | None = None,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[UserProfile]:
    """Users by name, of one role if given."""
    after = key_after(cursor, str) or ""
    with service.database.transaction() as tx:
        rows = [UserProfile.of(one) for one in users(tx, role, after, limit + 1)]
    return page_of(rows, limit, lambda one: one.username)


@router.post(
    "/users", operation_id="createUser", status_code=201, responses=GUARDED | problems(409)
)
def add_user(service: Served, who: Admin, body: bodies.NewUser) -> UserProfile:
    """Create a user of any role, who signs in with this password and should change it."""
    hashed = prepare_password(body.password.get_secret_value(), body.username)
    with service.database.transaction() as tx:
        return UserProfile.of(
            create_user(tx, body.username, hashed, body.role, business_now(tx), actor=who.actor)
        )


@router.patch("/users/{user_id}", operation_id="changeUser", responses=CONFLICTS)
def patch_user(service: Served, who: Admin, user_id: UUID, body: bodies.UserChange) -> UserProfile:
    """Change another user's role, or disable or enable them; their sessions end."""
    with service.database.transaction() as tx:
        return UserProfile.of(change_user(tx, who, user_id, body.role, body.status, wall_now()))
