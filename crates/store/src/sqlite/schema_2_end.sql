-- Format 2, second half: what refers to the copied rows, and the former tables go.

UPDATE certificates_2 SET superseded_by =
    (SELECT successor.id FROM certificates former
        JOIN certificates successor ON successor.serial = former.superseded_by
        WHERE former.id = certificates_2.id);
INSERT INTO revocations_2 (event, certificate, at, reason)
    SELECT r.event, c.id, r.at, r.reason FROM revocations r JOIN certificates c ON c.serial = r.serial;
INSERT INTO crls_2 SELECT generation, number, this_update, next_update, through, der FROM crls;

-- Each dropped row is looked up among those that refer to it.
CREATE INDEX former_successors ON certificates (superseded_by);
DROP TABLE revocations;
DROP TABLE crls;
DROP TABLE certificates;
DROP TABLE ca_generations;
ALTER TABLE ca_generations_2 RENAME TO ca_generations;
ALTER TABLE certificates_2 RENAME TO certificates;
ALTER TABLE revocations_2 RENAME TO revocations;
ALTER TABLE crls_2 RENAME TO crls;
CREATE INDEX certificates_by_device ON certificates (device) WHERE device IS NOT NULL;
CREATE INDEX certificates_superseded ON certificates (supersede_at) WHERE supersede_at IS NOT NULL;
