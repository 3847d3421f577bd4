DROP TABLE ability_wakes, decision_links, decision_steps, decisions, ability_settings;
