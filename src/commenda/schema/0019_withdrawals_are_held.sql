-- Withdrawals that wait for a second person are holds on the wallet; until now their money was moved
-- to an account of kind `withdrawing`. A closed period knows the last journal before it.

-- What is pending goes back to the wallet and is held there, at the time of this migration.
DO $$
DECLARE
    at_time timestamptz := business_now();
    asked   record;
BEGIN
    FOR asked IN
        SELECT r.id, r.amount, j.correlation_id, s.id AS source, w.id AS wallet
        FROM funding_requests r
        JOIN journals j ON j.key = 'withdrawal_request:' || r.id
        JOIN accounts s ON s.kind = 'withdrawing' AND s.owner_id = r.user_id AND s.asset = r.asset
        JOIN accounts w ON w.kind = 'wallet' AND w.owner_id = r.user_id AND w.asset = r.asset
        WHERE r.direction = 'withdrawal' AND r.status = 'pending' ORDER BY r.sequence
    LOOP
        PERFORM post_journals(
            ARRAY['withdrawal_return:' || asked.id], ARRAY['withdrawal_return'],
            ARRAY[asked.correlation_id], ARRAY[at_time], 'system:migration', 'funding/2', at_time,
            ARRAY[1, 1], ARRAY[asked.source, asked.wallet], ARRAY[-asked.amount, asked.amount]);
        PERFORM place_holds(
            ARRAY['withdrawal:' || asked.id], ARRAY[asked.wallet], ARRAY[asked.amount],
            ARRAY['withdrawal'], ARRAY[asked.correlation_id], ARRAY[NULL::timestamptz],
            'system:migration', 'funding/2', at_time);
    END LOOP;
    IF EXISTS (SELECT FROM accounts WHERE kind = 'withdrawing' AND balance <> 0)
        OR EXISTS (SELECT FROM funding_requests r
                   WHERE r.direction = 'withdrawal' AND r.status = 'pending'
                     AND NOT EXISTS (SELECT FROM holds h WHERE h.group_key = 'withdrawal:' || r.id))
    THEN
        RAISE EXCEPTION 'what is set aside for withdrawals is not what waits for a decision'
            USING HINT = 'run commenda verify of the version before';
    END IF;
END $$;

-- Journals take their numbers under the lock that a closing has alone: what has a greater number
-- than `last_journal` was posted after the period was closed. Of periods that were closed before
-- this migration no more is known than that they were.
ALTER TABLE ledger_periods ADD COLUMN last_journal bigint;
UPDATE ledger_periods SET last_journal = (SELECT coalesce(max(id), 0) FROM journals);
ALTER TABLE ledger_periods ALTER COLUMN last_journal SET NOT NULL;

CREATE OR REPLACE FUNCTION close_period(
    before_moment timestamptz, by_actor text, at_time timestamptz
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(period_lock());
    IF EXISTS (SELECT FROM ledger_periods WHERE until >= before_moment) THEN
        RETURN false;
    END IF;
    INSERT INTO ledger_periods (until, closed_by, closed_at, last_journal)
        SELECT before_moment, by_actor, at_time, coalesce(max(id), 0) FROM journals;
    RETURN true;
END $$;
