-- How orders are taken: a limit that does not wait or only makes, a stop with a limit, an order that
-- only closes; an order that staff ask to end or to move.

ALTER TABLE orders
    ADD COLUMN time_in_force text NOT NULL DEFAULT 'gtc'
        CHECK (time_in_force IN ('gtc', 'ioc', 'post_only')),
    ADD COLUMN reduce_only boolean NOT NULL DEFAULT false,
    ADD COLUMN cancel_asked_at timestamptz,
    ADD COLUMN asked_price numeric(38,18) CHECK (asked_price > 0),  -- a limit's, not there yet
    DROP CONSTRAINT orders_limit_check,
    ADD CONSTRAINT orders_limit_check CHECK (CASE kind WHEN 'limit' THEN limit_price IS NOT NULL
        WHEN 'market' THEN limit_price IS NULL ELSE true END),
    ADD CONSTRAINT orders_manner_check CHECK (time_in_force = 'gtc' OR kind = 'limit'),
    ADD CONSTRAINT orders_moves_check CHECK (asked_price IS NULL OR kind = 'limit');
GRANT UPDATE (limit_price, cancel_asked_at, asked_price) ON orders TO commenda_app;

ALTER TABLE paper.orders
    ADD COLUMN time_in_force text NOT NULL DEFAULT 'gtc',
    ADD COLUMN reduce_only boolean NOT NULL DEFAULT false;

-- How what opens or increases a position of a flow is ordered.
ALTER TABLE shared_flows ADD COLUMN entry text NOT NULL DEFAULT 'market'
    CHECK (entry IN ('market', 'ioc', 'post_only'));

-- How an account at an exchange is listened to and how much it is asked, as whoever reads it knows.
ALTER TABLE venue_contacts
    ADD COLUMN deaf_since timestamptz,  -- its own stream is not heard; NULL while it is
    ADD COLUMN used       integer,      -- of what it allows in a minute, as it said last
    ADD COLUMN allowed    integer;
ALTER TABLE venue_keys ADD COLUMN limited_until timestamptz;  -- by the wall: it wants to be left alone
GRANT UPDATE (limited_until) ON venue_keys TO commenda_app;
