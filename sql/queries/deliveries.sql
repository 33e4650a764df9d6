-- name: create
-- Something to be told; of a job it is told once, whoever finishes it.
INSERT INTO deliveries (job_id, source_id, event, url, content)
VALUES (%(job_id)s, %(source_id)s, %(event)s, %(url)s, %(content)s)
ON CONFLICT (job_id) DO NOTHING
RETURNING id

-- name: due
-- A delivery that is to be tried now, whose it is, and how long ago it was made.
SELECT d.id, d.job_id, d.source_id, d.event, d.url, d.content, d.attempts, d.created_at, j.owner_id
FROM deliveries AS d LEFT JOIN jobs AS j ON j.id = d.job_id
WHERE d.id = %(delivery_id)s AND d.state = 'waiting' AND d.next_attempt_at <= now()

-- name: note_delivered
-- It was taken.
UPDATE deliveries SET state = 'delivered', attempts = attempts + 1, delivered_at = now(), last_status = %(status)s, last_error = NULL
WHERE id = %(delivery_id)s AND state = 'waiting'

-- name: note_failed
-- It was not taken; it is tried again after a while, or given up where there is none.
UPDATE deliveries SET attempts = attempts + 1, last_status = %(status)s, last_error = %(error)s,
                      state = CASE WHEN %(delay_s)s::float8 IS NULL THEN 'failed' ELSE 'waiting' END,
                      next_attempt_at = now() + make_interval(secs => coalesce(%(delay_s)s::float8, 0))
WHERE id = %(delivery_id)s AND state = 'waiting'

-- name: unqueued
-- Deliveries whose time has come, of which the queue has no entry.
SELECT id FROM deliveries AS d
WHERE d.state = 'waiting' AND d.next_attempt_at <= now()
  AND NOT EXISTS (SELECT FROM procrastinate_jobs AS p WHERE p.queueing_lock = 'deliver:' || d.id AND p.status = 'todo')
  AND NOT EXISTS (SELECT FROM procrastinate_jobs AS p WHERE p.lock = 'deliver:' || d.id AND p.status = 'doing')
ORDER BY d.next_attempt_at LIMIT 100

-- name: forget_old
-- What was told of refreshes, or given up, a week ago; what was told of a job goes with it.
DELETE FROM deliveries WHERE source_id IS NOT NULL AND state <> 'waiting' AND created_at < now() - interval '7 days'

-- name: secret
-- What webhooks are signed with where the settings name no secret.
SELECT secret FROM webhook_secret

-- name: notify_url
-- Where the runs of a source are told.
SELECT notify_url FROM sources WHERE id = %(source_id)s

-- name: set_notify_url
-- Have the runs of a source told there, or nowhere.
UPDATE sources SET notify_url = %(url)s WHERE id = %(source_id)s
