-- What a flow's strategy decided, bar by bar: so that it can be held against a backtest.

ALTER TABLE shared_flows ADD COLUMN runner_costs jsonb;  -- what the strategy's own account pays

-- A bar that made the strategy do something, its first one, and each that did not follow the one
-- before it. Of the others there is nothing to tell.
CREATE TABLE flow_decisions (
    flow_id    uuid NOT NULL REFERENCES shared_flows,
    closed_at  timestamptz NOT NULL,  -- of the bar
    after      timestamptz,           -- when the bar taken before it had closed; NULL: none was
    taken_at   timestamptz NOT NULL,
    target     numeric,
    stop_price numeric,
    PRIMARY KEY (flow_id, closed_at)
);
GRANT SELECT, INSERT ON flow_decisions TO commenda_app;

-- Of flows that traded before, as far as their signals tell. A flow took the bar first that had
-- closed last when it was shared; in a simulated market, where a tick comes with each bar, the one
-- that it was shared in.
INSERT INTO flow_decisions
    SELECT f.id, b.ts + e.every, NULL, greatest(f.created_at, b.ts + e.every)
    FROM shared_flows f JOIN instruments i ON i.id = f.instrument_id
    CROSS JOIN LATERAL (SELECT make_interval(secs => interval_seconds) AS every FROM market_bars
        WHERE instrument_id = f.instrument_id ORDER BY ts DESC LIMIT 1) e
    CROSS JOIN LATERAL (SELECT coalesce(
        max(ts) FILTER (WHERE i.simulated AND ts <= f.created_at OR ts + e.every <= f.created_at),
        min(ts)) AS ts FROM market_bars WHERE instrument_id = f.instrument_id) b
    WHERE f.last_bar_at IS NOT NULL AND f.interval_seconds IS NULL;
INSERT INTO flow_decisions
    SELECT s.flow_id, s.closed_at, s.closed_at - make_interval(secs => b.interval_seconds),
        min(s.created_at), max(s.target) FILTER (WHERE s.kind = 'target'),
        max(s.price) FILTER (WHERE s.kind = 'stop')
    FROM (SELECT flow_id, instrument_id, created_at, target,
            coalesce(trigger_price, reference_price) AS price,
            split_part(natural_key, ':', 2) AS kind,
            CASE WHEN natural_key ~ '^[0-9]+:(target|stop)$'
                THEN to_timestamp(split_part(natural_key, ':', 1)::bigint) END AS closed_at
        FROM trading_signals) s
    JOIN flow_decisions f ON f.flow_id = s.flow_id AND s.closed_at >= f.closed_at
    CROSS JOIN LATERAL (SELECT interval_seconds FROM market_bars
        WHERE instrument_id = s.instrument_id ORDER BY ts DESC LIMIT 1) b
    GROUP BY s.flow_id, s.closed_at, b.interval_seconds
    ON CONFLICT (flow_id, closed_at) DO UPDATE
        SET target = excluded.target, stop_price = excluded.stop_price;
