-- A leg trades at a venue, that of its flow. What stands trades at the venue that was the only one.

ALTER TABLE legs ADD COLUMN venue text NOT NULL DEFAULT 'paper';
ALTER TABLE legs ALTER COLUMN venue DROP DEFAULT;
ALTER TABLE shared_flows ADD COLUMN venue text NOT NULL DEFAULT 'paper';
ALTER TABLE shared_flows ALTER COLUMN venue DROP DEFAULT;

ALTER TABLE orders DROP CONSTRAINT orders_cause_cause_id_instrument_id_side_key;
ALTER TABLE orders ADD UNIQUE (cause, cause_id, venue, instrument_id, side);
