DROP FUNCTION distribute_income;
DROP FUNCTION accrue_income;
DROP TABLE pool_holdings, pool_rates, pool_products;
