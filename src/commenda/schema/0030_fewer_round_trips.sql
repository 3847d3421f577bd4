-- Postings and copies in fewer statements. What is posted is what was posted before.

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
    one_line_each boolean;   -- of each account: what is posted of it needs no running sums
    latest      timestamptz;
    closed      timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(period_lock());
    IF journal_captures IS NOT NULL THEN
        locked := locked || ARRAY(SELECT h.account_id FROM holds h
                                  WHERE h.group_key = ANY (journal_captures));
        PERFORM FROM accounts WHERE id = ANY (locked) ORDER BY id FOR NO KEY UPDATE;
    END IF;
    -- A row that was waited for is returned as it is then.
    SELECT count(*), coalesce(bool_or(floored), false), max(last_posted_at),
           (SELECT max(until) FROM ledger_periods)
        INTO found_count, any_floor, latest, closed
        FROM (SELECT floored, last_posted_at FROM accounts WHERE id = ANY (line_accounts)
              ORDER BY id FOR NO KEY UPDATE) mine;
    latest := greatest(at_time, latest, closed);
    one_line_each := found_count = cardinality(line_accounts) AND journal_captures IS NULL;
    IF found_count <> cardinality(line_accounts) AND
        found_count <> (SELECT count(DISTINCT account) FROM unnest(line_accounts) account) THEN
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

    IF one_line_each THEN
        WITH moved AS (
            UPDATE accounts a
            SET balance = a.balance + l.amount, version = a.version + 1, last_posted_at = latest
            FROM unnest(line_journals, line_accounts, line_amounts) AS l (journal, account, amount)
            WHERE a.id = l.account AND new_ids[l.journal] IS NOT NULL
            RETURNING new_ids[l.journal] AS journal, a.id, a.version, a.asset, l.amount, a.balance
        )
        INSERT INTO entries (journal_id, account_id, version, asset,
                             amount, balance_before, balance_after)
        SELECT m.journal, m.id, m.version, m.asset, m.amount, m.balance - m.amount, m.balance
        FROM moved m;
    ELSE
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
    END IF;

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

-- Post one journal of which each account has one line: what `post_journals` does of it, in a third
-- of its statements. Anything else is handed on to it.
CREATE FUNCTION post_journal(
    journal_key text, journal_kind text, journal_correlation uuid, journal_effective timestamptz,
    by_actor text, under_rules text, at_time timestamptz,
    line_accounts bigint[], line_amounts numeric[], journal_reverses bigint DEFAULT NULL,
    OUT journal_id bigint, OUT outcome text, OUT refused_account bigint, OUT reason text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    found_count bigint;
    bad_line    bigint;
    latest      timestamptz;
    closed      timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(period_lock());
    -- In id order; a row that was waited for is returned as it is then.
    SELECT count(DISTINCT mine.id), min(mine.ordinal) FILTER (WHERE mine.after < 0),
           max(mine.last_posted_at), (SELECT max(until) FROM ledger_periods)
        INTO found_count, bad_line, latest, closed
        FROM (SELECT a.id, l.ordinal, a.last_posted_at,
                     CASE WHEN a.floored THEN a.balance - a.held + l.amount END AS after
              FROM unnest(line_accounts, line_amounts)
                       WITH ORDINALITY AS l (account, amount, ordinal)
              JOIN accounts a ON a.id = l.account ORDER BY a.id FOR NO KEY UPDATE OF a) mine;
    IF found_count <> cardinality(line_accounts) THEN
        SELECT p.journal_id, p.outcome, p.refused_account, p.reason
            INTO journal_id, outcome, refused_account, reason
            FROM post_journals(ARRAY[journal_key], ARRAY[journal_kind], ARRAY[journal_correlation],
                ARRAY[journal_effective], by_actor, under_rules, at_time,
                array_fill(1, ARRAY[cardinality(line_accounts)]), line_accounts, line_amounts,
                ARRAY[journal_reverses]) p;
        RETURN;
    END IF;
    latest := greatest(at_time, latest, closed);

    INSERT INTO journals (key, kind, actor, rule_version, correlation_id,
                          posted_at, effective_at, entry_count, reverses)
        VALUES (journal_key, journal_kind, by_actor, under_rules, journal_correlation,
                latest, coalesce(journal_effective, latest), found_count, journal_reverses)
        ON CONFLICT (key) DO NOTHING RETURNING id INTO journal_id;
    IF journal_id IS NULL THEN
        outcome := 'replayed';
        SELECT id INTO journal_id FROM journals WHERE key = journal_key;
        RETURN;
    END IF;
    IF journal_effective > latest THEN
        RAISE EXCEPTION '%', journal_key
            USING ERRCODE = 'CO005', DETAIL = journal_effective::text;
    ELSIF journal_effective < closed THEN
        RAISE EXCEPTION '%', journal_key USING ERRCODE = 'CO004', DETAIL = closed::text;
    END IF;
    IF bad_line IS NOT NULL THEN
        DELETE FROM journals WHERE id = journal_id;
        journal_id := NULL;
        outcome := 'refused';
        reason := 'below_floor';
        refused_account := line_accounts[bad_line];
        RETURN;
    END IF;

    WITH moved AS (
        UPDATE accounts a
        SET balance = a.balance + l.amount, version = a.version + 1, last_posted_at = latest
        FROM unnest(line_accounts, line_amounts) AS l (account, amount)
        WHERE a.id = l.account RETURNING a.id, a.version, a.asset, l.amount, a.balance
    )
    INSERT INTO entries (journal_id, account_id, version, asset,
                         amount, balance_before, balance_after)
        SELECT post_journal.journal_id, m.id, m.version, m.asset, m.amount,
               m.balance - m.amount, m.balance FROM moved m;
    outcome := 'posted';
END $$;
REVOKE EXECUTE ON FUNCTION post_journal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION post_journal TO commenda_app;

-- Plan what the next followers of a signal's flow do; how many there were. `copying.rules` says the
-- same of one follower; a test holds the two together. Prices of other instruments are given by
-- `mark_instruments` and `mark_prices`. `div` cuts off at whole lots, exactly.
CREATE FUNCTION plan_executions(
    of_signal uuid, dead_band numeric,
    mark_instruments smallint[], mark_prices numeric[], up_to integer, at_time timestamptz
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
-- Planned once, by keys; see post_journals.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off AS $$
DECLARE
    signal        trading_signals;
    lot           numeric;
    subscriptions uuid[];
    members       uuid[];
    cash          bigint[];
    asked         jsonb := '{}';  -- of legs that are just being closed in part
BEGIN
    -- Those who stop a subscription wait for the plan; what this waits for the next statement sees.
    PERFORM pg_advisory_xact_lock(plan_lock(flow_id)) FROM trading_signals WHERE id = of_signal;
    SELECT * INTO signal FROM trading_signals WHERE id = of_signal;
    IF signal.status <> 'published' THEN
        RETURN 0;
    END IF;
    lot := (SELECT i.lot FROM instruments i WHERE i.id = signal.instrument_id);
    SELECT array_agg(n.id ORDER BY n.leg_id), array_agg(n.leg_id ORDER BY n.leg_id),
           array_agg(n.account_id ORDER BY n.leg_id)
        INTO subscriptions, members, cash
        FROM (SELECT s.id, s.leg_id, l.account_id
              FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id
              WHERE s.flow_id = signal.flow_id AND s.status = 'active' AND s.auto_follow
                -- Hashed once. As NOT EXISTS it is a loop over all that is planned already.
                AND s.id NOT IN (SELECT subscription_id FROM signal_executions
                                 WHERE signal_id = of_signal)
              ORDER BY s.leg_id LIMIT up_to) n;
    IF members IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM FROM accounts WHERE id = ANY (cash) ORDER BY id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM closing_attempts WHERE outcome IS NULL) THEN
        SELECT coalesce(jsonb_object_agg(of_leg.leg_id, of_leg.requested), '{}') INTO asked
        FROM (SELECT a.leg_id, sum(a.requested) AS requested
              FROM orders o JOIN allocations a ON a.order_id = o.id
              WHERE o.cause = 'liquidation' AND o.instrument_id = signal.instrument_id
                AND o.cause_id IN (SELECT batch_id FROM closing_attempts WHERE outcome IS NULL)
                AND a.quantity IS NULL AND a.leg_id = ANY (members)
              GROUP BY a.leg_id) of_leg;
    END IF;
    INSERT INTO signal_executions
        (signal_id, subscription_id, leg_id, status, requested, error, created_at)
    SELECT of_signal, d.subscription, d.leg,
           CASE WHEN d.requested = 0 THEN 'skipped' ELSE 'pending' END, d.requested,
           CASE WHEN d.requested <> 0 THEN NULL WHEN d.closes THEN 'nothing to close'
                WHEN d.wanted = 0 AND d.held <> 0 THEN 'already at the target'
                WHEN d.wanted = 0 THEN 'below one lot' ELSE 'within the dead-band' END,
           at_time
    FROM (
        SELECT w.*, CASE WHEN NOT w.closes AND abs(w.wanted) * signal.reference_price
                              < dead_band * w.equity THEN 0 ELSE w.wanted END AS requested
        FROM (
            SELECT e.*, CASE
                WHEN e.closes THEN -e.held
                WHEN e.copy_mode = 'target' THEN
                    div(signal.target * e.equity, signal.reference_price * lot) * lot - e.held
                WHEN signal.previous_target * signal.target <= 0 THEN
                    div(signal.target * e.equity, signal.reference_price * lot) * lot
                    - CASE WHEN signal.previous_target = 0 THEN 0 ELSE e.held END
                WHEN abs(signal.target) >= abs(signal.previous_target) THEN
                    div(e.equity * (signal.target - signal.previous_target),
                        signal.reference_price * lot) * lot
                ELSE -div(e.held * (signal.previous_target - signal.target),
                          signal.previous_target * lot) * lot END AS wanted
            FROM (
                SELECT f.subscription, f.leg, f.copy_mode, f.equity,
                       f.quantity + coalesce((asked ->> f.leg::text)::numeric, 0) AS held,
                       signal.target = 0 OR f.equity <= 0 AS closes
                FROM (
                    SELECT n.subscription, n.leg, s.copy_mode, coalesce(p.quantity, 0) AS quantity,
                           a.balance + coalesce(p.quantity, 0) * signal.reference_price
                           + coalesce((
                               SELECT sum(o.quantity * mark_prices[
                                          array_position(mark_instruments, o.instrument_id)])
                               FROM positions o WHERE o.leg_id = n.leg
                                 AND o.instrument_id <> signal.instrument_id), 0) AS equity
                    FROM (SELECT signal.instrument_id AS instrument, * FROM
                          unnest(subscriptions, members, cash) AS m (subscription, leg, account)
                          OFFSET 0) n
                    JOIN accounts a ON a.id = n.account
                    JOIN flow_subscriptions s ON s.id = n.subscription
                    LEFT JOIN positions p ON p.leg_id = n.leg AND p.instrument_id + 0 = n.instrument
                ) f
            ) e
        ) w
    ) d;
    RETURN cardinality(members);
END $$;
REVOKE EXECUTE ON FUNCTION plan_executions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION plan_executions TO commenda_app;

-- Give legs their shares of an order, those that still wait for one: one journal, each leg's cash
-- and position against the accounts `in_transit` (cash, position, the venue's cash). A leg whose
-- quantity returns to zero has its position account swept to the venue: what the position earned is
-- the venue's cash now. Returns how many legs have no position account yet: then nothing is done.
CREATE FUNCTION allocate_shares(
    of_order uuid, instrument smallint, share_legs uuid[], share_quantities numeric[],
    share_notionals numeric[], share_fees numeric[], in_transit bigint[],
    journal_key text, correlation uuid, by_actor text, under_rules text, at_time timestamptz
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
-- Planned once, by keys; see post_journals.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off AS $$
-- What is the same for all is a column of the shares, behind OFFSET 0: as a condition on a table it
-- would have the planner, who believes that few rows meet it, go through those for each share.
DECLARE
    missing         integer;
    cash            bigint[];
    positioned      bigint[];   -- position accounts
    cash_lines      numeric[];
    position_lines  numeric[];
    quantities      numeric[];
    notionals       numeric[];
    fees            numeric[];
    transit_lines   numeric[];
    result          text;
BEGIN
    SELECT count(*) FILTER (WHERE p.account_id IS NULL), array_agg(l.account_id),
           array_agg(p.account_id), array_agg(s.quantity), array_agg(s.notional), array_agg(s.fee)
        INTO missing, cash, positioned, quantities, notionals, fees
        FROM (SELECT of_order AS parent, instrument AS traded, * FROM unnest(share_legs,
                  share_quantities, share_notionals, share_fees)
                  AS n (leg, quantity, notional, fee) OFFSET 0) s
        JOIN allocations a ON a.order_id = s.parent AND a.leg_id = s.leg AND a.quantity IS NULL
        JOIN legs l ON l.id = s.leg
        LEFT JOIN positions p ON p.leg_id = s.leg AND p.instrument_id + 0 = s.traded
        WHERE s.quantity <> 0;
    IF missing > 0 THEN
        RETURN missing;
    END IF;
    IF cash IS NOT NULL THEN
        PERFORM FROM accounts WHERE id = ANY (cash || positioned || in_transit)
            ORDER BY id FOR NO KEY UPDATE;
        SELECT array_agg(-b.notional - b.fee),
               array_agg(CASE WHEN b.ends THEN -b.cost ELSE b.notional END),
               ARRAY[sum(b.notional + b.fee), -sum(b.notional),
                     coalesce(sum(b.cost + b.notional) FILTER (WHERE b.ends), 0)]
            INTO cash_lines, position_lines, transit_lines
            FROM (SELECT s.ordinal, s.notional, s.fee, a.balance AS cost,
                         p.quantity + s.quantity = 0 AS ends
                  FROM unnest(positioned, quantities, notionals, fees) WITH ORDINALITY
                      AS s (position, quantity, notional, fee, ordinal)
                  JOIN positions p ON p.account_id = s.position
                  JOIN accounts a ON a.id = s.position ORDER BY s.ordinal) b;
        SELECT p.outcome INTO result
        FROM (SELECT array_agg(l.account) AS accounts, array_agg(l.amount) AS amounts
              FROM unnest(cash || positioned || in_transit,
                          cash_lines || position_lines || transit_lines) AS l (account, amount)
              WHERE l.amount <> 0) moving,
            post_journal(journal_key, 'allocation', correlation, NULL, by_actor, under_rules,
                         at_time, moving.accounts, moving.amounts) p;
        IF result <> 'posted' THEN
            RAISE EXCEPTION 'the shares of % are posted already', journal_key;
        END IF;
        UPDATE positions p SET quantity = p.quantity + s.quantity
        FROM unnest(positioned, quantities) AS s (account, quantity)
        WHERE p.account_id = s.account;
    END IF;
    UPDATE allocations a SET quantity = s.quantity, notional = s.notional, fee = s.fee
    FROM (SELECT of_order AS parent, * FROM unnest(share_legs, share_quantities,
              share_notionals, share_fees) AS n (leg, quantity, notional, fee) OFFSET 0) s
    WHERE a.order_id = s.parent AND a.leg_id = s.leg AND a.quantity IS NULL;
    RETURN 0;
END $$;
REVOKE EXECUTE ON FUNCTION allocate_shares FROM PUBLIC;
GRANT EXECUTE ON FUNCTION allocate_shares TO commenda_app;
