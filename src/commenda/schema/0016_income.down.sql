-- Principal and income of what is held would be on accounts that nobody can redeem.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pool_holdings WHERE status = 'held') THEN
        RAISE EXCEPTION 'people hold pool products' USING HINT = 'let them redeem first';
    END IF;
END $$;
DROP FUNCTION distribute_income;
DROP FUNCTION accrue_income;
DROP TABLE pool_holdings, pool_rates, pool_products;
