-- name: counts
-- How many there are of each kind of row that a collection's answers are made from.
SELECT (SELECT count(*) FROM documents AS d WHERE d.collection_id = %(collection_id)s AND d.current_revision IS NOT NULL) AS documents,
       (SELECT count(*) FROM documents AS d JOIN revisions AS r ON r.document_id = d.id
        WHERE d.collection_id = %(collection_id)s AND r.superseded_at IS NULL) AS revisions,
       (SELECT count(*) FROM documents AS d JOIN chunk_places AS p ON p.document_id = d.id
        WHERE d.collection_id = %(collection_id)s) AS places,
       (SELECT count(*) FROM chunks AS c WHERE c.collection_id = %(collection_id)s) AS chunks,
       (SELECT count(*) FROM postings AS p WHERE p.collection_id = %(collection_id)s) AS postings

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

-- name: posting_without_collection
-- Postings of collections that do not exist.
SELECT 'chunk ' || p.chunk_id AS example
FROM postings AS p WHERE p.collection_id NOT IN (SELECT id FROM collections)

-- name: table_without_index
-- Tables of vectors that no index owns; `stores/pgvector.py` names them.
SELECT t.relname::text AS example
FROM pg_class AS t
WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind = 'r' AND t.relname ~ '^vectors_[0-9]+$'
  AND NOT EXISTS (SELECT FROM indexes AS i WHERE t.relname = 'vectors_' || i.id AND i.store = 'pgvector')

-- name: postings_suspects
-- Chunks whose postings may not be those of their words, also ids of chunks that have postings and do not exist. Both
-- sides are compared by number and checksum, which takes one pass over each and no sorting.
WITH wanted AS (
    SELECT c.id, c.lexical_length, count(u.lexeme) AS words, coalesce(sum(cardinality(u.positions)), 0) AS length,
           coalesce(bit_xor(hashtextextended(u.lexeme, cardinality(u.positions))), 0) AS checksum
    FROM chunks AS c LEFT JOIN LATERAL unnest(c.lexemes) AS u ON true
    WHERE c.collection_id = %(collection_id)s
    GROUP BY c.id
), held AS (
    SELECT p.chunk_id, count(*) AS words, min(p.lexical_length) AS shortest, max(p.lexical_length) AS longest,
           bit_xor(hashtextextended(p.lexeme, p.term_frequency)) AS checksum
    FROM postings AS p
    WHERE p.collection_id = %(collection_id)s
    GROUP BY p.chunk_id
)
SELECT coalesce(w.id, h.chunk_id) AS chunk_id, w.id IS NULL AS gone
FROM wanted AS w FULL JOIN held AS h ON h.chunk_id = w.id
WHERE w.id IS NULL
   OR (w.words, w.checksum) IS DISTINCT FROM (coalesce(h.words, 0), coalesce(h.checksum, 0))
   OR w.length <> w.lexical_length
   OR h.shortest <> w.lexical_length
   OR h.longest <> w.lexical_length

-- name: postings_differences
-- What is wrong with the postings of some chunks: how many words of each kind, and which chunks they are of.
WITH wanted AS (
    SELECT c.id AS chunk_id, u.lexeme COLLATE "C" AS lexeme, cardinality(u.positions) AS term_frequency, s.length
    FROM chunks AS c, unnest(c.lexemes) AS u,
         LATERAL (SELECT sum(cardinality(v.positions)) AS length FROM unnest(c.lexemes) AS v) AS s
    WHERE c.collection_id = %(collection_id)s AND c.id = ANY(%(chunk_ids)s)
), held AS (
    SELECT p.chunk_id, p.lexeme, p.term_frequency, p.lexical_length,
           EXISTS (SELECT FROM chunks AS c WHERE c.id = p.chunk_id AND c.collection_id = p.collection_id) AS alive
    FROM postings AS p
    WHERE p.collection_id = %(collection_id)s AND p.chunk_id = ANY(%(chunk_ids)s)
), differences AS (
    SELECT coalesce(w.chunk_id, h.chunk_id) AS chunk_id,
           CASE WHEN h.chunk_id IS NULL THEN 'posting_missing'
                WHEN NOT h.alive THEN 'posting_without_chunk'
                WHEN w.chunk_id IS NULL THEN 'posting_extra'
                ELSE 'posting_wrong' END AS kind
    FROM wanted AS w FULL JOIN held AS h ON h.chunk_id = w.chunk_id AND h.lexeme = w.lexeme
    WHERE w.chunk_id IS NULL OR h.chunk_id IS NULL
       OR (w.term_frequency, w.length) <> (h.term_frequency, h.lexical_length)
), misjudged AS (
    -- The chunk's own length, which its postings were made with.
    SELECT c.id AS chunk_id, 'posting_wrong' AS kind
    FROM chunks AS c
    WHERE c.collection_id = %(collection_id)s AND c.id = ANY(%(chunk_ids)s)
      AND c.lexical_length <> coalesce((SELECT sum(cardinality(v.positions)) FROM unnest(c.lexemes) AS v), 0)
)
SELECT kind, count(*) AS total, (array_agg(DISTINCT chunk_id))[1:5] AS chunk_ids
FROM (SELECT chunk_id, kind FROM differences UNION ALL SELECT chunk_id, kind FROM misjudged) AS found
GROUP BY kind

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

-- name: other_words
-- Those of some chunks whose words are not those of what is indexed of them.
SELECT c.id
FROM unnest(%(chunk_ids)s::bigint[], %(texts)s::text[]) AS w(id, body)
JOIN chunks AS c ON c.id = w.id JOIN collections AS n ON n.id = c.collection_id
WHERE c.lexemes <> lexical_vector(n.language, w.body)

-- name: vectors_wanted
-- Chunks of a collection in the order of their ids, with what a store may keep a copy of.
SELECT c.id, c.document_id, d.path, d.readers
FROM chunks AS c JOIN documents AS d ON d.id = c.document_id
WHERE d.collection_id = %(collection_id)s AND c.id > %(after)s
ORDER BY c.id LIMIT %(limit)s

-- name: wait_for_publishers
-- Wait until whoever writes to an index has ended; later ones wait until the end of this transaction.
SELECT id FROM indexes WHERE id = %(index_id)s FOR NO KEY UPDATE

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
UPDATE revisions AS r SET superseded_at = NULL
FROM documents AS d
WHERE d.id = ANY(%(document_ids)s) AND r.document_id = d.id AND r.revision = d.current_revision AND r.superseded_at IS NOT NULL

-- name: supersede_other_revisions
-- All others are, from now on.
UPDATE revisions AS r SET superseded_at = now()
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

-- name: update_words
-- The words of some chunks, counted anew.
UPDATE chunks AS c
SET lexemes = v.lexemes,
    lexical_length = coalesce((SELECT sum(cardinality(u.positions)) FROM unnest(v.lexemes) AS u), 0)
FROM unnest(%(chunk_ids)s::bigint[], %(texts)s::text[]) AS w(id, body), collections AS n,
     LATERAL (SELECT lexical_vector(n.language, w.body) AS lexemes) AS v
WHERE c.id = w.id AND n.id = c.collection_id

-- name: update_lengths
-- The lengths of some chunks, counted anew from their words.
UPDATE chunks AS c SET lexical_length = s.length
FROM (SELECT k.id, coalesce((SELECT sum(cardinality(u.positions)) FROM unnest(k.lexemes) AS u), 0) AS length
      FROM chunks AS k WHERE k.id = ANY(%(chunk_ids)s)) AS s
WHERE c.id = s.id AND c.lexical_length <> s.length

-- name: documents_of_chunks
-- The documents of some chunks.
SELECT DISTINCT document_id AS id FROM chunks WHERE id = ANY(%(chunk_ids)s)

-- name: chunks_of_documents
-- Those of some chunks that belong to some documents.
SELECT id FROM chunks WHERE id = ANY(%(chunk_ids)s) AND document_id = ANY(%(document_ids)s)

-- name: chunks_of_collection
-- Those of some chunks that belong to documents of a collection.
SELECT c.id FROM chunks AS c JOIN documents AS d ON d.id = c.document_id
WHERE d.collection_id = %(collection_id)s AND c.id = ANY(%(chunk_ids)s)

-- name: clear_postings
-- All postings of some chunks, also those that are not of their words: this reads every posting of the collection.
DELETE FROM postings WHERE collection_id = %(collection_id)s AND chunk_id = ANY(%(chunk_ids)s)

-- name: delete_orphaned_postings
-- Postings of chunks that do not exist, a bounded number at a time.
DELETE FROM postings WHERE ctid = ANY(ARRAY(
    SELECT p.ctid FROM postings AS p
    WHERE NOT EXISTS (SELECT FROM chunks AS c WHERE c.id = p.chunk_id AND c.collection_id = p.collection_id)
    LIMIT %(limit)s))

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

-- name: hold_leftover
-- An index that does not answer, held until the end of the transaction; no row where somebody is building it.
SELECT id FROM indexes WHERE id = %(index_id)s AND state <> 'active' FOR UPDATE SKIP LOCKED
