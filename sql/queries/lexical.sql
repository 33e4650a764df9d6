-- name: words
-- The words of a question with the number of chunks that hold each, and how many chunks there are, of what length.
WITH totals AS (
    SELECT coalesce(sum(t.chunks), 0)::bigint AS chunks, coalesce(sum(t.length), 0)::bigint AS total_length,
           coalesce(max(t.longest), 0) AS longest
    FROM (SELECT s.chunk_count AS chunks, s.total_length AS length, s.max_length AS longest
          FROM segments AS s WHERE s.collection_id = %(collection_id)s
          UNION ALL
          SELECT count(*), sum(f.length), max(f.length) FROM fresh_terms AS f WHERE f.collection_id = %(collection_id)s
          UNION ALL
          SELECT -count(*), -sum(r.length), 0 FROM removed_terms AS r WHERE r.collection_id = %(collection_id)s) AS t
), words AS MATERIALIZED (
    SELECT w.lexeme, w.base, w.occurrences, lexical_match(w.lexeme) AS match, (w.place - 1) / 20 AS part, 1 << mod(w.place - 1, 20)::integer AS bit
    FROM (SELECT u.lexeme, lexical_base(u.lexeme) AS base, coalesce(cardinality(u.positions), 1) AS occurrences,
                 dense_rank() OVER (ORDER BY lexical_base(u.lexeme)) AS place
          FROM collections AS c, unnest(lexical_vector(c.language, %(question)s)) AS u WHERE c.id = %(collection_id)s) AS w
), removed AS MATERIALIZED (
    -- One product tells which of twenty words a forward list has: each adds a power of two, in whatever frequency class.
    SELECT m.part, (-(r.terms <#> m.bits))::integer AS held, count(*) AS chunks
    FROM removed_terms AS r,
         (SELECT d.part, ('{' || string_agg(d.base * 10 + i || ':' || d.bit, ',') || '}/1000000000')::sparsevec AS bits
          FROM (SELECT DISTINCT part, base, bit FROM words) AS d, generate_series(1, 10) AS i GROUP BY d.part) AS m
    WHERE r.collection_id = %(collection_id)s
    GROUP BY 1, 2
)
SELECT w.lexeme, w.base, w.occurrences, t.chunks, t.total_length, t.longest,
       coalesce((SELECT sum(h.frequency) FROM segments AS s
                 JOIN segment_terms AS h ON h.segment_id = s.id AND h.lexeme = w.lexeme AND h.block = 0
                 WHERE s.collection_id = %(collection_id)s), 0)
       + (SELECT count(*) FROM fresh_terms AS f
          WHERE f.collection_id = %(collection_id)s AND f.words @@ w.match)
       - coalesce((SELECT sum(r.chunks) FROM removed AS r WHERE r.part = w.part AND r.held & w.bit <> 0), 0)::bigint AS frequency
FROM totals AS t LEFT JOIN words AS w ON true

-- name: visible_words
-- Which of a question's words the chunks hold that a search may look at, as the sum of the words' marks, and how many
-- chunks hold just these, of what length.
SELECT -(t.terms <#> (%(marks)s)[0]) AS held, count(*) AS chunks, sum(t.length) AS total_length, max(t.length) AS longest
FROM documents AS d JOIN chunk_terms AS t ON t.document_id = d.id
WHERE d.collection_id = %(collection_id)s AND {condition}
GROUP BY held

-- name: held_words
-- Which of a question's words some of these chunks hold, as the sum of the words' marks.
SELECT coalesce(bit_or((-(t.terms <#> (%(marks)s)[0]))::integer), 0) AS held
FROM chunk_terms AS t WHERE t.chunk_id = ANY(%(chunk_ids)s)

-- name: scan
-- The best chunks by BM25 among all that may be looked at, each of them scored.
SELECT t.chunk_id, -(t.terms <#> %(weights)s[lexical_bin(t.length)]) AS bm25
FROM {source} WHERE {condition}
ORDER BY bm25 DESC, t.chunk_id
LIMIT %(limit)s

-- name: listed
-- The beginning of the next two: the chunks that weigh most in one of the words. Of a word's quota each segment gives its
-- share; what the lists say that a chunk has of the words is what it promises.
WITH quotas AS (
    SELECT q.lexeme, q.weight, s.id AS segment_id, s.first_chunk,
           ceil(q.quota * s.chunk_count::float8 / %(chunks)s)::integer + 4 AS quota
    FROM unnest(%(lexemes)s::text[], %(quotas)s::integer[], %(word_weights)s::float8[]) AS q(lexeme, quota, weight), segments AS s
    WHERE s.collection_id = %(collection_id)s
), listed AS (
    SELECT q.first_chunk + (p.posting & 33554431) AS chunk_id, sum(q.weight * ((p.posting >> 25) + 23.4::float8)) AS promise
    FROM quotas AS q, LATERAL (
        SELECT unnest(h.postings) AS posting FROM segment_terms AS h
        WHERE h.segment_id = q.segment_id AND h.lexeme = q.lexeme COLLATE "C" ORDER BY h.block LIMIT q.quota) AS p
    GROUP BY 1
)

-- name: share
-- Which share of those that promise most a search may look at. OFFSET 0, here and below: looked up one by one, whatever
-- the planner thinks that there are.
{listed}
SELECT count(v.seen)::float8 / greatest(count(*), 1) AS share
FROM (SELECT chunk_id FROM listed ORDER BY promise DESC LIMIT %(scored)s) AS l
LEFT JOIN LATERAL (SELECT true AS seen FROM chunk_terms AS t JOIN documents AS d ON d.id = t.document_id
                   WHERE t.chunk_id = l.chunk_id AND {condition} OFFSET 0) AS v ON true

-- name: candidates
-- The best chunks by BM25, among those that promise most and all that no segment has yet, each of them scored exactly.
{listed}, promising AS (
    (SELECT chunk_id FROM listed ORDER BY promise DESC LIMIT %(scored)s)
    UNION ALL
    SELECT f.chunk_id FROM fresh_terms AS f WHERE f.collection_id = %(collection_id)s
), scored AS (
    SELECT t.chunk_id, t.document_id, t.bm25
    FROM promising AS p, LATERAL (
        SELECT t.chunk_id, t.document_id, -(t.terms <#> %(weights)s[lexical_bin(t.length)]) AS bm25
        FROM chunk_terms AS t WHERE t.chunk_id = p.chunk_id OFFSET 0) AS t
    ORDER BY t.bm25 DESC, t.chunk_id
)
SELECT s.chunk_id, s.bm25 FROM scored AS s {visible} ORDER BY s.bm25 DESC, s.chunk_id LIMIT %(limit)s

-- name: visible
-- Appended to `scored`: no more of them are looked at than it takes to find enough that a search may look at.
, LATERAL (SELECT FROM documents AS d WHERE d.id = s.document_id AND {condition} OFFSET 0) AS v

-- name: scores
-- BM25 of given chunks, for completing what other lists have found.
SELECT t.chunk_id, -(t.terms <#> %(weights)s[lexical_bin(t.length)]) AS bm25
FROM chunk_terms AS t WHERE t.chunk_id = ANY(%(chunk_ids)s) AND t.collection_id = %(collection_id)s

-- name: forward_lists
-- The words of given chunks with their frequencies, for a store that lists them, too.
SELECT t.chunk_id, t.length, t.terms FROM chunk_terms AS t WHERE t.chunk_id = ANY(%(chunk_ids)s)
