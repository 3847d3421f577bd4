UPDATE orders SET cause = 'liquidation' WHERE cause = 'forced';
ALTER TABLE orders
    DROP COLUMN denied,
    DROP CONSTRAINT orders_cause_check,
    ADD CONSTRAINT orders_cause_check CHECK (cause IN ('signal', 'liquidation', 'withdrawal'));
-- What was forced is stray by its own definition where its order is not known; it is in the books.
DELETE FROM stray_fills s USING fills f WHERE (f.venue, f.fill_id) = (s.venue, s.fill_id);
ALTER TABLE stray_fills DROP COLUMN forced, DROP COLUMN traded_at;
ALTER TABLE fills DROP COLUMN traded_at;
