-- name: hold
-- Become the one merger of a collection until the end of the transaction; false where there is another.
SELECT pg_try_advisory_xact_lock(718281828, %(collection_id)s) AS held

-- name: state
-- The segments of a collection with the number of their chunks that have gone, and how many chunks have none yet.
SELECT s.id, s.first_chunk, s.members[cardinality(s.members)] AS span, s.chunk_count, coalesce(r.removed, 0) AS removed
FROM segments AS s
LEFT JOIN (SELECT m.id, count(*) AS removed
           FROM removed_terms AS g
           JOIN (SELECT k.id, k.first_chunk + u.member AS chunk_id
                 FROM segments AS k, unnest(k.members) AS u(member) WHERE k.collection_id = %(collection_id)s) AS m
             ON m.chunk_id = g.chunk_id
           WHERE g.collection_id = %(collection_id)s GROUP BY m.id) AS r ON r.id = s.id
WHERE s.collection_id = %(collection_id)s
ORDER BY s.id

-- name: backlog
-- How many chunks of a collection no segment has yet, and how many have gone that one still has.
SELECT (SELECT count(*) FROM fresh_terms AS f WHERE f.collection_id = %(collection_id)s) AS fresh,
       (SELECT count(*) FROM removed_terms AS r WHERE r.collection_id = %(collection_id)s) AS removed

-- name: take_fresh
-- Chunks that no segment has yet, held until the end of the transaction: whoever deletes one waits, and then finds it
-- in a segment. Those that are being deleted are left out.
SELECT f.chunk_id, f.length FROM fresh_terms AS f
WHERE f.collection_id = %(collection_id)s
  AND f.chunk_id < (SELECT min(g.chunk_id) FROM fresh_terms AS g WHERE g.collection_id = %(collection_id)s) + 33554432
ORDER BY f.chunk_id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: insert
-- A segment without words yet.
INSERT INTO segments (collection_id, first_chunk, chunk_count, total_length, max_length, members)
SELECT %(collection_id)s, min(m.chunk_id), count(*), sum(m.length), max(m.length),
       array_agg((m.chunk_id - l.first_chunk)::integer ORDER BY m.chunk_id)
FROM unnest(%(chunk_ids)s::bigint[], %(lengths)s::integer[]) AS m(chunk_id, length),
     (SELECT min(n.chunk_id) AS first_chunk FROM unnest(%(chunk_ids)s::bigint[]) AS n(chunk_id)) AS l
RETURNING id, first_chunk, total_length::float8 / chunk_count AS mean_length

-- name: fill
-- The words of a segment of fresh chunks. Impact is the word's part in BM25 but for its idf, from 0.5 to k1 + 1.
WITH lists AS (
    SELECT i.lexeme, array_agg(least(greatest(floor((i.impact - 0.5) * 64 / (%(k1)s + 0.5))::integer, 0), 63) * 33554432 + i.place
                               ORDER BY i.impact DESC, i.place) AS postings
    FROM (SELECT u.lexeme, (f.chunk_id - %(first_chunk)s)::integer AS place,
                 n.tf * (%(k1)s + 1) / (n.tf + %(k1)s * (1 - %(b)s + %(b)s * f.length / %(mean_length)s)) AS impact
          FROM fresh_terms AS f, unnest(f.words) AS u,
               LATERAL (SELECT coalesce(cardinality(u.positions), 1)::float8 AS tf) AS n
          WHERE f.chunk_id = ANY(%(chunk_ids)s)) AS i
    GROUP BY i.lexeme
)
INSERT INTO segment_terms (segment_id, block, frequency, lexeme, postings)
SELECT %(segment_id)s, b.block, CASE b.block WHEN 0 THEN cardinality(l.postings) ELSE 0 END, l.lexeme,
       l.postings[b.first:b.last]
FROM lists AS l, lexical_blocks(cardinality(l.postings)) AS b

-- name: forget_fresh
-- Chunks that have a segment now.
DELETE FROM fresh_terms WHERE chunk_id = ANY(%(chunk_ids)s)

-- name: members
-- The chunks of some segments with their lengths, and which of them have gone.
SELECT s.first_chunk + u.member AS chunk_id, coalesce(r.length, t.length, 0) AS length, r.chunk_id IS NOT NULL OR t.chunk_id IS NULL AS gone
FROM segments AS s CROSS JOIN unnest(s.members) AS u(member)
LEFT JOIN removed_terms AS r ON r.chunk_id = s.first_chunk + u.member
LEFT JOIN chunk_terms AS t ON t.chunk_id = s.first_chunk + u.member
WHERE s.id = ANY(%(segment_ids)s)

-- name: merge
-- The words of a segment made of others, without those of chunks that have gone.
WITH lists AS (
    SELECT h.lexeme, array_agg((u.posting >> 25) * 33554432 + (s.first_chunk - %(first_chunk)s)::integer + (u.posting & 33554431)
                               ORDER BY u.posting >> 25 DESC, h.block, u.place) AS postings
    FROM segments AS s JOIN segment_terms AS h ON h.segment_id = s.id, unnest(h.postings) WITH ORDINALITY AS u(posting, place)
    WHERE s.id = ANY(%(segment_ids)s) AND NOT s.first_chunk + (u.posting & 33554431) = ANY(%(gone)s)
    GROUP BY h.lexeme
)
INSERT INTO segment_terms (segment_id, block, frequency, lexeme, postings)
SELECT %(segment_id)s, b.block, CASE b.block WHEN 0 THEN cardinality(l.postings) ELSE 0 END, l.lexeme,
       l.postings[b.first:b.last]
FROM lists AS l, lexical_blocks(cardinality(l.postings)) AS b

-- name: drop
-- Segments whose chunks others have now; their words go with them.
DELETE FROM segments WHERE id = ANY(%(segment_ids)s)

-- name: forget_removed
-- Chunks that have gone, and that no segment has any more.
DELETE FROM removed_terms WHERE chunk_id = ANY(%(chunk_ids)s)

-- name: clear
-- Give up the segments of a collection: all of its chunks are fresh.
DELETE FROM segments WHERE collection_id = %(collection_id)s
