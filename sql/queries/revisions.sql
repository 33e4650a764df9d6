-- name: find
-- A revision without its text, and where the file of its document lies, where the caller may read it.
SELECT r.document_id, c.name AS collection, d.path, d.media_type, r.title, r.revision AS number, r.revision IS NOT DISTINCT FROM d.current_revision AS is_current,
       r.created_at, r.superseded_at, length(r.text) AS characters, r.page_starts, r.line_boxes, r.content_hash, s.kind AS source_kind, s.location
FROM revisions AS r
JOIN documents AS d ON d.id = r.document_id
JOIN collections AS c ON c.id = d.collection_id
JOIN sources AS s ON s.id = d.source_id
WHERE d.id = %(document_id)s AND r.revision = %(revision)s
  AND (%(principals)s::text[] IS NULL
       OR d.readers && %(principals)s::text[] AND coalesce(r.last_readers, d.readers) && %(principals)s::text[])
  AND (%(collections)s::text[] IS NULL OR c.name = ANY(%(collections)s::text[]))

-- name: headings_at
-- The headings above a place in a revision, while it is its document's current one: those of the last chunk that begins at
-- it or before.
SELECT coalesce((SELECT k.headings
                 FROM chunk_places AS p JOIN chunks AS k ON k.id = p.chunk_id
                 WHERE p.document_id = d.id AND p.char_start <= %(char_start)s
                 ORDER BY p.ordinal DESC
                 LIMIT 1), '{}') AS headings
FROM documents AS d
WHERE d.id = %(document_id)s AND d.current_revision = %(revision)s
