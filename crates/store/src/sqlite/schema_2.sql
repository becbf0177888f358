-- Format 2: a certificate is known by its issuer and serial number, and which one it is by its hash.
-- First half: the new tables. The rows that need more than SQL are copied by `migration.rs`.

CREATE TABLE ca_generations_2 (
    id         INTEGER PRIMARY KEY,
    issuer     BLOB NOT NULL UNIQUE CHECK (length(issuer) = 32),
    serial     BLOB NOT NULL,
    subject    TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after  INTEGER NOT NULL,
    added_at   INTEGER NOT NULL,
    der        BLOB NOT NULL
) STRICT;

CREATE TABLE certificates_2 (
    id            INTEGER PRIMARY KEY,
    issued_by     INTEGER NOT NULL REFERENCES ca_generations_2 (id),
    serial        BLOB NOT NULL,
    hash          BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    holder        TEXT NOT NULL CHECK (holder IN ('device', 'gateway', 'other')),
    device        INTEGER REFERENCES devices (id),
    other         TEXT,
    subject       TEXT NOT NULL,
    not_before    INTEGER NOT NULL,
    not_after     INTEGER NOT NULL,
    recorded_at   INTEGER NOT NULL,
    connected_at  INTEGER,
    superseded_by INTEGER REFERENCES certificates_2 (id),
    supersede_at  INTEGER,
    der           BLOB NOT NULL,
    UNIQUE (issued_by, serial),
    CHECK ((holder = 'device') = (device IS NOT NULL)),
    CHECK ((holder = 'other') = (other IS NOT NULL))
) STRICT;

CREATE TABLE revocations_2 (
    event       INTEGER PRIMARY KEY REFERENCES events (id),
    certificate INTEGER NOT NULL UNIQUE REFERENCES certificates_2 (id),
    at          INTEGER NOT NULL,
    reason      INTEGER NOT NULL
) STRICT;

CREATE TABLE crls_2 (
    generation  INTEGER PRIMARY KEY REFERENCES ca_generations_2 (id),
    number      INTEGER NOT NULL,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    through     INTEGER NOT NULL,
    der         BLOB NOT NULL
) STRICT;
