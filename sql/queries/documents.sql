-- name: list
-- Documents of a collection in path order, after a path.
SELECT d.id, c.name AS collection, d.path, coalesce(r.title, '') AS title, d.media_type, d.current_revision AS revision, d.readers,
       d.metadata, (SELECT count(*) FROM chunk_places AS p WHERE p.document_id = d.id) AS chunk_count, d.updated_at, d.removed_at
FROM documents AS d
JOIN collections AS c ON c.id = d.collection_id
LEFT JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE c.name = %(collection)s
  AND d.current_revision IS NOT NULL
  AND (%(principals)s::text[] IS NULL OR d.readers && %(principals)s::text[])
  AND (%(collections)s::text[] IS NULL OR c.name = ANY(%(collections)s::text[]))
  AND (d.path, d.id) > (%(after_path)s, %(after_id)s)
ORDER BY d.path, d.id
LIMIT %(limit)s

-- name: find
-- One document by id, where the caller may see it.
SELECT d.id, c.name AS collection, d.path, coalesce(r.title, '') AS title, d.media_type, d.current_revision AS revision, d.readers,
       d.metadata, (SELECT count(*) FROM chunk_places AS p WHERE p.document_id = d.id) AS chunk_count, d.updated_at, d.removed_at
FROM documents AS d
JOIN collections AS c ON c.id = d.collection_id
LEFT JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE d.id = %(document_id)s
  AND (%(principals)s::text[] IS NULL OR d.readers && %(principals)s::text[])
  AND (%(collections)s::text[] IS NULL OR c.name = ANY(%(collections)s::text[]))

-- name: revision
-- A revision's text; the current one where no number is given, else the newest of a removed document. A former one is
-- for those who may read the document now and could read it then.
SELECT r.document_id, c.name AS collection, r.revision AS number, r.title, r.text, r.page_starts, r.created_at, r.superseded_at
FROM revisions AS r JOIN documents AS d ON d.id = r.document_id JOIN collections AS c ON c.id = d.collection_id
WHERE d.id = %(document_id)s
  AND (%(principals)s::text[] IS NULL
       OR d.readers && %(principals)s::text[] AND coalesce(r.last_readers, d.readers) && %(principals)s::text[])
  AND (%(collections)s::text[] IS NULL OR c.name = ANY(%(collections)s::text[]))
  AND (%(revision)s::numeric IS NULL OR r.revision = %(revision)s)
ORDER BY r.revision DESC
LIMIT 1

-- name: source
-- Where a document comes from.
SELECT source_id FROM documents WHERE id = %(document_id)s

-- name: is_erased
-- Whether a document was there once, where the caller could see it, and was erased.
SELECT id FROM erased_documents
WHERE id = %(document_id)s AND (%(principals)s::text[] IS NULL OR readers && %(principals)s::text[])
  AND (%(collections)s::text[] IS NULL OR collection = ANY(%(collections)s::text[]))
