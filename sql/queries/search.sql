-- name: visible
-- Which of these chunks are current and may be read by the caller; what another store holds of either is only a copy.
SELECT c.id
FROM chunks AS c JOIN documents AS d ON d.id = c.document_id
WHERE c.id = ANY(%(chunk_ids)s)
  AND c.collection_id = %(collection_id)s
  AND (%(principals)s::text[] IS NULL OR d.readers && %(principals)s::text[])

-- name: passages
-- Chunks at their places in the current revisions of documents that the caller may see; the first place of each.
SELECT DISTINCT ON (c.id)
       c.id AS chunk_id, d.id AS document_id, r.revision, d.path, r.title, c.headings, r.page_starts,
       p.char_start, p.char_end, c.text
FROM chunks AS c
JOIN chunk_places AS p ON p.chunk_id = c.id
JOIN documents AS d ON d.id = c.document_id
JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE c.id = ANY(%(chunk_ids)s)
  AND c.collection_id = %(collection_id)s
  AND (%(principals)s::text[] IS NULL OR d.readers && %(principals)s::text[])
ORDER BY c.id, p.ordinal
