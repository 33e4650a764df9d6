-- name: lock_document
-- Hold a document that is in the index until the end of the transaction, if its revision and path are those meant.
SELECT id FROM documents
WHERE id = %(document_id)s AND current_revision IS NOT NULL
  AND (%(revision)s::integer IS NULL OR current_revision = %(revision)s)
  AND (%(path)s::text IS NULL OR path = %(path)s)
FOR UPDATE

-- name: lock_any_document
-- Hold a document of a collection, in the index or not, until the end of the transaction.
SELECT id FROM documents WHERE id = %(document_id)s AND collection_id = %(collection_id)s FOR UPDATE

-- name: stored_chunks
-- Chunks of a document with the hash of their text.
SELECT id, text_hash FROM chunks WHERE document_id = %(document_id)s

-- name: hold_fresh
-- Those of some chunks that no segment has, kept from getting one until the end of the transaction.
SELECT chunk_id FROM fresh_terms WHERE chunk_id = ANY(%(chunk_ids)s) ORDER BY chunk_id FOR UPDATE

-- name: remember_terms
-- Words of chunks that are about to go and that a segment has: until it is written anew, they are counted out.
INSERT INTO removed_terms (chunk_id, collection_id, length, terms)
SELECT t.chunk_id, t.collection_id, t.length, t.terms
FROM chunk_terms AS t
WHERE t.chunk_id = ANY(%(chunk_ids)s) AND NOT EXISTS (SELECT FROM fresh_terms AS f WHERE f.chunk_id = t.chunk_id)
ON CONFLICT (chunk_id) DO NOTHING

-- name: delete_chunks
-- Chunks that no revision needs any more; their places, words and vectors in Postgres go with them.
DELETE FROM chunks WHERE id = ANY(%(chunk_ids)s)

-- name: supersede_revision
-- The current revision stays readable for the retention time, from now on, for those who can read it now.
UPDATE revisions AS r SET superseded_at = now(), last_readers = d.readers
FROM documents AS d
WHERE r.document_id = %(document_id)s AND r.superseded_at IS NULL AND d.id = r.document_id

-- name: mark_removed
-- The file has gone: nothing answers from it any more.
UPDATE documents SET current_revision = NULL, removed_at = now(), updated_at = now() WHERE id = %(document_id)s

-- name: erase_document
-- A document with all of its revisions. Whoever could read it is told that it was there: a citation to it is answered
-- with "gone". What is remembered of its file, which may be for fewer than its source's readers, goes with it.
WITH erased AS (DELETE FROM documents WHERE id = %(document_id)s RETURNING id, readers, collection_id, source_id, path),
forgotten AS (DELETE FROM ingest_failures AS f USING erased AS e WHERE f.source_id = e.source_id AND f.path = e.path)
INSERT INTO erased_documents (id, readers, collection)
SELECT e.id, e.readers, c.name FROM erased AS e JOIN collections AS c ON c.id = e.collection_id ON CONFLICT DO NOTHING

-- name: purge_revisions
-- Texts whose retention has ended.
DELETE FROM revisions WHERE superseded_at < now() - make_interval(days => %(retention_days)s)

-- name: purge_documents
-- Removed documents without a text left. A file that comes back later is a new document, whose revisions count from 1:
-- under the old id, a citation to an old revision 1 would be answered with the new one's text.
-- What was said of one alone is kept at its path under a new id, so that a file that comes back is not opened to more.
WITH gone AS (
    DELETE FROM documents AS d
    WHERE d.removed_at IS NOT NULL AND NOT EXISTS (SELECT FROM revisions AS r WHERE r.document_id = d.id)
      AND (d.own_readers IS NULL OR d.recipe <> '')
    RETURNING collection_id, source_id, path, media_type, readers, own_readers, metadata, own_metadata, removed_at)
INSERT INTO documents (collection_id, source_id, path, media_type, readers, own_readers, metadata, own_metadata, removed_at,
                       content_hash, size_bytes, mtime_ns, recipe)
SELECT collection_id, source_id, path, media_type, readers, own_readers, metadata, own_metadata, removed_at, ''::bytea, -1, 0, ''
FROM gone WHERE own_readers IS NOT NULL
