-- Pool products that pay a daily rate, who holds them, and the income of one day in one statement.

CREATE TABLE pool_products (
    id                 uuid PRIMARY KEY,
    name               text NOT NULL UNIQUE,
    asset              text NOT NULL,
    scale              smallint NOT NULL CHECK (scale BETWEEN 0 AND 8),  -- decimals of the asset
    kind               text NOT NULL CHECK (kind IN ('fixed', 'flexible')),
    term_days          integer CHECK (term_days > 0),
    cadence            text NOT NULL CHECK (cadence IN ('daily', 'weekly')),
    total_quota        numeric(38,18) NOT NULL CHECK (total_quota > 0),
    sold_amount        numeric(38,18) NOT NULL DEFAULT 0,
    minimum            numeric(38,18) NOT NULL CHECK (minimum > 0),
    early_exit         boolean NOT NULL DEFAULT false,
    early_exit_penalty numeric(9,8) NOT NULL DEFAULT 0  -- share of the income that is kept back
        CHECK (early_exit_penalty BETWEEN 0 AND 1),
    accrued_through    date NOT NULL,  -- the last day of which nothing is left to accrue
    status             text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    created_at         timestamptz NOT NULL,
    CONSTRAINT quota_is_kept CHECK (sold_amount BETWEEN 0 AND total_quota),
    CONSTRAINT fixed_has_a_term CHECK ((kind = 'fixed') = (term_days IS NOT NULL)),
    CONSTRAINT early_exit_is_of_fixed_products CHECK (kind = 'fixed' OR NOT early_exit)
);

-- The rate from a day on. Ten decimals: times an amount of eight, it fits numeric(38,18) exactly.
CREATE TABLE pool_rates (
    product_id uuid NOT NULL REFERENCES pool_products,
    from_day   date NOT NULL,
    daily_rate numeric(12,10) NOT NULL CHECK (daily_rate BETWEEN 0 AND 0.1),
    set_by     text NOT NULL,
    set_at     timestamptz NOT NULL,
    PRIMARY KEY (product_id, from_day)
);

-- A holding earns each whole UTC day from start_at (the midnight after it was made) on, a fixed one
-- until end_at. `carry` is what it earned and what is too little to be paid. The columns that an
-- accrual writes stand in no index.
CREATE TABLE pool_holdings (
    product_id      uuid NOT NULL REFERENCES pool_products,
    sequence        bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    id              uuid NOT NULL UNIQUE,
    user_id         uuid NOT NULL REFERENCES users,
    account_id      bigint NOT NULL REFERENCES accounts,  -- principal and income not yet paid out
    amount          numeric(38,18) NOT NULL CHECK (amount > 0),
    total_income    numeric(38,18) NOT NULL DEFAULT 0 CHECK (total_income >= 0),
    carry           numeric(38,18) NOT NULL DEFAULT 0 CHECK (carry >= 0),
    accrued_through date NOT NULL,
    start_at        timestamptz NOT NULL,
    end_at          timestamptz,
    status          text NOT NULL DEFAULT 'held' CHECK (status IN ('held', 'redeemed')),
    created_at      timestamptz NOT NULL,
    redeemed_at     timestamptz,
    PRIMARY KEY (product_id, sequence),
    CHECK ((status = 'redeemed') = (redeemed_at IS NOT NULL)),
    CHECK (end_at > start_at)
) WITH (fillfactor = 60);
CREATE INDEX pool_holdings_by_user ON pool_holdings (user_id, sequence);
CREATE INDEX pool_holdings_held ON pool_holdings (product_id, sequence) WHERE status = 'held';

GRANT SELECT, INSERT, UPDATE (sold_amount, accrued_through, status) ON pool_products TO commenda_app;
GRANT SELECT, INSERT ON pool_rates TO commenda_app;
GRANT SELECT, INSERT, UPDATE (total_income, carry, accrued_through, status, redeemed_at)
    ON pool_holdings TO commenda_app;

-- One day's income of the next holdings of a product, in the order of their sequence: one journal,
-- one entry for each holding and one for the expense. `rules.accrue` says the same of one holding;
-- a test holds the two together. Whoever calls it holds the day's batch, and days go in order.
-- `effective` is NULL for the time of posting. Returns the last holding it accrued, none where none
-- is left, and how many were paid how much.
CREATE FUNCTION accrue_income(
    of_product uuid, for_day date, daily_rate numeric, after_sequence bigint, up_to integer,
    expense_account bigint, asset_scale integer, correlation uuid,
    by_actor text, under_rules text, at_time timestamptz, effective timestamptz
) RETURNS TABLE (last_sequence bigint, holdings bigint, amount numeric)
LANGUAGE plpgsql SET search_path = public, pg_temp
-- Planned once, and by the key however few holdings there are then; see post_journals.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    first_sequence bigint;
    paid_accounts  bigint[];
    paid_amounts   numeric[];
    result         text;
BEGIN
    WITH due AS (
        SELECT h.sequence, h.amount * daily_rate + h.carry AS earned
        FROM pool_holdings h
        WHERE h.product_id = of_product AND h.sequence > after_sequence AND h.status = 'held'
          AND h.accrued_through = for_day - 1
          AND (h.end_at IS NULL OR h.end_at > for_day::timestamp AT TIME ZONE 'UTC')
        ORDER BY h.sequence LIMIT up_to FOR NO KEY UPDATE
    ), accrued AS (
        UPDATE pool_holdings h
        SET carry = d.earned - trunc(d.earned, asset_scale),
            total_income = h.total_income + trunc(d.earned, asset_scale),
            accrued_through = for_day
        FROM due d WHERE h.product_id = of_product AND h.sequence = d.sequence
        RETURNING h.sequence, h.account_id, trunc(d.earned, asset_scale) AS paid
    )
    SELECT min(a.sequence), max(a.sequence), count(*) FILTER (WHERE a.paid > 0),
           coalesce(sum(a.paid), 0),
           array_agg(a.account_id) FILTER (WHERE a.paid > 0),
           array_agg(a.paid) FILTER (WHERE a.paid > 0)
        INTO first_sequence, last_sequence, holdings, amount, paid_accounts, paid_amounts
        FROM accrued a;
    IF amount > 0 THEN
        SELECT p.outcome INTO result FROM post_journals(
            ARRAY[format('income:%s:%s:%s', of_product, to_char(for_day, 'YYYY-MM-DD'),
                         first_sequence)],
            ARRAY['income_accrual'], ARRAY[correlation], ARRAY[effective],
            by_actor, under_rules, at_time,
            array_fill(1, ARRAY[cardinality(paid_accounts) + 1]),
            expense_account || paid_accounts, -amount || paid_amounts) p;
        IF result <> 'posted' THEN
            RAISE EXCEPTION 'the income of % of holdings from % on is posted already',
                for_day, first_sequence;
        END IF;
    END IF;
    RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION accrue_income FROM PUBLIC;
GRANT EXECUTE ON FUNCTION accrue_income TO commenda_app;

-- Pay out what the next holdings of a product have earned and not been paid, in the order of their
-- sequence: one journal, for each holding one entry on its account and one on the wallet. Whoever
-- calls it holds the distribution's batch; the accounts are locked before they are read.
CREATE FUNCTION distribute_income(
    of_product uuid, for_day date, after_sequence bigint, up_to integer,
    by_actor text, under_rules text, at_time timestamptz
) RETURNS TABLE (last_sequence bigint, payments bigint, amount numeric)
LANGUAGE plpgsql SET search_path = public, pg_temp
-- Planned once, and by the key however few holdings there are then; see post_journals.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    first_sequence bigint;
    principals     numeric[];
    holders        bigint[];  -- accounts of the holdings
    wallets        bigint[];
    unpaid         numeric[];
    result         text;
BEGIN
    SELECT min(due.sequence), max(due.sequence), array_agg(due.amount), array_agg(due.account_id),
           array_agg(due.wallet)
        INTO first_sequence, last_sequence, principals, holders, wallets
        FROM (SELECT h.sequence, h.amount, h.account_id, w.id AS wallet
              FROM pool_holdings h
              JOIN pool_products p ON p.id = h.product_id
              LEFT JOIN accounts w ON w.kind = 'wallet' AND w.owner_id = h.user_id
                  AND w.asset = p.asset AND w.scope_id IS NULL AND w.leg_id IS NULL
                  AND w.instrument_id IS NULL AND w.stripe = 0
              WHERE h.product_id = of_product AND h.sequence > after_sequence AND h.status = 'held'
              ORDER BY h.sequence LIMIT up_to) due;
    PERFORM lock_accounts(holders || wallets);
    SELECT array_agg(h.holder), array_agg(h.wallet), array_agg(a.balance - h.principal),
           count(*), coalesce(sum(a.balance - h.principal), 0)
        INTO holders, wallets, unpaid, payments, amount
        FROM unnest(holders, wallets, principals) AS h (holder, wallet, principal)
        JOIN accounts a ON a.id = h.holder
        WHERE a.balance > h.principal;
    IF payments > 0 THEN
        SELECT p.outcome INTO result FROM post_journals(
            ARRAY[format('distribution:%s:%s:%s', of_product, to_char(for_day, 'YYYY-MM-DD'),
                         first_sequence)],
            ARRAY['income'], ARRAY[of_product], ARRAY[NULL::timestamptz], by_actor, under_rules, at_time,
            array_fill(1, ARRAY[2 * payments::integer]),
            holders || wallets,
            ARRAY(SELECT -u.paid FROM unnest(unpaid) WITH ORDINALITY AS u (paid, n) ORDER BY u.n)
                || unpaid) p;
        IF result <> 'posted' THEN
            RAISE EXCEPTION 'the distribution of % to holdings from % on is posted already',
                for_day, first_sequence;
        END IF;
    END IF;
    RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION distribute_income FROM PUBLIC;
GRANT EXECUTE ON FUNCTION distribute_income TO commenda_app;
