ALTER TABLE venue_contacts DROP COLUMN income_at;
