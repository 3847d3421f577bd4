ALTER TABLE orders
    DROP CONSTRAINT orders_cause_check,
    ADD CONSTRAINT orders_cause_check
        CHECK (cause IN ('signal', 'liquidation', 'withdrawal', 'forced'));
DROP TABLE risk_reduction_tries;
DROP TABLE risk_reductions;
REVOKE UPDATE (quantity) ON orders FROM commenda_app;
REVOKE UPDATE (requested) ON allocations FROM commenda_app;
ALTER TABLE allocations DROP COLUMN held_back;
DROP TABLE risk_breaker_changes;
DROP TABLE risk_breakers;
