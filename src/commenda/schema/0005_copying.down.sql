DROP TABLE signal_executions, trading_signals, flow_subscriptions, shared_flows;
