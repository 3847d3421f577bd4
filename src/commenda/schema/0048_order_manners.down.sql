ALTER TABLE venue_keys DROP COLUMN limited_until;
ALTER TABLE venue_contacts DROP COLUMN deaf_since, DROP COLUMN used, DROP COLUMN allowed;
ALTER TABLE shared_flows DROP COLUMN entry;
ALTER TABLE paper.orders DROP COLUMN time_in_force, DROP COLUMN reduce_only;
-- A stop that bears a limit is known as one no more.
UPDATE orders SET limit_price = NULL WHERE kind = 'stop';
ALTER TABLE orders
    DROP CONSTRAINT orders_moves_check,
    DROP CONSTRAINT orders_manner_check,
    DROP CONSTRAINT orders_limit_check,
    DROP COLUMN time_in_force, DROP COLUMN reduce_only, DROP COLUMN cancel_asked_at,
    DROP COLUMN asked_price,
    ADD CONSTRAINT orders_limit_check CHECK ((limit_price IS NOT NULL) = (kind = 'limit'));
REVOKE UPDATE (limit_price) ON orders FROM commenda_app;
