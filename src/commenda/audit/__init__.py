"""Who did what, when and with which result; and what must always hold.

Events are append-only and carry the correlation id that runs from a subscription to its last
commission. Risk and market raise their alerts here too, so that nothing below `operations` needs
to know who is told. A `Check` is one query that returns the rows that break a rule.
"""

from commenda.audit.checks import Check, Finding, run_checks
from commenda.audit.events import Event, record

__all__ = ["Check", "Event", "Finding", "record", "run_checks"]
