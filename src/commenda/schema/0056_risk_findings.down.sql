ALTER TABLE signal_executions DROP COLUMN wanted, DROP COLUMN limit_id;
DROP TABLE risk_findings;
