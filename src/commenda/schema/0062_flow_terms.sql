-- A flow's parameters and stops as dated versions, and templates of stops.

CREATE TABLE flow_terms (
    flow_id  uuid NOT NULL REFERENCES shared_flows,
    version  integer NOT NULL CHECK (version > 0),
    params   jsonb NOT NULL,
    stops    jsonb,                 -- NULL: those that the strategy declares for the parameters
    template text,                  -- which the stops were taken from, with its version
    loosen   boolean NOT NULL DEFAULT false,  -- whether a position's stop might move away
    since    timestamptz NOT NULL,  -- when they were set
    began_at timestamptz,           -- when the first bar closed that was taken under them; NULL: none was
    set_by   text NOT NULL,
    reason   text NOT NULL,
    cause    uuid,                  -- the automatic decision that led to them
    PRIMARY KEY (flow_id, version)
);
GRANT SELECT, INSERT, UPDATE (began_at) ON flow_terms TO commenda_app;
CREATE INDEX flow_terms_by_cause ON flow_terms (cause) WHERE cause IS NOT NULL;

INSERT INTO flow_terms (flow_id, version, params, since, began_at, set_by, reason)
    SELECT f.id, 1, f.params, f.created_at,
        (SELECT min(d.closed_at) FROM flow_decisions d WHERE d.flow_id = f.id AND d.after IS NULL),
        f.creator_id::text, 'Shared'
    FROM shared_flows f;

ALTER TABLE shared_flows
    ADD COLUMN terms_version integer NOT NULL DEFAULT 1,   -- the version in force
    ADD COLUMN runner_version integer NOT NULL DEFAULT 1,  -- the one that runner_state belongs to
    ADD COLUMN pending_stop jsonb;                         -- the stop that pending_target carries out
-- The rule that stopped a position, where its price rested and out of what.
ALTER TABLE trading_signals ADD COLUMN stop jsonb;
ALTER TABLE flow_decisions ADD COLUMN stop jsonb;

CREATE TABLE stop_templates (
    name       text NOT NULL CHECK (name ~ '^[a-z0-9_]{1,40}$'),
    version    integer NOT NULL CHECK (version > 0),
    stops      jsonb NOT NULL,
    about      text NOT NULL,
    valid_from timestamptz NOT NULL,
    set_by     text NOT NULL,
    reason     text NOT NULL,
    ended_at   timestamptz,
    ended_by   text,
    PRIMARY KEY (name, version)
);
CREATE UNIQUE INDEX one_stop_template_in_force ON stop_templates (name) WHERE ended_at IS NULL;
GRANT SELECT, INSERT, UPDATE (ended_at, ended_by) ON stop_templates TO commenda_app;

INSERT INTO stop_templates (name, version, stops, about, valid_from, set_by, reason) VALUES
    ('tight', 1,
     '{"fraction": 0.03, "atr": 2, "atr_length": 20, "chandelier": 2.5, "chandelier_length": 22,
       "curve_drawdown": 0.08, "curve_bars": 24, "account_loss": 0.15}',
     'For short holding times. Two average ranges from the entry is what the Turtles risked; a loss'
     ' of 3 % of the entry price is never passed.',
     'epoch', 'commenda', 'Shipped'),
    ('usual', 1,
     '{"fraction": 0.05, "atr": 3, "atr_length": 22, "chandelier": 3, "chandelier_length": 22,
       "curve_drawdown": 0.12, "curve_bars": 48, "account_loss": 0.25}',
     'For trends over days. The Chandelier is LeBeau''s own: three average ranges of 22 bars from'
     ' the extreme of 22 bars.',
     'epoch', 'commenda', 'Shipped'),
    ('wide', 1,
     '{"fraction": 0.1, "atr": 5, "atr_length": 22, "sar_step": 0.02, "sar_most": 0.2,
       "curve_drawdown": 0.2, "curve_bars": 96, "account_loss": 0.4}',
     'For long trends in restless markets. Wilder''s parabolic, with his own 0.02 and 0.2, follows'
     ' a trend slowly at first; the rest only ends what has gone wrong.',
     'epoch', 'commenda', 'Shipped');
