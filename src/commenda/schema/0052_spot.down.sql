DO $$ BEGIN
    EXECUTE replace(pg_get_functiondef('plan_executions'::regproc),
                    'SELECT i.step FROM instruments', 'SELECT i.lot FROM instruments');
END $$;
ALTER TABLE instruments DROP COLUMN step;
