-- name: list
-- Documents of a collection, and files that were not taken in and have no document, in the order of their paths. A file
-- without a document has an id that says nothing but where a list goes on.
SELECT e.sort_id, e.id, %(collection)s AS collection, e.path, coalesce(r.title, '') AS title, e.media_type, e.revision, e.readers, e.metadata,
       (SELECT count(*) FROM chunk_places AS p WHERE p.document_id = e.id) AS chunk_count, e.updated_at, e.removed_at,
       e.status, e.reason, e.retryable, e.is_upload, e.size_bytes
FROM (
    SELECT d.id AS sort_id, d.id, d.path, d.media_type, d.current_revision AS revision, d.readers, d.metadata, d.updated_at, d.removed_at,
           CASE WHEN u.document_id IS NOT NULL AND (u.size_bytes, u.mtime_ns) <> (d.size_bytes, d.mtime_ns)
                     AND (f.path IS NULL OR (u.size_bytes, u.mtime_ns) <> (f.size_bytes, f.mtime_ns)) THEN 'pending'
                WHEN f.path IS NOT NULL THEN f.outcome
                WHEN d.current_revision IS NULL THEN 'removed' ELSE 'indexed' END AS status,
           f.error AS reason, f.retryable, u.document_id IS NOT NULL AS is_upload, coalesce(u.size_bytes, d.size_bytes) AS size_bytes
    FROM documents AS d
    JOIN collections AS c ON c.id = d.collection_id
    LEFT JOIN ingest_failures AS f ON f.source_id = d.source_id AND f.path = d.path
    LEFT JOIN uploads AS u ON u.document_id = d.id
    WHERE c.name = %(collection)s
      AND (%(principals)s::text[] IS NULL OR d.readers && %(principals)s::text[])
      AND (d.path, d.id) > (%(after_path)s, %(after_id)s)
      AND (NOT %(only_current)s OR d.current_revision IS NOT NULL)
    UNION ALL
    SELECT md5(f.source_id || f.path)::uuid, NULL, f.path, 'application/octet-stream', NULL, s.readers, s.metadata, f.failed_at, NULL,
           f.outcome, f.error, f.retryable, false, f.size_bytes
    FROM ingest_failures AS f
    JOIN sources AS s ON s.id = f.source_id
    JOIN collections AS c ON c.id = s.collection_id
    WHERE c.name = %(collection)s AND NOT %(only_current)s
      AND (%(principals)s::text[] IS NULL OR s.readers && %(principals)s::text[])
      AND (f.path, md5(f.source_id || f.path)::uuid) > (%(after_path)s, %(after_id)s)
      AND NOT EXISTS (SELECT FROM documents AS d WHERE d.source_id = f.source_id AND d.path = f.path)
) AS e
LEFT JOIN revisions AS r ON r.document_id = e.id AND r.revision = e.revision
WHERE (%(collections)s::text[] IS NULL OR %(collection)s = ANY(%(collections)s::text[]))
  AND (%(status)s::text IS NULL OR e.status = %(status)s)
  AND (%(path_patterns)s::text[] IS NULL OR e.path LIKE ANY(%(path_patterns)s::text[]))
  AND (%(media_type_patterns)s::text[] IS NULL OR lower(e.media_type) LIKE ANY(%(media_type_patterns)s::text[]))
  AND (%(word_patterns)s::text[] IS NULL
       OR lower(e.path || ' ' || coalesce(r.title, '')) LIKE ALL(%(word_patterns)s::text[]))
ORDER BY e.path, e.sort_id
LIMIT %(limit)s

-- name: find
-- One document, where the caller may see it, with what became of its file.
SELECT d.id AS sort_id, d.id, c.name AS collection, d.path, coalesce(r.title, '') AS title, d.media_type, d.current_revision AS revision,
       d.readers, d.metadata, (SELECT count(*) FROM chunk_places AS p WHERE p.document_id = d.id) AS chunk_count, d.updated_at, d.removed_at,
       CASE WHEN u.document_id IS NOT NULL AND (u.size_bytes, u.mtime_ns) <> (d.size_bytes, d.mtime_ns)
                 AND (f.path IS NULL OR (u.size_bytes, u.mtime_ns) <> (f.size_bytes, f.mtime_ns)) THEN 'pending'
            WHEN f.path IS NOT NULL THEN f.outcome
            WHEN d.current_revision IS NULL THEN 'removed' ELSE 'indexed' END AS status,
       f.error AS reason, f.retryable, u.document_id IS NOT NULL AS is_upload, coalesce(u.size_bytes, d.size_bytes) AS size_bytes
FROM documents AS d
JOIN collections AS c ON c.id = d.collection_id
LEFT JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
LEFT JOIN ingest_failures AS f ON f.source_id = d.source_id AND f.path = d.path
LEFT JOIN uploads AS u ON u.document_id = d.id
WHERE d.id = %(document_id)s
  AND (%(principals)s::text[] IS NULL OR d.readers && %(principals)s::text[])
  AND (%(collections)s::text[] IS NULL OR c.name = ANY(%(collections)s::text[]))

-- name: chunks
-- The chunks of a document's current revision, as they were cut, from one of them on.
SELECT p.ordinal, p.char_start, p.char_end, k.headings, k.text, k.token_count
FROM chunk_places AS p JOIN chunks AS k ON k.id = p.chunk_id
WHERE p.document_id = %(document_id)s AND p.ordinal > %(after)s
ORDER BY p.ordinal
LIMIT %(limit)s

-- name: page_starts
-- Where the pages of a document's current revision begin, where the caller may see it.
SELECT r.revision, r.page_starts
FROM documents AS d JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE d.id = %(document_id)s AND (%(principals)s::text[] IS NULL OR d.readers && %(principals)s::text[])

-- name: describe
-- Say something of one document, whatever its source says.
UPDATE documents SET own_metadata = %(metadata)s, metadata = %(metadata)s WHERE id = %(document_id)s

-- name: hold
-- A document's row, until the end of the transaction.
SELECT id FROM documents WHERE id = %(document_id)s FOR UPDATE
