-- name: known_chunks
-- Text hashes of the chunks that the document at a path of a source has now: these need no embedding.
SELECT text_hash FROM chunks
WHERE document_id = (SELECT id FROM documents WHERE source_id = %(source_id)s AND path = %(path)s)

-- name: lock_document
-- Make sure that the document's row exists, and hold it until the end of the transaction.
INSERT INTO documents AS d (collection_id, source_id, path, media_type, readers, metadata, content_hash, size_bytes, mtime_ns, recipe)
VALUES (%(collection_id)s, %(source_id)s, %(path)s, %(media_type)s, %(readers)s, %(metadata)s, %(content_hash)s, %(size_bytes)s, %(mtime_ns)s,
        %(recipe)s)
ON CONFLICT (source_id, path) DO UPDATE SET path = d.path
RETURNING id, current_revision, content_hash, recipe, readers, own_readers, own_metadata

-- name: stored_chunks
-- The chunks that the document at a path of a source has now.
SELECT id, text_hash FROM chunks
WHERE document_id = (SELECT id FROM documents WHERE source_id = %(source_id)s AND path = %(path)s)

-- name: other_upload
-- Whether a document's file is not the one whose upload was completed last.
SELECT FROM uploads AS u JOIN documents AS d ON d.id = u.document_id
WHERE d.source_id = %(source_id)s AND d.path = %(path)s AND (u.size_bytes, u.mtime_ns) <> (%(size_bytes)s, %(mtime_ns)s)

-- name: insert_chunks
-- New chunks of a document with their words; what lexical search needs is computed here, once. No segment has them yet.
WITH added AS (
    INSERT INTO chunks (collection_id, document_id, text_hash, headings, text, token_count)
    SELECT %(collection_id)s, %(document_id)s, decode(r.text_hash, 'hex'), r.headings, r.text, r.token_count
    FROM jsonb_to_recordset(%(chunks)s) AS r(text_hash text, headings text[], text text, token_count integer)
    RETURNING id, text_hash),
counted AS MATERIALIZED (
    SELECT a.id, lexical_vector(c.language, r.contextual) AS words
    FROM added AS a JOIN jsonb_to_recordset(%(chunks)s) AS r(text_hash text, contextual text) ON decode(r.text_hash, 'hex') = a.text_hash,
         collections AS c
    WHERE c.id = %(collection_id)s),
listed AS (
    INSERT INTO chunk_terms (chunk_id, document_id, collection_id, length, word_count, checksum, terms)
    SELECT id, %(document_id)s, %(collection_id)s, lexical_length(words), length(words), lexical_checksum(words), lexical_terms(words)
    FROM counted),
fresh AS (
    INSERT INTO fresh_terms (chunk_id, collection_id, length, words)
    SELECT id, %(collection_id)s, lexical_length(words), words FROM counted)
SELECT id, text_hash FROM added

-- name: clear_places
-- Forget where the chunks of the previous revision stood.
DELETE FROM chunk_places WHERE document_id = %(document_id)s

-- name: publish_revision
-- The new revision's text, where its chunks stand, and the document's pointer: from here on answers come from it. Its
-- number is one above the highest there has been; the one before stays readable for the retention time, from now on, for
-- those who could read it until now.
WITH superseded AS (
    UPDATE revisions AS r SET superseded_at = now(), last_readers = d.readers
    FROM documents AS d
    WHERE r.document_id = %(document_id)s AND r.superseded_at IS NULL AND d.id = r.document_id),
inserted AS (
    INSERT INTO revisions (document_id, revision, title, text, page_starts, line_boxes, content_hash)
    SELECT %(document_id)s, coalesce(max(r.revision), 0) + 1, %(title)s, %(text)s, %(page_starts)s::integer[], %(line_boxes)s, %(content_hash)s
    FROM revisions AS r WHERE r.document_id = %(document_id)s
    RETURNING revision),
placed AS (
    INSERT INTO chunk_places (document_id, ordinal, chunk_id, char_start, char_end)
    SELECT %(document_id)s, p.ordinal - 1, p.chunk_id, p.char_start, p.char_end
    FROM unnest(%(chunk_ids)s::bigint[], %(char_starts)s::integer[], %(char_ends)s::integer[])
         WITH ORDINALITY AS p(chunk_id, char_start, char_end, ordinal))
UPDATE documents AS d
SET current_revision = i.revision, media_type = %(media_type)s, readers = %(readers)s, metadata = %(metadata)s,
    content_hash = %(content_hash)s, size_bytes = %(size_bytes)s, mtime_ns = %(mtime_ns)s, recipe = %(recipe)s, updated_at = now(), removed_at = NULL
FROM inserted AS i WHERE d.id = %(document_id)s
RETURNING d.current_revision AS revision
