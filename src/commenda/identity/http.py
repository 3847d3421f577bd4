"""Routes of accounts: registration, sign-in, one's own sessions, second factor and keys.

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
from fastapi import Depends, Query, Request
from pydantic import Field

from commenda.identity import bodies, invitations, notices, recovery, second_factor, sign_in
from commenda.identity.access import Proved, may
from commenda.identity.actions import create_user, prepare_password
from commenda.identity.api_keys import ApiKey, MadeKey, create_key, keys_of, revoke_key
from commenda.identity.invitations import Joined, Joining
from commenda.identity.model import (
    CUSTOMERS,
    Permission,
    Principal,
    Role,
    User,
    UserProfile,
    UserStatus,
)
from commenda.identity.queries import find_user, locked_user, user_by_id
from commenda.identity.sessions import Client, Opened, Session, end_session, refresh, sessions_of
from commenda.identity.tokens import ACCESS_LIFETIME, PROOF_LIFETIME, Tokens, wall_now
from commenda.identity.trail import note
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, not_found, unknown
from commenda.kit.rows import extended
from commenda.kit.web import GUARDED, Page, Paged, Served, on_wire, problems, routes

router = routes("identity")
UNKNOWN = GUARDED | problems(404)
CONFLICTS = GUARDED | problems(404, 409)
Own = Annotated[Principal, may(Permission.ACCOUNT)]

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
class Enrolled(SignedIn):
    """A session with the second factor that was just confirmed."""

    recovery_codes: Annotated[
        list[str], Field(description="Each stands in once for a lost authenticator; shown once.")
    ] = field(default_factory=list, repr=False)


@on_wire
@dataclass(frozen=True, slots=True)
class RecoveryCodes:
    """New codes; those before them count no more."""

    recovery_codes: Annotated[list[str], Field(description="Shown once.")] = field(repr=False)


@on_wire
@dataclass(frozen=True, slots=True)
class Proof:
    """To be sent as X-Proof, beside the access token, to whatever asks for it."""

    proof: str = field(repr=False)
    expires_in: Annotated[int, Field(description="Seconds that it lives.", examples=[300])]


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


@router.post(
    "/auth/invitation", operation_id="takeUpInvitation", responses=problems(404, 409, 422, 429)
)
async def take_up(request: Request, service: Served, body: bodies.TakenUp) -> Joining:
    """Take an invitation up, or a reset: choose a password, and be shown a second factor, which its
    first code confirms."""
    token, password = body.token.get_secret_value(), body.password.get_secret_value()
    held = service.database, service.keys
    return await _apart(request, lambda: invitations.take_up(*held, token, password, wall_now()))


@router.post(
    "/auth/invitation/confirm",
    operation_id="confirmInvitation",
    responses=problems(404, 409, 422, 429),
)
def confirm_invitation(service: Served, body: bodies.TakenUpCode) -> Joined:
    """Confirm the second factor; the token is spent. Where somebody else must approve, the account
    waits for that."""
    with service.database.transaction() as tx:
        business = business_now(tx)
    token, held = body.token.get_secret_value(), (service.database, service.keys)
    return invitations.confirm(*held, token, body.code, wall_now(), business)


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


@router.post("/auth/proof", operation_id="prove", responses=GUARDED)
async def prove(
    request: Request, service: Served, who: Own, tokens: Issuer, body: bodies.Proving
) -> Proof:
    """Prove that it is you, by your password and second factor: for what a token alone may not."""
    now, held = wall_now(), (service.database, service.keys)
    await _apart(request, lambda: sign_in.prove(*held, who, body, now))
    proof = tokens.issue_proof(who.user_id, who.session_id, now)
    return Proof(proof, int(PROOF_LIFETIME.total_seconds()))


@router.post("/auth/password", operation_id="changePassword", status_code=204, responses=UNKNOWN)
async def change_password(
    request: Request, service: Served, who: Own, body: bodies.NewPassword
) -> None:
    """Change one's own password; all other sessions end, and one's API keys with them if wanted."""
    held = service.database, service.keys
    await _apart(request, lambda: sign_in.change_password(*held, who, body, wall_now()))


@router.post("/auth/totp", operation_id="setUpTotp", responses=UNKNOWN)
def set_up_totp(service: Served, who: Own, _: Proved) -> second_factor.TotpSetUp:
    """Begin to set up a second factor, or another one: it counts once a code confirms it."""
    with service.database.transaction() as tx:
        return second_factor.begin(tx, service.keys, locked_user(tx, who.user_id), wall_now())


@router.post("/auth/totp/confirm", operation_id="confirmTotp", responses=UNKNOWN)
def confirm_totp(
    service: Served, who: Own, tokens: Issuer, client: From, body: bodies.TotpCode
) -> Enrolled:
    """Confirm the second factor; the tokens are of a new session with it, all others end."""
    now = wall_now()
    opened, codes = sign_in.confirm_second_factor(
        service.database, service.keys, who, client, body.code, now
    )
    return extended(SignedIn.of(opened, tokens, now), Enrolled, recovery_codes=codes)


@router.delete("/auth/totp", operation_id="removeTotp", status_code=204, responses=UNKNOWN)
def remove_totp(
    service: Served,
    who: Own,
    _: Proved,
    code: Annotated[
        str | None, Query(pattern="^[0-9]{6}$", description="Not needed: the proof took one.")
    ] = None,
) -> None:
    """Remove the second factor and its recovery codes; all sessions end, the present one too."""
    with service.database.transaction() as tx:
        second_factor.remove(tx, locked_user(tx, who.user_id), wall_now())


@router.post("/auth/recovery-codes", operation_id="makeRecoveryCodes", responses=UNKNOWN)
def make_recovery_codes(service: Served, who: Own, _: Proved) -> RecoveryCodes:
    """Make recovery codes in place of those before; where a second factor is set up."""
    with service.database.transaction() as tx:
        user = locked_user(tx, who.user_id)
        second_factor.require(user)
        return RecoveryCodes(recovery.make_codes(tx, user, wall_now()))


@router.get("/auth/notices", operation_id="listNotices", responses=GUARDED)
def list_notices(service: Served, who: Own, asked: Paged) -> Page[notices.Notice]:
    """What happened to one's own account, the latest first: sign-ins from new places, changes of
    password, second factor, keys and access, withdrawals to new addresses."""
    with service.database.transaction() as tx:
        rows = notices.notices_of(tx, who.user_id, asked.after(int), asked.rows)
    return asked.page(rows, lambda one: one.sequence)


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
def make_key(service: Served, who: Own, _: Proved, body: bodies.NewKey) -> MadeKey:
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
