-- Money in and out at a user's request; the asset log; what lists of one owner are read by.

-- A request that waits for a second person is pending; done_at is when it was done or rejected.
CREATE TABLE funding_requests (
    id          uuid PRIMARY KEY,
    sequence    bigint GENERATED ALWAYS AS IDENTITY,  -- the order of the list
    user_id     uuid NOT NULL REFERENCES users,
    asset       text NOT NULL,
    direction   text NOT NULL CHECK (direction IN ('deposit', 'withdrawal')),
    amount      numeric(38,18) NOT NULL CHECK (amount > 0),
    reference   text,                    -- the user's own name for it, once for each direction
    status      text NOT NULL CHECK (status IN ('pending', 'done', 'rejected')),
    approval_id uuid REFERENCES approvals,
    created_at  timestamptz NOT NULL,
    done_at     timestamptz,
    UNIQUE (user_id, direction, reference),
    CHECK ((status = 'pending') = (done_at IS NULL))
);
CREATE INDEX funding_requests_by_user ON funding_requests (user_id, sequence);
GRANT SELECT, INSERT, UPDATE (status, done_at) ON funding_requests TO commenda_app;

-- The specification's ASSET_LOG (004-09): the entries of wallets, as their owners read them. This
-- is the one place that says which kind of journal is which type of the log.
CREATE VIEW asset_log AS
SELECT a.owner_id AS user_id, e.asset AS coin,
       CASE j.kind
           WHEN 'deposit' THEN 'recharge'
           WHEN 'withdrawal' THEN 'withdraw'
           WHEN 'withdrawal_request' THEN 'withdraw'
           WHEN 'withdrawal_return' THEN 'withdraw'
           WHEN 'referral_release' THEN 'commission'
           WHEN 'pool_in' THEN 'pool_in'
           WHEN 'pool_out' THEN 'pool_out'
           WHEN 'income' THEN 'income'
           ELSE 'contract'  -- subscriptions and copies: reserved, given back, settled
       END AS type,
       e.amount, e.balance_before, e.balance_after, j.key AS ref_no, j.kind AS remark,
       j.posted_at AS created_at, e.account_id, e.version
FROM entries e
JOIN accounts a ON a.id = e.account_id AND a.kind = 'wallet'
JOIN journals j ON j.id = e.journal_id;
GRANT SELECT ON asset_log TO commenda_app;

-- Newest first, of one investor and of all.
DROP INDEX managed_subscriptions_by_investor;
CREATE INDEX managed_subscriptions_by_investor
    ON managed_subscriptions (investor_id, subscribed_at, id);
CREATE INDEX managed_subscriptions_by_time ON managed_subscriptions (subscribed_at, id);

CREATE INDEX referral_commissions_by_payee
    ON referral_commissions (payee_id, release_at, settlement_id);
