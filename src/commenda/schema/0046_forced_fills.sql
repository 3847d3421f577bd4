-- Fills bear the venue's own time, so that funding is shared by those who held when it was charged;
-- what an exchange closes by itself is an order of its own, of the legs that held it.

ALTER TABLE fills ADD COLUMN traded_at timestamptz;  -- NULL where the venue has no clock of its own
CREATE INDEX fills_by_trade ON fills (venue, traded_at) WHERE traded_at IS NOT NULL;
ALTER TABLE stray_fills
    ADD COLUMN traded_at timestamptz,
    ADD COLUMN forced text CHECK (forced IN ('liquidated', 'deleveraged', 'settled'));
ALTER TABLE orders
    ADD COLUMN denied smallint NOT NULL DEFAULT 0,  -- how often the venue said it has no such order
    DROP CONSTRAINT orders_cause_check,
    ADD CONSTRAINT orders_cause_check
        CHECK (cause IN ('signal', 'liquidation', 'withdrawal', 'forced'));
GRANT UPDATE (denied) ON orders TO commenda_app;
