-- name: collections
-- Throw-away collections, made by measuring, by name: those whose only sources are evaluation sets.
SELECT c.id, c.name,
       (SELECT count(*) FROM documents AS d WHERE d.collection_id = c.id AND d.current_revision IS NOT NULL) AS documents
FROM collections AS c
WHERE EXISTS (SELECT FROM sources AS s WHERE s.collection_id = c.id AND s.location LIKE 'evaluation:%%')
  AND NOT EXISTS (SELECT FROM sources AS s WHERE s.collection_id = c.id AND s.location NOT LIKE 'evaluation:%%')
ORDER BY c.name

-- name: foreign_source
-- A source of a collection that is no evaluation set.
SELECT location FROM sources WHERE collection_id = %(collection_id)s AND location NOT LIKE 'evaluation:%%' LIMIT 1

-- name: chunk_count
-- How many chunks a collection has.
SELECT count(*) AS chunks FROM chunks WHERE collection_id = %(collection_id)s

-- name: hold
-- Hold a throw-away collection for as long as this connection lasts, if nobody else does.
SELECT pg_try_advisory_lock(141421356, %(collection_id)s) AS held

-- name: let_go
-- Let go of a throw-away collection.
SELECT pg_advisory_unlock(141421356, %(collection_id)s)

-- name: drop_collection
-- A collection with everything in Postgres that is part of it. The vectors of its indexes have to be dropped before.
DELETE FROM collections WHERE id = %(collection_id)s
