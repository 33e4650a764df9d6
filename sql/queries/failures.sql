-- name: known
-- What is remembered of a source's files that were not taken in.
SELECT path, outcome, error, retryable, size_bytes, mtime_ns, recipe FROM ingest_failures WHERE source_id = %(source_id)s

-- name: record
-- A file that was not taken in, and why. Tries are counted for as long as the file and its recipe are the same.
INSERT INTO ingest_failures AS f (source_id, path, outcome, error, retryable, size_bytes, mtime_ns, recipe)
VALUES (%(source_id)s, %(path)s, %(outcome)s, %(error)s, %(retryable)s, %(size_bytes)s, %(mtime_ns)s, %(recipe)s)
ON CONFLICT (source_id, path) DO UPDATE
SET outcome = excluded.outcome, error = excluded.error, size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns,
    recipe = excluded.recipe, failed_at = now(),
    attempts = CASE WHEN (f.size_bytes, f.mtime_ns, f.recipe) = (excluded.size_bytes, excluded.mtime_ns, excluded.recipe)
                    THEN f.attempts + 1 ELSE 1 END,
    retryable = excluded.retryable
                AND NOT coalesce((f.size_bytes, f.mtime_ns, f.recipe) = (excluded.size_bytes, excluded.mtime_ns, excluded.recipe)
                                 AND f.attempts + 1 >= %(give_up_after)s::integer, false)
RETURNING path, outcome, error, retryable, size_bytes, mtime_ns, recipe

-- name: keep
-- Forget what is remembered of a source's files other than those of the run that has just ended.
DELETE FROM ingest_failures
WHERE source_id = %(source_id)s AND path <> ALL(%(paths)s::text[])
  AND (%(below)s = '' OR path = %(below)s OR starts_with(path, %(below)s || '/'))

-- name: list
-- Files that could not be ingested, newest first.
SELECT c.name AS collection, s.location, f.path, f.error, f.retryable, f.failed_at, f.attempts
FROM ingest_failures AS f JOIN sources AS s ON s.id = f.source_id JOIN collections AS c ON c.id = s.collection_id
WHERE f.outcome = 'failed'
ORDER BY f.failed_at DESC, f.path LIMIT %(limit)s

-- name: count
-- How many files could not be ingested.
SELECT count(*) AS n FROM ingest_failures WHERE outcome = 'failed'
