DROP FUNCTION business_now;
DROP INDEX audit_events_alerts, settlements_by_time, nav_history_by_day;
DROP INDEX trading_signals_open;
ALTER TABLE shared_flows DROP COLUMN pending_target;
DROP TABLE demo_operation, market_marks, market_bars, workers, schedules, open_tick;
ALTER TABLE business_clock
    DROP CONSTRAINT only_paced_has_a_pace, DROP COLUMN advanced_at, DROP COLUMN quick_until,
    DROP COLUMN pace, DROP COLUMN mode;
