-- Format 1. Times are seconds since 1970, except in events (milliseconds).

CREATE TABLE events (
    id      INTEGER PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    kind    TEXT NOT NULL,
    payload TEXT NOT NULL,
    hash    BLOB NOT NULL
) STRICT;
CREATE TRIGGER events_are_not_altered BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;
CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;

CREATE TABLE chain_head (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    event    INTEGER NOT NULL,
    hash     BLOB NOT NULL
) STRICT;
INSERT INTO chain_head VALUES (1, 0, zeroblob(32));

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE ca_generations (
    id         INTEGER PRIMARY KEY,
    serial     BLOB NOT NULL UNIQUE,
    subject    TEXT NOT NULL UNIQUE,
    not_before INTEGER NOT NULL,
    not_after  INTEGER NOT NULL,
    added_at   INTEGER NOT NULL,
    der        BLOB NOT NULL
) STRICT;

CREATE TABLE users (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    added_at   INTEGER NOT NULL,
    removed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX users_by_name ON users (name) WHERE removed_at IS NULL;

CREATE TABLE devices (
    id         INTEGER PRIMARY KEY,
    user       INTEGER NOT NULL REFERENCES users (id),
    name       TEXT NOT NULL,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    added_at   INTEGER NOT NULL,
    removed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX devices_by_name ON devices (user, name) WHERE removed_at IS NULL;

CREATE TABLE leases (
    device INTEGER PRIMARY KEY REFERENCES devices (id),
    ipv4   INTEGER NOT NULL UNIQUE,
    ipv6   INTEGER NOT NULL UNIQUE
) STRICT;

CREATE TABLE certificates (
    id            INTEGER PRIMARY KEY,
    serial        BLOB NOT NULL UNIQUE,
    holder        TEXT NOT NULL CHECK (holder IN ('device', 'gateway', 'other')),
    device        INTEGER REFERENCES devices (id),
    other         TEXT,
    subject       TEXT NOT NULL,
    not_before    INTEGER NOT NULL,
    not_after     INTEGER NOT NULL,
    issued_by     INTEGER NOT NULL REFERENCES ca_generations (id),
    recorded_at   INTEGER NOT NULL,
    connected_at  INTEGER,
    superseded_by BLOB REFERENCES certificates (serial) DEFERRABLE INITIALLY DEFERRED,
    supersede_at  INTEGER,
    der           BLOB NOT NULL,
    CHECK ((holder = 'device') = (device IS NOT NULL)),
    CHECK ((holder = 'other') = (other IS NOT NULL))
) STRICT;
CREATE INDEX certificates_by_device ON certificates (device) WHERE device IS NOT NULL;
CREATE INDEX certificates_superseded ON certificates (supersede_at) WHERE supersede_at IS NOT NULL;

CREATE TABLE revocations (
    event  INTEGER PRIMARY KEY REFERENCES events (id),
    serial BLOB NOT NULL UNIQUE REFERENCES certificates (serial),
    at     INTEGER NOT NULL,
    reason INTEGER NOT NULL
) STRICT;

CREATE TABLE crls (
    generation  INTEGER PRIMARY KEY REFERENCES ca_generations (id),
    number      INTEGER NOT NULL,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    through     INTEGER NOT NULL,
    der         BLOB NOT NULL
) STRICT;
