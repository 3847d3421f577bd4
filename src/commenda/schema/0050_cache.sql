-- What is known now, where no Redis keeps it: one row for each name, written over again and again.
-- Unlogged: after a crash of the server it is empty, and whoever knows tells it again in a second.
CREATE UNLOGGED TABLE cache_entries (
    key        text        NOT NULL,
    field      text        NOT NULL,
    value      text        NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (key, field)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

GRANT SELECT, INSERT, UPDATE, DELETE ON cache_entries TO commenda_app;

-- Where a feed keeps what it knows now: redis, database, or nowhere.
ALTER TABLE market_feeds ADD COLUMN cache text;
