"""What must hold of portfolios."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "a rebalance moves cash between the legs of one book, and none into or out of it",
        "SELECT 'portfolio ' || r.portfolio_id || ' rebalance ' || r.number, '0 of its own legs',"
        "  sum(m.moved) || ' of ' || count(*) FILTER (WHERE l.scope_id <> r.portfolio_id)"
        " FROM portfolio_rebalances r JOIN portfolio_moves m ON m.rebalance_id = r.id"
        " JOIN legs l ON l.id = m.leg_id GROUP BY r.id"
        " HAVING sum(m.moved) <> 0 OR bool_or(l.scope_id <> r.portfolio_id)",
    ),
    Check(
        "what a rebalance says that it moved is what was posted",
        "SELECT 'leg ' || coalesce(m.leg_id, p.leg_id) || ' rebalance ' || coalesce(m.key, p.key),"
        "  coalesce(m.moved, 0)::text, coalesce(p.amount, 0)::text"
        " FROM (SELECT 'rebalance:' || r.portfolio_id || ':' || r.number AS key, m.leg_id, m.moved"
        "   FROM portfolio_rebalances r JOIN portfolio_moves m ON m.rebalance_id = r.id"
        "   WHERE m.moved <> 0) m"
        " FULL JOIN (SELECT j.key, a.leg_id, sum(e.amount) AS amount FROM journals j"
        "   JOIN entries e ON e.journal_id = j.id JOIN accounts a ON a.id = e.account_id"
        "   WHERE j.kind = 'rebalance' GROUP BY j.key, a.leg_id) p"
        "  ON p.key = m.key AND p.leg_id = m.leg_id"
        " WHERE coalesce(m.moved, 0) <> coalesce(p.amount, 0)",
    ),
    Check(
        "the rebalances of a portfolio are numbered without a gap",
        "SELECT 'portfolio ' || portfolio_id, '1 to ' || count(*), min(number) || ' to '"
        "  || max(number) FROM portfolio_rebalances GROUP BY portfolio_id"
        " HAVING min(number) <> 1 OR max(number) <> count(*)",
    ),
    Check(
        "a portfolio is a book of its kind, and each such book a portfolio",
        "SELECT 'scope ' || coalesce(p.id, s.id), p.owner_id::text, s.owner_id::text"
        " FROM portfolios p FULL JOIN (SELECT id, owner_id FROM scopes WHERE kind = 'portfolio') s"
        "  ON s.id = p.id WHERE p.owner_id IS DISTINCT FROM s.owner_id",
    ),
)
