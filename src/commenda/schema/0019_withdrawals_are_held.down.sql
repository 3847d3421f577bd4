-- A withdrawal that waits cannot go back to where it was: its money would be moved under keys that
-- are posted already.
DO $$
BEGIN
    IF EXISTS (SELECT FROM holds WHERE purpose = 'withdrawal' AND status = 'held') THEN
        RAISE EXCEPTION 'withdrawals wait for a decision'
            USING HINT = 'approve or reject them first';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION close_period(
    before_moment timestamptz, by_actor text, at_time timestamptz
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(period_lock());
    IF EXISTS (SELECT FROM ledger_periods WHERE until >= before_moment) THEN
        RETURN false;
    END IF;
    INSERT INTO ledger_periods (until, closed_by, closed_at)
        VALUES (before_moment, by_actor, at_time);
    RETURN true;
END $$;
ALTER TABLE ledger_periods DROP COLUMN last_journal;
