ALTER TABLE orders DROP CONSTRAINT orders_cause_cause_id_venue_instrument_id_side_key;
ALTER TABLE orders ADD UNIQUE (cause, cause_id, instrument_id, side);
ALTER TABLE shared_flows DROP COLUMN venue;
ALTER TABLE legs DROP COLUMN venue;
