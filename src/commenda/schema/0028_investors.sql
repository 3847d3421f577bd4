-- A tier takes amounts from its minimum up to, but not including, its maximum: the next one begins
-- there, and not a unit later.
ALTER TABLE products DROP CONSTRAINT products_check;
UPDATE products p SET minimum = below.maximum FROM products below
WHERE (below.profile, below.term_days, below.asset, below.early_exit)
    = (p.profile, p.term_days, p.asset, p.early_exit)
    AND p.minimum = below.maximum + 0.00000001;
UPDATE products SET maximum = maximum + 0.00000001 WHERE maximum = minimum;
ALTER TABLE products ADD CONSTRAINT products_bounds CHECK (maximum > minimum);

-- Above a soft hurdle the share is of all profit; until it is passed, each leg's gains wait.
ALTER TABLE product_terms
    ADD COLUMN hurdle_kind text NOT NULL DEFAULT 'hard' CHECK (hurdle_kind IN ('hard', 'soft'));
ALTER TABLE crystallisation_legs ADD COLUMN unshared numeric(38,18) NOT NULL DEFAULT 0;

-- What somebody should look at: open until it ends, and counted while it is raised again.
CREATE TABLE alerts (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text NOT NULL,
    subject        text NOT NULL,
    correlation_id uuid NOT NULL,
    result         text NOT NULL,
    details        jsonb NOT NULL,
    first_at       timestamptz NOT NULL,
    last_at        timestamptz NOT NULL,
    count          bigint NOT NULL DEFAULT 1 CHECK (count > 0),
    closed_at      timestamptz,
    CHECK (first_at <= last_at AND last_at <= closed_at)
);
CREATE UNIQUE INDEX alerts_open ON alerts (kind, subject) WHERE closed_at IS NULL;
CREATE INDEX alerts_by_time ON alerts (last_at DESC, id DESC);
GRANT SELECT, INSERT ON alerts TO commenda_app;
GRANT UPDATE (result, details, last_at, count, closed_at) ON alerts TO commenda_app;
-- Until now an alert was an event of the trail, one each time. What goes on is raised again.
INSERT INTO alerts (kind, subject, correlation_id, result, details, first_at, last_at, closed_at)
SELECT kind, subject, correlation_id, result, details, happened_at, happened_at, happened_at
FROM audit_events WHERE kind LIKE 'alert.%' OR kind = 'liquidation.failed' ORDER BY id;
DROP INDEX audit_events_alerts;
