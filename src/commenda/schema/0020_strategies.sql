-- Strategies that are known by name, their versions, and named sets of parameters for them.

CREATE TABLE strategies (
    id         uuid PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,79}$'),
    owner_id   uuid REFERENCES users,  -- NULL: the platform's
    status     text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published', 'retired')),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);

-- What a version is never changes: other code or other ranges are another version.
CREATE TABLE strategy_versions (
    id          uuid PRIMARY KEY,
    sequence    bigint NOT NULL GENERATED ALWAYS AS IDENTITY,  -- order of registration
    strategy_id uuid NOT NULL REFERENCES strategies,
    version     text NOT NULL CHECK (length(version) BETWEEN 1 AND 40),
    source_hash text NOT NULL CHECK (source_hash ~ '^[0-9a-f]{64}$'),
    declaration jsonb NOT NULL,  -- parameters with their ranges, stops, orders, what it says of itself
    reference   text NOT NULL,   -- what it was found by: a name, or a file
    code        text NOT NULL,   -- of the file it stood in
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (strategy_id, version)
);

-- A set is changed by its next revision. `params` has every parameter, defaults included.
CREATE TABLE strategy_params (
    id         uuid PRIMARY KEY,
    version_id uuid NOT NULL REFERENCES strategy_versions,
    owner_id   uuid REFERENCES users,  -- NULL: the platform's
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    revision   integer NOT NULL CHECK (revision > 0),
    params     jsonb NOT NULL,
    note       text NOT NULL DEFAULT '',
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (version_id, owner_id, name, revision)
);

GRANT SELECT, INSERT, UPDATE (status) ON strategies TO commenda_app;
GRANT SELECT, INSERT ON strategy_versions, strategy_params TO commenda_app;
