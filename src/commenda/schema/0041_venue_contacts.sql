-- How each account at an exchange was last met: since when its streams are ours to read, whether it
-- answers, and what rests there that nobody here sent.

CREATE TABLE venue_contacts (
    venue        text PRIMARY KEY,
    begun_at     timestamptz,             -- business time, as the others; NULL until it first answers
    answered_at  timestamptz,
    silent_since timestamptz,
    reason       text,                    -- of the silence
    CHECK ((silent_since IS NULL) = (reason IS NULL))
);
GRANT SELECT, INSERT, UPDATE ON venue_contacts TO commenda_app;
