-- name: answers
-- How answers went from one time to another: of every slot of `slot_s` seconds that has any, and (at is null) of all.
SELECT date_bin(make_interval(secs => %(slot_s)s), a.given_at, %(since)s) AS at,
       count(*) FILTER (WHERE a.status = 'answered') AS answered,
       count(*) FILTER (WHERE a.status = 'partial') AS partial,
       count(*) FILTER (WHERE a.status = 'refused') AS refused,
       coalesce(sum(a.sentences), 0)::bigint AS sentences,
       coalesce(sum(a.unsupported), 0)::bigint AS unsupported,
       (percentile_cont(0.5) WITHIN GROUP (ORDER BY a.milliseconds))::float8 AS p50_ms,
       (percentile_cont(0.95) WITHIN GROUP (ORDER BY a.milliseconds))::float8 AS p95_ms
FROM given_answers AS a
WHERE a.given_at >= %(since)s AND a.given_at < %(until)s
  AND (%(collections)s::text[] IS NULL OR a.collection = ANY(%(collections)s::text[]))
GROUP BY GROUPING SETS ((date_bin(make_interval(secs => %(slot_s)s), a.given_at, %(since)s)), ())
ORDER BY at NULLS LAST

-- name: feedback
-- What callers thought of answers, from one time to another.
SELECT count(*) FILTER (WHERE f.rating = 'up') AS up, count(*) FILTER (WHERE f.rating = 'down') AS down
FROM feedback AS f
WHERE f.created_at >= %(since)s AND f.created_at < %(until)s
  AND (%(collections)s::text[] IS NULL
       OR EXISTS (SELECT FROM given_answers AS a WHERE a.id = f.answer_id AND a.collection = ANY(%(collections)s::text[])))

-- name: spend
-- What answers cost, of every day (UTC) that has any.
SELECT u.day, sum(u.requests)::bigint AS requests, sum(u.prompt_tokens + u.completion_tokens)::bigint AS tokens, sum(u.money) AS money
FROM usage AS u
WHERE u.day >= %(first)s AND u.day <= %(last)s
GROUP BY u.day ORDER BY u.day

-- name: queues
-- What waits to be done, and what is being done.
SELECT (SELECT count(*) FROM jobs WHERE state = 'queued') AS jobs_queued,
       (SELECT count(*) FROM jobs WHERE state = 'running') AS jobs_running,
       (SELECT count(*) FROM deliveries WHERE state = 'waiting') AS webhooks_waiting,
       (SELECT count(*) FROM uploads AS u JOIN documents AS d ON d.id = u.document_id JOIN collections AS c ON c.id = d.collection_id
        LEFT JOIN ingest_failures AS f ON f.source_id = d.source_id AND f.path = d.path
        WHERE (u.size_bytes, u.mtime_ns) <> (d.size_bytes, d.mtime_ns)
          AND (f.path IS NULL OR (u.size_bytes, u.mtime_ns) <> (f.size_bytes, f.mtime_ns))
          AND (%(collections)s::text[] IS NULL OR c.name = ANY(%(collections)s::text[]))) AS uploads_pending

-- name: failures
-- What went wrong: files that are not taken in as of now; jobs and webhooks that were given up from one time to another.
SELECT (SELECT count(*) FROM ingest_failures AS f JOIN sources AS s ON s.id = f.source_id JOIN collections AS c ON c.id = s.collection_id
        WHERE f.outcome = 'failed' AND (%(collections)s::text[] IS NULL OR c.name = ANY(%(collections)s::text[]))) AS files,
       (SELECT count(*) FROM jobs WHERE state = 'failed' AND finished_at >= %(since)s AND finished_at < %(until)s) AS jobs,
       (SELECT count(*) FROM deliveries WHERE state = 'failed' AND created_at >= %(since)s AND created_at < %(until)s) AS webhooks

-- name: database_bytes
-- How much room the database takes on its disk.
SELECT pg_database_size(current_database()) AS bytes
