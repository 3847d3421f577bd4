DROP TABLE portfolio_moves;
DROP TABLE portfolio_rebalances;
DROP TABLE portfolios;
