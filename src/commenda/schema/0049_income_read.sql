-- Up to when all that an account at an exchange has paid is posted: who held there is paid out after it.

ALTER TABLE venue_contacts ADD COLUMN income_at timestamptz;
