"""What the application's routes say of themselves."""

from __future__ import annotations

from fastapi.routing import APIRoute

from commenda.app import ROUTERS
from commenda.identity import PERMISSIONS, Role
from commenda.identity.access import permissions_of


def api_routes() -> dict[str, APIRoute]:
    """Every route under /api/v1, by its operation id."""
    routes = [one for router in ROUTERS for one in router.routes if isinstance(one, APIRoute)]
    return {str(one.operation_id): one for one in routes}


def roles_for(route: APIRoute) -> list[Role]:
    """Who may call a route."""
    wanted = set(permissions_of(route))
    return [role for role in Role if not wanted or wanted & PERMISSIONS[role]]
