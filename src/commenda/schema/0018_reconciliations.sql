-- What reconciliations found; types of the asset log for corrections, and for entries of a journal.

-- One reconciliation, and what could not be compared in it, and why.
CREATE TABLE reconciliations (
    as_of    timestamptz PRIMARY KEY,
    left_out text[] NOT NULL
);

-- One line of it. `venue` is the side that the ledger is held against, `explained` what is known to
-- be on its way between the two.
CREATE TABLE reconciliation_lines (
    as_of       timestamptz NOT NULL REFERENCES reconciliations,
    part        text NOT NULL,
    subject     text NOT NULL,
    venue       numeric NOT NULL CHECK (venue <> 'NaN'),
    ledger      numeric NOT NULL CHECK (ledger <> 'NaN'),
    explained   numeric NOT NULL CHECK (explained <> 'NaN'),
    unexplained numeric NOT NULL GENERATED ALWAYS AS (venue - ledger - explained) STORED,
    PRIMARY KEY (as_of, part, subject)
);
GRANT SELECT, INSERT ON reconciliations, reconciliation_lines TO commenda_app;

-- The one place that says which kind of journal is which type of the asset log. The key of a
-- reversal is that of the journal it undoes, after 'reverse:'.
CREATE FUNCTION asset_log_type(journal_kind text, journal_key text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE CASE journal_kind WHEN 'reversal' THEN split_part(journal_key, ':', 2)
                              ELSE journal_kind END
           WHEN 'deposit' THEN 'recharge'
           WHEN 'withdrawal' THEN 'withdraw'
           WHEN 'withdrawal_request' THEN 'withdraw'
           WHEN 'withdrawal_return' THEN 'withdraw'
           WHEN 'referral_release' THEN 'commission'
           WHEN 'pool_in' THEN 'pool_in'
           WHEN 'pool_out' THEN 'pool_out'
           WHEN 'income' THEN 'income'
           ELSE 'contract'  -- subscriptions and copies: reserved, given back, settled
       END;

CREATE OR REPLACE VIEW asset_log AS
SELECT a.owner_id AS user_id, e.asset AS coin, asset_log_type(j.kind, j.key) AS type,
       e.amount, e.balance_before, e.balance_after, j.key AS ref_no, j.kind AS remark,
       j.posted_at AS created_at, e.account_id, e.version
FROM entries e
JOIN accounts a ON a.id = e.account_id AND a.kind = 'wallet'
JOIN journals j ON j.id = e.journal_id;
