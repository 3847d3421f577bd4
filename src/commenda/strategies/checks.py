"""What must hold of registered strategies."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "revisions of a parameter set are numbered from 1 without gaps",
        "SELECT 'parameters ' || name || ' of version ' || version_id, count(*)::text,"
        "  max(revision)::text"
        " FROM strategy_params GROUP BY version_id, owner_id, name"
        " HAVING count(*) <> max(revision)",
    ),
    Check(
        "a parameter set has every declared parameter, within its range",
        "SELECT 'parameters ' || p.name || ' revision ' || p.revision || ' ' || (d ->> 'name'),"
        "  (d ->> 'low') || ' to ' || (d ->> 'high'),"
        "  coalesce(p.params ->> (d ->> 'name'), 'none')"
        " FROM strategy_params p JOIN strategy_versions v ON v.id = p.version_id"
        " CROSS JOIN LATERAL jsonb_array_elements(v.declaration -> 'params') AS d"
        " WHERE ((p.params ->> (d ->> 'name'))::float8"
        "  BETWEEN (d ->> 'low')::float8 AND (d ->> 'high')::float8) IS NOT TRUE",
    ),
    Check(
        "a published strategy has a version",
        "SELECT 'strategy ' || name, 'a version', 'none' FROM strategies s"
        " WHERE status = 'published'"
        "  AND NOT EXISTS (SELECT FROM strategy_versions v WHERE v.strategy_id = s.id)",
    ),
)
