-- name: counts
-- How many there are of each kind of row that a collection's answers are made from.
SELECT (SELECT count(*) FROM documents AS d WHERE d.collection_id = %(collection_id)s AND d.current_revision IS NOT NULL) AS documents,
       (SELECT count(*) FROM documents AS d JOIN revisions AS r ON r.document_id = d.id
        WHERE d.collection_id = %(collection_id)s AND r.superseded_at IS NULL) AS revisions,
       (SELECT count(*) FROM documents AS d JOIN chunk_places AS p ON p.document_id = d.id
        WHERE d.collection_id = %(collection_id)s) AS places,
       (SELECT count(*) FROM chunks AS c WHERE c.collection_id = %(collection_id)s) AS chunks,
       (SELECT coalesce(sum(t.word_count), 0) FROM chunk_terms AS t WHERE t.collection_id = %(collection_id)s)::bigint AS words

-- name: document_without_revision
-- Documents whose current revision does not exist.
SELECT d.id AS document_id, d.path AS example
FROM documents AS d
WHERE d.collection_id = %(collection_id)s AND d.current_revision IS NOT NULL
  AND NOT EXISTS (SELECT FROM revisions AS r WHERE r.document_id = d.id AND r.revision = d.current_revision)

-- name: document_without_chunks
-- Documents with a current revision of which nothing can be found.
SELECT d.id AS document_id, d.path AS example
FROM documents AS d
WHERE d.collection_id = %(collection_id)s
  AND EXISTS (SELECT FROM revisions AS r WHERE r.document_id = d.id AND r.revision = d.current_revision)
  AND NOT EXISTS (SELECT FROM chunk_places AS p WHERE p.document_id = d.id)

-- name: revision_superseded
-- Current revisions that are marked as superseded: their texts would be deleted with the old ones.
SELECT d.id AS document_id, d.path || ' (revision ' || r.revision || ')' AS example
FROM documents AS d JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE d.collection_id = %(collection_id)s AND r.superseded_at IS NOT NULL

-- name: revision_not_superseded
-- Revisions that are not the current one of their document and not marked as superseded: they would be kept for ever.
SELECT d.id AS document_id, d.path || ' (revision ' || r.revision || ')' AS example
FROM documents AS d JOIN revisions AS r ON r.document_id = d.id
WHERE d.collection_id = %(collection_id)s AND r.superseded_at IS NULL AND r.revision IS DISTINCT FROM d.current_revision

-- name: chunk_without_place
-- Chunks that stand nowhere in their document.
SELECT d.id AS document_id, d.path || ' (chunk ' || c.id || ')' AS example
FROM documents AS d JOIN chunks AS c ON c.document_id = d.id
WHERE d.collection_id = %(collection_id)s AND d.current_revision IS NOT NULL
  AND NOT EXISTS (SELECT FROM chunk_places AS p WHERE p.chunk_id = c.id AND p.document_id = d.id)

-- name: chunk_of_removed_document
-- Chunks of documents that have been removed.
SELECT d.id AS document_id, d.path || ' (chunk ' || c.id || ')' AS example
FROM documents AS d JOIN chunks AS c ON c.document_id = d.id
WHERE d.collection_id = %(collection_id)s AND d.current_revision IS NULL

-- name: chunk_in_other_collection
-- Chunks that another collection than their document's searches.
SELECT d.id AS document_id, d.path || ' (chunk ' || c.id || ')' AS example
FROM documents AS d JOIN chunks AS c ON c.document_id = d.id
WHERE d.collection_id = %(collection_id)s AND c.collection_id <> d.collection_id

-- name: place_without_chunk
-- Places of documents at which no chunk of theirs stands.
SELECT d.id AS document_id, d.path || ' (place ' || p.ordinal || ')' AS example
FROM documents AS d JOIN chunk_places AS p ON p.document_id = d.id
WHERE d.collection_id = %(collection_id)s
  AND NOT EXISTS (SELECT FROM chunks AS c WHERE c.id = p.chunk_id AND c.document_id = p.document_id)

-- name: chunk_without_document
-- Chunks whose document does not exist.
SELECT c.id AS chunk_id, 'chunk ' || c.id AS example
FROM chunks AS c WHERE NOT EXISTS (SELECT FROM documents AS d WHERE d.id = c.document_id)

-- name: revision_without_document
-- Revisions whose document does not exist.
SELECT r.document_id || ' (revision ' || r.revision || ')' AS example
FROM revisions AS r WHERE NOT EXISTS (SELECT FROM documents AS d WHERE d.id = r.document_id)

-- name: place_without_document
-- Places in documents that do not exist.
SELECT p.document_id || ' (place ' || p.ordinal || ')' AS example
FROM chunk_places AS p WHERE NOT EXISTS (SELECT FROM documents AS d WHERE d.id = p.document_id)

-- name: words_without_chunk
-- Words of chunks that do not exist.
SELECT 'chunk ' || t.chunk_id AS example
FROM chunk_terms AS t WHERE NOT EXISTS (SELECT FROM chunks AS c WHERE c.id = t.chunk_id)
UNION
SELECT 'chunk ' || f.chunk_id
FROM fresh_terms AS f WHERE NOT EXISTS (SELECT FROM chunks AS c WHERE c.id = f.chunk_id)

-- name: segment_without_collection
-- Segments of collections that do not exist, lists of segments that do not, and chunks counted out of no collection. The
-- segments that have lists are found by leaps through the primary key.
WITH RECURSIVE listed AS (
    (SELECT t.segment_id FROM segment_terms AS t ORDER BY t.segment_id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.segment_id FROM segment_terms AS t WHERE t.segment_id > l.segment_id ORDER BY t.segment_id LIMIT 1)
    FROM listed AS l WHERE l.segment_id IS NOT NULL
)
SELECT 'segment ' || s.id AS example FROM segments AS s WHERE s.collection_id NOT IN (SELECT id FROM collections)
UNION
SELECT 'segment ' || l.segment_id FROM listed AS l
WHERE l.segment_id IS NOT NULL AND NOT EXISTS (SELECT FROM segments AS s WHERE s.id = l.segment_id)
UNION
SELECT 'chunk ' || r.chunk_id FROM removed_terms AS r WHERE r.collection_id NOT IN (SELECT id FROM collections)

-- name: table_without_index
-- Tables of vectors that no index owns; `stores/pgvector.py` names them.
SELECT t.relname::text AS example
FROM pg_class AS t
WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind = 'r' AND t.relname ~ '^vectors_[0-9]+$'
  AND NOT EXISTS (SELECT FROM indexes AS i WHERE t.relname = 'vectors_' || i.id AND i.store = 'pgvector')

-- name: document_sizes
-- Current documents in the order of their ids, with how many bytes their text has.
SELECT d.id, octet_length(r.text) AS size_bytes
FROM documents AS d JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE d.collection_id = %(collection_id)s AND (%(after)s::uuid IS NULL OR d.id > %(after)s)
ORDER BY d.id LIMIT %(limit)s

-- name: texts
-- The current texts of some documents.
SELECT d.id, d.path, r.title, r.text, r.page_starts
FROM documents AS d JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE d.id = ANY(%(document_ids)s)

-- name: places
-- The chunks of some documents at their places, in order.
SELECT p.document_id, p.ordinal, p.char_start, p.char_end, c.id AS chunk_id, c.headings, c.text, c.text_hash
FROM chunk_places AS p JOIN chunks AS c ON c.id = p.chunk_id AND c.document_id = p.document_id
WHERE p.document_id = ANY(%(document_ids)s)
ORDER BY p.document_id, p.ordinal

-- name: vectors_wanted
-- Chunks of a collection in the order of their ids, with what a store may keep a copy of.
SELECT c.id, c.document_id, d.path, d.readers
FROM chunks AS c JOIN documents AS d ON d.id = c.document_id
WHERE d.collection_id = %(collection_id)s AND c.id > %(after)s
ORDER BY c.id LIMIT %(limit)s

-- name: wait_for_publishers
-- Wait until whoever writes to an index has ended; later ones wait until the end of this transaction.
SELECT i.id FROM (SELECT pg_advisory_xact_lock(244948974, %(index_id)s)) AS queue, indexes AS i
WHERE i.id = %(index_id)s FOR NO KEY UPDATE OF i

-- name: lapsed_leases
-- Sources whose worker died in mid-work.
SELECT s.id, s.location FROM sources AS s
WHERE s.collection_id = %(collection_id)s AND s.lease_owner IS NOT NULL AND s.lease_until < now()
ORDER BY s.location

-- name: end_lapsed_leases
-- Sources whose worker died in mid-work are nobody's again.
UPDATE sources SET lease_owner = NULL, lease_until = NULL
WHERE collection_id = %(collection_id)s AND lease_owner IS NOT NULL AND lease_until < now()

-- name: hold_documents
-- Those of some documents that nobody is at work on, held until the end of the transaction. It never waits, and so
-- takes part in no deadlock.
SELECT id FROM documents WHERE id = ANY(%(document_ids)s) FOR UPDATE SKIP LOCKED

-- name: give_up_lost_revisions
-- Documents whose current revision does not exist are removed, as if their file had gone: the next refresh takes it in
-- anew. An empty revision takes the lost one's number, which a citation may name and no other text may get.
WITH lost AS (
    SELECT d.id, d.current_revision FROM documents AS d
    WHERE d.id = ANY(%(document_ids)s) AND d.current_revision IS NOT NULL
      AND NOT EXISTS (SELECT FROM revisions AS r WHERE r.document_id = d.id AND r.revision = d.current_revision)
), numbered AS (
    INSERT INTO revisions (document_id, revision, title, text, page_starts, content_hash, superseded_at)
    SELECT id, current_revision, '', '', '{}', ''::bytea, now() FROM lost
)
UPDATE documents AS d SET current_revision = NULL, removed_at = now(), updated_at = now() FROM lost WHERE d.id = lost.id

-- name: restore_current_revisions
-- Current revisions are not superseded.
UPDATE revisions AS r SET superseded_at = NULL, last_readers = NULL
FROM documents AS d
WHERE d.id = ANY(%(document_ids)s) AND r.document_id = d.id AND r.revision = d.current_revision AND r.superseded_at IS NOT NULL

-- name: supersede_other_revisions
-- All others are, from now on.
UPDATE revisions AS r SET superseded_at = now(), last_readers = d.readers
FROM documents AS d
WHERE d.id = ANY(%(document_ids)s) AND r.document_id = d.id AND r.revision IS DISTINCT FROM d.current_revision
  AND r.superseded_at IS NULL

-- name: stray_chunks
-- Chunks of some documents that nothing should be answered from, and whether their document is the poorer without.
SELECT c.id, c.document_id, c.collection_id <> d.collection_id AS is_missed
FROM documents AS d JOIN chunks AS c ON c.document_id = d.id
WHERE d.id = ANY(%(document_ids)s)
  AND (d.current_revision IS NULL OR c.collection_id <> d.collection_id
       OR NOT EXISTS (SELECT FROM chunk_places AS p WHERE p.chunk_id = c.id AND p.document_id = d.id))

-- name: delete_stray_places
-- Places of some documents at which no chunk of theirs stands.
DELETE FROM chunk_places AS p
WHERE p.document_id = ANY(%(document_ids)s)
  AND NOT EXISTS (SELECT FROM chunks AS c WHERE c.id = p.chunk_id AND c.document_id = p.document_id)
RETURNING p.document_id

-- name: documents_without_places
-- Those of some documents that are current and of which nothing can be found.
SELECT d.id FROM documents AS d
WHERE d.id = ANY(%(document_ids)s) AND d.current_revision IS NOT NULL
  AND NOT EXISTS (SELECT FROM chunk_places AS p WHERE p.document_id = d.id)

-- name: make_anew
-- Forget what some documents were made from and how: the next refresh reads their files and makes them anew.
UPDATE documents SET content_hash = ''::bytea, recipe = '' WHERE id = ANY(%(document_ids)s) AND current_revision IS NOT NULL

-- name: chunks_of_collection
-- Those of some chunks that belong to documents of a collection.
SELECT c.id FROM chunks AS c JOIN documents AS d ON d.id = c.document_id
WHERE d.collection_id = %(collection_id)s AND c.id = ANY(%(chunk_ids)s)

-- name: delete_orphaned_words
-- Words of chunks that do not exist.
WITH listed AS (DELETE FROM chunk_terms AS t WHERE NOT EXISTS (SELECT FROM chunks AS c WHERE c.id = t.chunk_id))
DELETE FROM fresh_terms AS f WHERE NOT EXISTS (SELECT FROM chunks AS c WHERE c.id = f.chunk_id)

-- name: delete_orphaned_segments
-- Segments of collections that do not exist, lists of segments that do not, and chunks counted out of no collection.
WITH lists AS (DELETE FROM segment_terms AS t WHERE NOT EXISTS (SELECT FROM segments AS s WHERE s.id = t.segment_id)),
     removed AS (DELETE FROM removed_terms AS r WHERE NOT EXISTS (SELECT FROM collections AS c WHERE c.id = r.collection_id))
DELETE FROM segments AS s WHERE NOT EXISTS (SELECT FROM collections AS c WHERE c.id = s.collection_id)

-- name: delete_orphaned_revisions
-- Revisions of documents that do not exist.
DELETE FROM revisions AS r WHERE NOT EXISTS (SELECT FROM documents AS d WHERE d.id = r.document_id)

-- name: delete_orphaned_places
-- Places in documents that do not exist.
DELETE FROM chunk_places AS p WHERE NOT EXISTS (SELECT FROM documents AS d WHERE d.id = p.document_id)

-- name: texts_to_embed
-- Some chunks with all that is embedded of them, and who may read them.
SELECT c.id, c.document_id, c.headings, c.text, r.title, d.readers
FROM chunks AS c
JOIN documents AS d ON d.id = c.document_id
JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE d.collection_id = %(collection_id)s AND c.id = ANY(%(chunk_ids)s)
ORDER BY c.document_id, c.id

-- name: readers
-- Who may read a document.
SELECT readers FROM documents WHERE id = %(document_id)s
