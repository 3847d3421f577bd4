-- What changed, for whom: so that a page is told and need not ask. The triggers write it beside the
-- change itself, a teller takes it away and notifies (`tell_changes`): a NOTIFY in each writer's own
-- transaction would have all commits of the database wait for each other. Not logged: after a crash
-- every listener begins anew anyway.
CREATE UNLOGGED TABLE changes (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    whom  text[] NOT NULL  -- ids of users, and permissions: of the staff who may see it
);

-- One row for each topic: what is written, whose it is (an expression over the row `r`; NULL is
-- nobody's), and with which permission one sees everybody's.
CREATE FUNCTION note_changes_of(what regclass, events text[], topic text, whose text, seen_by text)
    RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
    event text;
    named text := format('note_%s_%s', what, topic);
BEGIN
    EXECUTE format($f$
        CREATE FUNCTION %I() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        BEGIN
            INSERT INTO changes (topic, whom)
                SELECT %L, array_agg(DISTINCT w.whom) FROM (
                    SELECT (%s)::text AS whom FROM after_it r
                    UNION ALL SELECT %L WHERE EXISTS (SELECT FROM after_it)) w
                WHERE w.whom <> '' HAVING count(*) > 0;
            RETURN NULL;
        END $$ $f$, named, topic, coalesce(whose, 'NULL'), seen_by);
    FOREACH event IN ARRAY events LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s REFERENCING NEW TABLE AS after_it'
                       ' FOR EACH STATEMENT EXECUTE FUNCTION %I()',
                       named || '_' || lower(event), event, what, named);
    END LOOP;
END $body$;

CREATE TABLE work (
    id       uuid PRIMARY KEY,
    kind     text NOT NULL,
    subject  text NOT NULL,          -- what people call it
    request  jsonb NOT NULL,         -- what it is begun anew from, after its worker was killed
    state    text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'complete', 'cancelled', 'failed')),
    progress double precision NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    result   text,                   -- the id of what came of it
    refusal  jsonb,                  -- why it failed, as a refusal is answered
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL,
    begun_at timestamptz,
    ended_at timestamptz,
    CHECK ((state IN ('waiting', 'running')) = (ended_at IS NULL)),
    CHECK (state <> 'complete' OR progress = 1),
    CHECK ((state = 'failed') = (refusal IS NOT NULL))
);
CREATE INDEX work_open ON work (asked_at DESC, id DESC) WHERE ended_at IS NULL;
CREATE INDEX work_by_person ON work (asked_by, asked_at DESC, id DESC);
CREATE INDEX work_by_time ON work (asked_at DESC, id DESC);
GRANT SELECT, INSERT, UPDATE (state, progress, result, refusal, begun_at, ended_at) ON work
    TO commenda_app;

SELECT note_changes_of(what::regclass, events, topic, whose, seen_by) FROM (VALUES
    ('accounts', '{UPDATE}'::text[], 'wallet',
        $$CASE WHEN r.kind IN ('wallet', 'reserved') THEN r.owner_id END$$, NULL),
    ('custody_authorisations', '{INSERT,UPDATE}', 'wallet', 'r.user_id', NULL),
    ('funding_requests', '{INSERT,UPDATE}', 'funding', 'r.user_id', 'approvals'),
    ('managed_subscriptions', '{INSERT,UPDATE}', 'subscriptions', 'r.investor_id', 'overview'),
    ('closings', '{INSERT,UPDATE}', 'subscriptions', $$coalesce(
        (SELECT investor_id FROM managed_subscriptions WHERE id = r.subject),
        (SELECT follower_id FROM flow_subscriptions WHERE id = r.subject))$$, 'overview'),
    ('flow_subscriptions', '{INSERT,UPDATE}', 'copies',
        'unnest(ARRAY[r.follower_id, r.creator_id])', 'overview'),
    ('trading_signals', '{INSERT}', 'signals', NULL, 'flows'),
    ('pool_holdings', '{INSERT,UPDATE}', 'holdings', 'r.user_id', NULL),
    ('pool_products', '{INSERT,UPDATE}', 'products', NULL, 'products'),
    ('pool_rates', '{INSERT}', 'products', NULL, 'products'),
    ('product_terms', '{INSERT}', 'products', NULL, 'products'),
    ('expected_returns', '{INSERT}', 'products', NULL, 'products'),
    ('referral_commissions', '{INSERT,UPDATE}', 'referrals', 'r.payee_id', NULL),
    ('approvals', '{INSERT,UPDATE}', 'approvals', 'r.requested_by', 'approvals'),
    ('approval_votes', '{INSERT,UPDATE}', 'approvals', NULL, 'approvals'),
    ('alerts', '{INSERT,UPDATE}', 'alerts', NULL, 'overview'),
    ('schedules', '{INSERT,UPDATE}', 'schedules', NULL, 'overview'),
    ('schedule_runs', '{INSERT,UPDATE}', 'schedules', NULL, 'overview'),
    ('bank_entries', '{INSERT,UPDATE}', 'books', NULL, 'ledger'),
    ('holds', '{INSERT,UPDATE}', 'books', NULL, 'ledger'),
    ('reconciliations', '{INSERT}', 'books', NULL, 'ledger'),
    ('ledger_periods', '{INSERT}', 'books', NULL, 'ledger'),
    ('audit_events', '{INSERT}', 'notices', $$CASE WHEN split_part(r.kind, '.', 1) IN ('session',
        'user', 'second_factor', 'recovery_codes', 'api_key', 'funding') THEN r.correlation_id END$$,
        'audit'),
    ('users', '{INSERT,UPDATE}', 'users', 'r.id', 'users'),
    ('invitations', '{INSERT,UPDATE}', 'users', NULL, 'users'),
    ('strategies', '{INSERT,UPDATE}', 'strategies', NULL, 'share'),
    ('strategy_versions', '{INSERT}', 'strategies', NULL, 'share'),
    ('market_datasets', '{INSERT,UPDATE}', 'market', NULL, 'market'),
    ('market_bars', '{INSERT}', 'values', NULL, 'market'),
    ('backtests', '{INSERT}', 'work', $$split_part(r.created_by, ':', 2)$$, 'overview'),
    ('studies', '{INSERT,UPDATE}', 'work', $$split_part(r.asked_by, ':', 2)$$, 'overview'),
    ('study_trials', '{UPDATE}', 'work', $$(SELECT split_part(s.asked_by, ':', 2) FROM studies s
        WHERE s.id = r.study_id)$$, 'overview'),
    ('work', '{INSERT,UPDATE}', 'work', $$split_part(r.asked_by, ':', 2)$$, 'overview')
) AS told (what, events, topic, whose, seen_by);
DROP FUNCTION note_changes_of;

-- Take what changed away, the oldest first, and tell it once this transaction commits: to each
-- person, and to those who have a permission, the topics that are news and the business time. How
-- many were taken.
CREATE FUNCTION tell_changes(most integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH taken AS (
        DELETE FROM changes WHERE id IN (
            SELECT id FROM changes ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED)
        RETURNING topic, whom
    ), told AS (
        SELECT pg_notify('commenda', format('changes:%s {"topics":%s,"at":"%s"}', w.whom,
                json_agg(DISTINCT t.topic),
                to_char(business_now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))) AS sent
        FROM taken t, unnest(t.whom) AS w (whom) GROUP BY w.whom
    )
    SELECT (SELECT count(*) FROM taken) + 0 * (SELECT count(sent::text) FROM told)
$$;
REVOKE EXECUTE ON FUNCTION tell_changes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tell_changes TO commenda_app;
