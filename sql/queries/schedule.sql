-- name: claim
-- Take a source that is due, the one named or else the one that has been due for longest, unless somebody holds it.
UPDATE sources SET lease_owner = %(owner)s, lease_until = now() + make_interval(secs => %(lease_s)s)
WHERE id = (
    SELECT id FROM sources
    WHERE next_due <= now() AND (lease_until IS NULL OR lease_until < now()) AND (%(source_id)s::uuid IS NULL OR id = %(source_id)s)
    ORDER BY next_due LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, collection_id, kind, location, include, exclude, readers, metadata, schedule, device, next_due, failures,
          (SELECT name FROM collections AS c WHERE c.id = collection_id) AS collection

-- name: renew_lease
-- Still at work on a source.
UPDATE sources SET lease_until = now() + make_interval(secs => %(lease_s)s) WHERE id = %(source_id)s AND lease_owner = %(owner)s

-- name: release
-- Done with a source: when it is due again, unless it was given another schedule or marked as due in between.
UPDATE sources SET lease_owner = NULL, lease_until = NULL, failures = %(failures)s,
                   next_due = CASE WHEN schedule IS NOT DISTINCT FROM %(schedule)s AND next_due IS NOT DISTINCT FROM %(due)s
                                   THEN %(next_due)s ELSE next_due END
WHERE id = %(source_id)s AND lease_owner = %(owner)s
RETURNING next_due

-- name: give_back
-- Stopped in mid-work: the source is still due, for anyone.
UPDATE sources SET lease_owner = NULL, lease_until = NULL WHERE id = %(source_id)s AND lease_owner = %(owner)s

-- name: mark_due
-- Have a source refreshed as soon as a worker is free, whatever its schedule.
UPDATE sources SET next_due = clock_timestamp() WHERE id = %(source_id)s

-- name: unqueued
-- Sources that are due and that nobody holds, of which the queue has no entry.
SELECT id FROM sources AS s
WHERE s.next_due <= now() AND (s.lease_until IS NULL OR s.lease_until < now())
  AND NOT EXISTS (SELECT FROM procrastinate_jobs AS p WHERE p.queueing_lock = 'refresh:' || s.id AND p.status = 'todo')
  AND NOT EXISTS (SELECT FROM procrastinate_jobs AS p WHERE p.lock = 'refresh:' || s.id AND p.status = 'doing')
ORDER BY s.next_due LIMIT 100
