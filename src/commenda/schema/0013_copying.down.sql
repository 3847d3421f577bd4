DROP TRIGGER stopping_waits_for_plans ON flow_subscriptions;
DROP FUNCTION wait_for_plans, plan_lock;
DROP TABLE copy_exit_attempts, copy_exits;
ALTER TABLE trading_signals
    DROP COLUMN executions_total, DROP COLUMN executions_executed,
    DROP COLUMN executions_failed, DROP COLUMN executions_skipped;
DROP INDEX flow_subscriptions_leader, flow_subscriptions_paused,
    shared_flows_by_creator, shared_flows_by_age, shared_flows_by_tag;
DROP TABLE flow_stats;
