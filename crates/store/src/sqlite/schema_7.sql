-- Format 7: with which settings profiles were written is known of each certificate, since a device uses what its
-- certificate came with until it connects with another; and by the device's own word, where it says so.

CREATE TABLE profile_settings (
    certificate INTEGER NOT NULL REFERENCES certificates (id),
    settings    BLOB NOT NULL CHECK (length(settings) = 8),
    PRIMARY KEY (certificate, settings)
) STRICT, WITHOUT ROWID;
INSERT INTO profile_settings SELECT c.id, p.settings FROM profiles p
    JOIN certificates c ON c.id = (SELECT max(id) FROM certificates WHERE device = p.device);
DROP TABLE profiles;

ALTER TABLE seen ADD COLUMN profile BLOB CHECK (length(profile) = 8);
