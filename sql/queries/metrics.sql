-- name: sources
-- How fresh sources are, in seconds since 1970; but for evaluation sets, which are never gone through again.
SELECT s.id::text AS source, c.name AS collection, extract(epoch FROM s.last_finished)::float8 AS refreshed_at,
       CASE WHEN s.schedule IS NOT NULL THEN extract(epoch FROM s.next_due)::float8 END AS due_at,
       s.last_error IS NOT NULL AS failed
FROM sources AS s JOIN collections AS c ON c.id = s.collection_id
WHERE s.location NOT LIKE 'evaluation:%%'
ORDER BY c.name, s.id
