-- name: ensure_source
-- The source at a place, made where it does not exist; what is given replaces what was set before, null keeps it.
INSERT INTO sources AS s (collection_id, kind, location, include, exclude, readers, metadata)
VALUES (%(collection_id)s, %(kind)s, %(location)s, coalesce(%(include)s::text[], '{}'), coalesce(%(exclude)s::text[], '{}'),
        coalesce(%(readers)s::text[], %(default_readers)s::text[]), coalesce(%(metadata)s::jsonb, '{}'))
ON CONFLICT (collection_id, kind, location)
DO UPDATE SET include = coalesce(%(include)s::text[], s.include), exclude = coalesce(%(exclude)s::text[], s.exclude),
              readers = coalesce(%(readers)s::text[], s.readers), metadata = coalesce(%(metadata)s::jsonb, s.metadata)
RETURNING id, collection_id, kind, location, include, exclude, readers, metadata, schedule, device

-- name: change
-- What is said of a source, if there still is one; null keeps it.
UPDATE sources SET include = coalesce(%(include)s::text[], include), exclude = coalesce(%(exclude)s::text[], exclude),
                   readers = coalesce(%(readers)s::text[], readers), metadata = coalesce(%(metadata)s::jsonb, metadata)
WHERE id = %(source_id)s
RETURNING id

-- name: exclude
-- Leave out what fits a pattern, beside what is left out already.
UPDATE sources SET exclude = array_append(exclude, %(pattern)s::text) WHERE id = %(source_id)s AND NOT %(pattern)s::text = ANY(exclude)

-- name: sources
-- All sources with their collection, schedule and last run; but for evaluation sets, which have no files to be looked for.
SELECT s.id, s.collection_id, c.name AS collection, s.kind, s.location, s.include, s.exclude, s.readers, s.metadata, s.schedule, s.device,
       s.next_due, s.notify_url, s.upload_layer, coalesce(s.lease_until > now(), false) AS running, s.last_started, s.last_finished, s.last_report, s.last_error,
       CASE WHEN s.lease_until > now() THEN s.progress END AS progress,
       (SELECT count(*) FROM documents AS d WHERE d.source_id = s.id AND d.current_revision IS NOT NULL) AS documents
FROM sources AS s JOIN collections AS c ON c.id = s.collection_id
WHERE (%(collection)s::text IS NULL OR c.name = %(collection)s) AND s.location NOT LIKE 'evaluation:%%'
  AND (%(source_id)s::uuid IS NULL OR s.id = %(source_id)s)
ORDER BY c.name, s.location

-- name: adopt_documents
-- A source's documents become another's.
UPDATE documents SET source_id = %(by)s, path = %(below)s || path WHERE source_id = %(source_id)s

-- name: known_documents
-- What the last ingest knew of a source's files.
SELECT id, path, size_bytes, mtime_ns, content_hash, recipe, current_revision AS revision
FROM documents WHERE source_id = %(source_id)s AND current_revision IS NOT NULL

-- name: touch_document
-- The file was written again with the same content.
UPDATE documents SET size_bytes = %(size_bytes)s, mtime_ns = %(mtime_ns)s
WHERE id = %(document_id)s AND content_hash = %(content_hash)s

-- name: documents_with_other_readers
-- A source's documents whose readers are not those that they should have: their own, else their source's, as it says by now.
SELECT d.id, d.readers, d.own_readers, s.readers AS source_readers, d.current_revision IS NULL AS is_removed
FROM sources AS s JOIN documents AS d ON d.source_id = s.id
WHERE s.id = %(source_id)s AND d.readers <> coalesce(d.own_readers, s.readers)

-- name: documents_with_other_metadata
-- A source's documents whose metadata are not those that they should have: their own, else their source's, as it says by now.
SELECT d.id FROM sources AS s JOIN documents AS d ON d.source_id = s.id
WHERE s.id = %(source_id)s AND d.metadata <> coalesce(d.own_metadata, s.metadata) ORDER BY d.id

-- name: set_metadata
-- What is said of documents: their own, else their source's. Held in the order of their ids, as all do that hold several.
UPDATE documents AS d SET metadata = coalesce(d.own_metadata, s.metadata)
FROM sources AS s
WHERE s.id = d.source_id
  AND d.id IN (SELECT id FROM documents WHERE id = ANY(%(document_ids)s::uuid[]) ORDER BY id FOR UPDATE)

-- name: note_device
-- The file system that a folder lies on.
UPDATE sources SET device = %(device)s WHERE id = %(source_id)s

-- name: lock_moving
-- Hold documents that are about to get another path, with the titles that they have now.
SELECT d.id, d.path, d.current_revision AS revision, r.title
FROM documents AS d JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE d.source_id = %(source_id)s AND d.id = ANY(%(ids)s::uuid[])
ORDER BY d.id FOR UPDATE OF d

-- name: current_at
-- Which of these paths have a document now, or are to have one that was uploaded.
SELECT path, id FROM documents
WHERE source_id = %(source_id)s AND path = ANY(%(paths)s::text[]) AND (current_revision IS NOT NULL OR removed_at IS NULL)

-- name: step_aside
-- A document that was removed makes room at its old path; citations find it by its id.
UPDATE documents SET path = path || ' (removed ' || id || ')'
WHERE source_id = %(source_id)s AND path = ANY(%(paths)s::text[]) AND current_revision IS NULL

-- name: leave_paths
-- Documents leave their paths at once, so that they can exchange them.
UPDATE documents SET path = '(moving ' || id || ')' WHERE id = ANY(%(ids)s::uuid[])

-- name: arrive
-- A document takes its new path. One whose text is made anew for it has no recipe until then.
UPDATE documents
SET path = %(path)s, size_bytes = %(size_bytes)s, mtime_ns = %(mtime_ns)s, updated_at = now(),
    recipe = CASE WHEN %(keeps_text)s THEN recipe ELSE '' END
WHERE id = %(document_id)s

-- name: start_run
-- Note that a run has begun.
UPDATE sources SET last_started = now(), progress = NULL WHERE id = %(source_id)s

-- name: finish_run
-- Note how a run ended.
UPDATE sources SET last_finished = now(), last_report = %(report)s, last_error = %(error)s, progress = NULL WHERE id = %(source_id)s

-- name: set_schedule
-- When a source is refreshed by itself; null for never.
UPDATE sources SET schedule = %(schedule)s, next_due = %(next_due)s WHERE id = %(source_id)s

-- name: remove_source
-- A source with everything that came from it; its documents have been taken out of the index before.
DELETE FROM sources WHERE id = %(source_id)s

-- name: has_readable
-- Whether a source has a document that the caller may read.
SELECT d.id FROM documents AS d WHERE d.source_id = %(source_id)s AND d.readers && %(principals)s::text[] LIMIT 1

-- name: count_readable
-- How many documents of some sources the caller may read: of those sources with any, in the index or removed.
SELECT d.source_id, count(*) FILTER (WHERE d.current_revision IS NOT NULL) AS documents
FROM documents AS d
WHERE d.source_id = ANY(%(source_ids)s::uuid[]) AND (%(principals)s::text[] IS NULL OR d.readers && %(principals)s::text[])
GROUP BY d.source_id

-- name: note_progress
-- How far the run is of whoever holds the source.
UPDATE sources SET progress = %(progress)s WHERE id = %(source_id)s AND lease_owner = %(owner)s
