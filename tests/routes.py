"""What the application's routes say of themselves."""

from __future__ import annotations

from fastapi.routing import APIRoute

from commenda.app import ROUTERS
from commenda.identity import PERMISSIONS, Permission, Role
from commenda.identity.access import Requires


def api_routes() -> dict[str, APIRoute]:
    """Every route under /api/v1, by its operation id."""
    routes = [one for router in ROUTERS for one in router.routes if isinstance(one, APIRoute)]
    return {str(one.operation_id): one for one in routes}


def permissions_of(route: APIRoute) -> frozenset[Permission]:
    """What a route asks for, any one of which will do; empty where it asks for nothing."""
    for one in route.dependant.dependencies:
        if isinstance(one.call, Requires):
            return frozenset(one.call.permissions)
    return frozenset()


def roles_for(route: APIRoute) -> list[Role]:
    """Who may call a route."""
    wanted = permissions_of(route)
    return [role for role in Role if not wanted or wanted & PERMISSIONS[role]]
