DROP TABLE strategy_stages;
DROP TABLE canaries;
ALTER TABLE shared_flows DROP COLUMN canary_of;
