"""Who uses the platform: users, roles and their permissions, sign-in, decisions by two people.

`access.may(permission)` guards every route. Tokens and sessions go by wall time; approvals by the
business clock.
"""

from commenda.identity.actions import register_users
from commenda.identity.model import PERMISSIONS, Permission, Principal, Role

__all__ = ["PERMISSIONS", "Permission", "Principal", "Role", "register_users"]
