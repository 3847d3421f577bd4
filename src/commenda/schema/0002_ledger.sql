-- The double-entry ledger: accounts, journals, entries, and the only door to write entries.

CREATE TABLE accounts (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL,
    owner_kind    text NOT NULL
        CHECK (owner_kind IN ('investor', 'creator', 'platform', 'product', 'venue')),
    owner_id      uuid NOT NULL,
    asset         text NOT NULL,
    scope_id      uuid,
    leg_id        uuid,
    instrument_id smallint,
    -- Where a person can spend, the balance has a floor. Fills are facts and have none.
    floored       boolean NOT NULL GENERATED ALWAYS AS (kind IN ('wallet', 'reserved')) STORED,
    balance       numeric(38,18) NOT NULL DEFAULT 0,
    version       bigint NOT NULL DEFAULT 0,
    UNIQUE NULLS NOT DISTINCT (kind, owner_id, asset, scope_id, leg_id, instrument_id),
    CONSTRAINT balance_is_a_number CHECK (balance <> 'NaN'),
    CONSTRAINT balance_at_or_above_floor CHECK (NOT floored OR balance >= 0)
) WITH (fillfactor = 50);
CREATE INDEX accounts_by_owner ON accounts (owner_id);
CREATE INDEX accounts_by_scope ON accounts (scope_id) WHERE scope_id IS NOT NULL;

CREATE TABLE journals (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key            text NOT NULL UNIQUE,  -- the event's natural key: an event is posted once
    kind           text NOT NULL,
    actor          text NOT NULL,
    rule_version   text NOT NULL,
    correlation_id uuid NOT NULL,
    posted_at      timestamptz NOT NULL,
    effective_at   timestamptz NOT NULL,
    entry_count    integer NOT NULL CHECK (entry_count >= 2),
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX journals_by_correlation ON journals (correlation_id);

CREATE TABLE entries (
    journal_id     bigint NOT NULL,
    account_id     bigint NOT NULL,
    version        bigint NOT NULL,
    asset          text NOT NULL,
    amount         numeric(38,18) NOT NULL,
    balance_before numeric(38,18) NOT NULL,
    balance_after  numeric(38,18) NOT NULL,
    PRIMARY KEY (account_id, version),
    CONSTRAINT amount_is_a_number CHECK (amount <> 'NaN' AND amount <> 0),
    CONSTRAINT entry_adds_up CHECK (balance_before + amount = balance_after)
) PARTITION BY HASH (account_id);
CREATE TABLE entries_0 PARTITION OF entries FOR VALUES WITH (MODULUS 8, REMAINDER 0);
CREATE TABLE entries_1 PARTITION OF entries FOR VALUES WITH (MODULUS 8, REMAINDER 1);
CREATE TABLE entries_2 PARTITION OF entries FOR VALUES WITH (MODULUS 8, REMAINDER 2);
CREATE TABLE entries_3 PARTITION OF entries FOR VALUES WITH (MODULUS 8, REMAINDER 3);
CREATE TABLE entries_4 PARTITION OF entries FOR VALUES WITH (MODULUS 8, REMAINDER 4);
CREATE TABLE entries_5 PARTITION OF entries FOR VALUES WITH (MODULUS 8, REMAINDER 5);
CREATE TABLE entries_6 PARTITION OF entries FOR VALUES WITH (MODULUS 8, REMAINDER 6);
CREATE TABLE entries_7 PARTITION OF entries FOR VALUES WITH (MODULUS 8, REMAINDER 7);
CREATE INDEX entries_by_journal ON entries (journal_id);

-- One statement writes all entries of its journals: they sum to zero for each asset, are as many
-- as the journal says, and belong to a journal of this very transaction.
CREATE FUNCTION check_new_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    offender bigint;
BEGIN
    SELECT journal_id INTO offender FROM new_entries
        GROUP BY journal_id, asset HAVING sum(amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % does not sum to zero', offender
            USING ERRCODE = 'CO001';
    END IF;
    SELECT written.journal_id INTO offender
        FROM (SELECT journal_id, count(*) AS entries FROM new_entries GROUP BY journal_id) written
        LEFT JOIN journals ON journals.id = written.journal_id
            AND journals.entry_count = written.entries
            AND journals.transaction_id = pg_current_xact_id()
        WHERE journals.id IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entries of journal % were not written whole with their journal', offender
            USING ERRCODE = 'CO002';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_are_balanced AFTER INSERT ON entries
    REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT EXECUTE FUNCTION check_new_entries();

-- Lock accounts in id order, then read them in a statement of its own: the order keeps batches
-- from deadlocking with each other, the second statement sees what the lock waited for.
CREATE FUNCTION lock_accounts(ids bigint[]) RETURNS TABLE (id bigint, balance numeric)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM accounts a WHERE a.id = ANY (ids) ORDER BY a.id FOR NO KEY UPDATE;
    RETURN QUERY SELECT a.id, a.balance FROM accounts a WHERE a.id = ANY (ids);
END $$;

-- Post a batch of journals, given as arrays. Returns one row for each journal: 'posted', 'replayed'
-- (its key was posted before) or 'refused' (it would take a floored account below zero; nothing
-- of it is posted, the rest is). Refusal is decided in the order given, one pass for each.
CREATE FUNCTION post_journals(
    journal_keys text[], journal_kinds text[], journal_correlations uuid[],
    journal_effective timestamptz[], by_actor text, under_rules text, at_time timestamptz,
    line_journals integer[], line_accounts bigint[], line_amounts numeric[]
) RETURNS TABLE (ordinal integer, journal_id bigint, outcome text, refused_account bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
-- Every row is found by its key: plan once, never scan. Planned for each call, one transfer costs
-- half as much again; planned while the tables are small, a scan would stay.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    new_ids    bigint[];      -- by ordinal; NULL where replayed or refused
    refusals   bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(journal_keys)]);
    bad_journal integer;
    bad_account bigint;
BEGIN
    PERFORM FROM accounts WHERE id = ANY (line_accounts) ORDER BY id FOR NO KEY UPDATE;

    SELECT account INTO bad_account FROM unnest(line_accounts) account
        WHERE NOT EXISTS (SELECT FROM accounts WHERE id = account) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'unknown account %', bad_account USING ERRCODE = 'CO003';
    END IF;

    WITH inserted AS (
        INSERT INTO journals (key, kind, actor, rule_version, correlation_id,
                              posted_at, effective_at, entry_count)
        SELECT j.key, j.kind, by_actor, under_rules, j.correlation,
               at_time, j.effective, l.lines
        FROM unnest(journal_keys, journal_kinds, journal_correlations, journal_effective)
                 WITH ORDINALITY AS j (key, kind, correlation, effective, ordinal)
        JOIN (SELECT journal, count(*)::integer AS lines
              FROM unnest(line_journals) journal GROUP BY journal) l ON l.journal = j.ordinal
        ORDER BY j.ordinal
        ON CONFLICT (key) DO NOTHING
        RETURNING id, key
    )
    SELECT array_agg(i.id ORDER BY k.ordinal) INTO new_ids
    FROM unnest(journal_keys) WITH ORDINALITY AS k (key, ordinal)
    LEFT JOIN inserted i ON i.key = k.key;

    IF EXISTS (SELECT FROM accounts WHERE id = ANY (line_accounts) AND floored) THEN
        LOOP
            SELECT running.journal, running.account INTO bad_journal, bad_account
            FROM (
                SELECT l.journal, l.account,
                       a.balance + sum(l.amount) OVER (PARTITION BY l.account
                                                       ORDER BY l.journal, l.ordinal) AS after,
                       l.amount
                FROM unnest(line_journals, line_accounts, line_amounts)
                         WITH ORDINALITY AS l (journal, account, amount, ordinal)
                JOIN accounts a ON a.id = l.account AND a.floored
                WHERE new_ids[l.journal] IS NOT NULL
            ) running
            WHERE running.after < 0 ORDER BY running.journal LIMIT 1;
            EXIT WHEN NOT FOUND;
            DELETE FROM journals WHERE id = new_ids[bad_journal];
            new_ids[bad_journal] := NULL;
            refusals[bad_journal] := bad_account;
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
    SET balance = a.balance + moved.total, version = a.version + moved.lines
    FROM (SELECT l.account, sum(l.amount) AS total, count(*) AS lines
          FROM unnest(line_journals, line_accounts, line_amounts) AS l (journal, account, amount)
          WHERE new_ids[l.journal] IS NOT NULL
          GROUP BY l.account) moved
    WHERE a.id = moved.account;

    RETURN QUERY
    SELECT k.ordinal::integer, coalesce(new_ids[k.ordinal], j.id),
           CASE WHEN new_ids[k.ordinal] IS NOT NULL THEN 'posted'
                WHEN refusals[k.ordinal] IS NOT NULL THEN 'refused'
                ELSE 'replayed' END,
           refusals[k.ordinal]
    FROM unnest(journal_keys) WITH ORDINALITY AS k (key, ordinal)
    LEFT JOIN journals j ON new_ids[k.ordinal] IS NULL AND j.key = k.key
    ORDER BY k.ordinal;
END $$;

-- What a client's key has already answered: the same request gets the same answer for as long as
-- the journal lives; another request under the same key is a conflict.
CREATE TABLE idempotency (
    operation    text NOT NULL,
    principal    text NOT NULL,
    client_key   text NOT NULL,
    request_hash bytea NOT NULL,
    outcome      jsonb,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (operation, principal, client_key)
);

GRANT SELECT ON accounts, journals, entries TO commenda_app;
GRANT INSERT (kind, owner_kind, owner_id, asset, scope_id, leg_id, instrument_id)
    ON accounts TO commenda_app;
GRANT SELECT, INSERT, UPDATE (outcome) ON idempotency TO commenda_app;
REVOKE EXECUTE ON FUNCTION lock_accounts, post_journals FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_accounts, post_journals TO commenda_app;
