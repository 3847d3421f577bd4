DROP TABLE signal_executions, trading_signals, flow_subscriptions, shared_flows;
DROP FUNCTION check_new_executions;
