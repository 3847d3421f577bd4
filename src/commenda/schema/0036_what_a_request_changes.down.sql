ALTER TABLE expected_returns DROP COLUMN approval_id;
ALTER TABLE approvals DROP COLUMN about, DROP COLUMN changes;
