-- name: write
-- Note who asked what.
INSERT INTO audit (request_id, caller_id, caller_kind, caller, kind, collection, question, question_hash, documents, status)
VALUES (%(request_id)s, %(caller_id)s, %(caller_kind)s, %(caller)s, %(kind)s, %(collection)s, %(question)s,
        %(question_hash)s, %(documents)s, %(status)s)
RETURNING id

-- name: complete
-- Note what came of it.
UPDATE audit SET documents = %(documents)s, status = %(status)s WHERE id = %(id)s

-- name: list
-- What was asked, newest first, before a row; of collections, a caller and a time where those are given.
SELECT a.id, a.at, a.request_id, a.caller_id, a.caller_kind, a.caller, k.prefix, a.kind, a.collection, a.question,
       encode(a.question_hash, 'hex') AS question_hash, a.documents, a.status
FROM audit AS a
LEFT JOIN api_keys AS k ON k.id = a.caller_id
WHERE (%(before)s::bigint IS NULL OR a.id < %(before)s)
  AND (%(since)s::timestamptz IS NULL OR a.at >= %(since)s)
  AND (%(caller_id)s::uuid IS NULL OR a.caller_id = %(caller_id)s)
  AND (%(prefix)s::text IS NULL OR k.prefix = %(prefix)s)
  AND (%(collections)s::text[] IS NULL OR a.collection = ANY(%(collections)s::text[]))
ORDER BY a.id DESC
LIMIT %(limit)s

-- name: prune
-- Rows whose time has come, so many at a time.
DELETE FROM audit WHERE id IN (
    SELECT id FROM audit WHERE at < now() - make_interval(days => %(retention_days)s) ORDER BY at LIMIT %(limit)s
)
