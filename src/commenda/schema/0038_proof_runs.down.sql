DROP TABLE proof_runs;
