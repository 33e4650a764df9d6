-- name: sources
-- How fresh sources are, in seconds since 1970; but for evaluation sets, which are never gone through again.
SELECT s.id::text AS source, c.name AS collection, extract(epoch FROM s.last_finished)::float8 AS refreshed_at,
       CASE WHEN s.schedule IS NOT NULL THEN extract(epoch FROM s.next_due)::float8 END AS due_at,
       s.last_error IS NOT NULL AS failed
FROM sources AS s JOIN collections AS c ON c.id = s.collection_id
WHERE s.location NOT LIKE 'evaluation:%%'
ORDER BY c.name, s.id

-- name: backlog
-- What workers have to do, by queue: how much waits, is at work, or has its time to come; for how long the first has waited.
SELECT 'answers' AS queue, count(*) FILTER (WHERE state = 'queued' AND due_at <= now()) AS waiting,
       count(*) FILTER (WHERE state = 'running') AS running, count(*) FILTER (WHERE state = 'queued' AND due_at > now()) AS later,
       coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE state = 'queued' AND due_at <= now())), 0)::float8 AS oldest_s
FROM (SELECT state, coalesce(not_before, created_at) AS due_at FROM jobs WHERE state IN ('queued', 'running')) AS j
UNION ALL
SELECT 'deliveries', count(*) FILTER (WHERE due_at <= now() AND NOT at_work), count(*) FILTER (WHERE at_work),
       count(*) FILTER (WHERE due_at > now() AND NOT at_work),
       coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at <= now() AND NOT at_work)), 0)::float8
FROM (SELECT d.next_attempt_at AS due_at,
             EXISTS (SELECT FROM procrastinate_jobs AS p WHERE p.lock = 'deliver:' || d.id AND p.status = 'doing') AS at_work
      FROM deliveries AS d WHERE d.state = 'waiting') AS d
UNION ALL
SELECT 'refreshes', count(*) FILTER (WHERE due_at <= now() AND NOT at_work), count(*) FILTER (WHERE at_work),
       count(*) FILTER (WHERE due_at > now() AND NOT at_work),
       coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at <= now() AND NOT at_work)), 0)::float8
FROM (SELECT next_due AS due_at, coalesce(lease_until >= now(), false) AS at_work FROM sources) AS s
