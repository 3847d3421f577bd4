-- Remainders that no venue takes: the platform's own book takes them over.

ALTER TABLE scopes DROP CONSTRAINT scopes_kind_check;
ALTER TABLE scopes ADD CONSTRAINT scopes_kind_check
    CHECK (kind IN ('managed', 'copy', 'vault', 'house'));

CREATE TABLE dust_transfers (
    cause_id      uuid NOT NULL,              -- the batch that could not sell it
    leg_id        uuid NOT NULL REFERENCES legs,
    instrument_id smallint NOT NULL REFERENCES instruments,
    dust_leg_id   uuid NOT NULL REFERENCES legs CHECK (dust_leg_id <> leg_id),
    -- One sequence with the orders: where a position began anew depends on what came first.
    number        bigint NOT NULL UNIQUE DEFAULT nextval('orders_number_seq'),
    quantity      numeric(38,18) NOT NULL CHECK (quantity <> 0),  -- what the leg held
    price         numeric(38,18) NOT NULL CHECK (price > 0),      -- the mark
    value         numeric(38,18) NOT NULL,                        -- quantity · price, rounded
    at            timestamptz NOT NULL,
    PRIMARY KEY (cause_id, leg_id, instrument_id)
);
GRANT SELECT, INSERT ON dust_transfers TO commenda_app;
GRANT USAGE ON SEQUENCE orders_number_seq TO commenda_app;
