"""Roles, what each may do, and who is asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import on_wire


class Role(StrEnum):
    INVESTOR = "investor"
    CREATOR = "creator"
    OPERATOR = "operator"
    RISK = "risk"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a route asks for. Owning the object is asked for beside it: another's is unknown."""

    ACCOUNT = "account"
    """One's own profile, password, second factor, sessions and keys."""
    MARKET = "market"
    FLOWS = "flows"
    """See shared flows, their NAV and signals."""
    SHARE = "share"
    """Share and steer flows of one's own."""
    COPY = "copy"
    """Follow flows with one's own money."""
    PRODUCTS = "products"
    WALLET = "wallet"
    """See one's own balances, asset log and funding."""
    FUND = "fund"
    """Bring money in, authorise custody."""
    WITHDRAW = "withdraw"
    """Take money out."""
    SUBSCRIBE = "subscribe"
    """Subscribe to products, see and end one's own subscriptions."""
    INCOME = "income"
    """Hold pool products: subscribe to them, see and redeem one's own holdings."""
    OVERVIEW = "overview"
    """The operation's numbers, everybody's subscriptions and their traces."""
    SETTLE = "settle"
    """Ask for operator settlement batches."""
    TERMS = "terms"
    """Ask for changes of the return matrix, for pool products and their rates."""
    APPROVALS = "approvals"
    """See requests that wait for a second person."""
    APPROVE = "approve"
    """Be that second person."""
    HOLD = "hold"
    """Freeze money of a wallet, and set it free."""
    ACKNOWLEDGE = "acknowledge"
    """Say that one looks after an alert."""
    LEDGER = "ledger"
    """Read the books: anybody's statements, accounts, journals, trial balance, reconciliation."""
    CORRECT = "correct"
    """Ask for reversals and for closing periods."""
    SCHEDULES = "schedules"
    """Change what runs when, and ask for runs by hand."""
    BANK = "bank"
    """Read bank statements in, and be one of the two who decide what they prove."""
    MARKET_DATA = "market_data"
    """Import market data."""
    ORDERS = "orders"
    """Have orders that work cancelled or moved."""
    RISK = "risk"
    """Set limits of risk, and ask for looser ones."""
    AUTOMATE = "automate"
    """Say how far the machine goes by itself, carry out what it recommends, take it back."""
    VENUES = "venues"
    """Ask for accounts at exchanges, try them, and remove them."""
    AUDIT = "audit"
    USERS = "users"
    """Invite, reset, change and disable accounts."""


CUSTOMERS: Final = frozenset({Role.INVESTOR, Role.CREATOR})
"""Who registers themselves and owns money here; the others are staff."""

_EVERYBODY = frozenset(
    {Permission.ACCOUNT, Permission.MARKET, Permission.FLOWS, Permission.PRODUCTS}
)
_STAFF = _EVERYBODY | {Permission.OVERVIEW, Permission.APPROVALS, Permission.LEDGER}
_INVESTOR = _EVERYBODY | {
    Permission.COPY,
    Permission.WALLET,
    Permission.FUND,
    Permission.WITHDRAW,
    Permission.SUBSCRIBE,
    Permission.INCOME,
}

PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        Role.INVESTOR: _INVESTOR,
        Role.CREATOR: _INVESTOR | {Permission.SHARE},
        Role.OPERATOR: _STAFF
        | {
            Permission.SETTLE,
            Permission.TERMS,
            Permission.APPROVE,
            Permission.HOLD,
            Permission.ACKNOWLEDGE,
            Permission.CORRECT,
            Permission.SCHEDULES,
            Permission.BANK,
            Permission.MARKET_DATA,
            Permission.VENUES,
            Permission.ORDERS,
            Permission.RISK,
            Permission.AUTOMATE,
        },
        Role.RISK: _STAFF
        | {
            Permission.APPROVE,
            Permission.AUDIT,
            Permission.HOLD,
            Permission.ACKNOWLEDGE,
            Permission.BANK,
            Permission.MARKET_DATA,
            Permission.VENUES,
            Permission.ORDERS,
            Permission.RISK,
            Permission.AUTOMATE,
        },
        Role.AUDITOR: _STAFF | {Permission.AUDIT},
        Role.ADMIN: _STAFF
        | {
            Permission.USERS,
            Permission.APPROVE,
            Permission.ACKNOWLEDGE,
            Permission.AUDIT,
            Permission.SCHEDULES,
        },
    }
)
"""One role for each user. `rules.tied` says which two users are two people."""

SENSITIVE: Final = frozenset(
    {
        Permission.WITHDRAW,
        Permission.SETTLE,
        Permission.TERMS,
        Permission.APPROVE,
        Permission.HOLD,
        Permission.CORRECT,
        Permission.SCHEDULES,
        Permission.BANK,
        Permission.VENUES,
        Permission.ORDERS,
        Permission.RISK,
        Permission.AUTOMATE,
        Permission.USERS,
    }
)
"""What needs a second factor, where the installation requires one."""


class UserStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"
    """Cannot sign in; their keys are revoked. What is theirs stays theirs."""
    WAITING = "waiting"
    """Invited or reset, and not let in: until the link is taken up and somebody else approves."""


@on_wire
@dataclass(frozen=True, slots=True)
class User:
    """A person on the platform."""

    id: UUID
    username: Annotated[str, Field(examples=["ada.lovelace"])]
    role: Role
    status: UserStatus
    created_at: datetime
    second_factor: Annotated[
        bool, Field(description="Whether a second factor is set up and confirmed.")
    ]

    @property
    def actor(self) -> str:
        """As named in journals and audit events."""
        return f"{self.role}:{self.id}"


@on_wire
@dataclass(frozen=True, slots=True)
class UserProfile(User):
    """A user, with what their role (or, for the one who asks, their token or key) may do."""

    permissions: list[Permission]

    @classmethod
    def of(cls, user: User) -> UserProfile:
        return cls(**asdict(user), permissions=sorted(PERMISSIONS[user.role]))


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a signed-in user, or one of their API keys with fewer permissions."""

    user_id: UUID
    role: Role
    permissions: frozenset[Permission]
    session_id: UUID | None
    second_factor: bool
    """Whether this session was opened with one; a key counts as what its maker had."""

    @property
    def actor(self) -> str:
        """As named in journals and audit events."""
        return f"{self.role}:{self.user_id}"

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions
