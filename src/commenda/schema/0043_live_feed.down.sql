DELETE FROM market_quality_findings WHERE instrument_id IS NOT NULL;
ALTER TABLE market_quality_findings
    DROP CONSTRAINT market_quality_findings_kind_check,
    ADD CONSTRAINT market_quality_findings_kind_check CHECK (kind IN
        ('gap', 'duplicate', 'out_of_order', 'impossible_bar', 'zero_volume', 'late_stamp')),
    DROP COLUMN instrument_id,
    ALTER COLUMN dataset_id SET NOT NULL;
DROP TABLE market_observations;
DROP TABLE market_feeds;
