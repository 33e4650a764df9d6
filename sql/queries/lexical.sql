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

-- name: postings
-- What the segments list for the words of a question, those chunks first that a word weighs most in. Of a word's quota
-- each segment gives its share.
SELECT q.word, q.first_chunk, CASE WHEN h.place + cardinality(h.postings) <= q.quota THEN h.postings ELSE h.postings[:q.quota - h.place] END AS postings
FROM (SELECT (k.word - 1)::integer AS word, k.lexeme, s.id AS segment_id, s.first_chunk, ceil(k.quota * s.chunk_count::float8 / %(chunks)s)::integer + 4 AS quota
      FROM unnest(%(lexemes)s::text[], %(quotas)s::integer[]) WITH ORDINALITY AS k(lexeme, quota, word), segments AS s
      WHERE s.collection_id = %(collection_id)s) AS q,
     LATERAL (SELECT t.postings, CASE t.block WHEN 0 THEN 0 WHEN 1 THEN 256 WHEN 2 THEN 1280 ELSE 5376 + (t.block - 3) * 16384 END AS place
              FROM segment_terms AS t WHERE t.segment_id = q.segment_id AND t.lexeme = q.lexeme COLLATE "C") AS h
WHERE h.place < q.quota

-- name: candidates
-- The best of given chunks by BM25, each of them scored.
SELECT s.chunk_id, s.bm25
FROM (
    -- OFFSET 0, here and below: looked up one by one, whatever the planner thinks that there are.
    SELECT t.chunk_id, t.document_id, t.bm25
    FROM (SELECT unnest(%(chunk_ids)s::bigint[]) AS chunk_id {fresh}) AS p, LATERAL (
        SELECT t.chunk_id, t.document_id, -(t.terms <#> %(weights)s[lexical_bin(t.length)]) AS bm25
        FROM chunk_terms AS t WHERE t.chunk_id = p.chunk_id OFFSET 0) AS t
    ORDER BY t.bm25 DESC, t.chunk_id
) AS s {visible}
ORDER BY s.bm25 DESC, s.chunk_id LIMIT %(limit)s

-- name: fresh
-- Added to the chunks of `candidates`: all that no segment has yet.
UNION ALL SELECT f.chunk_id FROM fresh_terms AS f WHERE f.collection_id = %(collection_id)s

-- name: visible
-- Added to `candidates`: no more of them are looked at than it takes to find enough that a search may look at.
, LATERAL (SELECT FROM documents AS d WHERE d.id = s.document_id AND {condition} OFFSET 0) AS v

-- name: scores
-- BM25 of given chunks, for completing what other lists have found.
SELECT t.chunk_id, -(t.terms <#> %(weights)s[lexical_bin(t.length)]) AS bm25
FROM chunk_terms AS t WHERE t.chunk_id = ANY(%(chunk_ids)s) AND t.collection_id = %(collection_id)s

-- name: forward_lists
-- The words of given chunks with their frequencies, for a store that lists them, too.
SELECT t.chunk_id, t.length, t.terms FROM chunk_terms AS t WHERE t.chunk_id = ANY(%(chunk_ids)s)
