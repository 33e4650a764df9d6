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

-- name: held
-- Collections after a name, in order, with how much of them the caller may read: those that hold anything that the caller
-- may read, and where they are asked for those that hold nothing at all.
SELECT c.id, c.name, c.language::text AS language, c.allow_outside,
       (SELECT count(*) FROM documents AS d
        WHERE d.collection_id = c.id AND d.current_revision IS NOT NULL
          AND (%(principals)s::text[] IS NULL OR d.readers && %(principals)s::text[])) AS documents,
       (SELECT count(*) FROM chunks AS k JOIN documents AS d ON d.id = k.document_id
        WHERE k.collection_id = c.id AND d.current_revision IS NOT NULL
          AND (%(principals)s::text[] IS NULL OR d.readers && %(principals)s::text[])) AS chunks
FROM collections AS c
WHERE (%(collections)s::text[] IS NULL OR c.name = ANY(%(collections)s::text[]))
  AND (%(empty_too)s AND NOT EXISTS (SELECT FROM documents AS d WHERE d.collection_id = c.id)
       OR %(principals)s::text[] IS NULL
       OR EXISTS (SELECT FROM documents AS d WHERE d.collection_id = c.id AND d.readers && %(principals)s::text[]))
  AND (%(name)s::text IS NULL OR c.name = %(name)s)
  AND c.name > %(after)s
ORDER BY c.name
LIMIT %(limit)s

-- name: create
-- A new collection; nothing where there is one of that name.
INSERT INTO collections (name, language, allow_outside) VALUES (%(name)s, %(language)s::regconfig, %(allow_outside)s)
ON CONFLICT (name) DO NOTHING
RETURNING id

-- name: language
-- Whether words of a language are known.
SELECT cfgname FROM pg_ts_config WHERE cfgname = %(language)s

-- name: hold
-- A collection, until the end of the transaction.
SELECT id FROM collections WHERE id = %(collection_id)s FOR UPDATE

-- name: contents
-- What is still in a collection: documents in the index or on their way into it, and sources that are not of uploads.
SELECT (SELECT count(*) FROM documents AS d
        WHERE d.collection_id = %(collection_id)s AND (d.current_revision IS NOT NULL OR d.removed_at IS NULL)) AS documents,
       (SELECT count(*) FROM sources AS s WHERE s.collection_id = %(collection_id)s AND s.upload_layer IS NULL) AS sources

-- name: retire_indexes
-- Let nothing answer from a collection any more.
UPDATE indexes SET state = 'retired' WHERE collection_id = %(collection_id)s AND state = 'active'

-- name: delete
-- A collection that is held and holds nothing, with what is left of it.
DELETE FROM collections WHERE id = %(collection_id)s
  AND NOT EXISTS (SELECT FROM documents AS d
                  WHERE d.collection_id = %(collection_id)s AND (d.current_revision IS NOT NULL OR d.removed_at IS NULL))
  AND NOT EXISTS (SELECT FROM sources AS s WHERE s.collection_id = %(collection_id)s AND s.upload_layer IS NULL)
RETURNING id
