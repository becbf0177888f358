-- Format 6: with which settings each device's profile was written last, beside the event log. Which ones they
-- are is told by a hash, for comparison alone.

CREATE TABLE profiles (
    device     INTEGER PRIMARY KEY REFERENCES devices (id),
    settings   BLOB NOT NULL CHECK (length(settings) = 8),
    written_at INTEGER NOT NULL
) STRICT;
