-- name: find_document
-- The document at a path of a source, with what the last ingest knew of it.
SELECT id, current_revision, content_hash, recipe
FROM documents
WHERE source_id = %(source_id)s AND path = %(path)s

-- name: known_chunks
-- Text hashes of the chunks that a document has now: these need no embedding.
SELECT text_hash FROM chunks WHERE document_id = %(document_id)s

-- name: lock_document
-- Make sure that the document's row exists, and hold it until the end of the transaction.
INSERT INTO documents AS d (collection_id, source_id, path, media_type, readers, content_hash, size_bytes, mtime_ns, recipe)
VALUES (%(collection_id)s, %(source_id)s, %(path)s, %(media_type)s, %(readers)s, %(content_hash)s, %(size_bytes)s, %(mtime_ns)s, %(recipe)s)
ON CONFLICT (source_id, path) DO UPDATE SET path = d.path
RETURNING id, current_revision, content_hash, recipe, readers

-- name: stored_chunks
-- Chunks of a document with the hash of their text.
SELECT id, text_hash FROM chunks WHERE document_id = %(document_id)s

-- name: insert_chunks
-- New chunks of a document; what lexical search needs is computed here, once.
INSERT INTO chunks (collection_id, document_id, text_hash, headings, text, token_count, lexemes, lexical_length)
SELECT c.id, %(document_id)s, decode(r.text_hash, 'hex'), r.headings, r.text, r.token_count, v.lexemes,
       coalesce((SELECT sum(cardinality(u.positions)) FROM unnest(v.lexemes) AS u), 0)
FROM collections AS c,
     jsonb_to_recordset(%(chunks)s) AS r(text_hash text, headings text[], text text, token_count integer, contextual text),
     LATERAL (SELECT lexical_vector(c.language, r.contextual) AS lexemes) AS v
WHERE c.id = %(collection_id)s
RETURNING id, text_hash

-- name: insert_postings
-- Postings of new chunks.
INSERT INTO postings (collection_id, chunk_id, term_frequency, lexical_length, lexeme)
SELECT c.collection_id, c.id, cardinality(u.positions), c.lexical_length, u.lexeme
FROM chunks AS c, unnest(c.lexemes) AS u
WHERE c.id = ANY(%(chunk_ids)s)

-- name: clear_places
-- Forget where the chunks of the previous revision stood.
DELETE FROM chunk_places WHERE document_id = %(document_id)s

-- name: insert_places
-- Where the chunks of the new revision stand, in order.
INSERT INTO chunk_places (document_id, ordinal, chunk_id, char_start, char_end)
SELECT %(document_id)s, p.ordinal - 1, p.chunk_id, p.char_start, p.char_end
FROM unnest(%(chunk_ids)s::bigint[], %(char_starts)s::integer[], %(char_ends)s::integer[])
     WITH ORDINALITY AS p(chunk_id, char_start, char_end, ordinal)

-- name: delete_postings
-- Postings of chunks that are about to go.
DELETE FROM postings AS p
USING chunks AS c, unnest(c.lexemes) AS u
WHERE c.id = ANY(%(chunk_ids)s)
  AND p.collection_id = c.collection_id AND p.lexeme = u.lexeme AND p.chunk_id = c.id

-- name: delete_chunks
-- Chunks that no revision needs any more; their places and vectors in Postgres go with them.
DELETE FROM chunks WHERE id = ANY(%(chunk_ids)s)

-- name: supersede_revision
-- The current revision stays readable for the retention time, from now on.
UPDATE revisions SET superseded_at = now()
WHERE document_id = %(document_id)s AND superseded_at IS NULL

-- name: insert_revision
-- The new revision's text; its number is one above the highest there has been.
INSERT INTO revisions (document_id, revision, title, text, page_starts, content_hash)
SELECT %(document_id)s, coalesce(max(r.revision), 0) + 1, %(title)s, %(text)s, %(page_starts)s::integer[], %(content_hash)s
FROM revisions AS r WHERE r.document_id = %(document_id)s
RETURNING revision

-- name: point_document
-- Move the document's pointer: from here on answers come from the new revision.
UPDATE documents
SET current_revision = %(revision)s, media_type = %(media_type)s, readers = %(readers)s, content_hash = %(content_hash)s,
    size_bytes = %(size_bytes)s, mtime_ns = %(mtime_ns)s, recipe = %(recipe)s, updated_at = now(), removed_at = NULL
WHERE id = %(document_id)s

-- name: lock_for_removal
-- Hold a document's row until the end of the transaction.
SELECT id, current_revision FROM documents WHERE id = %(document_id)s FOR UPDATE

-- name: mark_removed
-- The file has gone: nothing answers from it any more.
UPDATE documents SET current_revision = NULL, removed_at = now(), updated_at = now() WHERE id = %(document_id)s

-- name: purge_revisions
-- Texts whose retention has ended.
DELETE FROM revisions WHERE superseded_at < now() - make_interval(days => %(retention_days)s)

-- name: purge_documents
-- Removed documents without a text left. A file that comes back later is a new document, whose revisions count from 1:
-- under the old id, a citation to an old revision 1 would be answered with the new one's text.
DELETE FROM documents AS d
WHERE d.removed_at IS NOT NULL AND NOT EXISTS (SELECT FROM revisions AS r WHERE r.document_id = d.id)
