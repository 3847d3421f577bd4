DROP TABLE strategy_params, strategy_versions, strategies;
