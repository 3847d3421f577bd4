-- Books that divide one person's money among several flows, what they are sized by, and each time
-- that they were rebalanced.

CREATE TABLE portfolios (
    id            uuid PRIMARY KEY REFERENCES scopes,
    owner_id      uuid NOT NULL REFERENCES users,
    name          text NOT NULL,
    rules         jsonb NOT NULL,
    rules_version integer NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL
);
CREATE INDEX portfolios_by_owner ON portfolios (owner_id, created_at);

-- What a plan did. The rules are those of its moment.
CREATE TABLE portfolio_rebalances (
    id            uuid PRIMARY KEY,
    portfolio_id  uuid NOT NULL REFERENCES portfolios,
    number        integer NOT NULL CHECK (number > 0),
    cause         text NOT NULL CHECK (cause IN ('founding', 'rebalance', 'rollback')),
    of_number     integer,          -- the rebalance whose weights a rollback goes back to
    rules         jsonb NOT NULL,
    rules_version integer NOT NULL,
    equity        numeric(38,18) NOT NULL,
    turnover      numeric(38,18) NOT NULL,
    cost          numeric(38,18) NOT NULL,  -- estimated: taker's fees of what is to be traded
    reason        text NOT NULL,
    author        text NOT NULL,
    at            timestamptz NOT NULL,
    UNIQUE (portfolio_id, number),
    CHECK ((cause = 'rollback') = (of_number IS NOT NULL))
);

CREATE TABLE portfolio_moves (
    rebalance_id  uuid NOT NULL REFERENCES portfolio_rebalances,
    leg_id        uuid NOT NULL REFERENCES legs,
    equity        numeric(38,18) NOT NULL,  -- before
    target        numeric(38,18) NOT NULL,  -- the weight that the rules find
    weight        numeric(38,18) NOT NULL,  -- the weight to go to
    moved         numeric(38,18) NOT NULL,  -- cash into the leg; out of it below 0
    trade         numeric(38,18) NOT NULL,  -- the notional that is to be traded for it
    PRIMARY KEY (rebalance_id, leg_id)
);

GRANT SELECT, INSERT ON portfolios, portfolio_rebalances, portfolio_moves TO commenda_app;
GRANT UPDATE (name, rules, rules_version) ON portfolios TO commenda_app;
