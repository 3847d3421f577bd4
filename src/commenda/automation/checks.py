"""What must hold of the machine's decisions."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "a decision is as far as its last step says, and its steps are numbered without a gap",
        "SELECT 'decision ' || d.id, d.state || ', ' || d.steps || ' steps',"
        "  coalesce(max(s.state) FILTER (WHERE s.number = d.steps), 'none') || ', '"
        "  || count(s.*) || ' steps'"
        " FROM decisions d LEFT JOIN decision_steps s ON s.decision_id = d.id GROUP BY d.id"
        " HAVING count(s.*) <> d.steps OR max(s.number) <> d.steps"
        "  OR max(s.state) FILTER (WHERE s.number = d.steps) IS DISTINCT FROM d.state",
    ),
    Check(
        "what the machine did is linked to what it did it to",
        "SELECT 'decision ' || d.id, 'a link to ' || d.target, 'none' FROM decisions d"
        " WHERE d.acted_at IS NOT NULL AND NOT EXISTS (SELECT FROM decision_links k"
        "  WHERE k.decision_id = d.id AND k.ref = d.target)",
    ),
    Check(
        "a canary is of its incumbent's creator, strategy and instrument, and each such flow one",
        "SELECT 'flow ' || o.id, 'beside ' || o.canary_of,"
        "  coalesce('beside ' || c.flow_id, 'no canary')"
        " FROM shared_flows o LEFT JOIN canaries c ON c.canary_flow_id = o.id"
        " LEFT JOIN shared_flows f ON f.id = o.canary_of"
        " WHERE (o.canary_of IS NOT NULL OR c.id IS NOT NULL) AND"
        "  (f.id, f.creator_id, f.strategy, f.instrument_id)"
        "   IS DISTINCT FROM (c.flow_id, o.creator_id, o.strategy, o.instrument_id)",
    ),
    Check(
        "what a canary's flow traded by is what was tried, and what was promoted is what it was",
        "SELECT 'canary ' || c.id, c.params::text, coalesce(t.params::text, 'other terms')"
        " FROM canaries c LEFT JOIN flow_terms t ON CASE WHEN c.outcome = 'promoted'"
        "  THEN t.cause = c.ended_by AND t.flow_id = c.flow_id AND t.version = c.terms_version + 1"
        "  ELSE t.flow_id = c.canary_flow_id AND t.version = 1 END"
        " WHERE t.params IS DISTINCT FROM c.params",
    ),
    Check(
        "an ability acted no oftener in a day than it was let",
        "SELECT 'ability ' || d.ability || ' on ' || (d.acted_at AT TIME ZONE 'UTC')::date,"
        "  'at most ' || max(s.budget), count(DISTINCT d.id)::text"
        " FROM decisions d JOIN ability_settings s ON s.ability = d.ability AND s.strategy = ''"
        "  AND s.valid_from < date_trunc('day', d.acted_at, 'UTC') + interval '1 day'"
        "  AND coalesce(s.ended_at, 'infinity') > date_trunc('day', d.acted_at, 'UTC')"
        " WHERE d.approval_id IS NULL AND EXISTS (SELECT FROM decision_steps t"
        "  WHERE t.decision_id = d.id AND t.state = 'done' AND t.actor = 'operation')"
        " GROUP BY d.ability, (d.acted_at AT TIME ZONE 'UTC')::date"
        " HAVING count(DISTINCT d.id) > max(s.budget)",
    ),
)
