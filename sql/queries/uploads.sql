-- name: one_at_a_time
-- Let uploads to a collection find their places one after the other, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('uploads', %(collection_id)s))

-- name: in_the_way
-- Documents of a collection's uploads that are at a path, above it or below it, and whether the caller may read them.
SELECT s.upload_layer AS layer, d.id, d.path, d.current_revision,
       coalesce(%(principals)s::text[] IS NULL OR d.readers && %(principals)s::text[], false) AS is_visible
FROM sources AS s JOIN documents AS d ON d.source_id = s.id
WHERE s.collection_id = %(collection_id)s AND s.upload_layer IS NOT NULL
  AND (d.path = %(path)s OR starts_with(d.path, %(path)s || '/') OR starts_with(%(path)s, d.path || '/'))
ORDER BY s.upload_layer

-- name: ensure_source
-- The source of a collection's uploads in one layer, made where it does not exist. It has no readers: each document has
-- its own, and what has none is for nobody.
INSERT INTO sources AS s (collection_id, kind, location, readers, upload_layer)
VALUES (%(collection_id)s, 'folder', %(location)s, '{}', %(layer)s)
ON CONFLICT (collection_id, upload_layer) WHERE upload_layer IS NOT NULL DO UPDATE SET location = excluded.location
RETURNING s.id

-- name: reserve
-- A document that is to be made from a file that was uploaded; none answers from it before.
INSERT INTO documents (collection_id, source_id, path, media_type, readers, own_readers, metadata, own_metadata, content_hash,
                       size_bytes, mtime_ns, recipe)
VALUES (%(collection_id)s, %(source_id)s, %(path)s, %(media_type)s, %(readers)s, %(readers)s, %(metadata)s, %(metadata)s, ''::bytea, -1, 0, '')
RETURNING id

-- name: renew
-- A document gets a new file; what is said of it holds when that is taken in, null keeps what was said.
UPDATE documents SET own_metadata = coalesce(%(metadata)s::jsonb, own_metadata), removed_at = NULL WHERE id = %(document_id)s
RETURNING readers, own_readers

-- name: note
-- The file that was uploaded for a document, as it lies in the folder.
INSERT INTO uploads AS u (document_id, size_bytes, mtime_ns, uploaded_by)
VALUES (%(document_id)s, %(size_bytes)s, %(mtime_ns)s, %(uploaded_by)s)
ON CONFLICT (document_id) DO UPDATE
SET size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, uploaded_by = excluded.uploaded_by, uploaded_at = now()

-- name: known
-- The file that was uploaded last for a document.
SELECT size_bytes, mtime_ns FROM uploads WHERE document_id = %(document_id)s

-- name: file
-- Where the file of an uploaded document lies.
SELECT s.id AS source_id, s.location, d.path
FROM documents AS d JOIN sources AS s ON s.id = d.source_id
WHERE d.id = %(document_id)s AND s.upload_layer IS NOT NULL
