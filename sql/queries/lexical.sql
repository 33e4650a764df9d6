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
), words AS (
    SELECT w.lexeme, lexical_base(w.lexeme) AS base, coalesce(cardinality(w.positions), 1) AS occurrences
    FROM collections AS c, unnest(lexical_vector(c.language, %(question)s)) AS w
    WHERE c.id = %(collection_id)s
)
SELECT w.lexeme, w.base, w.occurrences, t.chunks, t.total_length, t.longest,
       coalesce((SELECT sum(h.frequency) FROM segments AS s
                 JOIN segment_terms AS h ON h.segment_id = s.id AND h.lexeme = w.lexeme AND h.block = 0
                 WHERE s.collection_id = %(collection_id)s), 0)
       + (SELECT count(*) FROM fresh_terms AS f
          WHERE f.collection_id = %(collection_id)s
            AND f.words @@ lexical_match(w.lexeme))
       - (SELECT count(*) FROM removed_terms AS r
          WHERE r.collection_id = %(collection_id)s AND r.terms <#> lexical_probe(w.base) <> 0) AS frequency
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

-- name: candidates
-- The best chunks by BM25 among those that weigh most in one of the words, each of them scored exactly. Of a word's
-- quota each segment gives its share. Also: how many candidates there were, and how many of them may be looked at.
WITH quotas AS (
    SELECT q.lexeme, s.id AS segment_id, s.first_chunk,
           ceil(q.quota * s.chunk_count::float8 / %(chunks)s)::integer + 4 AS quota
    FROM unnest(%(lexemes)s::text[], %(quotas)s::integer[]) AS q(lexeme, quota), segments AS s
    WHERE s.collection_id = %(collection_id)s
), listed AS (
    SELECT DISTINCT q.first_chunk + (p.posting & 33554431) AS chunk_id
    FROM quotas AS q, LATERAL (
        SELECT u.posting FROM segment_terms AS h, unnest(h.postings) AS u(posting)
        WHERE h.segment_id = q.segment_id AND h.lexeme = q.lexeme COLLATE "C" ORDER BY h.block LIMIT q.quota) AS p
    UNION ALL
    SELECT f.chunk_id FROM fresh_terms AS f WHERE f.collection_id = %(collection_id)s
)
SELECT t.chunk_id, -(t.terms <#> %(weights)s[lexical_bin(t.length)]) AS bm25,
       (SELECT count(*) FROM listed) AS listed, count(*) OVER () AS visible
FROM listed AS l JOIN chunk_terms AS t ON t.chunk_id = l.chunk_id {documents}
WHERE {condition}
ORDER BY bm25 DESC, t.chunk_id
LIMIT %(limit)s

-- name: scores
-- BM25 of given chunks, for completing what other lists have found.
SELECT t.chunk_id, -(t.terms <#> %(weights)s[lexical_bin(t.length)]) AS bm25
FROM chunk_terms AS t WHERE t.chunk_id = ANY(%(chunk_ids)s) AND t.collection_id = %(collection_id)s

-- name: forward_lists
-- The words of given chunks with their frequencies, for a store that lists them, too.
SELECT t.chunk_id, t.length, t.terms FROM chunk_terms AS t WHERE t.chunk_id = ANY(%(chunk_ids)s)
