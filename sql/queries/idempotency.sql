-- name: forget_old
-- Requests of more than a day ago; a few at a time.
DELETE FROM idempotent_requests
WHERE (caller_id, name) IN (SELECT caller_id, name FROM idempotent_requests WHERE begun_at < now() - interval '24 hours' ORDER BY begun_at LIMIT 100)

-- name: begin
-- Take a request up, unless it has been before; one that was left half done for so long is anybody's.
INSERT INTO idempotent_requests AS r (caller_id, name, request_hash)
VALUES (%(caller_id)s, %(name)s, %(request_hash)s)
ON CONFLICT (caller_id, name) DO UPDATE SET begun_at = now(), request_hash = excluded.request_hash
WHERE r.status IS NULL AND r.begun_at < now() - make_interval(secs => %(given_up_after_s)s)
RETURNING begun_at

-- name: find
-- A request that was taken up before.
SELECT request_hash, status, headers, body FROM idempotent_requests WHERE caller_id = %(caller_id)s AND name = %(name)s

-- name: finish
-- The response that a request had.
UPDATE idempotent_requests SET status = %(status)s, headers = %(headers)s, body = %(body)s
WHERE caller_id = %(caller_id)s AND name = %(name)s AND begun_at = %(begun_at)s

-- name: abandon
-- A request that came to nothing: it may be tried again.
DELETE FROM idempotent_requests
WHERE caller_id = %(caller_id)s AND name = %(name)s AND begun_at = %(begun_at)s AND status IS NULL
