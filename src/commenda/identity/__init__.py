"""Who uses the platform: users, roles and their permissions, sign-in, decisions by two people.

`access.may(permission)` guards every route. Somebody signs in with a password and, where it is set
up, a code; that opens a session, which lives by refresh tokens that are used once and by access
tokens of a quarter of an hour. Programs come with API keys. Guessing is throttled, and the end of a
session (a changed role, password or second factor, a stolen token) reaches every process within a
second. Tokens, sessions and throttles go by wall time; approvals, in which one person asks and
another decides, go by the business clock.
"""

from commenda.identity.actions import (
    create_user,
    prepare_password,
    register_users,
    rename_user,
    set_access,
    set_password,
)
from commenda.identity.approvals import (
    CLOCK,
    LIFETIME,
    Approval,
    ApprovalStatus,
    Changed,
    approval_by_id,
    approve,
    attest,
    expire_due,
    keep_changes,
    list_approvals,
    record_outcome,
    reject,
    request_approval,
    take_back,
    take_back_attest,
    waiting_for,
)
from commenda.identity.bodies import Proving
from commenda.identity.checks import CHECKS
from commenda.identity.invitations import (
    ACCESS,
    ACCOUNT,
    access_changes,
    account_changes,
    give_access,
    invite,
    keep_out,
    let_in,
    reset,
)
from commenda.identity.model import (
    CUSTOMERS,
    PERMISSIONS,
    Permission,
    Principal,
    Role,
    User,
    UserStatus,
)
from commenda.identity.queries import find_user, unknown_user, user_by_id, users
from commenda.identity.second_factor import drop as drop_second_factor
from commenda.identity.sessions import forget_expired as forget_expired_sessions
from commenda.identity.sign_in import prove as prove_person
from commenda.identity.throttle import forget_old as forget_old_failures

__all__ = [
    "ACCESS",
    "ACCOUNT",
    "CHECKS",
    "CLOCK",
    "CUSTOMERS",
    "LIFETIME",
    "PERMISSIONS",
    "Approval",
    "ApprovalStatus",
    "Changed",
    "Permission",
    "Principal",
    "Proving",
    "Role",
    "User",
    "UserStatus",
    "access_changes",
    "account_changes",
    "approval_by_id",
    "approve",
    "attest",
    "create_user",
    "drop_second_factor",
    "expire_due",
    "find_user",
    "forget_expired_sessions",
    "forget_old_failures",
    "give_access",
    "invite",
    "keep_changes",
    "keep_out",
    "let_in",
    "list_approvals",
    "prepare_password",
    "prove_person",
    "record_outcome",
    "register_users",
    "reject",
    "rename_user",
    "request_approval",
    "reset",
    "set_access",
    "set_password",
    "take_back",
    "take_back_attest",
    "unknown_user",
    "user_by_id",
    "users",
    "waiting_for",
]
