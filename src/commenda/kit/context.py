"""What is being answered: carried to logs, audit events and problems without being passed on."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request, or of the tick or workflow, that this thread works for."""

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
"""The id of the subscription, signal or batch that is worked on, where there is one."""
