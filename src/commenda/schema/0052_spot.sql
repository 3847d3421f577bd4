-- What is held at spot is no whole lots: a fee is taken of what was bought. Books keep it in the
-- asset's own step, and a parent order is whole lots of what they ask for together.

ALTER TABLE instruments ADD COLUMN step numeric(38,18)
    GENERATED ALWAYS AS (CASE kind WHEN 'spot' THEN 0.00000001 ELSE lot END) STORED;

DO $$ BEGIN
    EXECUTE replace(pg_get_functiondef('plan_executions'::regproc),
                    'SELECT i.lot FROM instruments', 'SELECT i.step FROM instruments');
END $$;
