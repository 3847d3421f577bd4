"""What somebody should look at: which kinds there are, how grave each is and who is told.

An alert is of a kind that is a row of KINDS, about a subject, and open until it ends: raised again
meanwhile (`raise_alerts`) it counts. Its opening and its end are events of the audit trail, sealed
and exported like any other, and told to who may hear of them as soon as the transaction commits.
Somebody acknowledges it with a note, and it stays open (`acknowledge`).
Whoever raises a kind ends it (`end_alerts`), or it ends once it was quiet for so long.
"""

from commenda.alerts.actions import (
    Wanted,
    acknowledge,
    alerts_where,
    count_alerts,
    end_alerts,
    end_quiet_alerts,
    latest_alerts,
    open_alerts,
    raise_alerts,
    standing,
)
from commenda.alerts.model import (
    KINDS,
    Alert,
    AlertState,
    Kind,
    Severity,
    Standing,
    kind_named,
    topic_of,
)

__all__ = [
    "KINDS",
    "Alert",
    "AlertState",
    "Kind",
    "Severity",
    "Standing",
    "Wanted",
    "acknowledge",
    "alerts_where",
    "count_alerts",
    "end_alerts",
    "end_quiet_alerts",
    "kind_named",
    "latest_alerts",
    "open_alerts",
    "raise_alerts",
    "standing",
    "topic_of",
]
