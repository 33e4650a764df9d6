-- name: words_missing
-- Chunks without a forward list.
SELECT c.id AS chunk_id FROM chunks AS c
WHERE c.collection_id = %(collection_id)s AND NOT EXISTS (SELECT FROM chunk_terms AS t WHERE t.chunk_id = c.id)

-- name: words_misfiled
-- Chunks whose words are noted for another document or collection than theirs.
SELECT c.id AS chunk_id FROM chunks AS c JOIN chunk_terms AS t ON t.chunk_id = c.id
WHERE c.collection_id = %(collection_id)s AND (t.document_id, t.collection_id) <> (c.document_id, c.collection_id)
UNION
SELECT t.chunk_id FROM chunk_terms AS t JOIN chunks AS c ON c.id = t.chunk_id
WHERE t.collection_id = %(collection_id)s AND c.collection_id <> t.collection_id
UNION
SELECT f.chunk_id FROM fresh_terms AS f JOIN chunks AS c ON c.id = f.chunk_id
WHERE f.collection_id = %(collection_id)s AND c.collection_id <> f.collection_id

-- name: words_miscounted
-- Chunks whose forward list has more entries than words, or fewer. Two words of a text rarely share an entry: of n words,
-- some n * n / 2e8 pairs do.
SELECT t.chunk_id FROM chunk_terms AS t
WHERE t.collection_id = %(collection_id)s
  AND t.word_count - round(l2_norm(t.terms) ^ 2) NOT BETWEEN 0 AND least(t.word_count / 4, 2) + t.word_count::float8 ^ 2 / 1e7

-- name: fresh_wrong
-- Chunks that no segment has and whose words are not those of their forward list.
SELECT f.chunk_id FROM fresh_terms AS f JOIN chunk_terms AS t ON t.chunk_id = f.chunk_id
WHERE f.collection_id = %(collection_id)s
  AND ((f.length, lexical_length(f.words), length(f.words), lexical_checksum(f.words))
       <> (t.length, t.length, t.word_count, t.checksum) OR lexical_terms(f.words) <> t.terms)

-- name: chunk_unlisted
-- Chunks that no segment has, but for one that is to be given up, and that are not fresh either.
SELECT c.id AS chunk_id FROM chunks AS c WHERE c.collection_id = %(collection_id)s
EXCEPT
(SELECT f.chunk_id FROM fresh_terms AS f WHERE f.collection_id = %(collection_id)s
 UNION ALL
 SELECT s.first_chunk + u.member FROM segments AS s, unnest(s.members) AS u(member)
 WHERE s.collection_id = %(collection_id)s AND s.id IS DISTINCT FROM %(given_up)s::integer)

-- name: chunk_listed_twice
-- Chunks that several segments have, or one that are fresh, too.
SELECT m.chunk_id
FROM (SELECT f.chunk_id FROM fresh_terms AS f WHERE f.collection_id = %(collection_id)s
      UNION ALL
      SELECT s.first_chunk + u.member FROM segments AS s, unnest(s.members) AS u(member)
      WHERE s.collection_id = %(collection_id)s) AS m
GROUP BY m.chunk_id HAVING count(*) > 1

-- name: removed_missing
-- Chunks that have gone, that a segment has, and whose words are not counted out.
SELECT s.first_chunk + u.member AS chunk_id FROM segments AS s, unnest(s.members) AS u(member)
WHERE s.collection_id = %(collection_id)s
EXCEPT
(SELECT c.id FROM chunks AS c WHERE c.collection_id = %(collection_id)s
 UNION ALL
 SELECT r.chunk_id FROM removed_terms AS r WHERE r.collection_id = %(collection_id)s)

-- name: removed_extra
-- Chunks whose words are counted out although they are there, or although no segment has them.
SELECT r.chunk_id FROM removed_terms AS r JOIN chunks AS c ON c.id = r.chunk_id AND c.collection_id = r.collection_id
WHERE r.collection_id = %(collection_id)s
UNION
(SELECT r.chunk_id FROM removed_terms AS r WHERE r.collection_id = %(collection_id)s
 EXCEPT
 SELECT s.first_chunk + u.member FROM segments AS s, unnest(s.members) AS u(member) WHERE s.collection_id = %(collection_id)s)

-- name: postings_wrong
-- Chunks of which a segment lists other words than their forward lists have. Both sides are compared by number and
-- checksum, which takes one pass over all postings and no sorting. Of a chunk that has gone only the number is known, and
-- that but for words that share an entry. What nothing is known of is another finding.
WITH held AS (
    SELECT s.id AS segment_id, s.first_chunk + (u.posting & 33554431) AS chunk_id, count(*) AS words, bit_xor(h.checksum) AS checksum
    FROM segments AS s
    -- OFFSET 0: a word is hashed once, and not for every posting.
    JOIN LATERAL (SELECT hashtextextended(t.lexeme, 0) AS checksum, t.postings FROM segment_terms AS t
                  WHERE t.segment_id = s.id OFFSET 0) AS h ON true,
         unnest(h.postings) AS u(posting)
    WHERE s.collection_id = %(collection_id)s
    GROUP BY s.id, s.first_chunk + (u.posting & 33554431)
), wanted AS (
    SELECT m.segment_id, m.chunk_id, t.word_count, t.checksum, round(l2_norm(r.terms) ^ 2) AS entries
    FROM (SELECT s.id AS segment_id, s.first_chunk + u.member AS chunk_id
          FROM segments AS s, unnest(s.members) AS u(member) WHERE s.collection_id = %(collection_id)s) AS m
    LEFT JOIN chunk_terms AS t ON t.chunk_id = m.chunk_id
    LEFT JOIN removed_terms AS r ON r.chunk_id = m.chunk_id AND t.chunk_id IS NULL
)
SELECT coalesce(w.chunk_id, h.chunk_id) AS chunk_id, coalesce(w.segment_id, h.segment_id) AS segment_id
FROM wanted AS w FULL JOIN held AS h ON h.segment_id = w.segment_id AND h.chunk_id = w.chunk_id
WHERE w.chunk_id IS NULL
   OR (coalesce(h.words, 0), coalesce(h.checksum, 0)) <> (w.word_count, w.checksum)
   OR coalesce(h.words, 0) - w.entries NOT BETWEEN 0 AND least(coalesce(h.words, 0) / 4, 2) + coalesce(h.words, 0)::float8 ^ 2 / 1e7

-- name: postings_unsorted
-- Segments with a list that does not have first what a word weighs most in.
SELECT t.segment_id FROM segments AS s JOIN segment_terms AS t ON t.segment_id = s.id
WHERE s.collection_id = %(collection_id)s AND cardinality(t.postings) > 1
  AND EXISTS (SELECT FROM unnest(t.postings[:cardinality(t.postings) - 1], t.postings[2:]) AS u(this, following)
              WHERE u.this >> 25 < u.following >> 25)
UNION
SELECT k.segment_id
FROM (SELECT t.segment_id, t.postings[1] >> 25 AS best,
             lag(t.postings[cardinality(t.postings)] >> 25) OVER (PARTITION BY t.segment_id, t.lexeme ORDER BY t.block) AS before
      FROM segments AS s JOIN segment_terms AS t ON t.segment_id = s.id
      WHERE s.collection_id = %(collection_id)s AND (t.block > 0 OR t.frequency > 256)) AS k
WHERE k.best > k.before
UNION
SELECT t.segment_id FROM segments AS s JOIN segment_terms AS t ON t.segment_id = s.id
WHERE s.collection_id = %(collection_id)s AND 0 > ANY(t.postings)

-- name: segment_wrong
-- Segments whose members are out of order, whose totals are not those of their members, or whose lists are not cut into
-- blocks as `lexical_blocks` says. Where the length of a member is not known, that is another finding.
SELECT s.id AS segment_id FROM segments AS s
WHERE s.collection_id = %(collection_id)s
  AND (s.members <> ARRAY(SELECT DISTINCT u.member FROM unnest(s.members) AS u(member) ORDER BY u.member)
       OR cardinality(s.members) <> s.chunk_count OR s.members[1] IS DISTINCT FROM 0
       OR s.members[cardinality(s.members)] >= 33554432)
UNION
SELECT s.id
FROM segments AS s
JOIN (SELECT m.segment_id, sum(coalesce(t.length, r.length)) AS total, max(coalesce(t.length, r.length)) AS longest
      FROM (SELECT g.id AS segment_id, g.first_chunk + u.member AS chunk_id
            FROM segments AS g, unnest(g.members) AS u(member) WHERE g.collection_id = %(collection_id)s) AS m
      LEFT JOIN chunk_terms AS t ON t.chunk_id = m.chunk_id
      LEFT JOIN removed_terms AS r ON r.chunk_id = m.chunk_id
      GROUP BY m.segment_id HAVING bool_and(coalesce(t.length, r.length) IS NOT NULL)) AS k ON k.segment_id = s.id
WHERE (k.total, k.longest) <> (s.total_length, s.max_length)
UNION
SELECT t.segment_id FROM segments AS s JOIN segment_terms AS t ON t.segment_id = s.id
WHERE s.collection_id = %(collection_id)s AND t.block = 0
  AND (t.frequency < 1 OR cardinality(t.postings) <> least(t.frequency, 256))
UNION
SELECT coalesce(w.segment_id, h.segment_id)
FROM (SELECT t.segment_id, t.lexeme, b.block, least(b.last, t.frequency) - b.first + 1 AS size
      FROM segments AS s JOIN segment_terms AS t ON t.segment_id = s.id, lexical_blocks(t.frequency) AS b
      WHERE s.collection_id = %(collection_id)s AND t.block = 0 AND t.frequency > 256 AND b.block > 0) AS w
FULL JOIN (SELECT t.segment_id, t.lexeme, t.block, cardinality(t.postings) AS size, t.frequency
           FROM segments AS s JOIN segment_terms AS t ON t.segment_id = s.id
           WHERE s.collection_id = %(collection_id)s AND t.block <> 0) AS h
       ON h.segment_id = w.segment_id AND h.lexeme = w.lexeme AND h.block = w.block
WHERE w.size IS DISTINCT FROM h.size OR h.frequency <> 0

-- name: other_words
-- Those of some chunks whose forward lists are not those of their texts.
SELECT t.chunk_id AS id
FROM (SELECT w.id, lexical_vector(n.language, w.body) AS words
      FROM unnest(%(chunk_ids)s::bigint[], %(texts)s::text[]) AS w(id, body)
      JOIN chunks AS c ON c.id = w.id JOIN collections AS n ON n.id = c.collection_id OFFSET 0) AS k
JOIN chunk_terms AS t ON t.chunk_id = k.id
WHERE (t.length, t.word_count, t.checksum) <> (lexical_length(k.words), length(k.words), lexical_checksum(k.words))
   OR t.terms <> lexical_terms(k.words)

-- name: much_memory
-- For one group a chunk, until the end of the transaction: with less, all postings would be written to disk.
SELECT set_config('work_mem', '64MB', true)

-- name: recount
-- The forward lists of some chunks, made anew from their texts, and the words of those that are fresh.
WITH counted AS MATERIALIZED (
    SELECT c.id, c.document_id, c.collection_id, lexical_vector(n.language, w.body) AS words
    FROM unnest(%(chunk_ids)s::bigint[], %(texts)s::text[]) AS w(id, body)
    JOIN chunks AS c ON c.id = w.id JOIN collections AS n ON n.id = c.collection_id
), listed AS (
    INSERT INTO chunk_terms (chunk_id, document_id, collection_id, length, word_count, checksum, terms)
    SELECT id, document_id, collection_id, lexical_length(words), length(words), lexical_checksum(words), lexical_terms(words)
    FROM counted
    ON CONFLICT (chunk_id) DO UPDATE
    SET document_id = EXCLUDED.document_id, collection_id = EXCLUDED.collection_id, length = EXCLUDED.length,
        word_count = EXCLUDED.word_count, checksum = EXCLUDED.checksum, terms = EXCLUDED.terms
)
UPDATE fresh_terms AS f SET collection_id = k.collection_id, length = lexical_length(k.words), words = k.words
FROM counted AS k WHERE f.chunk_id = k.id

-- name: wrong_segments
-- Segments that have to be given up for other reasons than their lists: those that have a chunk which has gone and is not
-- counted out, and those that have a chunk which an earlier one has, too.
SELECT DISTINCT m.segment_id
FROM (SELECT s.id AS segment_id, s.first_chunk + u.member AS chunk_id,
             row_number() OVER (PARTITION BY s.first_chunk + u.member ORDER BY s.id) AS place
      FROM segments AS s, unnest(s.members) AS u(member)
      WHERE s.collection_id = %(collection_id)s
        AND s.first_chunk + u.member = ANY(%(not_counted_out)s::bigint[] || %(listed_twice)s::bigint[])) AS m
WHERE m.place > 1 OR m.chunk_id = ANY(%(not_counted_out)s::bigint[])

-- name: drop_segment
-- Give up a segment, if it is still there.
DELETE FROM segments WHERE id = %(segment_id)s RETURNING id

-- name: forget_listed_fresh
-- Chunks that a segment has are not fresh.
DELETE FROM fresh_terms AS f
USING (SELECT s.first_chunk + u.member AS chunk_id FROM segments AS s, unnest(s.members) AS u(member)
       WHERE s.collection_id = %(collection_id)s) AS m
WHERE f.chunk_id = m.chunk_id AND f.collection_id = %(collection_id)s

-- name: make_room
-- Where what there is to know of chunks is kept that are about to be fresh, so that their documents are held only shortly.
CREATE TEMPORARY TABLE recounted (
    chunk_id bigint PRIMARY KEY, document_id uuid NOT NULL, length integer NOT NULL, word_count integer NOT NULL,
    checksum bigint NOT NULL, terms sparsevec NOT NULL, words tsvector NOT NULL
) ON COMMIT DROP

-- name: count_words
-- The words of some chunks, counted from their texts.
INSERT INTO recounted (chunk_id, document_id, length, word_count, checksum, terms, words)
SELECT k.id, k.document_id, lexical_length(k.words), length(k.words), lexical_checksum(k.words), lexical_terms(k.words), k.words
FROM (SELECT c.id, c.document_id, lexical_vector(n.language, w.body) AS words
      FROM unnest(%(chunk_ids)s::bigint[], %(texts)s::text[]) AS w(id, body)
      JOIN chunks AS c ON c.id = w.id JOIN collections AS n ON n.id = c.collection_id OFFSET 0) AS k

-- name: recounted_documents
-- The documents of the chunks that are about to be fresh, of those that there are still.
SELECT DISTINCT d.id FROM recounted AS k JOIN documents AS d ON d.id = k.document_id

-- name: list_recounted
-- Their forward lists, where they are lost or others.
INSERT INTO chunk_terms (chunk_id, document_id, collection_id, length, word_count, checksum, terms)
SELECT c.id, c.document_id, c.collection_id, k.length, k.word_count, k.checksum, k.terms
FROM recounted AS k JOIN chunks AS c ON c.id = k.chunk_id LEFT JOIN chunk_terms AS t ON t.chunk_id = k.chunk_id
WHERE k.document_id = ANY(%(document_ids)s)
  AND (t.chunk_id IS NULL OR t.terms <> k.terms
       OR (t.document_id, t.collection_id, t.length, t.word_count, t.checksum)
          <> (c.document_id, c.collection_id, k.length, k.word_count, k.checksum))
ON CONFLICT (chunk_id) DO UPDATE
SET document_id = EXCLUDED.document_id, collection_id = EXCLUDED.collection_id, length = EXCLUDED.length,
    word_count = EXCLUDED.word_count, checksum = EXCLUDED.checksum, terms = EXCLUDED.terms

-- name: make_fresh
-- Chunks of documents that are held, fresh again.
INSERT INTO fresh_terms (chunk_id, collection_id, length, words)
SELECT c.id, c.collection_id, k.length, k.words
FROM recounted AS k JOIN chunks AS c ON c.id = k.chunk_id
WHERE k.document_id = ANY(%(document_ids)s)
ON CONFLICT (chunk_id) DO UPDATE
SET collection_id = EXCLUDED.collection_id, length = EXCLUDED.length, words = EXCLUDED.words

-- name: contexts
-- Some chunks with all that is indexed of them.
SELECT c.id, c.document_id, c.headings, c.text, r.title
FROM chunks AS c
JOIN documents AS d ON d.id = c.document_id
JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
WHERE c.id = ANY(%(chunk_ids)s)

-- name: documents_of_chunks
-- The documents of some chunks.
SELECT DISTINCT document_id AS id FROM chunks WHERE id = ANY(%(chunk_ids)s)
