-- Format 3: a certificate's key is known by its hash (SHA-256 of its SubjectPublicKeyInfo), so that no key is
-- certified for two holders, or again after it was lost. The rows get theirs from their certificates
-- (`migration.rs`).

ALTER TABLE certificates ADD COLUMN public_key BLOB NOT NULL CHECK (length(public_key) = 32)
    DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
CREATE INDEX certificates_by_key ON certificates (public_key);
