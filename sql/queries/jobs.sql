-- name: hold_owner
-- One request of an owner at a time puts a job in, so that their number is exact.
SELECT pg_advisory_xact_lock(hashtextextended('footnote jobs ' || %(owner_id)s::text, 0))

-- name: by_idempotency_key
-- The job that was put in under this key.
SELECT id, request_hash FROM jobs WHERE owner_id = %(owner_id)s AND idempotency_key = %(idempotency_key)s

-- name: count_open
-- How many jobs of an owner wait or run.
SELECT count(*) AS open FROM jobs WHERE owner_id = %(owner_id)s AND state IN ('queued', 'running')

-- name: create
-- A new job.
INSERT INTO jobs (owner_id, owner, request, request_hash, idempotency_key, callback_url)
VALUES (%(owner_id)s, %(owner)s, %(request)s, %(request_hash)s, %(idempotency_key)s, %(callback_url)s)
RETURNING id

-- name: find
-- A job of an owner, with its place in the queue and what became of its webhook.
SELECT j.id, j.number, j.owner_id, j.owner, j.request, j.state, j.attempts, j.not_before, j.created_at, j.started_at, j.finished_at, j.answer,
       j.problem, j.erased_at, j.erased_because, j.callback_url,
       CASE WHEN j.state = 'queued' THEN (SELECT count(*) FROM jobs AS o WHERE o.state = 'queued' AND o.number <= j.number) END AS position,
       d.id AS delivery_id, d.state AS delivery_state, d.attempts AS delivery_attempts, d.next_attempt_at, d.delivered_at, d.last_status,
       d.last_error
FROM jobs AS j LEFT JOIN deliveries AS d ON d.job_id = j.id
WHERE j.id = %(job_id)s AND (%(owner_id)s::uuid IS NULL OR j.owner_id = %(owner_id)s)

-- name: list
-- An owner's jobs that are not erased, newest first, before a number.
SELECT j.id, j.number, j.owner_id, j.owner, j.request, j.state, j.attempts, j.not_before, j.created_at, j.started_at, j.finished_at,
       NULL AS answer, j.problem, j.erased_at, j.erased_because, j.callback_url,
       CASE WHEN j.state = 'queued' THEN (SELECT count(*) FROM jobs AS o WHERE o.state = 'queued' AND o.number <= j.number) END AS position,
       d.id AS delivery_id, d.state AS delivery_state, d.attempts AS delivery_attempts, d.next_attempt_at, d.delivered_at, d.last_status,
       d.last_error
FROM jobs AS j LEFT JOIN deliveries AS d ON d.job_id = j.id
WHERE j.owner_id = %(owner_id)s AND j.erased_at IS NULL AND (%(before)s::bigint IS NULL OR j.number < %(before)s)
ORDER BY j.number DESC LIMIT %(limit)s

-- name: begin
-- Begin a job, or begin it again after its worker died; nobody who began it before may write its result any more.
UPDATE jobs SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()), not_before = NULL
WHERE id = %(job_id)s AND state IN ('queued', 'running') AND (not_before IS NULL OR not_before <= now())
RETURNING owner_id, owner, request, attempts

-- name: hold_documents
-- Which of these documents are there, kept from being erased until the end of the transaction.
SELECT id FROM documents WHERE id = ANY(%(documents)s::uuid[]) ORDER BY id FOR KEY SHARE

-- name: finish
-- The result of a job, once, from whoever began it last.
UPDATE jobs SET state = %(state)s, finished_at = now(), answer = %(answer)s, problem = %(problem)s, documents = %(documents)s::uuid[]
WHERE id = %(job_id)s AND state = 'running' AND attempts = %(attempt)s
RETURNING callback_url

-- name: postpone
-- Not done now: it waits for its turn again.
UPDATE jobs SET state = 'queued', not_before = now() + make_interval(secs => %(delay_s)s)
WHERE id = %(job_id)s AND state = 'running' AND attempts = %(attempt)s

-- name: give_back
-- Stopped in mid-work, through no fault of the job's: it counts as not begun.
UPDATE jobs SET state = 'queued', attempts = attempts - 1 WHERE id = %(job_id)s AND state = 'running' AND attempts = %(attempt)s

-- name: stop
-- Stop a job that has not ended, and erase what it holds.
UPDATE jobs SET state = CASE WHEN state IN ('queued', 'running') THEN 'cancelled' ELSE state END,
                finished_at = coalesce(finished_at, now()), request = NULL, answer = NULL, problem = NULL, documents = '{}',
                erased_at = coalesce(erased_at, now()), erased_because = coalesce(erased_because, 'forgotten')
WHERE id = %(job_id)s AND owner_id = %(owner_id)s
RETURNING id

-- name: unqueued
-- Jobs that wait or ran, of which the queue has no entry: it was lost, or its worker gave the job back.
SELECT id FROM jobs AS j
WHERE j.state IN ('queued', 'running') AND (j.not_before IS NULL OR j.not_before <= now())
  AND NOT EXISTS (SELECT FROM procrastinate_jobs AS p WHERE p.queueing_lock = 'answer:' || j.id AND p.status = 'todo')
  AND NOT EXISTS (SELECT FROM procrastinate_jobs AS p WHERE p.lock = 'answer:' || j.id AND p.status = 'doing')
ORDER BY j.number LIMIT 100

-- name: erase_old
-- Questions and answers whose time has passed.
UPDATE jobs SET request = NULL, answer = NULL, problem = NULL, documents = '{}', erased_at = now(), erased_because = 'expired'
WHERE erased_at IS NULL AND finished_at < now() - make_interval(hours => %(retention_hours)s)

-- name: forget_old
-- That there was a job at all, thirty days after what it held was erased.
DELETE FROM jobs WHERE erased_at < now() - interval '30 days'

-- name: session
-- A browser that came in by the one-time link, if it is still signed in.
SELECT expires_at FROM sessions WHERE id = %(session_id)s AND key_id IS NULL AND expires_at > now()

-- name: hidden
-- How many of these revisions someone may not read, or are no longer there; where no revision is named, the document.
SELECT count(*) AS hidden FROM unnest(%(documents)s::uuid[], %(revisions)s::integer[]) AS q (document, revision)
WHERE NOT EXISTS (
    SELECT FROM documents AS d JOIN collections AS c ON c.id = d.collection_id
    LEFT JOIN revisions AS r ON r.document_id = d.id AND r.revision = q.revision
    WHERE d.id = q.document AND d.readers && %(principals)s::text[]
      AND (%(collections)s::text[] IS NULL OR c.name = ANY(%(collections)s::text[]))
      AND (q.revision IS NULL
           OR r.revision IS NOT NULL AND coalesce(r.last_readers, d.readers) && %(principals)s::text[]))

-- name: abort
-- Have the worker that is at a job stop, and nobody begin it.
SELECT procrastinate_cancel_job_v1(id, true, true) FROM procrastinate_jobs
WHERE lock = 'answer:' || %(job_id)s::text AND status IN ('todo', 'doing')
