-- Format 4: sessions leave a record, beside the event log, and for each device the time at which it was
-- seen last.

CREATE TABLE sessions (
    opened_ms INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    device    INTEGER NOT NULL REFERENCES devices (id),
    source    TEXT NOT NULL,
    tcp       INTEGER NOT NULL CHECK (tcp IN (0, 1)),
    ipv4      TEXT,
    ipv6      TEXT,
    client    TEXT NOT NULL,
    seen      INTEGER NOT NULL,
    bytes_in  INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    ended     TEXT,
    PRIMARY KEY (opened_ms, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_device ON sessions (device, opened_ms);
CREATE INDEX sessions_by_ipv4 ON sessions (ipv4, opened_ms) WHERE ipv4 IS NOT NULL;
CREATE INDEX sessions_by_ipv6 ON sessions (ipv6, opened_ms) WHERE ipv6 IS NOT NULL;
CREATE INDEX sessions_open ON sessions (opened_ms) WHERE ended IS NULL;

CREATE TABLE seen (
    device INTEGER PRIMARY KEY REFERENCES devices (id),
    at     INTEGER NOT NULL
) STRICT;
INSERT INTO seen SELECT device, max(connected_at) FROM certificates
    WHERE device IS NOT NULL AND connected_at IS NOT NULL GROUP BY device;
