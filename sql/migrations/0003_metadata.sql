-- What whoever ingests says of a source's documents (team=hr, year=2026), for searches to be narrowed down by: of the
-- source, and copied to its documents when they are published. Names and values are text.
ALTER TABLE sources ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}';
ALTER TABLE documents ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}';
CREATE INDEX documents_by_metadata ON documents USING gin (metadata jsonb_path_ops);
CREATE INDEX documents_by_readers ON documents USING gin (readers);
