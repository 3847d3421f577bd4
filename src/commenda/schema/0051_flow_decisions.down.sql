DROP TABLE flow_decisions;
ALTER TABLE shared_flows DROP COLUMN runner_costs;
