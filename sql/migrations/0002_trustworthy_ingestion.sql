-- Where the lines of a revision's text stand on its pages (`retrieval/line_boxes.py`); empty for a text without pages.
ALTER TABLE revisions ADD COLUMN line_boxes bytea NOT NULL DEFAULT ''::bytea;

-- A file that was looked at and not taken in: because that failed, or because there is nothing in it to take in. Under
-- the same size, time and recipe (parser and limits) a permanent outcome is not tried again.
ALTER TABLE ingest_failures ADD COLUMN outcome text NOT NULL DEFAULT 'failed' CHECK (outcome IN ('failed', 'skipped'));
ALTER TABLE ingest_failures ADD COLUMN recipe text NOT NULL DEFAULT '';

-- The file system that a folder lay on when it was last listed and held files: an empty folder on another one is a
-- mount point whose mount is away, not a folder whose files were deleted.
ALTER TABLE sources ADD COLUMN device bigint;

-- Documents that were erased: a citation to one is answered with "gone", not with "never heard of".
CREATE TABLE erased_documents (
    id        uuid        PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);
