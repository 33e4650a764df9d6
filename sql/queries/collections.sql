-- name: find
-- A collection by name.
SELECT id, name, language::text AS language, allow_outside FROM collections WHERE name = %(name)s

-- name: find_readable
-- A collection by name, where the caller may read one of its documents, in the index or removed.
SELECT c.id, c.name, c.language::text AS language, c.allow_outside
FROM collections AS c
WHERE c.name = %(name)s
  AND EXISTS (SELECT FROM documents AS d WHERE d.collection_id = c.id AND d.readers && %(principals)s::text[])

-- name: list_readable
-- Collections in which the caller may read a document, in the index or removed, by name; all where principals are null.
SELECT c.name, c.created_at
FROM collections AS c
WHERE %(principals)s::text[] IS NULL
   OR EXISTS (SELECT FROM documents AS d WHERE d.collection_id = c.id AND d.readers && %(principals)s::text[])
ORDER BY c.name

-- name: ensure
-- A collection by name, made where it does not exist.
INSERT INTO collections AS c (name, language) VALUES (%(name)s, %(language)s::regconfig)
ON CONFLICT (name) DO UPDATE SET name = c.name
RETURNING id, name, language::text AS language, allow_outside

-- name: list
-- All collections with their size.
SELECT c.id, c.name, c.language::text AS language, c.allow_outside,
       (SELECT count(*) FROM documents AS d WHERE d.collection_id = c.id AND d.current_revision IS NOT NULL) AS documents,
       (SELECT count(*) FROM chunks AS k WHERE k.collection_id = c.id) AS chunks
FROM collections AS c ORDER BY c.name

-- name: allow_outside
-- Say whether a collection's passages may be sent to an outside language model.
UPDATE collections SET allow_outside = %(allow)s WHERE name = %(name)s
