DROP TABLE stop_templates;
ALTER TABLE flow_decisions DROP COLUMN stop;
ALTER TABLE trading_signals DROP COLUMN stop;
ALTER TABLE shared_flows
    DROP COLUMN terms_version, DROP COLUMN runner_version, DROP COLUMN pending_stop;
DROP TABLE flow_terms;
