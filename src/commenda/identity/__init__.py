"""Who uses the platform. Passwords, roles and permissions come with the service; here are users."""

from commenda.identity.actions import register_users

__all__ = ["register_users"]
