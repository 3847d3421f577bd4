"""People who are signed in, for tests that talk to the application."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from commenda.identity import register_users
from commenda.identity.model import Role
from commenda.identity.tokens import Tokens
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.settings import Settings

SETTINGS = Settings(
    master_key="the tests' own master key, 32 characters or more",
    paper_funding=True,
    requests_per_minute=0,
)

SignIn = Callable[..., dict[str, str]]
"""`sign_in(role, name="…", second_factor=True)` -> headers of a signed-in user."""


def user_of(role: str, name: str = "") -> UUID:
    """The id of the user that `sign_in(role, name)` makes."""
    return ids.derive("test-user", role, name or role)


def signed_in(
    database: Database,
    role: str,
    name: str = "",
    second_factor: bool = True,
    settings: Settings = SETTINGS,
) -> dict[str, str]:
    """Headers of a user of this role, registered if need be, in a session of their own, who has
    just given their password."""
    user, username = user_of(role, name), name or role
    now = datetime.now(UTC)
    with database.transaction() as tx:
        register_users(tx, [(user, username)], role, now)
    tokens = Tokens(Keys.of(settings).derive("access-tokens"))
    session = ids.derive("test-session", user)
    token = tokens.issue(user, Role(role), session, second_factor, now)
    proof = tokens.issue_proof(user, session, now)
    return {"Authorization": f"Bearer {token}", "X-Proof": proof}
