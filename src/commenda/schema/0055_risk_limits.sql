-- Limits of risk: how much a part of the business may hold, order or lose. A limit is never
-- rewritten but for its end: another one follows it.

CREATE TABLE risk_limits (
    id               uuid PRIMARY KEY,
    level            text NOT NULL CHECK (level IN
        ('platform', 'venue', 'instrument', 'strategy', 'flow', 'creator', 'scope')),
    subject          text NOT NULL CHECK ((level = 'platform') = (subject = '')),  -- '*': each alone
    measure          text NOT NULL,
    asset            text,           -- what money of it is counted in; NULL: it counts no money
    amount           numeric(38,18) NOT NULL CHECK (amount > 0 AND amount < 'NaN'),
    -- What a breach does to what is held already; NULL: it is looked at before a trade only.
    effect           text CHECK (effect IN ('no_entries', 'cancel', 'reduce', 'flatten')),
    resets_at        numeric(38,18) CHECK (resets_at >= 0 AND resets_at < 'NaN' AND resets_at <= amount),
    cooldown_seconds integer CHECK (cooldown_seconds > 0),
    version          integer NOT NULL CHECK (version > 0),
    valid_from       timestamptz NOT NULL,
    ended_at         timestamptz,
    set_by           text NOT NULL,  -- as named in the audit trail
    ended_by         text,
    approval_id      uuid REFERENCES approvals,  -- of two people, where it is looser than before
    end_approval_id  uuid REFERENCES approvals,  -- where it ended and none follows it
    reason           text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (level, subject, measure, asset, version),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL) AND ended_at >= valid_from),
    CHECK (effect IS NOT NULL OR (resets_at IS NULL AND cooldown_seconds IS NULL))
);
CREATE UNIQUE INDEX risk_limits_in_force ON risk_limits (level, subject, measure, asset)
    NULLS NOT DISTINCT WHERE ended_at IS NULL;
GRANT SELECT, INSERT ON risk_limits TO commenda_app;
GRANT UPDATE (ended_at, ended_by, end_approval_id) ON risk_limits TO commenda_app;
