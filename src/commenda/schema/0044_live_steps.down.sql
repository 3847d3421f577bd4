ALTER TABLE shared_flows DROP COLUMN interval_seconds, DROP COLUMN pending_at;
