-- Format 8: certificates that the gateway renewed for itself go from the records once they have ended, and nothing may
-- refer to them then.

CREATE INDEX certificates_by_successor ON certificates (superseded_by) WHERE superseded_by IS NOT NULL;
CREATE INDEX certificates_of_gateway ON certificates (id) WHERE holder = 'gateway';
