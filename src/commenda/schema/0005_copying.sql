-- Flows that creators share, who follows them, their signals and what became of each.
-- Column names are those of the specification (001-01 to 001-04) in snake case.

CREATE TABLE shared_flows (
    id              uuid PRIMARY KEY,
    creator_id      uuid NOT NULL REFERENCES users,
    title           text NOT NULL,
    description     text NOT NULL DEFAULT '',
    tags            text[] NOT NULL DEFAULT '{}',
    status          text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'closed')),
    is_active       boolean NOT NULL DEFAULT true,
    max_followers   integer CHECK (max_followers > 0),  -- NULL: unlimited
    min_investment  numeric(38,18) NOT NULL DEFAULT 0 CHECK (min_investment >= 0),
    -- What trades: one strategy on one instrument. The runner's state continues bit for bit.
    strategy        text NOT NULL,
    strategy_version text NOT NULL,
    source_hash     text NOT NULL,
    params          jsonb NOT NULL,
    instrument_id   smallint NOT NULL REFERENCES instruments,
    runner_state    bytea,
    last_bar_at     timestamptz,
    last_sequence   bigint NOT NULL DEFAULT 0,
    last_signal_at  timestamptz,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX shared_flows_by_status ON shared_flows (id, status);

CREATE TABLE flow_subscriptions (
    id                     uuid PRIMARY KEY,
    flow_id                uuid NOT NULL REFERENCES shared_flows,
    creator_id             uuid NOT NULL,
    follower_id            uuid NOT NULL,
    follower_vault_address text,          -- NULL where the platform holds custody
    chain_type             text CHECK (chain_type IN ('aptos', 'flow_evm', 'bsc')),
    leg_id                 uuid NOT NULL UNIQUE REFERENCES legs,
    is_leader              boolean NOT NULL DEFAULT false,  -- the creator's own book
    investment_amount      numeric(38,18) NOT NULL CHECK (investment_amount >= 0),
    copy_mode              text NOT NULL DEFAULT 'target' CHECK (copy_mode IN ('target', 'percentage')),
    auto_follow            boolean NOT NULL DEFAULT true,
    notify_on_signal       boolean NOT NULL DEFAULT true,
    max_slippage           numeric(38,18) NOT NULL DEFAULT 0.01,
    status                 text NOT NULL DEFAULT 'active'
        CHECK (status IN ('active', 'paused', 'cancelled')),
    subscribed_at          timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL
);
CREATE INDEX flow_subscriptions_by_follower ON flow_subscriptions (follower_id, status);
CREATE INDEX flow_subscriptions_active ON flow_subscriptions (flow_id, leg_id) WHERE status = 'active';

CREATE TABLE trading_signals (
    id                  uuid PRIMARY KEY,
    flow_id             uuid NOT NULL REFERENCES shared_flows,
    sequence            bigint NOT NULL,
    natural_key         text NOT NULL,   -- what the creator's side calls it: delivered twice, stored once
    creator_id          uuid NOT NULL,
    creator_vault_address text,
    signal_type         text NOT NULL CHECK (signal_type IN ('swap', 'buy', 'sell', 'deposit', 'withdraw')),
    instrument_id       smallint NOT NULL REFERENCES instruments,
    from_token          text NOT NULL,
    to_token            text NOT NULL,
    amount_in_percentage numeric(38,18) NOT NULL,
    slippage_tolerance  numeric(38,18) NOT NULL,
    chain_type          text,
    previous_target     numeric(38,18) NOT NULL,
    target              numeric(38,18) NOT NULL,
    reference_price     numeric(38,18) NOT NULL CHECK (reference_price > 0),
    trigger_price       numeric(38,18),
    status              text NOT NULL DEFAULT 'published' CHECK (status IN ('published', 'planned', 'processed')),
    node_id             text,
    node_type           text,
    created_at          timestamptz NOT NULL,
    processed_at        timestamptz,
    UNIQUE (flow_id, sequence),
    UNIQUE (flow_id, natural_key)
);
CREATE INDEX trading_signals_by_time ON trading_signals (flow_id, created_at DESC);

-- One row for each (signal, subscription), whatever came of it. The primary key is also the index
-- for 'executions of a signal by status': a signal's rows are read together.
CREATE TABLE signal_executions (
    signal_id       uuid NOT NULL,
    subscription_id uuid NOT NULL,
    leg_id          uuid NOT NULL,
    status          text NOT NULL
        CHECK (status IN ('pending', 'executing', 'completed', 'partial', 'failed', 'skipped')),
    requested       numeric(38,18) NOT NULL,
    order_id        uuid,                -- execution_ref: the platform's order at the venue
    executed_amount numeric(38,18),
    executed_price  numeric(38,18),
    gas_cost        numeric(38,18),      -- the venue's fee, where there is no chain
    slippage        numeric(38,18),
    error           text,
    created_at      timestamptz NOT NULL,
    executed_at     timestamptz,
    completed_at    timestamptz,
    PRIMARY KEY (signal_id, subscription_id)
) WITH (fillfactor = 35);
CREATE INDEX signal_executions_by_subscription ON signal_executions (subscription_id);

-- What two foreign keys would say, asked once for a statement: asked for each row, and with a lock
-- on each parent, they cost a third of a copied signal. Parents are never deleted.
CREATE FUNCTION check_new_executions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parents uuid[];
    members uuid[];
BEGIN
    SELECT array_agg(DISTINCT signal_id), array_agg(DISTINCT subscription_id)
        INTO parents, members FROM new_executions;
    IF (SELECT count(*) FROM trading_signals WHERE id = ANY (parents)) < cardinality(parents)
        OR (SELECT count(*) FROM flow_subscriptions WHERE id = ANY (members))
            < cardinality(members) THEN
        RAISE EXCEPTION 'an execution needs its signal and its subscription'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER executions_have_parents AFTER INSERT ON signal_executions
    REFERENCING NEW TABLE AS new_executions
    FOR EACH STATEMENT EXECUTE FUNCTION check_new_executions();

GRANT SELECT, INSERT, UPDATE ON shared_flows, flow_subscriptions, trading_signals, signal_executions
    TO commenda_app;
