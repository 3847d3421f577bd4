"""What accounts, keys and requests are is derived again from the events that made them so.

Whoever writes to the tables and not to the trail is found; the trail is sealed (`audit/chain.py`).
"""

from __future__ import annotations

from typing import LiteralString

from commenda.audit import Check
from commenda.identity.ties import CHECKS as TIES

# What each event says of a user: the last role and the last status that were said are theirs.
# Nothing is said of customers whom a replay made up: they have no password and no second factor.
_USERS: LiteralString = (
    "WITH said AS (SELECT e.id, e.kind, e.subject, e.result,"
    "   CASE WHEN e.kind = 'user.created' THEN e.result ELSE e.details ->> 'role' END AS role,"
    "   CASE WHEN e.kind = 'user.created' THEN 'active' WHEN e.kind = 'user.invited' THEN 'waiting'"
    "    WHEN e.result IN ('active', 'disabled', 'waiting') THEN e.result END AS status"
    "  FROM audit_events e WHERE e.kind LIKE 'user.%' OR e.kind = 'second_factor'),"
    " derived AS (SELECT subject,"
    "   (array_agg(role ORDER BY id DESC) FILTER (WHERE role IS NOT NULL))[1] AS role,"
    "   coalesce((array_agg(status ORDER BY id DESC) FILTER (WHERE status IS NOT NULL))[1],"
    "    'active') AS status,"
    "   coalesce((array_agg(result ORDER BY id DESC) FILTER (WHERE kind = 'second_factor'"
    "    AND result IN ('confirmed', 'removed')))[1] = 'confirmed', false) AS second_factor,"
    "   coalesce(bool_or(kind IN ('user.created', 'user.password_changed')), false) AS password"
    "  FROM said GROUP BY subject)"
)


def _user_check(rule: str, expected: LiteralString, found: LiteralString) -> Check:
    return Check(
        rule,
        f"{_USERS} SELECT 'user ' || coalesce(u.id::text, d.subject), {expected},"  # noqa: S608
        f" coalesce({found}, 'nobody') FROM users u FULL JOIN derived d ON d.subject = u.id::text"
        f" WHERE {found} IS DISTINCT FROM {expected}",
    )


CHECKS = (
    *TIES,
    _user_check(
        "users have the role that they were given",
        "coalesce(d.role, CASE WHEN u.role IN ('investor', 'creator') THEN u.role END,"
        " 'an event that made them staff')",
        "u.role",
    ),
    _user_check(
        "users have the status that they were given", "coalesce(d.status, 'active')", "u.status"
    ),
    _user_check(
        "a second factor counts once it was confirmed",
        "CASE WHEN coalesce(d.second_factor, false) THEN 'confirmed' ELSE 'none' END",
        "CASE WHEN u.totp_confirmed THEN 'confirmed' WHEN u.id IS NOT NULL THEN 'none' END",
    ),
    Check(
        "who can sign in was given a password",
        f"{_USERS} SELECT 'user ' || u.id, 'no password', 'a password'"  # noqa: S608
        " FROM users u LEFT JOIN derived d ON d.subject = u.id::text"
        " WHERE u.password_hash IS NOT NULL AND NOT coalesce(d.password, false)",
    ),
    Check(
        "API keys are as they were made, until they are revoked",
        "WITH derived AS (SELECT subject, correlation_id,"
        "   bool_or(result = 'revoked') AS revoked,"
        "   (array_agg(details ORDER BY id) FILTER (WHERE result = 'created'))[1] AS made"
        "  FROM audit_events WHERE kind = 'api_key' GROUP BY subject, correlation_id),"
        " compared AS (SELECT coalesce(k.id::text, d.subject) AS id,"
        "   d.made ->> 'name' || ' of ' || d.correlation_id || ': ' || (d.made -> 'scopes')::text"
        "    || coalesce(', second factor ' || (d.made ->> 'secondFactor'), '')"
        "    || CASE WHEN d.made ? 'expiresAt' THEN ', until '"
        "     || coalesce((d.made ->> 'expiresAt')::timestamptz::text, 'revoked') ELSE '' END"
        "    || CASE WHEN d.revoked THEN ', revoked' ELSE '' END AS expected,"
        "   k.name || ' of ' || k.user_id || ': ' || to_jsonb(k.scopes)::text"
        "    || CASE WHEN d.made ? 'secondFactor' OR d.made IS NULL"
        "     THEN ', second factor ' || k.second_factor ELSE '' END"
        "    || CASE WHEN d.made ? 'expiresAt' OR d.made IS NULL THEN ', until '"
        "     || coalesce(k.expires_at::text, 'revoked') ELSE '' END"
        "    || CASE WHEN k.revoked_at IS NOT NULL THEN ', revoked' ELSE '' END AS found"
        "  FROM api_keys k FULL JOIN derived d ON d.subject = k.id::text)"
        " SELECT 'key ' || id, coalesce(expected, 'an event that made it'),"
        "  coalesce(found, 'no key') FROM compared WHERE expected IS DISTINCT FROM found",
    ),
    Check(
        "requests for a second person are decided as their events say",
        "WITH derived AS (SELECT DISTINCT ON (subject) subject, split_part(actor, ':', 2) AS who,"
        "   CASE WHEN result IN ('approved', 'rejected', 'expired') THEN result"
        "    ELSE 'requested' END AS status"
        "  FROM audit_events WHERE kind LIKE 'approval.%' ORDER BY subject, id DESC),"
        " compared AS (SELECT coalesce(a.id::text, d.subject) AS id,"
        "   d.status || CASE WHEN d.status IN ('approved', 'rejected') THEN ' by ' || d.who"
        "    ELSE '' END AS expected,"
        "   a.status || coalesce(' by ' || a.decided_by, '') AS found"
        "  FROM approvals a FULL JOIN derived d ON d.subject = a.id::text)"
        " SELECT 'request ' || id, coalesce(expected, 'an event that asked for it'),"
        "  coalesce(found, 'no request') FROM compared WHERE expected IS DISTINCT FROM found",
    ),
)
