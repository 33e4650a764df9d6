-- name: gaps
-- What stands in texts between passages, as numbered ranges; white space mostly.
SELECT g.number, substr(r.text, g.char_start + 1, g.char_end - g.char_start) AS text
FROM unnest(%(document_ids)s::uuid[], %(revisions)s::integer[], %(starts)s::integer[], %(ends)s::integer[])
         WITH ORDINALITY AS g(document_id, revision, char_start, char_end, number)
JOIN revisions AS r ON r.document_id = g.document_id AND r.revision = g.revision
