-- Format 5: since when a user or a device is disabled, as its certificates are on hold from that moment on. The
-- log knows it of those that are, and is read once for all of them.

ALTER TABLE users ADD COLUMN disabled_at INTEGER;
UPDATE users SET disabled_at = added_at WHERE NOT enabled;
UPDATE users SET disabled_at = latest.at
    FROM (SELECT json_extract(payload, '$.user_id') AS user, max(at_ms) / 1000 AS at FROM events
        WHERE kind = 'user_disabled' GROUP BY 1) AS latest
    WHERE latest.user = users.id AND NOT enabled;
ALTER TABLE users DROP COLUMN enabled;
CREATE INDEX users_disabled ON users (id) WHERE disabled_at IS NOT NULL;

ALTER TABLE devices ADD COLUMN disabled_at INTEGER;
UPDATE devices SET disabled_at = added_at WHERE NOT enabled;
UPDATE devices SET disabled_at = latest.at
    FROM (SELECT json_extract(payload, '$.device_id') AS device, max(at_ms) / 1000 AS at FROM events
        WHERE kind = 'device_disabled' GROUP BY 1) AS latest
    WHERE latest.device = devices.id AND NOT enabled;
ALTER TABLE devices DROP COLUMN enabled;
CREATE INDEX devices_disabled ON devices (id) WHERE disabled_at IS NOT NULL;

-- Servers' certificates are looked for by name.
CREATE INDEX certificates_by_name ON certificates (other) WHERE other IS NOT NULL;
