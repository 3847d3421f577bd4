-- What follows each flow, kept beside the followers: a draw of creators asks for it, and summing
-- them all took longer than the draw. Rows are taken in the order of their flows.
CREATE TABLE followed_capital (
    flow_id uuid PRIMARY KEY REFERENCES shared_flows,
    amount  numeric(38,18) NOT NULL  -- of the active subscriptions
);
INSERT INTO followed_capital
    SELECT flow_id, sum(investment_amount) FROM flow_subscriptions
    WHERE status = 'active' GROUP BY flow_id;
GRANT SELECT ON followed_capital TO commenda_app;

CREATE FUNCTION count_new_followers() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO followed_capital AS f
        SELECT flow_id, sum(investment_amount) FROM after_it
        WHERE status = 'active' GROUP BY flow_id ORDER BY flow_id
        ON CONFLICT (flow_id) DO UPDATE SET amount = f.amount + excluded.amount;
    RETURN NULL;
END $$;
CREATE FUNCTION count_changed_followers() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO followed_capital AS f
        SELECT flow_id, sum(amount) FROM (
            SELECT flow_id, investment_amount AS amount FROM after_it WHERE status = 'active'
            UNION ALL
            SELECT flow_id, -investment_amount FROM before_it WHERE status = 'active') changed
        GROUP BY flow_id HAVING sum(amount) <> 0 ORDER BY flow_id
        ON CONFLICT (flow_id) DO UPDATE SET amount = f.amount + excluded.amount;
    RETURN NULL;
END $$;
CREATE TRIGGER followers_are_counted AFTER INSERT ON flow_subscriptions
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION count_new_followers();
CREATE TRIGGER changes_of_followers_are_counted AFTER UPDATE ON flow_subscriptions
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_followers();

-- What an investor can subscribe now: the wallet, or what is left of the authorisation if that is
-- less. The authorisation is locked first, and each statement after it sees what was committed
-- while this one waited: two subscriptions cannot both count on the same money.
CREATE FUNCTION room_to_subscribe(investor uuid, money text) RETURNS numeric
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    authorised numeric;
    used       numeric;
    wallet     numeric;
BEGIN
    SELECT limit_amount INTO authorised FROM custody_authorisations
        WHERE user_id = investor AND asset = money FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT coalesce(sum(r.reserved_amount - r.released_amount), 0) INTO used
        FROM managed_subscriptions s JOIN principal_reservations r ON r.subscription_id = s.id
        WHERE s.investor_id = investor AND s.asset = money
            AND s.status NOT IN ('SETTLED', 'CANCELLED');
    SELECT coalesce(sum(balance - held), 0) INTO wallet FROM accounts
        WHERE kind = 'wallet' AND owner_id = investor AND asset = money
            AND scope_id IS NULL AND leg_id IS NULL AND instrument_id IS NULL;
    RETURN greatest(0, least(wallet, authorised - used));
END $$;
