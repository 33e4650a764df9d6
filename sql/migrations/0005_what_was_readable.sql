-- What a caller may not read does not exist for them: not as a former revision, nor as a document that was deleted.

-- Who could read a revision when another one took its place, null before that. Whoever may read the document now reads
-- its former revisions only if they could then: a text may have been mended before it was opened to more readers.
ALTER TABLE revisions ADD COLUMN last_readers text[];

-- Who could read a document that was deleted: they alone are told that it was there. Of documents that were deleted
-- before, that is not known.
ALTER TABLE erased_documents ADD COLUMN readers text[] NOT NULL DEFAULT '{}';
