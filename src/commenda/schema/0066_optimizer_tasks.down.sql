DROP VIEW optimizer_tasks;
