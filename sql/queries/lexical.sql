-- name: candidates
-- The best chunks by BM25 over title, headings and text, exact over every posting of the question's words.
WITH words AS (
    SELECT DISTINCT w.lexeme
    FROM collections AS c, unnest(tsvector_to_array(lexical_vector(c.language, %(question)s))) AS w(lexeme)
    WHERE c.id = %(collection_id)s
), matched AS MATERIALIZED (
    SELECT p.lexeme, p.chunk_id, p.term_frequency::float8 AS tf, p.lexical_length::float8 AS length
    FROM postings AS p JOIN words AS w ON p.lexeme = w.lexeme COLLATE "C"
    WHERE p.collection_id = %(collection_id)s
), statistics AS (
    SELECT count(*)::float8 AS n, greatest(avg(lexical_length), 1)::float8 AS mean_length
    FROM chunks WHERE collection_id = %(collection_id)s
), weights AS (
    SELECT m.lexeme, ln(1 + (s.n - count(*) + 0.5) / (count(*) + 0.5)) AS idf
    FROM matched AS m, statistics AS s GROUP BY m.lexeme, s.n
)
SELECT m.chunk_id,
       sum(w.idf * m.tf * (%(k1)s + 1) / (m.tf + %(k1)s * (1 - %(b)s + %(b)s * m.length / s.mean_length))) AS bm25
FROM matched AS m JOIN weights AS w USING (lexeme), statistics AS s
WHERE %(principals)s::text[] IS NULL OR EXISTS (
    SELECT FROM chunks AS c JOIN documents AS d ON d.id = c.document_id
    WHERE c.id = m.chunk_id AND d.readers && %(principals)s::text[])
GROUP BY m.chunk_id
ORDER BY bm25 DESC, m.chunk_id
LIMIT %(limit)s

-- name: scores
-- BM25 of given chunks, exact, for completing what the other list found. Chunks that share no word are left out.
WITH words AS (
    SELECT DISTINCT w.lexeme
    FROM collections AS c, unnest(tsvector_to_array(lexical_vector(c.language, %(question)s))) AS w(lexeme)
    WHERE c.id = %(collection_id)s
), statistics AS (
    SELECT count(*)::float8 AS n, greatest(avg(lexical_length), 1)::float8 AS mean_length
    FROM chunks WHERE collection_id = %(collection_id)s
), weights AS (
    SELECT w.lexeme, ln(1 + (s.n - count(*) + 0.5) / (count(*) + 0.5)) AS idf
    FROM words AS w JOIN postings AS p ON p.lexeme = w.lexeme COLLATE "C" AND p.collection_id = %(collection_id)s, statistics AS s
    GROUP BY w.lexeme, s.n
)
SELECT p.chunk_id,
       sum(w.idf * p.term_frequency * (%(k1)s + 1)
           / (p.term_frequency + %(k1)s * (1 - %(b)s + %(b)s * p.lexical_length / s.mean_length))) AS bm25
FROM weights AS w
JOIN postings AS p ON p.lexeme = w.lexeme COLLATE "C" AND p.collection_id = %(collection_id)s AND p.chunk_id = ANY(%(chunk_ids)s),
     statistics AS s
GROUP BY p.chunk_id
