-- Studies with what they were begun for: by a person, or by which decision for which flow.
CREATE VIEW optimizer_tasks AS
    SELECT s.id, d.ability, d.id AS decision_id, d.target AS flow_id, s.strategy,
        s.version AS strategy_version, s.space AS search_space, s.plan ->> 'sampler' AS method,
        s.state AS status, s.result -> 'best' -> 'params' AS best_params,
        s.result ->> 'verdict' AS verdict, s.asked_by AS requested_by, s.created_at, s.finished_at
    FROM studies s
    LEFT JOIN (decision_links k JOIN decisions d ON d.id = k.decision_id AND d.action = 'search')
        ON k.kind = 'study' AND k.ref = s.id::text;
GRANT SELECT ON optimizer_tasks TO commenda_app;
