DROP TABLE study_trials, studies;
