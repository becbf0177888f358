-- Format 5: since when a user or a device is disabled, as its certificates are on hold from that moment on. The
-- log knows it of those that are.

ALTER TABLE users ADD COLUMN disabled_at INTEGER;
UPDATE users SET disabled_at = coalesce((SELECT max(at_ms) / 1000 FROM events
    WHERE kind = 'user_disabled' AND json_extract(payload, '$.user_id') = users.id), added_at)
    WHERE NOT enabled;
ALTER TABLE users DROP COLUMN enabled;
CREATE INDEX users_disabled ON users (id) WHERE disabled_at IS NOT NULL;

ALTER TABLE devices ADD COLUMN disabled_at INTEGER;
UPDATE devices SET disabled_at = coalesce((SELECT max(at_ms) / 1000 FROM events
    WHERE kind = 'device_disabled' AND json_extract(payload, '$.device_id') = devices.id), added_at)
    WHERE NOT enabled;
ALTER TABLE devices DROP COLUMN enabled;
CREATE INDEX devices_disabled ON devices (id) WHERE disabled_at IS NOT NULL;

-- Servers' certificates are looked for by name.
CREATE INDEX certificates_by_name ON certificates (other) WHERE other IS NOT NULL;
