-- name: documents
-- The documents of a collection that a search may look at, up to a limit.
SELECT d.id FROM documents AS d WHERE d.collection_id = %(collection_id)s AND {condition} LIMIT %(limit)s

-- name: visible_chunks
-- How many chunks a search may look at, counted up to a limit.
SELECT count(*) AS chunks
FROM (SELECT FROM documents AS d JOIN chunk_terms AS t ON t.document_id = d.id
      WHERE d.collection_id = %(collection_id)s AND {condition} LIMIT %(limit)s) AS seen

-- name: visible
-- Which of these chunks are current and may be looked at; what another store holds of that is only a copy.
SELECT c.id
FROM chunks AS c JOIN documents AS d ON d.id = c.document_id
WHERE c.id = ANY(%(chunk_ids)s) AND c.collection_id = %(collection_id)s AND {condition}

-- name: passages
-- Chunks at their places in the current revisions of documents that a search may look at; the first place of each. When a
-- file was changed is known of folders alone: elsewhere mtime_ns only tells a file's states apart.
SELECT DISTINCT ON (c.id)
       c.id AS chunk_id, d.id AS document_id, r.revision, d.path, r.title, c.headings, r.page_starts,
       p.char_start, p.char_end, c.text,
       CASE WHEN o.kind = 'folder' THEN to_timestamp(nullif(d.mtime_ns, 0) / 1e9) END AS modified_at
FROM chunks AS c
JOIN chunk_places AS p ON p.chunk_id = c.id
JOIN documents AS d ON d.id = c.document_id
JOIN sources AS o ON o.id = d.source_id
JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE c.id = ANY(%(chunk_ids)s) AND c.collection_id = %(collection_id)s AND {condition}
ORDER BY c.id, p.ordinal
