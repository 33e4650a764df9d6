-- name: active
-- The index that searches of a collection use.
SELECT id, collection_id, store, embedder, embedder_hash, dimension
FROM indexes WHERE collection_id = %(collection_id)s AND state = 'active'

-- name: hold_collection
-- Hold a collection's row until the end of the transaction, so that one index is made, not two.
SELECT id FROM collections WHERE id = %(collection_id)s FOR UPDATE

-- name: insert
-- Register an index as the active one.
INSERT INTO indexes (collection_id, store, embedder, embedder_hash, dimension, state)
VALUES (%(collection_id)s, %(store)s, %(embedder)s, %(embedder_hash)s, %(dimension)s, 'active')
RETURNING id, collection_id, store, embedder, embedder_hash, dimension
