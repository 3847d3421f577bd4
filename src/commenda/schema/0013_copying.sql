-- Flows as people see them, ways out of a copy, and plans that nobody slips past.

-- What a flow's lists show, so that a list is one question of an index. Followers and their money
-- follow each subscription; everything is computed anew by `update_flow_stats`.
CREATE TABLE flow_stats (
    flow_id      uuid PRIMARY KEY REFERENCES shared_flows,
    followers    integer NOT NULL DEFAULT 0,
    total_aum    numeric(38,18) NOT NULL DEFAULT 0,  -- the followers' equity
    -- Of the creator's own book, from its daily NAV; NULL while there is no record.
    total_return numeric,
    win_rate     numeric,
    sharpe_ratio numeric,
    max_drawdown numeric,
    nav_points   integer NOT NULL DEFAULT 0,
    nav_as_of    timestamptz,
    updated_at   timestamptz NOT NULL
) WITH (fillfactor = 50);
INSERT INTO flow_stats (flow_id, updated_at) SELECT id, updated_at FROM shared_flows;
CREATE INDEX flow_stats_by_return ON flow_stats (total_return DESC NULLS LAST, flow_id);
CREATE INDEX flow_stats_by_followers ON flow_stats (followers DESC, flow_id);
CREATE INDEX flow_stats_by_aum ON flow_stats (total_aum DESC, flow_id);
CREATE INDEX shared_flows_by_creator ON shared_flows (creator_id, created_at DESC, id);
CREATE INDEX shared_flows_by_age ON shared_flows (created_at DESC, id);
CREATE INDEX shared_flows_by_tag ON shared_flows USING gin (tags);
GRANT SELECT, INSERT, UPDATE ON flow_stats TO commenda_app;

-- One creator's book leads a flow; followers that pause keep their place.
CREATE UNIQUE INDEX flow_subscriptions_leader ON flow_subscriptions (flow_id) WHERE is_leader;
CREATE INDEX flow_subscriptions_paused ON flow_subscriptions (flow_id) WHERE status = 'paused';

-- What became of a signal's executions, counted when the last one is done (NULL until then).
ALTER TABLE trading_signals
    ADD COLUMN executions_total integer,
    ADD COLUMN executions_executed integer,
    ADD COLUMN executions_failed integer,
    ADD COLUMN executions_skipped integer;

-- A copy that is left: its positions are really closed, then its cash goes back to the wallet.
CREATE TABLE copy_exits (
    scope_id        uuid PRIMARY KEY REFERENCES scopes,
    subscription_id uuid NOT NULL UNIQUE REFERENCES flow_subscriptions,
    requested_at    timestamptz NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,     -- that failed
    next_retry_at   timestamptz,
    reason          text,                           -- why the last one did
    closed_at       timestamptz,
    paid            numeric(38,18),                 -- to the wallet
    shortfall       numeric(38,18),                 -- what insurance paid
    journal_id      bigint REFERENCES journals,     -- NULL where there was nothing left to post
    CHECK ((closed_at IS NULL) = (next_retry_at IS NOT NULL)),
    CHECK ((closed_at IS NULL) = (paid IS NULL) AND (paid IS NULL) = (shortfall IS NULL))
);
CREATE INDEX copy_exits_due ON copy_exits (next_retry_at) WHERE closed_at IS NULL;
CREATE TABLE copy_exit_attempts (
    batch_id uuid NOT NULL,                         -- cause of the orders that close it
    scope_id uuid NOT NULL REFERENCES copy_exits,
    attempt  integer NOT NULL,
    outcome  text CHECK (outcome IN ('closed', 'failed')),
    reason   text,
    PRIMARY KEY (batch_id, scope_id)
);
CREATE INDEX copy_exit_attempts_open ON copy_exit_attempts (batch_id) WHERE outcome IS NULL;
CREATE INDEX copy_exit_attempts_by_scope ON copy_exit_attempts (scope_id);
GRANT SELECT, INSERT, UPDATE ON copy_exits, copy_exit_attempts TO commenda_app;

-- Whoever stops a subscription waits for the plan that may just be counting on it, and a plan that
-- begins later does not see it any more: what is closed afterwards knows every plan. One lock for
-- each flow, which `copying.plan` takes exclusively. Locks on the rows that a plan reads would say
-- the same, and deadlock with statements that stop many subscriptions in another order.
CREATE FUNCTION plan_lock(flow uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT hashtextextended('copying.plan:' || flow, 0) $$;
CREATE FUNCTION wait_for_plans() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(plan_lock(flow_id))
        FROM (SELECT DISTINCT flow_id FROM stopped WHERE status <> 'active' OR NOT auto_follow) s;
    RETURN NULL;
END $$;
CREATE TRIGGER stopping_waits_for_plans AFTER UPDATE ON flow_subscriptions
    REFERENCING NEW TABLE AS stopped FOR EACH STATEMENT EXECUTE FUNCTION wait_for_plans();
