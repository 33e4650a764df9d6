-- name: active
-- The index that searches of a collection use.
SELECT id, collection_id, store, embedder, embedder_hash, dimension
FROM indexes WHERE collection_id = %(collection_id)s AND state = 'active'

-- name: hold_collection
-- Hold a collection's row until the end of the transaction, so that one index is made, not two.
SELECT id FROM collections WHERE id = %(collection_id)s FOR UPDATE

-- name: insert
-- Register an index.
INSERT INTO indexes (collection_id, store, embedder, embedder_hash, dimension, state)
VALUES (%(collection_id)s, %(store)s, %(embedder)s, %(embedder_hash)s, %(dimension)s, %(state)s)
RETURNING id, collection_id, store, embedder, embedder_hash, dimension

-- name: in_state
-- A collection's indexes in a state, oldest first.
SELECT id, collection_id, store, embedder, embedder_hash, dimension
FROM indexes WHERE collection_id = %(collection_id)s AND state = %(state)s ORDER BY id

-- name: set_state
-- Move an index to another state; publishers that write to it are waited for, and later ones wait.
UPDATE indexes SET state = %(state)s WHERE id = %(index_id)s

-- name: delete
-- Forget an index whose vectors have been dropped.
DELETE FROM indexes WHERE id = %(index_id)s

-- name: hold_active
-- Keep an index active until the end of the transaction; no row where it is so no more.
SELECT id FROM indexes WHERE id = %(index_id)s AND state = 'active' FOR SHARE

-- name: hold_building
-- Keep an index that is being built from being dropped until the end of the transaction; no row where it has been.
SELECT id FROM indexes WHERE id = %(index_id)s AND state = 'building' FOR KEY SHARE

-- name: chunks_after
-- Chunks of a collection in the order of their ids, with all that is embedded of them.
SELECT c.id, c.document_id, c.headings, c.text, r.title, d.readers
FROM chunks AS c
JOIN documents AS d ON d.id = c.document_id
JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE c.collection_id = %(collection_id)s AND c.id > %(after)s
ORDER BY c.id LIMIT %(limit)s

-- name: count_chunks
-- How many chunks a collection has.
SELECT count(*) AS chunks FROM chunks WHERE collection_id = %(collection_id)s

-- name: hold_chunks
-- Those of some chunks that still exist, kept from being deleted until the end of the transaction.
SELECT id FROM chunks WHERE id = ANY(%(chunk_ids)s) FOR KEY SHARE
