-- Isolated books (scopes and their legs), parent orders, venue fills and their allocation.

CREATE TABLE scopes (
    id             uuid PRIMARY KEY,
    kind           text NOT NULL CHECK (kind IN ('managed', 'copy', 'vault')),
    owner_kind     text NOT NULL,
    owner_id       uuid NOT NULL,
    asset          text NOT NULL,
    correlation_id uuid NOT NULL,
    opened_at      timestamptz NOT NULL,
    closed_at      timestamptz
);
CREATE INDEX scopes_by_owner ON scopes (owner_id);

CREATE TABLE legs (
    id         uuid PRIMARY KEY,
    scope_id   uuid NOT NULL REFERENCES scopes,
    creator_id uuid NOT NULL,
    account_id bigint NOT NULL UNIQUE REFERENCES accounts,  -- the leg's cash
    capital    numeric(38,18) NOT NULL CHECK (capital >= 0)
);
CREATE INDEX legs_by_scope ON legs (scope_id);

CREATE TABLE positions (
    leg_id        uuid NOT NULL REFERENCES legs,
    instrument_id smallint NOT NULL REFERENCES instruments,
    account_id    bigint NOT NULL UNIQUE REFERENCES accounts,  -- what the open quantity cost
    quantity      numeric(38,18) NOT NULL DEFAULT 0,
    PRIMARY KEY (leg_id, instrument_id)
) WITH (fillfactor = 50);
CREATE INDEX positions_by_instrument ON positions (instrument_id);

CREATE TABLE orders (
    id              uuid PRIMARY KEY,  -- also the client order id at the venue
    number          bigint GENERATED ALWAYS AS IDENTITY,  -- in the order of their making
    venue           text NOT NULL,
    instrument_id   smallint NOT NULL REFERENCES instruments,
    side            text NOT NULL CHECK (side IN ('buy', 'sell')),
    kind            text NOT NULL CHECK (kind IN ('market', 'stop')),
    quantity        numeric(38,18) NOT NULL CHECK (quantity > 0),
    trigger_price   numeric(38,18) CHECK ((trigger_price IS NOT NULL) = (kind = 'stop')),
    reference_price numeric(38,18) NOT NULL,
    cause           text NOT NULL CHECK (cause IN ('signal', 'liquidation')),
    cause_id        uuid NOT NULL,
    correlation_id  uuid NOT NULL,
    status          text NOT NULL DEFAULT 'intended'
        CHECK (status IN ('intended', 'filled', 'partial', 'refused')),
    reason          text,
    created_at      timestamptz NOT NULL,
    terminal_at     timestamptz,
    UNIQUE (cause, cause_id, instrument_id, side)
);

CREATE TABLE fills (
    venue     text NOT NULL,
    fill_id   text NOT NULL,  -- the venue's own id
    order_id  uuid NOT NULL REFERENCES orders,
    quantity  numeric(38,18) NOT NULL CHECK (quantity > 0),
    price     numeric(38,18) NOT NULL CHECK (price > 0),
    fee       numeric(38,18) NOT NULL,
    filled_at timestamptz NOT NULL,
    PRIMARY KEY (venue, fill_id)
);
CREATE INDEX fills_by_order ON fills (order_id);

-- A leg's part of a parent order: what was asked for it and, once the parent is terminal, what it
-- got out of the parent's fills. Quantities and notional are signed (buy +), fees are paid (+).
CREATE TABLE allocations (
    order_id  uuid NOT NULL,
    leg_id    uuid NOT NULL,
    requested numeric(38,18) NOT NULL,
    quantity  numeric(38,18),
    notional  numeric(38,18),
    fee       numeric(38,18),
    PRIMARY KEY (order_id, leg_id),
    CHECK ((quantity IS NULL) = (notional IS NULL) AND (quantity IS NULL) = (fee IS NULL))
) WITH (fillfactor = 40);
CREATE INDEX allocations_by_leg ON allocations (leg_id);

-- What two foreign keys would say, asked once for a statement instead of for each row with a lock
-- on its parent. Orders and legs are never deleted.
CREATE FUNCTION check_new_allocations() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parents uuid[];
    members uuid[];
BEGIN
    -- By arrays: whatever the planner believes of the tables, neither question is asked row by row.
    SELECT array_agg(DISTINCT order_id), array_agg(DISTINCT leg_id) INTO parents, members
        FROM new_allocations;
    IF (SELECT count(*) FROM orders WHERE id = ANY (parents)) < cardinality(parents)
        OR (SELECT count(*) FROM legs WHERE id = ANY (members)) < cardinality(members) THEN
        RAISE EXCEPTION 'an allocation needs its order and its leg'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER allocations_have_parents AFTER INSERT ON allocations
    REFERENCING NEW TABLE AS new_allocations
    FOR EACH STATEMENT EXECUTE FUNCTION check_new_allocations();

-- Money on its way between the platform and a venue: intended with the business event that
-- needs it, carried out afterwards under its own reference.
CREATE TABLE transfers (
    id             uuid PRIMARY KEY,
    venue          text NOT NULL,
    asset          text NOT NULL,
    amount         numeric(38,18) NOT NULL CHECK (amount <> 0),  -- to the venue: positive
    correlation_id uuid NOT NULL,
    requested_at   timestamptz NOT NULL,
    done_at        timestamptz
);
CREATE INDEX transfers_open ON transfers (venue, asset) WHERE done_at IS NULL;

CREATE TABLE funding_payments (
    venue         text NOT NULL,
    instrument_id smallint NOT NULL REFERENCES instruments,
    stamp         timestamptz NOT NULL,
    rate          numeric(38,18) NOT NULL,
    mark          numeric(38,18) NOT NULL,
    mark_source   text NOT NULL,
    quantity      numeric(38,18) NOT NULL,  -- net at the venue
    amount        numeric(38,18) NOT NULL,  -- received: positive
    PRIMARY KEY (venue, instrument_id, stamp)
);

-- Net asset value of each scope (leg NULL) and leg at the end of a business day.
CREATE TABLE nav_history (
    scope_id uuid NOT NULL,
    leg_id   uuid,
    at       timestamptz NOT NULL,
    capital  numeric(38,18) NOT NULL,
    nav      numeric(38,18) NOT NULL,
    UNIQUE NULLS NOT DISTINCT (scope_id, leg_id, at)
);

GRANT SELECT, INSERT ON scopes, legs, positions, orders, fills, allocations, transfers,
    funding_payments, nav_history TO commenda_app;
GRANT UPDATE (closed_at) ON scopes TO commenda_app;
GRANT UPDATE (quantity) ON positions TO commenda_app;
GRANT UPDATE (status, reason, terminal_at) ON orders TO commenda_app;
GRANT UPDATE (quantity, notional, fee) ON allocations TO commenda_app;
GRANT UPDATE (done_at) ON transfers TO commenda_app;

-- The paper venue's own books. Nothing of the platform's is derived from them, so that
-- reconciliation has two sides.
CREATE SCHEMA paper;
GRANT USAGE ON SCHEMA paper TO commenda_app;

CREATE TABLE paper.orders (
    client_order_id uuid PRIMARY KEY,
    instrument_id   smallint NOT NULL,
    side            text NOT NULL,
    quantity        numeric(38,18) NOT NULL,
    status          text NOT NULL CHECK (status IN ('filled', 'partial', 'refused')),
    reason          text,
    placed_at       timestamptz NOT NULL
);
CREATE TABLE paper.fills (
    id              text PRIMARY KEY,
    client_order_id uuid NOT NULL REFERENCES paper.orders,
    instrument_id   smallint NOT NULL,
    bar_ts          bigint NOT NULL,  -- whose liquidity it took
    quantity        numeric(38,18) NOT NULL,
    price           numeric(38,18) NOT NULL,
    fee             numeric(38,18) NOT NULL,
    filled_at       timestamptz NOT NULL
);
CREATE INDEX paper_fills_by_order ON paper.fills (client_order_id);
CREATE INDEX paper_fills_by_bar ON paper.fills (instrument_id, bar_ts);
CREATE TABLE paper.positions (
    instrument_id smallint PRIMARY KEY,
    quantity      numeric(38,18) NOT NULL,
    cost          numeric(38,18) NOT NULL
);
CREATE TABLE paper.wallets (
    asset   text PRIMARY KEY,
    balance numeric(38,18) NOT NULL
);
CREATE TABLE paper.transfers (
    reference uuid PRIMARY KEY,
    asset     text NOT NULL,
    amount    numeric(38,18) NOT NULL,
    done_at   timestamptz NOT NULL
);
CREATE TABLE paper.funding (
    instrument_id smallint NOT NULL,
    stamp         timestamptz NOT NULL,
    rate          numeric(38,18) NOT NULL,
    mark          numeric(38,18) NOT NULL,
    mark_source   text NOT NULL,
    quantity      numeric(38,18) NOT NULL,
    amount        numeric(38,18) NOT NULL,
    PRIMARY KEY (instrument_id, stamp)
);
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA paper TO commenda_app;
