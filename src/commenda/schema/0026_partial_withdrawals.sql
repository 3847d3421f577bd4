-- A part of a book can be closed, and a share can fall due while the book goes on.

ALTER TABLE closings
    ADD COLUMN amount      numeric(38,18) CHECK (amount > 0),  -- of a part: what is wanted of it
    ADD COLUMN given_up_at timestamptz,                        -- a part that came to nothing
    DROP CONSTRAINT closings_check,
    ADD CONSTRAINT closings_retry CHECK
        ((closed_at IS NULL AND given_up_at IS NULL) = (next_retry_at IS NOT NULL)),
    ADD CONSTRAINT closings_whole CHECK ((amount IS NULL) = (id = scope_id)),
    ADD CONSTRAINT closings_given_up CHECK
        (given_up_at IS NULL OR (amount IS NOT NULL AND paid_at IS NULL));
-- A book is asked to close once at a time, as a whole or in part.
CREATE UNIQUE INDEX closings_open ON closings (scope_id)
    WHERE paid_at IS NULL AND given_up_at IS NULL;
DROP INDEX closings_unpaid;
CREATE INDEX closings_unpaid ON closings (id)
    WHERE closed_at IS NOT NULL AND paid_at IS NULL AND given_up_at IS NULL;

-- What is to be closed of a part, as it was asked for: signed as the position is.
CREATE TABLE closing_lots (
    closing_id    uuid NOT NULL REFERENCES closings,
    leg_id        uuid NOT NULL REFERENCES legs,
    instrument_id smallint NOT NULL REFERENCES instruments,
    quantity      numeric(38,18) NOT NULL CHECK (quantity <> 0),
    PRIMARY KEY (closing_id, leg_id, instrument_id)
);
GRANT SELECT, INSERT ON closing_lots TO commenda_app;
GRANT UPDATE (capital) ON legs TO commenda_app;  -- what a leg goes on with

ALTER TABLE product_terms
    ADD COLUMN crystallise_days integer CHECK (crystallise_days > 0);  -- NULL: only at the end

ALTER TABLE managed_subscriptions
    ADD COLUMN crystallised_at timestamptz,      -- the last time; NULL: not since activation
    ADD COLUMN accrued_until   timestamptz,      -- through which fees were taken; NULL as above
    ADD COLUMN hurdle_left     numeric(38,18) NOT NULL DEFAULT 0;  -- what is still to be earned

-- A share that fell due while its subscription went on: at the end of a period, or because money
-- was taken out.
CREATE TABLE crystallisations (
    id                   uuid PRIMARY KEY,
    subscription_id      uuid NOT NULL REFERENCES managed_subscriptions,
    number               integer NOT NULL CHECK (number > 0),
    closing_id           uuid UNIQUE REFERENCES closings,  -- of a withdrawal; NULL: a period's end
    at                   timestamptz NOT NULL,
    days                 integer NOT NULL,                 -- since fees last accrued
    accrued_until        timestamptz NOT NULL,
    principal            numeric(38,18) NOT NULL,          -- before it
    principal_left       numeric(38,18) NOT NULL,
    capital              numeric(38,18) NOT NULL,          -- what the legs began with
    equity               numeric(38,18) NOT NULL,          -- at marks, before it
    management_fee       numeric(38,18) NOT NULL,
    hurdle               numeric(38,18) NOT NULL,
    hurdle_left          numeric(38,18) NOT NULL,
    profit_share         numeric(38,18) NOT NULL,
    to_creators          numeric(38,18) NOT NULL,
    to_platform          numeric(38,18) NOT NULL,
    to_referrers         numeric(38,18) NOT NULL,
    collected            numeric(38,18) NOT NULL,  -- of earlier shares; below 0: owed from now on
    owed                 numeric(38,18) NOT NULL CHECK (owed >= 0),  -- after it
    to_wallet            numeric(38,18) NOT NULL,
    mark_net_deposits    numeric(38,18) NOT NULL,
    mark_greatest_profit numeric(38,18) NOT NULL,
    expected_gain        numeric(38,18) NOT NULL,
    journal_id           bigint REFERENCES journals,       -- NULL where nothing was to be posted
    UNIQUE (subscription_id, number)
);
CREATE TABLE crystallisation_legs (
    crystallisation_id uuid NOT NULL REFERENCES crystallisations,
    leg_id             uuid NOT NULL REFERENCES legs,
    equity             numeric(38,18) NOT NULL,
    taken              numeric(38,18) NOT NULL,
    to_creator         numeric(38,18) NOT NULL,
    PRIMARY KEY (crystallisation_id, leg_id)
);
CREATE INDEX crystallisation_legs_by_leg ON crystallisation_legs (leg_id);
GRANT SELECT, INSERT ON crystallisations, crystallisation_legs TO commenda_app;

-- What was still owed and is paid before anything else.
ALTER TABLE settlements ADD COLUMN collected numeric(38,18) NOT NULL DEFAULT 0;

-- A commission belongs to a settlement or a crystallisation, of this subscription.
ALTER TABLE referral_commissions ADD COLUMN subscription_id uuid;
UPDATE referral_commissions SET subscription_id = settlement_id;
ALTER TABLE referral_commissions ALTER COLUMN subscription_id SET NOT NULL;
CREATE INDEX referral_commissions_by_subscription ON referral_commissions (subscription_id);

-- Everything that left subscriptions, in the middle of their terms and at the end.
CREATE VIEW managed_payouts AS
SELECT subscription_id, at, principal - principal_left AS principal, management_fee, profit_share,
       to_creators, to_platform, to_referrers, to_wallet, 0::numeric AS shortfall
FROM crystallisations
UNION ALL
SELECT subscription_id, settled_at, principal, management_fee, profit_share, to_creators,
       to_platform, to_referrers, to_wallet, shortfall
FROM settlements;
GRANT SELECT ON managed_payouts TO commenda_app;
