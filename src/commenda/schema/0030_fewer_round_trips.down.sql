DROP FUNCTION allocate_shares, plan_executions;
DROP FUNCTION post_journal;
CREATE OR REPLACE FUNCTION post_journals(
    journal_keys text[], journal_kinds text[], journal_correlations uuid[],
    journal_effective timestamptz[], by_actor text, under_rules text, at_time timestamptz,
    line_journals integer[], line_accounts bigint[], line_amounts numeric[],
    journal_reverses bigint[] DEFAULT NULL, journal_captures text[] DEFAULT NULL
) RETURNS TABLE (ordinal integer, journal_id bigint, outcome text,
                 refused_account bigint, reason text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
-- Every row is found by its key: plan once, never scan. Planned for each call, one transfer costs
-- half as much again; planned while the tables are small, a scan of them would stay. So joins are
-- loops from the arrays to a table's key, and no two arrays are joined.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    locked      bigint[] := line_accounts;
    late_groups text[];        -- what was placed while this waited for its locks comes after it
    counts      integer[];     -- entries, by ordinal
    first_id    bigint;
    new_ids     bigint[];      -- by ordinal; NULL where replayed or refused
    freed_journals integer[];  -- what captures set free: journal, account, amount
    freed_accounts bigint[];
    freed_amounts  numeric[];
    refusals    bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(journal_keys)]);
    reasons     text[] := array_fill(NULL::text, ARRAY[cardinality(journal_keys)]);
    bad_journal integer;
    bad_account bigint;
    why         text;
    found_count bigint;
    any_floor   boolean;
    latest      timestamptz;
    closed      timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(period_lock());
    IF journal_captures IS NOT NULL THEN
        locked := locked || ARRAY(SELECT h.account_id FROM holds h
                                  WHERE h.group_key = ANY (journal_captures));
    END IF;
    PERFORM FROM accounts WHERE id = ANY (locked) ORDER BY id FOR NO KEY UPDATE;

    closed := (SELECT max(until) FROM ledger_periods);
    SELECT count(*), coalesce(bool_or(floored), false),
           greatest(at_time, max(last_posted_at), closed)
        INTO found_count, any_floor, latest
        FROM accounts WHERE id = ANY (line_accounts);
    IF found_count <> (SELECT count(DISTINCT account) FROM unnest(line_accounts) account) THEN
        SELECT account INTO bad_account FROM unnest(line_accounts) account
            WHERE NOT EXISTS (SELECT FROM accounts WHERE id = account) LIMIT 1;
        RAISE EXCEPTION 'unknown account %', bad_account USING ERRCODE = 'CO003';
    END IF;

    SELECT array_agg(each.lines ORDER BY each.journal) INTO counts
        FROM (SELECT journal, count(*) AS lines FROM unnest(line_journals) journal
              GROUP BY journal) each;
    IF cardinality(counts) IS DISTINCT FROM cardinality(journal_keys) THEN
        RAISE EXCEPTION 'a journal without entries' USING ERRCODE = 'CO002';
    END IF;

    WITH inserted AS (
        INSERT INTO journals (key, kind, actor, rule_version, correlation_id,
                              posted_at, effective_at, entry_count, reverses)
        SELECT j.key, j.kind, by_actor, under_rules, j.correlation,
               latest, coalesce(j.effective, latest), counts[j.ordinal], journal_reverses[j.ordinal]
        FROM unnest(journal_keys, journal_kinds, journal_correlations, journal_effective)
                 WITH ORDINALITY AS j (key, kind, correlation, effective, ordinal)
        ORDER BY j.ordinal
        ON CONFLICT (key) DO NOTHING
        RETURNING id
    )
    SELECT min(id) INTO first_id FROM inserted;
    -- New is what this statement inserted: not what this transaction posted before.
    SELECT array_agg((SELECT id FROM journals j WHERE j.key = k.key AND j.id >= first_id
                      AND j.transaction_id = pg_current_xact_id()) ORDER BY k.ordinal)
        INTO new_ids FROM unnest(journal_keys) WITH ORDINALITY AS k (key, ordinal);

    SELECT j.ordinal INTO bad_journal
    FROM unnest(journal_effective) WITH ORDINALITY AS j (effective, ordinal)
    WHERE new_ids[j.ordinal] IS NOT NULL AND (j.effective < closed OR j.effective > latest)
    ORDER BY j.ordinal LIMIT 1;
    IF FOUND THEN
        IF journal_effective[bad_journal] > latest THEN
            RAISE EXCEPTION '%', journal_keys[bad_journal]
                USING ERRCODE = 'CO005', DETAIL = journal_effective[bad_journal]::text;
        END IF;
        RAISE EXCEPTION '%', journal_keys[bad_journal]
            USING ERRCODE = 'CO004', DETAIL = closed::text;
    END IF;

    IF journal_captures IS NOT NULL THEN
        IF (SELECT count(*) FROM holds h WHERE h.group_key = ANY (journal_captures))
                > cardinality(locked) - cardinality(line_accounts) THEN
            late_groups := ARRAY(SELECT h.group_key FROM holds h
                                 WHERE h.group_key = ANY (journal_captures)
                                   AND h.account_id <> ALL (locked));
        END IF;
        FOR bad_journal, bad_account, why IN
            SELECT c.ordinal, min(h.account_id),
                   CASE WHEN min(h.id) IS NULL OR min(h.group_key) = ANY (late_groups)
                            THEN 'unknown_hold'
                        WHEN bool_or(h.status <> 'held') THEN 'hold_resolved'
                        WHEN bool_or(h.expires_at <= latest) THEN 'hold_expired'
                        WHEN bool_or(taken.amount > h.amount) THEN 'beyond_hold' END
            FROM unnest(journal_captures) WITH ORDINALITY AS c (group_key, ordinal)
            LEFT JOIN holds h ON h.group_key = c.group_key
            LEFT JOIN LATERAL (
                SELECT -sum(l.amount) AS amount
                FROM unnest(line_journals, line_accounts, line_amounts)
                    AS l (journal, account, amount)
                WHERE l.journal = c.ordinal AND l.account = h.account_id) taken ON true
            WHERE c.group_key IS NOT NULL AND new_ids[c.ordinal] IS NOT NULL
            GROUP BY c.ordinal
        LOOP
            IF why IS NOT NULL THEN
                DELETE FROM journals WHERE id = new_ids[bad_journal];
                new_ids[bad_journal] := NULL;
                refusals[bad_journal] := bad_account;
                reasons[bad_journal] := why;
            END IF;
        END LOOP;
        SELECT array_agg(c.ordinal), array_agg(h.account_id), array_agg(h.amount)
            INTO freed_journals, freed_accounts, freed_amounts
            FROM unnest(journal_captures) WITH ORDINALITY AS c (group_key, ordinal)
            JOIN holds h ON h.group_key = c.group_key
            WHERE new_ids[c.ordinal] IS NOT NULL;
    END IF;

    IF any_floor THEN
        LOOP
            SELECT running.journal, running.account INTO bad_journal, bad_account
            FROM (
                SELECT l.journal, l.ordinal, l.account,
                       a.balance - a.held + sum(l.amount) OVER (PARTITION BY l.account
                                                       ORDER BY l.journal, l.ordinal) AS after
                FROM (
                    SELECT * FROM unnest(line_journals, line_accounts, line_amounts)
                        WITH ORDINALITY AS line (journal, account, amount, ordinal)
                    UNION ALL
                    SELECT *, 0 FROM unnest(freed_journals, freed_accounts, freed_amounts)
                ) l
                JOIN accounts a ON a.id = l.account AND a.floored
                WHERE new_ids[l.journal] IS NOT NULL
            ) running
            WHERE running.after < 0 ORDER BY running.journal, running.ordinal LIMIT 1;
            EXIT WHEN NOT FOUND;
            DELETE FROM journals WHERE id = new_ids[bad_journal];
            new_ids[bad_journal] := NULL;
            refusals[bad_journal] := bad_account;
            reasons[bad_journal] := 'below_floor';
        END LOOP;
    END IF;

    INSERT INTO entries (journal_id, account_id, version, asset,
                         amount, balance_before, balance_after)
    SELECT new_ids[l.journal], l.account,
           a.version + row_number() OVER each_account, a.asset, l.amount,
           a.balance + sum(l.amount) OVER each_account - l.amount,
           a.balance + sum(l.amount) OVER each_account
    FROM unnest(line_journals, line_accounts, line_amounts)
             WITH ORDINALITY AS l (journal, account, amount, ordinal)
    JOIN accounts a ON a.id = l.account
    WHERE new_ids[l.journal] IS NOT NULL
    WINDOW each_account AS (PARTITION BY l.account ORDER BY l.journal, l.ordinal
                            ROWS UNBOUNDED PRECEDING);

    UPDATE accounts a
    SET balance = a.balance + moved.total, version = a.version + moved.lines,
        held = a.held - moved.freed,
        last_posted_at = CASE WHEN moved.lines > 0 THEN latest ELSE a.last_posted_at END
    FROM (SELECT l.account, sum(l.amount) AS total, sum(l.lines) AS lines, sum(l.freed) AS freed
          FROM (
              SELECT line.journal, line.account, line.amount, 1 AS lines, 0 AS freed
              FROM unnest(line_journals, line_accounts, line_amounts)
                  AS line (journal, account, amount)
              UNION ALL
              SELECT freed.journal, freed.account, 0, 0, freed.amount
              FROM unnest(freed_journals, freed_accounts, freed_amounts)
                  AS freed (journal, account, amount)
          ) l
          WHERE new_ids[l.journal] IS NOT NULL
          GROUP BY l.account) moved
    WHERE a.id = moved.account;

    IF journal_captures IS NOT NULL THEN
        UPDATE holds h
        SET status = 'captured', journal_id = new_ids[c.ordinal], resolved_at = latest,
            resolved_by = by_actor,
            captured = greatest(0, coalesce((
                SELECT -sum(l.amount) FROM unnest(line_journals, line_accounts, line_amounts)
                    AS l (journal, account, amount)
                WHERE l.journal = c.ordinal AND l.account = h.account_id), 0))
        FROM unnest(journal_captures) WITH ORDINALITY AS c (group_key, ordinal)
        WHERE h.group_key = c.group_key AND new_ids[c.ordinal] IS NOT NULL;
    END IF;

    RETURN QUERY
    SELECT k.ordinal::integer,
           coalesce(new_ids[k.ordinal], (SELECT id FROM journals j WHERE j.key = k.key)),
           CASE WHEN new_ids[k.ordinal] IS NOT NULL THEN 'posted'
                WHEN reasons[k.ordinal] IS NOT NULL THEN 'refused'
                ELSE 'replayed' END,
           refusals[k.ordinal], reasons[k.ordinal]
    FROM unnest(journal_keys) WITH ORDINALITY AS k (key, ordinal)
    ORDER BY k.ordinal;
END $$;
