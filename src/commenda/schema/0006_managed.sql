-- Managed wealth: products, custody, subscriptions from reservation to settlement.

CREATE TABLE products (
    id         uuid PRIMARY KEY,
    profile    text NOT NULL CHECK (profile IN ('conservative', 'balanced', 'aggressive')),
    term_days  integer NOT NULL CHECK (term_days > 0),
    tier       text NOT NULL,
    asset      text NOT NULL,
    minimum    numeric(38,18) NOT NULL CHECK (minimum > 0),
    maximum    numeric(38,18) NOT NULL,
    early_exit boolean NOT NULL DEFAULT false,
    CHECK (maximum >= minimum),
    UNIQUE (profile, term_days, tier)
);

-- What a product asks, from a date on. A subscription keeps the terms it was made under.
CREATE TABLE product_terms (
    product_id     uuid NOT NULL REFERENCES products,
    valid_from     timestamptz NOT NULL,
    management_fee numeric(38,18) NOT NULL,
    hurdle         numeric(38,18) NOT NULL,
    profit_share   numeric(38,18) NOT NULL,
    platform_cut   numeric(38,18) NOT NULL,
    referral_rates numeric(38,18)[] NOT NULL,
    PRIMARY KEY (product_id, valid_from)
);

-- The return matrix: what a product is expected to earn, from a date on, and how far off is how bad.
CREATE TABLE expected_returns (
    product_id      uuid NOT NULL REFERENCES products,
    valid_from      timestamptz NOT NULL,
    annual_return   numeric(38,18) NOT NULL,
    warning_percent numeric(38,18) NOT NULL,
    alert_percent   numeric(38,18) NOT NULL,
    PRIMARY KEY (product_id, valid_from)
);

CREATE TABLE custody_authorisations (
    user_id       uuid NOT NULL REFERENCES users,
    asset         text NOT NULL,
    limit_amount  numeric(38,18) NOT NULL CHECK (limit_amount >= 0),
    authorised_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, asset)
);

-- The latest score of each flow, and whom it suits: the pool that allocation draws from.
CREATE TABLE leaderboard (
    flow_id      uuid PRIMARY KEY REFERENCES shared_flows,
    profile      text NOT NULL,
    score        numeric(38,18) NOT NULL DEFAULT 0,
    max_drawdown numeric(38,18) NOT NULL DEFAULT 0,
    uptime       numeric(38,18) NOT NULL DEFAULT 1,
    days         integer NOT NULL DEFAULT 0,
    scored_at    timestamptz NOT NULL
);

CREATE TABLE managed_subscriptions (
    id                       uuid PRIMARY KEY,  -- also its scope: executionScopeId
    investor_id              uuid NOT NULL REFERENCES users,
    product_id               uuid NOT NULL REFERENCES products,
    request_key              text NOT NULL,
    amount                   numeric(38,18) NOT NULL CHECK (amount > 0),
    asset                    text NOT NULL,
    status                   text NOT NULL CHECK (status IN ('RESERVED', 'ACTIVE', 'MATURED',
                                 'LIQUIDATING', 'LIQUIDATED', 'SETTLED', 'CANCELLED')),
    terms_valid_from         timestamptz NOT NULL,
    mark_net_deposits        numeric(38,18) NOT NULL,
    mark_greatest_profit     numeric(38,18) NOT NULL,
    subscribed_at            timestamptz NOT NULL,
    activated_at             timestamptz,
    matures_at               timestamptz,
    matured_at               timestamptz,
    liquidation_requested_at timestamptz,
    liquidation_door         text CHECK (liquidation_door IN ('investor', 'sweep', 'operator', 'margin')),
    liquidation_attempts     integer NOT NULL DEFAULT 0,
    next_retry_at            timestamptz,
    failure_reason           text,
    liquidated_at            timestamptz,
    settled_at               timestamptz,
    UNIQUE (investor_id, request_key),
    FOREIGN KEY (product_id, terms_valid_from) REFERENCES product_terms (product_id, valid_from)
) WITH (fillfactor = 70);
CREATE INDEX managed_subscriptions_due ON managed_subscriptions (status, matures_at)
    WHERE status NOT IN ('SETTLED', 'CANCELLED');
CREATE INDEX managed_subscriptions_by_investor ON managed_subscriptions (investor_id);

CREATE TABLE principal_reservations (
    subscription_id uuid PRIMARY KEY REFERENCES managed_subscriptions,
    investor_id     uuid NOT NULL,
    reserved_amount numeric(38,18) NOT NULL CHECK (reserved_amount > 0),
    released_amount numeric(38,18) NOT NULL DEFAULT 0,
    status          text NOT NULL CHECK (status IN ('reserved', 'deployed', 'released')),
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);

CREATE TABLE allocation_snapshots (
    subscription_id uuid PRIMARY KEY REFERENCES managed_subscriptions,
    version         text NOT NULL,
    seed            text NOT NULL,
    snapshot        jsonb NOT NULL,
    created_at      timestamptz NOT NULL
);
CREATE TABLE managed_allocations (
    subscription_id uuid NOT NULL REFERENCES managed_subscriptions,
    flow_id         uuid NOT NULL REFERENCES shared_flows,
    creator_id      uuid NOT NULL,
    leg_id          uuid NOT NULL UNIQUE,
    weight          numeric(38,18) NOT NULL CHECK (weight >= 0),
    amount          numeric(38,18) NOT NULL CHECK (amount >= 0),
    status          text NOT NULL DEFAULT 'active',
    PRIMARY KEY (subscription_id, flow_id)
);
CREATE INDEX managed_allocations_by_flow ON managed_allocations (flow_id);

CREATE TABLE liquidation_batches (
    id             uuid PRIMARY KEY,
    begun_at       timestamptz NOT NULL,
    concluded_at   timestamptz
);
CREATE TABLE liquidation_attempts (
    batch_id        uuid NOT NULL REFERENCES liquidation_batches,
    subscription_id uuid NOT NULL REFERENCES managed_subscriptions,
    attempt         integer NOT NULL,
    outcome         text,
    reason          text,
    PRIMARY KEY (batch_id, subscription_id)
);
CREATE INDEX liquidation_attempts_by_subscription ON liquidation_attempts (subscription_id);

CREATE TABLE settlements (
    subscription_id uuid PRIMARY KEY REFERENCES managed_subscriptions,
    journal_id      bigint REFERENCES journals,  -- NULL where there was nothing left to post
    principal       numeric(38,18) NOT NULL,
    equity          numeric(38,18) NOT NULL,
    management_fee  numeric(38,18) NOT NULL,
    hurdle          numeric(38,18) NOT NULL,
    profit_share    numeric(38,18) NOT NULL,
    to_creators     numeric(38,18) NOT NULL,
    to_platform     numeric(38,18) NOT NULL,
    to_referrers    numeric(38,18) NOT NULL,
    to_wallet       numeric(38,18) NOT NULL,
    shortfall       numeric(38,18) NOT NULL,
    days            integer NOT NULL,
    expected_gain   numeric(38,18) NOT NULL,
    deviation_rate  numeric(38,18),
    deviation_level text NOT NULL,
    settled_at      timestamptz NOT NULL
);

-- A loss that survives a full exit, until a re-subscription of the same product takes it up.
CREATE TABLE loss_carries (
    investor_id uuid NOT NULL,
    product_id  uuid NOT NULL,
    loss        numeric(38,18) NOT NULL,
    equity      numeric(38,18) NOT NULL,
    PRIMARY KEY (investor_id, product_id)
);

GRANT SELECT, INSERT, UPDATE ON products, product_terms, expected_returns, custody_authorisations,
    leaderboard, managed_subscriptions, principal_reservations, allocation_snapshots,
    managed_allocations, liquidation_batches, liquidation_attempts, settlements, loss_carries
    TO commenda_app;
