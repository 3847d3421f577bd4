-- What a look at the operation's health writes, to see that a commit reaches the disk.
CREATE TABLE write_probe (
    single     boolean PRIMARY KEY DEFAULT true CHECK (single),
    written_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON write_probe TO commenda_app;

-- Why the worker that leads makes no tick; NULL: it does.
ALTER TABLE workers ADD COLUMN waits_for text;
