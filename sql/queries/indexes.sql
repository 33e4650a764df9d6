-- name: active
-- The index that searches of a collection use.
SELECT id, collection_id, store, embedder, embedder_hash, dimension
FROM indexes WHERE collection_id = %(collection_id)s AND state = 'active'

-- name: for_search
-- The index for a search by an embedder and a store: the active one, else the one that answered last before it and fits;
-- where none fits, the one to complain of. It is kept from being dropped until the end of the transaction.
WITH known AS MATERIALIZED (
    SELECT id, collection_id, store, embedder, embedder_hash, dimension, state = 'active' AS is_active FROM indexes
    WHERE collection_id = %(collection_id)s AND state IN ('active', 'retired')
    ORDER BY (embedder_hash = %(embedder_hash)s AND store = %(store)s) DESC, state = 'active' DESC, id DESC LIMIT 1
)
SELECT k.id, k.collection_id, k.store, k.embedder, k.embedder_hash, k.dimension, k.is_active,
       pg_advisory_xact_lock_shared(173205080, k.id) AS held
FROM known AS k

-- name: wait_for_searches
-- Wait until no search reads an index.
SELECT pg_advisory_xact_lock(173205080, %(index_id)s)

-- name: hold_collection
-- Hold a collection's row until the end of the transaction, so that one index is made, not two. Whoever writes into the
-- collection is not waited for.
SELECT id FROM collections WHERE id = %(collection_id)s FOR NO KEY UPDATE

-- name: try_to_hold_indexes
-- Have a collection's indexes to oneself for as long as the connection lasts.
SELECT pg_try_advisory_lock(223606797, %(collection_id)s) AS held

-- name: let_go_of_indexes
-- Let others at a collection's indexes again.
SELECT pg_advisory_unlock(223606797, %(collection_id)s)

-- name: insert
-- Register an index.
INSERT INTO indexes (collection_id, store, embedder, embedder_hash, dimension, state)
VALUES (%(collection_id)s, %(store)s, %(embedder)s, %(embedder_hash)s, %(dimension)s, %(state)s)
RETURNING id, collection_id, store, embedder, embedder_hash, dimension

-- name: in_state
-- A collection's indexes in a state, oldest first.
SELECT id, collection_id, store, embedder, embedder_hash, dimension
FROM indexes WHERE collection_id = %(collection_id)s AND state = %(state)s ORDER BY id

-- name: in_store
-- All indexes of a collection that a store keeps.
SELECT id, collection_id, store, embedder, embedder_hash, dimension
FROM indexes WHERE collection_id = %(collection_id)s AND store = %(store)s ORDER BY id

-- name: records
-- Indexes with their collection and what they take in Postgres: those of one collection, or one, or all.
SELECT i.id, i.collection_id, i.store, i.embedder, i.embedder_hash, i.dimension, i.state, i.created_at,
       c.name, c.language, c.allow_outside,
       CASE WHEN i.store = 'pgvector' THEN pg_total_relation_size(to_regclass('vectors_' || i.id)) END AS size_bytes
FROM indexes AS i JOIN collections AS c ON c.id = i.collection_id
WHERE (%(collection_id)s::integer IS NULL OR i.collection_id = %(collection_id)s)
  AND (%(index_id)s::integer IS NULL OR i.id = %(index_id)s)
ORDER BY c.name, i.id

-- name: set_state
-- Move an index from one state to another; publishers that write to it are waited for, and later ones wait. No row where
-- it is in another state by now.
UPDATE indexes SET state = %(state)s WHERE id = %(index_id)s AND state = %(before)s RETURNING id

-- name: hide
-- Let no search choose an index any more. It is as one that was not finished.
UPDATE indexes SET state = 'building' WHERE id = %(index_id)s

-- name: be_brief
-- Wait for no lock longer than this until the end of the transaction.
SELECT set_config('lock_timeout', %(timeout)s, true)

-- name: delete
-- Forget an index whose vectors have been dropped.
DELETE FROM indexes WHERE id = %(index_id)s

-- name: hold_active
-- Keep an index active until the end of the transaction; no row where it is so no more. Whoever waits for those who hold
-- it is let in before later ones: holders of a row alone, who let one another in, could keep him out for ever.
SELECT i.id FROM (SELECT pg_advisory_xact_lock_shared(244948974, %(index_id)s)) AS queue, indexes AS i
WHERE i.id = %(index_id)s AND i.state = 'active' FOR SHARE OF i

-- name: hold_unanswering
-- Have an index that does not answer searches to oneself until the end of the transaction; no row where it has been dropped.
SELECT id FROM indexes WHERE id = %(index_id)s AND state <> 'active' FOR NO KEY UPDATE

-- name: chunk_ids_after
-- Chunks of a collection in the order of their ids.
SELECT id FROM chunks WHERE collection_id = %(collection_id)s AND id > %(after)s ORDER BY id LIMIT %(limit)s

-- name: last_chunk
-- The highest id that any chunk has got so far, published or not.
SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('chunks', 'id')::regclass), 0) AS id

-- name: extent
-- How many chunks a collection has, and the highest id of one of them.
SELECT count(*) AS chunks, coalesce(max(id), 0) AS last FROM chunks WHERE collection_id = %(collection_id)s

-- name: count_chunks
-- How many chunks a collection has.
SELECT count(*) AS chunks FROM chunks WHERE collection_id = %(collection_id)s

-- name: hold_readers
-- The documents of some chunks, whose readers nobody changes until the end of the transaction.
SELECT d.id FROM documents AS d
WHERE d.id IN (SELECT c.document_id FROM chunks AS c WHERE c.id = ANY(%(chunk_ids)s)) ORDER BY d.id FOR SHARE

-- name: hold_chunks
-- Those of some chunks that still exist, with who may read them, kept from being deleted until the end of the transaction.
SELECT c.id, c.document_id, d.readers FROM chunks AS c JOIN documents AS d ON d.id = c.document_id
WHERE c.id = ANY(%(chunk_ids)s) ORDER BY c.id FOR KEY SHARE OF c

-- name: sampled_chunks
-- Some chunks of a collection, the same ones for the same seed.
SELECT id, document_id, text FROM chunks WHERE collection_id = %(collection_id)s
ORDER BY hashint8extended(id, %(seed)s), id LIMIT %(limit)s

-- name: documents_of
-- The documents of some chunks.
SELECT id, document_id FROM chunks WHERE id = ANY(%(chunk_ids)s)
