-- Who brought whom, and what they earn from it.

CREATE TABLE referrals (
    user_id     uuid PRIMARY KEY REFERENCES users,
    referrer_id uuid NOT NULL REFERENCES users,
    created_at  timestamptz NOT NULL,
    CHECK (user_id <> referrer_id)
);
CREATE INDEX referrals_by_referrer ON referrals (referrer_id);

CREATE TABLE referral_commissions (
    settlement_id uuid NOT NULL,  -- the settled subscription
    level         integer NOT NULL CHECK (level BETWEEN 1 AND 3),
    payee_id      uuid NOT NULL REFERENCES users,
    asset         text NOT NULL,
    amount        numeric(38,18) NOT NULL CHECK (amount > 0),
    release_at    timestamptz NOT NULL,
    released_at   timestamptz,
    PRIMARY KEY (settlement_id, level, payee_id)
);
CREATE INDEX referral_commissions_due ON referral_commissions (release_at) WHERE released_at IS NULL;

GRANT SELECT, INSERT, UPDATE ON referrals, referral_commissions TO commenda_app;
