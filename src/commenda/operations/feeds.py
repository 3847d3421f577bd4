"""Whether the live market can be trusted, looked at from outside of the feeds: one may be dead."""

from __future__ import annotations

from commenda.alerts import end_alerts, raise_alerts
from commenda.audit import Event
from commenda.kit import ids
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.times import iso
from commenda.market import TRUST_PATIENCE, untrusted

KIND = "alert.market_untrusted"
RULES = "feeds/1"


def watch_feeds(tx: Tx) -> None:
    """Raise an alert of each instrument that no feed vouches for, and end those that one does."""
    found = untrusted(tx, TRUST_PATIENCE)
    now = business_now(tx)
    subjects = {f"{one.venue} {one.symbol}": one for one in found}
    end_alerts(tx, KIND, now, but=subjects)
    known = {
        subject
        for (subject,) in tx.execute(
            "SELECT subject FROM alerts WHERE kind = %s AND closed_at IS NULL", (KIND,)
        )
    }
    raise_alerts(
        tx,
        (
            Event(
                KIND,
                subject,
                ids.derive("market", one.instrument_id),
                "untrusted",
                "system:feeds",
                RULES,
                now,
                {"why": one.why, "since": iso(one.since)},
            )
            for subject, one in subjects.items()
            if subject not in known
        ),
    )
