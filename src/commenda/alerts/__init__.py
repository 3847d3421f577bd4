"""What somebody should look at: which kinds there are, how grave each is and who is told.

An alert is an event of the audit trail whose kind is a row of KINDS, so it is sealed, exported and
traced like any other. Domains raise it (`raise_alerts`) instead of recording it; who may hear of
it is told as soon as the transaction commits, and reads the latest with `latest_alerts`.
"""

from commenda.alerts.actions import count_alerts, latest_alerts, raise_alerts
from commenda.alerts.model import KINDS, Kind, Severity, kind_named, topic_of

__all__ = [
    "KINDS",
    "Kind",
    "Severity",
    "count_alerts",
    "kind_named",
    "latest_alerts",
    "raise_alerts",
    "topic_of",
]
