DROP TABLE market_quality_findings;
DROP TABLE market_datasets;
DROP TABLE instruments;
