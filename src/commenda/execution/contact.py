"""Whether an exchange answers, and what is found there that is not ours.

On first contact the account may have been somebody's before: its streams are read from there on.
At each contact what rests there is held against our orders; what nobody here sent is told of, never
touched, and what it fills is a stray fill and a difference of the reconciliation.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from commenda.alerts import end_alerts, raise_alerts
from commenda.execution.broker import is_met
from commenda.execution.positions import venues_in_use
from commenda.execution.queries import keep_cursor
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.times import iso
from commenda.ledger import Author
from commenda.venues import Ear, Venue, VenueUnavailable, desks_of

SILENT, STRANGE, DEAF = "alert.venue_silent", "alert.venue_strange", "alert.venue_deaf"
LIMITED = "alert.venue_limited"
PATIENCE = timedelta(minutes=2)
"""How long an exchange may be silent before somebody is told; what it owes an answer to waits."""
SHOWN_WITHIN = timedelta(minutes=2)
"""So long an exchange may take to show what was traded; and a clock may be off."""
_NAMED = 10
"""Orders that an alert names."""


def meet(database: Database, venue: Venue, author: Author) -> None:
    """See what rests at an account, from the first contact on; raises `VenueUnavailable`."""
    if not is_met(venue.name):
        return
    _begin(database, venue, author.now)
    resting = venue.resting(author.now)
    with database.transaction() as tx:
        ours = [order for order, _ in resting if order is not None]
        rows = tx.execute(
            "SELECT id FROM orders WHERE venue = %s AND id = ANY (%s)", (venue.name, ours)
        )
        known = {row[0] for row in rows}
        _tell_strange(tx, venue.name, [words for one, words in resting if one not in known], author)


def keep_contact(database: Database, venue: Venue, author: Author, ear: Ear | None = None) -> None:
    """Note that an account has answered, and whether its own stream is heard, where this process
    listens to it."""
    if not is_met(venue.name):
        return
    desk = desks_of([venue]).get(venue.name)
    used, allowed = (desk and desk.load()) or (None, None)
    with database.transaction() as tx:
        tx.execute(
            "UPDATE venue_contacts SET answered_at = %s, silent_since = NULL, reason = NULL,"
            " used = %s, allowed = %s WHERE venue = %s",
            (author.now, used, allowed, venue.name),
        )
        end_alerts(tx, SILENT, author.now, about=[venue.name])
        end_alerts(tx, LIMITED, author.now, about=[venue.name])
        if ear is not None:
            _note_stream(tx, venue.name, author, ear)


def _note_stream(tx: Tx, venue: str, author: Author, ear: Ear) -> None:
    """Tell of a stream that is not heard for long: what happens there is found out by asking."""
    row = tx.execute(
        "UPDATE venue_contacts SET deaf_since = CASE WHEN %s THEN NULL"
        " ELSE coalesce(deaf_since, %s) END WHERE venue = %s RETURNING deaf_since",
        (ear.is_open, author.now, venue),
    ).fetchone()
    if ear.is_open:
        end_alerts(tx, DEAF, author.now, about=[venue])
    elif row is not None and author.now - row[0] >= PATIENCE:
        said = {"since": iso(row[0]), "reason": ear.why}
        raise_alerts(tx, [author.event(DEAF, venue, ids.derive("venue", venue), "not heard", said)])


def note_income(tx: Tx, venue: str, now: datetime) -> None:
    """Note that all that an account has paid until now is posted."""
    if is_met(venue):
        tx.execute("UPDATE venue_contacts SET income_at = %s WHERE venue = %s", (now, venue))


def is_read(tx: Tx, venue: str, instrument_id: int, at: datetime | None) -> bool:
    """Whether what was traded at an account up to a moment of the exchange's is posted by now: it
    answered long enough after it, and nothing waits that it closed by itself."""
    row = tx.execute(
        "SELECT answered_at >= %s AND NOT EXISTS (SELECT FROM stray_fills s"
        "   WHERE s.venue = c.venue AND s.instrument_id = %s AND s.forced IS NOT NULL"
        "    AND NOT EXISTS"
        "     (SELECT FROM fills f WHERE (f.venue, f.fill_id) = (s.venue, s.fill_id)))"
        " FROM venue_contacts c WHERE c.venue = %s",
        (None if at is None else at + SHOWN_WITHIN, instrument_id, venue),
    ).fetchone()
    return row == (True,)


def lose_contact(database: Database, venue: Venue, author: Author, error: VenueUnavailable) -> None:
    """Note that an account gave no answer, and tell of it where that lasts. One whose key was
    removed has nothing to say."""
    if not is_met(venue.name):
        return
    with database.transaction() as tx:
        if venue.name not in venues_in_use(tx):
            tx.execute(
                "UPDATE venue_contacts SET silent_since = NULL, reason = NULL WHERE venue = %s",
                (venue.name,),
            )
            end_alerts(tx, SILENT, author.now, about=[venue.name])
            return
        row = tx.execute(
            "INSERT INTO venue_contacts AS c (venue, silent_since, reason) VALUES (%s, %s, %s)"
            " ON CONFLICT (venue) DO UPDATE SET reason = excluded.reason,"
            "  silent_since = coalesce(c.silent_since, excluded.silent_since)"
            " RETURNING silent_since, (SELECT limited_until FROM venue_keys WHERE account = venue"
            "  AND state = 'active' AND limited_until > clock_timestamp())",
            (venue.name, author.now, str(error)),
        ).fetchone()
        assert row is not None
        if row[1] is not None:
            said = {"until": iso(row[1]), "reason": str(error)}
            correlation = ids.derive("venue", venue.name)
            raise_alerts(tx, [author.event(LIMITED, venue.name, correlation, "left alone", said)])
        if author.now - row[0] >= PATIENCE:
            said = {"since": iso(row[0]), "reason": str(error)}
            correlation = ids.derive("venue", venue.name)
            event = author.event(SILENT, venue.name, correlation, "silent", said)
            raise_alerts(tx, [event])


def _begin(database: Database, venue: Venue, now: datetime) -> None:
    with database.read() as tx:
        row = tx.execute(
            "SELECT begun_at FROM venue_contacts WHERE venue = %s", (venue.name,)
        ).fetchone()
    if row is not None and row[0] is not None:
        return
    stands = venue.begin(now)
    with database.transaction() as tx:
        for stream, cursor in stands.items():
            keep_cursor(tx, venue.name, stream, cursor)
        tx.execute(
            "INSERT INTO venue_contacts (venue, begun_at) VALUES (%s, %s)"
            " ON CONFLICT (venue) DO UPDATE SET begun_at = excluded.begun_at",
            (venue.name, now),
        )


def _tell_strange(tx: Tx, venue: str, strange: list[str], author: Author) -> None:
    if not strange:
        end_alerts(tx, STRANGE, author.now, about=[venue])
        return
    correlation = ids.derive("venue", venue)
    said = {"orders": strange[:_NAMED], "count": len(strange)}
    result = f"{len(strange)} orders that nobody here sent"
    raise_alerts(tx, [author.event(STRANGE, venue, correlation, result, said)])
