-- Orders live at venues until they are over; a leg trades at the venue of its flow; a venue's name
-- is that of one account there. What stands traded at the venue that was the only one.

ALTER TABLE legs ADD COLUMN venue text NOT NULL DEFAULT 'paper';
ALTER TABLE legs ALTER COLUMN venue DROP DEFAULT;
ALTER TABLE shared_flows ADD COLUMN venue text NOT NULL DEFAULT 'paper';
ALTER TABLE shared_flows ALTER COLUMN venue DROP DEFAULT;

ALTER TABLE orders
    DROP CONSTRAINT orders_cause_cause_id_instrument_id_side_key,
    DROP CONSTRAINT orders_kind_check,
    DROP CONSTRAINT orders_cause_check,
    DROP CONSTRAINT orders_status_check,
    ADD COLUMN limit_price  numeric(38,18) CHECK (limit_price > 0),
    ADD COLUMN expires_at   timestamptz,
    ADD COLUMN active_from  timestamptz,  -- a stop that rested before it was sent: since when
    ADD COLUMN sent_at      timestamptz,
    ADD COLUMN allocated_at timestamptz;  -- when the last leg got its part
UPDATE orders SET status = 'expired' WHERE status = 'partial';
-- Intended and not over: whether it was sent is not known, so it counts as sent, and is asked for.
-- A stop had rested through the bar before.
UPDATE orders o SET status = 'sent', sent_at = created_at,
        active_from = CASE WHEN kind = 'stop' THEN created_at - make_interval(secs =>
            (SELECT interval_seconds FROM market_bars b WHERE b.instrument_id = o.instrument_id
                ORDER BY ts DESC LIMIT 1)) END
    WHERE status = 'intended';
UPDATE orders o SET sent_at = created_at, allocated_at = CASE WHEN NOT EXISTS
        (SELECT FROM allocations a WHERE a.order_id = o.id AND a.quantity IS NULL) THEN terminal_at END
    WHERE terminal_at IS NOT NULL;
ALTER TABLE orders
    ADD UNIQUE (cause, cause_id, venue, instrument_id, side),
    ADD CONSTRAINT orders_kind_check CHECK (kind IN ('market', 'limit', 'stop')),
    ADD CONSTRAINT orders_limit_check CHECK ((limit_price IS NOT NULL) = (kind = 'limit')),
    ADD CONSTRAINT orders_cause_check CHECK (cause IN ('signal', 'liquidation', 'withdrawal')),
    ADD CONSTRAINT orders_status_check CHECK (status IN ('intended', 'sent', 'unknown', 'accepted',
        'partly_filled', 'filled', 'cancelled', 'expired', 'refused'));
-- Those that are not allocated are at its end, those allocated after a moment before them.
CREATE INDEX orders_by_allocation ON orders (allocated_at);
GRANT UPDATE (sent_at, allocated_at) ON orders TO commenda_app;

-- Fills of orders that were over, or that nobody here sent: facts that no book has. They are in no
-- journal, so that a reconciliation shows what they moved.
CREATE TABLE stray_fills (
    venue         text NOT NULL,
    fill_id       text NOT NULL,
    order_id      uuid,
    instrument_id smallint NOT NULL REFERENCES instruments,
    side          text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity      numeric(38,18) NOT NULL CHECK (quantity > 0),
    price         numeric(38,18) NOT NULL CHECK (price > 0),
    fee           numeric(38,18) NOT NULL,
    seen_at       timestamptz NOT NULL,
    PRIMARY KEY (venue, fill_id)
);
-- How far each stream of a venue was read, in the venue's own words.
CREATE TABLE venue_cursors (
    venue  text NOT NULL,
    stream text NOT NULL CHECK (stream IN ('executions', 'income')),
    cursor text NOT NULL,
    PRIMARY KEY (venue, stream)
);
INSERT INTO venue_cursors
    SELECT venue, 'income', to_char(min(last) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
    FROM (SELECT venue, instrument_id, max(stamp) AS last FROM funding_payments GROUP BY 1, 2) known
    GROUP BY venue;
GRANT SELECT, INSERT ON stray_fills TO commenda_app;
GRANT SELECT, INSERT, UPDATE ON venue_cursors TO commenda_app;

-- What parents that are not allocated have filled, as each leg will get it: in proportion to what
-- it asked. Quantity and cash are signed as the leg's own.
CREATE VIEW working_fills AS
    SELECT a.leg_id, o.instrument_id, f.quantity * a.requested / o.quantity AS quantity,
        -(f.notional * a.requested + f.fee * abs(a.requested)) / o.quantity AS cash
    FROM orders o
    CROSS JOIN LATERAL (SELECT sum(quantity) AS quantity, sum(quantity * price) AS notional,
        sum(fee) AS fee FROM fills WHERE order_id = o.id) f
    JOIN allocations a ON a.order_id = o.id AND a.quantity IS NULL
    WHERE o.allocated_at IS NULL AND f.quantity IS NOT NULL;
GRANT SELECT ON working_fills TO commenda_app;

-- The paper venue: accounts, and orders that rest.
ALTER TABLE paper.fills DROP CONSTRAINT fills_client_order_id_fkey, DROP CONSTRAINT fills_pkey;
ALTER TABLE paper.orders
    DROP CONSTRAINT orders_pkey,
    DROP CONSTRAINT orders_status_check,
    ADD COLUMN account       text NOT NULL DEFAULT 'paper',
    ADD COLUMN number        bigint GENERATED ALWAYS AS IDENTITY,  -- first come, first served
    ADD COLUMN kind          text NOT NULL DEFAULT 'market',
    ADD COLUMN limit_price   numeric(38,18),
    ADD COLUMN trigger_price numeric(38,18),
    ADD COLUMN expires_at    timestamptz,
    ADD COLUMN active_ts     bigint NOT NULL DEFAULT 0,  -- its first bar
    ADD COLUMN seen_ts       bigint NOT NULL DEFAULT 0,  -- matched up to this moment
    ADD COLUMN filled        numeric(38,18) NOT NULL DEFAULT 0,
    ADD COLUMN trades        integer NOT NULL DEFAULT 0;
UPDATE paper.orders SET status = 'expired' WHERE status = 'partial';
UPDATE paper.orders o SET filled = f.quantity, trades = f.trades
    FROM (SELECT client_order_id, sum(quantity) AS quantity, count(*) AS trades
        FROM paper.fills GROUP BY 1) f WHERE f.client_order_id = o.client_order_id;
ALTER TABLE paper.orders
    ALTER COLUMN account DROP DEFAULT,
    ALTER COLUMN kind DROP DEFAULT,
    ADD PRIMARY KEY (account, client_order_id),
    ADD CONSTRAINT orders_status_check CHECK (status IN
        ('accepted', 'partly_filled', 'filled', 'cancelled', 'expired', 'refused'));
CREATE INDEX paper_orders_resting ON paper.orders (instrument_id, number)
    WHERE status IN ('accepted', 'partly_filled');
ALTER TABLE paper.fills
    ADD COLUMN account text NOT NULL DEFAULT 'paper',
    ADD COLUMN number  bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE paper.fills
    ALTER COLUMN account DROP DEFAULT,
    ADD PRIMARY KEY (account, id),
    ADD CONSTRAINT fills_order_fkey FOREIGN KEY (account, client_order_id) REFERENCES paper.orders;
CREATE INDEX paper_fills_by_number ON paper.fills (account, number);
-- What has been filled so far is known by asking for its order.
INSERT INTO venue_cursors
    SELECT account, 'executions', max(number)::text FROM paper.fills GROUP BY account;
ALTER TABLE paper.positions ADD COLUMN account text NOT NULL DEFAULT 'paper',
    DROP CONSTRAINT positions_pkey, ADD PRIMARY KEY (account, instrument_id);
ALTER TABLE paper.positions ALTER COLUMN account DROP DEFAULT;
ALTER TABLE paper.wallets ADD COLUMN account text NOT NULL DEFAULT 'paper',
    DROP CONSTRAINT wallets_pkey, ADD PRIMARY KEY (account, asset);
ALTER TABLE paper.wallets ALTER COLUMN account DROP DEFAULT;
ALTER TABLE paper.transfers ADD COLUMN account text NOT NULL DEFAULT 'paper',
    DROP CONSTRAINT transfers_pkey, ADD PRIMARY KEY (account, reference);
ALTER TABLE paper.transfers ALTER COLUMN account DROP DEFAULT;
ALTER TABLE paper.funding ADD COLUMN account text NOT NULL DEFAULT 'paper',
    DROP CONSTRAINT funding_pkey, ADD PRIMARY KEY (account, instrument_id, stamp);
ALTER TABLE paper.funding ALTER COLUMN account DROP DEFAULT;
