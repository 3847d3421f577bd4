-- The triggers go with their functions.
DO $$
DECLARE
    one regprocedure;
BEGIN
    FOR one IN
        SELECT DISTINCT t.tgfoid FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE p.proname LIKE 'note\_%' AND p.prosrc LIKE '%INSERT INTO changes (topic, whom)%'
    LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', one);
    END LOOP;
END $$;
DROP FUNCTION tell_changes;
DROP TABLE work;
DROP TABLE changes;
