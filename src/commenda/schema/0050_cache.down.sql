ALTER TABLE market_feeds DROP COLUMN cache;
DROP TABLE cache_entries;
