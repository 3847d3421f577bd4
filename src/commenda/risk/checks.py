"""What must hold of limits, whoever set them, and of what they cut."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "limits of risk follow one another without overlap",
        "SELECT 'limit ' || b.id, 'after ' || a.ended_at, b.valid_from::text"
        " FROM risk_limits a JOIN risk_limits b ON (b.level, b.subject, b.measure, b.version)"
        "   = (a.level, a.subject, a.measure, a.version + 1)"
        "  AND b.asset IS NOT DISTINCT FROM a.asset"
        " WHERE a.ended_at IS NULL OR b.valid_from < a.ended_at",
    ),
    Check(
        "a limit that lets more through was approved by a second person",
        # One that followed at once is looser than the one before it where its amount is larger, its
        # effect weaker, or a breach over sooner: 900 s is the cooldown of one that says none. One
        # that ended and has no follower then let everything through.
        "SELECT 'limit ' || n.id, 'approved', coalesce(p.status, 'nobody was asked') FROM ("
        "  SELECT b.id, b.approval_id FROM risk_limits a"
        "   JOIN risk_limits b ON (b.level, b.subject, b.measure, b.version)"
        "     = (a.level, a.subject, a.measure, a.version + 1)"
        "    AND b.asset IS NOT DISTINCT FROM a.asset"
        "   WHERE a.end_approval_id IS NULL AND (b.amount > a.amount"
        "    OR coalesce(array_position(ARRAY['no_entries', 'cancel', 'reduce', 'flatten'],"
        "      b.effect), 0)"
        "     < coalesce(array_position(ARRAY['no_entries', 'cancel', 'reduce', 'flatten'],"
        "      a.effect), 0)"
        "    OR a.effect IS NOT NULL AND (coalesce(b.resets_at, b.amount)"
        "      > coalesce(a.resets_at, a.amount)"
        "     OR coalesce(b.cooldown_seconds, 900) < coalesce(a.cooldown_seconds, 900)))"
        "  UNION ALL SELECT a.id, a.end_approval_id FROM risk_limits a"
        "   WHERE a.ended_at IS NOT NULL AND NOT EXISTS (SELECT FROM risk_limits b"
        "    WHERE (b.level, b.subject, b.measure, b.valid_from)"
        "      = (a.level, a.subject, a.measure, a.ended_at)"
        "     AND b.asset IS NOT DISTINCT FROM a.asset AND b.version = a.version + 1)) n"
        " LEFT JOIN approvals p ON p.id = n.approval_id AND p.kind = 'risk.limit'"
        " WHERE p.status IS DISTINCT FROM 'approved'",
    ),
    Check(
        "a limit takes from an execution, and turns none",
        "SELECT 'execution ' || signal_id || ' ' || subscription_id, wanted::text,"
        "  coalesce(requested::text, 'none') FROM signal_executions"
        " WHERE (wanted IS NULL) <> (limit_id IS NULL)"
        "  OR abs(requested) >= abs(wanted) OR requested * wanted < 0",
    ),
    Check(
        "what limits left is kept beside what they are",
        "SELECT 'signal ' || n.signal_id || ' limit ' || n.limit_id, n.books::text,"
        "  coalesce((f.cut + f.refused)::text, 'none')"
        " FROM (SELECT signal_id, limit_id, count(*) AS books FROM signal_executions"
        "   WHERE limit_id IS NOT NULL GROUP BY signal_id, limit_id) n"
        " LEFT JOIN (SELECT limit_id, cause_id, sum(cut) AS cut, sum(refused) AS refused"
        "   FROM risk_findings WHERE cause = 'signal' GROUP BY limit_id, cause_id) f"
        "  ON f.limit_id = n.limit_id AND f.cause_id = n.signal_id"
        " WHERE n.books IS DISTINCT FROM f.cut + f.refused",
    ),
)
