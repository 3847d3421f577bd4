ALTER TABLE shared_flows DROP COLUMN automatic;
