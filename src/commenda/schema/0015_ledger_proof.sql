-- Holds, linked reversals, closed periods, striped accounts, and a seal for each journal.

-- A hot account may be kept in stripes: rows with one key but for their number, that take turns.
-- `held` is the sum of its open holds; what a person can spend is balance - held.
ALTER TABLE accounts
    ADD COLUMN stripe smallint NOT NULL DEFAULT 0,
    ADD COLUMN held numeric(38,18) NOT NULL DEFAULT 0,
    ADD COLUMN last_posted_at timestamptz;
ALTER TABLE accounts
    DROP CONSTRAINT accounts_kind_owner_id_asset_scope_id_leg_id_instrument_id_key;
ALTER TABLE accounts
    ADD CONSTRAINT one_account_for_each_key UNIQUE NULLS NOT DISTINCT
        (kind, owner_id, asset, scope_id, leg_id, instrument_id, stripe),
    DROP CONSTRAINT balance_at_or_above_floor,
    ADD CONSTRAINT balance_at_or_above_floor CHECK (NOT floored OR balance >= held),
    ADD CONSTRAINT only_floored_accounts_are_held CHECK (held >= 0 AND (floored OR held = 0)),
    ADD CONSTRAINT floored_accounts_have_no_stripes CHECK (NOT floored OR stripe = 0);
-- Until now a posting had its author's time, read before the locks: along an account it could go
-- back. From here on it never does (see below), so what did is dated with what came before it, from
-- account to account until nothing changes.
DO $$
BEGIN
    LOOP
        UPDATE journals j SET posted_at = late.latest
        FROM (SELECT journal_id, max(latest) AS latest
              FROM (SELECT e.journal_id, j.posted_at,
                           max(j.posted_at) OVER (PARTITION BY e.account_id ORDER BY e.version)
                               AS latest
                    FROM entries e JOIN journals j ON j.id = e.journal_id) along
              WHERE latest > posted_at GROUP BY journal_id) late
        WHERE j.id = late.journal_id;
        EXIT WHEN NOT FOUND;
    END LOOP;
END $$;
UPDATE accounts a SET last_posted_at = j.posted_at
    FROM entries e JOIN journals j ON j.id = e.journal_id
    WHERE e.account_id = a.id AND e.version = a.version;
GRANT INSERT (stripe) ON accounts TO commenda_app;

-- Along an account's versions posted_at never goes back: `post_journals` sees to it. So a balance
-- as of a moment is found by bisection. Lists and sums over time read block ranges.
ALTER TABLE journals
    ADD COLUMN reverses bigint REFERENCES journals,
    ADD COLUMN era smallint NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX journals_reversed_once ON journals (reverses) WHERE reverses IS NOT NULL;
CREATE INDEX journals_in_order ON journals (era, transaction_id, id);
CREATE INDEX journals_by_kind ON journals (kind, id);
CREATE INDEX journals_by_actor ON journals (actor, id);
CREATE INDEX journals_by_time ON journals USING brin (posted_at, effective_at)
    WITH (pages_per_range = 16, autosummarize = on);

-- The chain of keyed digests over journals with their entries; see commenda.audit.chain.
CREATE TABLE journal_seals (
    sequence       bigint PRIMARY KEY,
    row_id         bigint NOT NULL UNIQUE REFERENCES journals,
    era            smallint NOT NULL,
    transaction_id xid8 NOT NULL,
    digest         bytea NOT NULL,
    sealed_at      timestamptz NOT NULL
);
GRANT SELECT, INSERT ON journal_seals TO commenda_app;

-- Money set aside on an account until it is captured, voided or expires: once, and all holds of a
-- group together. A hold that stands alone is a group of one.
CREATE TABLE holds (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_key      text NOT NULL,
    claims         boolean NOT NULL DEFAULT true,  -- its group's key: one hold of each group does
    account_id     bigint NOT NULL REFERENCES accounts,
    amount         numeric(38,18) NOT NULL CHECK (amount > 0 AND amount <> 'NaN'),
    purpose        text NOT NULL,
    status         text NOT NULL DEFAULT 'held'
        CHECK (status IN ('held', 'captured', 'voided', 'expired')),
    captured       numeric(38,18) NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND amount),
    journal_id     bigint REFERENCES journals,  -- what captured it
    actor          text NOT NULL,
    rule_version   text NOT NULL,
    correlation_id uuid NOT NULL,
    placed_at      timestamptz NOT NULL,
    expires_at     timestamptz,
    resolved_at    timestamptz,
    resolved_by    text,
    UNIQUE (group_key, account_id),
    CHECK ((status = 'held') = (resolved_at IS NULL) AND (status = 'held') = (resolved_by IS NULL)),
    CHECK ((status = 'captured') = (journal_id IS NOT NULL)),
    CHECK (captured = 0 OR status = 'captured')
);
CREATE UNIQUE INDEX holds_claimed_once ON holds (group_key) WHERE claims;
CREATE INDEX holds_of_account ON holds (account_id, id);
CREATE INDEX holds_captured ON holds (journal_id) WHERE journal_id IS NOT NULL;
CREATE INDEX holds_due ON holds (expires_at) WHERE status = 'held' AND expires_at IS NOT NULL;
GRANT SELECT ON holds TO commenda_app;

-- What is effective before `until` is final. The balances of that moment are noted afterwards, in
-- batches of accounts; they are complete once `noted_at` is set.
CREATE TABLE ledger_periods (
    until       timestamptz PRIMARY KEY,
    closed_by   text NOT NULL,
    closed_at   timestamptz NOT NULL,
    noted_up_to bigint NOT NULL DEFAULT 0,  -- account id
    noted_at    timestamptz
);
-- The balance of all that is effective before `until`. Entries from version `open_from` on may be
-- effective later; none before it is. An account without a row has the one of the period before.
CREATE TABLE period_balances (
    account_id bigint NOT NULL REFERENCES accounts,
    until      timestamptz NOT NULL REFERENCES ledger_periods,
    balance    numeric(38,18) NOT NULL,
    open_from  bigint NOT NULL,
    PRIMARY KEY (account_id, until)
);
GRANT SELECT, UPDATE (noted_up_to, noted_at) ON ledger_periods TO commenda_app;
GRANT SELECT, INSERT ON period_balances TO commenda_app;

-- Long work in short transactions: where it stands. Locked by who carries it on.
CREATE TABLE posting_batches (
    key         text PRIMARY KEY,
    kind        text NOT NULL,
    cursor      bigint NOT NULL DEFAULT 0,  -- the last row that is done, in the work's own order
    rows_done   bigint NOT NULL DEFAULT 0,
    amount      numeric(38,18) NOT NULL DEFAULT 0,
    begun_at    timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX posting_batches_by_time ON posting_batches (kind, begun_at);
GRANT SELECT, INSERT, UPDATE (cursor, rows_done, amount, finished_at) ON posting_batches
    TO commenda_app;

-- As before, in one look at the new rows. The journal of each is looked up by itself: a join, planned
-- while journals are few, would read them all for ever (measured: 180 of 540 us at 3,000 journals).
CREATE OR REPLACE FUNCTION check_new_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    offender   bigint;
    unbalanced boolean;
BEGIN
    SELECT written.journal_id, written.unbalanced INTO offender, unbalanced
        FROM (SELECT of_asset.journal_id, bool_or(of_asset.total <> 0) AS unbalanced,
                     sum(of_asset.entries) AS entries
              FROM (SELECT journal_id, sum(amount) AS total, count(*) AS entries
                    FROM new_entries GROUP BY journal_id, asset) of_asset
              GROUP BY of_asset.journal_id) written
        WHERE written.unbalanced OR (
            SELECT entry_count FROM journals WHERE id = written.journal_id
                AND transaction_id = pg_current_xact_id()) IS DISTINCT FROM written.entries
        ORDER BY written.unbalanced DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF unbalanced THEN
        RAISE EXCEPTION 'journal % does not sum to zero', offender
            USING ERRCODE = 'CO001';
    END IF;
    RAISE EXCEPTION 'entries of journal % were not written whole with their journal', offender
        USING ERRCODE = 'CO002';
END $$;

-- Postings share this lock, the closing of a period has it alone: no entry slips in behind it.
CREATE FUNCTION period_lock() RETURNS bigint LANGUAGE sql IMMUTABLE RETURN 1668246896;

DROP FUNCTION post_journals;

-- Post a batch of journals, given as arrays, dated with the latest of `at_time`, the last posting of
-- any account and the end of the last closed period. A journal without a time of its own is
-- effective then. Returns one row for each journal: 'posted', 'replayed'
-- (its key was posted before) or 'refused' with the reason (nothing of it is posted, the rest is):
--   below_floor    it would leave a floored account with less than its holds
--   unknown_hold, hold_resolved, hold_expired, beyond_hold   what it was to capture
-- Refusal is decided in the order given, one pass for each. A journal that captures a group of
-- holds sets free what they held before its lines count.
CREATE FUNCTION post_journals(
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

-- Place holds, given as arrays; a group whole or not at all. One row for each hold: 'placed',
-- 'replayed' (its group was placed before) or 'refused', with the account that has too little.
CREATE FUNCTION place_holds(
    hold_groups text[], hold_accounts bigint[], hold_amounts numeric[], hold_purposes text[],
    hold_correlations uuid[], hold_expiries timestamptz[],
    by_actor text, under_rules text, at_time timestamptz
) RETURNS TABLE (ordinal integer, outcome text, refused_account bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    new_groups  text[];
    strays      bigint[];
    bad_groups  text[] := '{}';
    bad_reasons bigint[] := '{}';
    bad_group   text;
    bad_account bigint;
BEGIN
    PERFORM FROM accounts WHERE id = ANY (hold_accounts) ORDER BY id FOR NO KEY UPDATE;
    SELECT account INTO bad_account FROM unnest(hold_accounts) account
        WHERE NOT EXISTS (SELECT FROM accounts WHERE id = account) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'unknown account %', bad_account USING ERRCODE = 'CO003';
    END IF;
    SELECT id INTO bad_account FROM accounts
        WHERE id = ANY (hold_accounts) AND NOT floored LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'account % has no floor to hold above', bad_account
            USING ERRCODE = 'CO006';
    END IF;

    -- In key order: two callers that place the same groups wait for each other, not in a circle.
    WITH inserted AS (
        INSERT INTO holds (group_key, claims, account_id, amount, purpose, actor, rule_version,
                           correlation_id, placed_at, expires_at)
        SELECT h.group_key,
               row_number() OVER (PARTITION BY h.group_key ORDER BY h.account) = 1,
               h.account, h.amount, h.purpose, by_actor, under_rules,
               h.correlation, at_time, h.expires
        FROM unnest(hold_groups, hold_accounts, hold_amounts, hold_purposes,
                    hold_correlations, hold_expiries)
                 AS h (group_key, account, amount, purpose, correlation, expires)
        WHERE NOT EXISTS (SELECT FROM holds WHERE holds.group_key = h.group_key)
        ORDER BY h.group_key, h.account
        ON CONFLICT DO NOTHING
        RETURNING id, group_key, claims
    )
    SELECT coalesce(array_agg(group_key) FILTER (WHERE claims), '{}'),
           array_agg(id) FILTER (WHERE NOT claimed)
        INTO new_groups, strays
        FROM (SELECT *, bool_or(claims) OVER (PARTITION BY group_key) AS claimed
              FROM inserted) each;
    -- Another caller was first to claim their group, on other accounts.
    DELETE FROM holds WHERE id = ANY (strays);

    LOOP
        SELECT running.group_key, running.account INTO bad_group, bad_account
        FROM (
            SELECT h.group_key, h.account, h.ordinal,
                   a.balance - a.held - sum(h.amount) OVER (PARTITION BY h.account
                                                            ORDER BY h.ordinal) AS after
            FROM unnest(hold_groups, hold_accounts, hold_amounts)
                     WITH ORDINALITY AS h (group_key, account, amount, ordinal)
            JOIN accounts a ON a.id = h.account
            WHERE h.group_key = ANY (new_groups)
        ) running
        WHERE running.after < 0 ORDER BY running.ordinal LIMIT 1;
        EXIT WHEN NOT FOUND;
        DELETE FROM holds WHERE group_key = bad_group;
        new_groups := array_remove(new_groups, bad_group);
        bad_groups := bad_groups || bad_group;
        bad_reasons := bad_reasons || bad_account;
    END LOOP;

    UPDATE accounts a SET held = a.held + placed.amount
    FROM (SELECT h.account, sum(h.amount) AS amount
          FROM unnest(hold_groups, hold_accounts, hold_amounts) AS h (group_key, account, amount)
          WHERE h.group_key = ANY (new_groups) GROUP BY h.account) placed
    WHERE a.id = placed.account;

    RETURN QUERY
    SELECT h.ordinal::integer,
           CASE WHEN h.group_key = ANY (new_groups) THEN 'placed'
                WHEN h.group_key = ANY (bad_groups) THEN 'refused' ELSE 'replayed' END,
           bad_reasons[array_position(bad_groups, h.group_key)]
    FROM unnest(hold_groups) WITH ORDINALITY AS h (group_key, ordinal) ORDER BY h.ordinal;
END $$;

-- Void groups of holds, or let those expire whose time has come; returns the groups it set free.
CREATE FUNCTION release_holds(
    groups text[], to_status text, by_actor text, at_time timestamptz
) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    locked bigint[] := ARRAY(SELECT account_id FROM holds WHERE group_key = ANY (groups));
    freed  text[];
BEGIN
    IF to_status NOT IN ('voided', 'expired') THEN
        RAISE EXCEPTION 'a hold is voided or expires' USING ERRCODE = '22023';
    END IF;
    -- Whoever changes a hold has locked its account. A group that was placed while this waited
    -- comes after it.
    PERFORM FROM accounts WHERE id = ANY (locked) ORDER BY id FOR NO KEY UPDATE;
    SELECT array_agg(due.group_key) INTO freed FROM (
        SELECT group_key FROM holds WHERE group_key = ANY (groups) GROUP BY group_key
        HAVING bool_and(status = 'held' AND account_id = ANY (locked))
           AND (to_status = 'voided' OR bool_or(expires_at <= at_time))) due;
    UPDATE accounts a SET held = a.held - open.amount
    FROM (SELECT account_id, sum(amount) AS amount FROM holds
          WHERE group_key = ANY (freed) GROUP BY account_id) open
    WHERE a.id = open.account_id;
    UPDATE holds SET status = to_status, resolved_at = at_time, resolved_by = by_actor
        WHERE group_key = ANY (freed);
    RETURN QUERY SELECT unnest(freed);
END $$;

-- Close the books before a moment; true where it was not closed already. Waits for the postings
-- under way, and those that come meanwhile wait for it.
CREATE FUNCTION close_period(
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

-- The last version of an account that was posted at or before a moment; 0 before the first.
CREATE FUNCTION version_posted(of_account bigint, as_of timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    low    bigint := 0;
    high   bigint;
    middle bigint;
BEGIN
    SELECT CASE WHEN last_posted_at <= as_of THEN -version ELSE version END INTO high
        FROM accounts WHERE id = of_account;
    IF high <= 0 OR high IS NULL THEN
        RETURN coalesce(-high, 0);
    END IF;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF (SELECT j.posted_at <= as_of FROM entries e JOIN journals j ON j.id = e.journal_id
            WHERE e.account_id = of_account AND e.version = middle) THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;

-- The balance of an account as it was posted at a moment.
CREATE FUNCTION balance_posted(of_account bigint, as_of timestamptz) RETURNS numeric
LANGUAGE sql STABLE SET search_path = public, pg_temp
RETURN coalesce((SELECT balance_after FROM entries WHERE account_id = of_account
                 AND version = version_posted(of_account, as_of)), 0);

-- The balance of all that is effective at or before a moment, as it is known now: the last closed
-- period's, and what came since.
CREATE FUNCTION balance_effective(of_account bigint, as_of timestamptz) RETURNS numeric
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    noted record;
    since numeric;
BEGIN
    SELECT b.balance, b.open_from, b.until INTO noted
    FROM period_balances b JOIN ledger_periods p ON p.until = b.until AND p.noted_at IS NOT NULL
    WHERE b.account_id = of_account AND b.until <= as_of
    ORDER BY b.until DESC LIMIT 1;
    SELECT sum(e.amount) INTO since
    FROM entries e JOIN journals j ON j.id = e.journal_id
    WHERE e.account_id = of_account AND e.version >= coalesce(noted.open_from, 1)
      AND j.effective_at <= as_of
      AND (noted.until IS NULL OR j.effective_at >= noted.until);
    RETURN coalesce(noted.balance, 0) + coalesce(since, 0);
END $$;

REVOKE EXECUTE ON FUNCTION post_journals, place_holds, release_holds, close_period FROM PUBLIC;
GRANT EXECUTE ON FUNCTION post_journals, place_holds, release_holds, close_period TO commenda_app;
