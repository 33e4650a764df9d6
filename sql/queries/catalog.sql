-- name: ensure_source
-- The source at a place, made where it does not exist; what is given replaces what was set before, null keeps it.
INSERT INTO sources AS s (collection_id, kind, location, include, exclude, readers)
VALUES (%(collection_id)s, %(kind)s, %(location)s, coalesce(%(include)s::text[], '{}'), coalesce(%(exclude)s::text[], '{}'),
        coalesce(%(readers)s::text[], %(default_readers)s::text[]))
ON CONFLICT (collection_id, kind, location)
DO UPDATE SET include = coalesce(%(include)s::text[], s.include), exclude = coalesce(%(exclude)s::text[], s.exclude),
              readers = coalesce(%(readers)s::text[], s.readers)
RETURNING id, collection_id, kind, location, include, exclude, readers, schedule

-- name: sources
-- All sources with their collection, schedule and last run.
SELECT s.id, s.collection_id, c.name AS collection, s.kind, s.location, s.include, s.exclude, s.readers, s.schedule, s.next_due,
       coalesce(s.lease_until > now(), false) AS running, s.last_started, s.last_finished, s.last_report, s.last_error,
       (SELECT count(*) FROM documents AS d WHERE d.source_id = s.id AND d.current_revision IS NOT NULL) AS documents
FROM sources AS s JOIN collections AS c ON c.id = s.collection_id
WHERE %(collection)s::text IS NULL OR c.name = %(collection)s
ORDER BY c.name, s.location

-- name: known_documents
-- What the last ingest knew of a source's files.
SELECT id, path, size_bytes, mtime_ns, content_hash, recipe, readers, (current_revision IS NOT NULL) AS current
FROM documents WHERE source_id = %(source_id)s AND current_revision IS NOT NULL

-- name: touch_document
-- The file was written again with the same content.
UPDATE documents SET size_bytes = %(size_bytes)s, mtime_ns = %(mtime_ns)s WHERE id = %(document_id)s

-- name: set_readers
-- Who may read a source's documents, where that differs; returns the documents concerned.
UPDATE documents SET readers = %(readers)s WHERE source_id = %(source_id)s AND readers <> %(readers)s::text[] RETURNING id

-- name: record_failure
-- A file that could not be ingested, and why.
INSERT INTO ingest_failures AS f (source_id, path, error, retryable, size_bytes, mtime_ns)
VALUES (%(source_id)s, %(path)s, %(error)s, %(retryable)s, %(size_bytes)s, %(mtime_ns)s)
ON CONFLICT (source_id, path) DO UPDATE
SET error = excluded.error, retryable = excluded.retryable, size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns,
    failed_at = now(), attempts = f.attempts + 1

-- name: keep_failures
-- Forget failures of a source's files other than those of the run that has just ended.
DELETE FROM ingest_failures
WHERE source_id = %(source_id)s AND path <> ALL(%(paths)s::text[])
  AND (%(below)s = '' OR path = %(below)s OR starts_with(path, %(below)s || '/'))

-- name: failures
-- Files that could not be ingested, newest first.
SELECT c.name AS collection, s.location, f.path, f.error, f.retryable, f.failed_at, f.attempts
FROM ingest_failures AS f JOIN sources AS s ON s.id = f.source_id JOIN collections AS c ON c.id = s.collection_id
ORDER BY f.failed_at DESC, f.path LIMIT %(limit)s

-- name: start_run
-- Note that a run has begun.
UPDATE sources SET last_started = now() WHERE id = %(source_id)s

-- name: finish_run
-- Note how a run ended.
UPDATE sources SET last_finished = now(), last_report = %(report)s, last_error = %(error)s WHERE id = %(source_id)s

-- name: set_schedule
-- When a source is refreshed by itself; null for never.
UPDATE sources SET schedule = %(schedule)s, next_due = %(next_due)s WHERE id = %(source_id)s

-- name: remove_source
-- A source with everything that came from it; its documents have been taken out of the index before.
DELETE FROM sources WHERE id = %(source_id)s

-- name: claim_due
-- Take the source that has been due for longest, unless another worker holds it.
UPDATE sources SET lease_owner = %(owner)s, lease_until = now() + make_interval(secs => %(lease_s)s)
WHERE id = (
    SELECT id FROM sources
    WHERE schedule IS NOT NULL AND next_due <= now() AND (lease_until IS NULL OR lease_until < now())
    ORDER BY next_due LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, collection_id, kind, location, include, exclude, readers, schedule,
          (SELECT name FROM collections AS c WHERE c.id = collection_id) AS collection

-- name: renew_lease
-- Still at work on a source.
UPDATE sources SET lease_until = now() + make_interval(secs => %(lease_s)s) WHERE id = %(source_id)s AND lease_owner = %(owner)s

-- name: release
-- Done with a source: when it is due again, unless it was given another schedule in between.
UPDATE sources SET lease_owner = NULL, lease_until = NULL,
                   next_due = CASE WHEN schedule = %(schedule)s THEN %(next_due)s ELSE next_due END
WHERE id = %(source_id)s AND lease_owner = %(owner)s

-- name: give_back
-- Stopped in mid-work: the source is still due, for anyone.
UPDATE sources SET lease_owner = NULL, lease_until = NULL WHERE id = %(source_id)s AND lease_owner = %(owner)s
