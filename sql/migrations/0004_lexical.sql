-- Lexical search with bounded cost. What a chunk consists of is kept with the chunk (its forward list, `chunk_terms`), as
-- facts: words, frequencies, length; what they weigh is decided by the question. Which chunks hold a word is kept in
-- segments, best first, written by one merger; chunks that no segment has yet are `fresh_terms`, chunks that have gone
-- from one are `removed_terms`, so that document frequencies are exact at any time. Replaces the table `postings`.
-- Nothing was released before this migration: no earlier release has to run beside it.

-- Words of a text as lexical search counts them. Characters that Postgres' parser would take for a path, a sign, a host
-- name or a compound become spaces, so that 'CD4/CD8', 'covid-19' and 'end.Next' are words like any other. Scripts that
-- write words without spaces between them (Han, Kana, Hangul, Thai) become overlapping pairs of characters. Identifiers
-- and codes are words as a whole, too: without a position, so that they do not add to the length of the text.
CREATE OR REPLACE FUNCTION lexical_vector(language regconfig, body text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_tsvector(
        language,
        regexp_replace(
            translate(
                CASE WHEN body ~ '[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]'
                     THEN regexp_replace(body, '[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+', ' ', 'g') || ' '
                          || (SELECT string_agg(substr(r.run[1], i, 2), ' ')
                              FROM regexp_matches(body, '[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+', 'g') AS r(run),
                                   generate_series(1, greatest(length(r.run[1]) - 1, 1)) AS i)
                     ELSE body END,
                '/\_-+@:=&', '         '),
            '(?<![0-9])\.|\.(?![0-9])', ' ', 'g'))
    || coalesce(
        (SELECT array_to_tsvector(array_agg(DISTINCT lower(m.code[1])))
         FROM regexp_matches(body, '[[:alnum:]]+(?:[-_./:@+#]+[[:alnum:]]+)+|(?<![[:alnum:]])[[:alpha:]](?:\+\+|#)', 'g') AS m(code)
         WHERE m.code[1] ~ '[0-9_@]|[[:alpha:]][.:]+[[:alpha:]]|[+#]' AND length(m.code[1]) <= 100),
        ''::tsvector);

-- Where a word stands in a forward list: a hash, of which each word has ten dimensions, one for each frequency class.
CREATE FUNCTION lexical_base(lexeme text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((hashtextextended(lexeme, 0) % 100000000 + 100000000) % 100000000)::integer;

-- How often a word stands in a text: exactly up to seven times, in classes above (8-9, 10-14, 15 and more).
CREATE FUNCTION lexical_class(frequency integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN frequency <= 7 THEN frequency - 1 WHEN frequency <= 9 THEN 7 WHEN frequency <= 14 THEN 8 ELSE 9 END;

-- The forward list of a text: a one in the dimension of each word and frequency class.
CREATE FUNCTION lexical_terms(words tsvector) RETURNS sparsevec
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT ('{' || coalesce(string_agg(k || ':1', ',' ORDER BY k), '') || '}/1000000000')::sparsevec
            FROM (SELECT DISTINCT lexical_base(u.lexeme) * 10 + lexical_class(coalesce(cardinality(u.positions), 1)) + 1 AS k
                  FROM unnest(words) AS u) AS terms);

-- What finds a word in a forward list, whatever its frequency.
CREATE FUNCTION lexical_probe(base integer) RETURNS sparsevec
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT ('{' || string_agg((base * 10 + i) || ':1', ',') || '}/1000000000')::sparsevec FROM generate_series(1, 10) AS i);

-- A word as a query on `fresh_terms.words`.
CREATE FUNCTION lexical_match(lexeme text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;

-- What all words of a text come to, for the doctor to compare.
CREATE FUNCTION lexical_checksum(words tsvector) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT coalesce(bit_xor(hashtextextended(u.lexeme, 0)), 0) FROM unnest(words) AS u);

CREATE FUNCTION lexical_length(words tsvector) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT coalesce(sum(cardinality(u.positions)), 0)::integer FROM unnest(words) AS u);

-- Lengths as BM25 tells them apart: each up to 255, then in steps of 16; `retrieval/term_weights.py` has the same.
CREATE FUNCTION lexical_bin(length integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN length < 256 THEN length ELSE least(256 + (length - 256) / 16, 303) END;

-- The forward lists. A table of their own, for search reads thousands of them and none of the chunks' texts.
CREATE TABLE chunk_terms (
    chunk_id      bigint    PRIMARY KEY REFERENCES chunks ON DELETE CASCADE,
    document_id   uuid      NOT NULL,
    collection_id integer   NOT NULL,
    length        integer   NOT NULL,
    word_count    integer   NOT NULL,
    checksum      bigint    NOT NULL,
    terms         sparsevec NOT NULL
);
ALTER TABLE chunk_terms ALTER COLUMN terms SET STORAGE MAIN;
CREATE INDEX chunk_terms_by_collection ON chunk_terms (collection_id);
CREATE INDEX chunk_terms_by_document ON chunk_terms (document_id) INCLUDE (chunk_id);

-- A part of a collection's inverted index, complete when it is seen. Its postings are offsets from `first_chunk`.
CREATE TABLE segments (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id integer NOT NULL REFERENCES collections ON DELETE CASCADE,
    first_chunk   bigint  NOT NULL,
    chunk_count   integer NOT NULL,
    total_length  bigint  NOT NULL,
    max_length    integer NOT NULL,
    -- The chunks, as offsets; one that has gone since is in `removed_terms`.
    members       integer[] NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX segments_by_collection ON segments (collection_id);

-- A word's chunks in a segment, those that it weighs most in first, in blocks of 256, 1,024, 4,096, ... 16,384 postings.
-- A posting is impact * 2^25 + (chunk_id - first_chunk), the impact from 0 to 63.
CREATE TABLE segment_terms (
    segment_id integer  NOT NULL REFERENCES segments ON DELETE CASCADE,
    block      smallint NOT NULL,
    -- How many chunks of the segment hold the word: in block 0; 0 in the others.
    frequency  integer  NOT NULL,
    lexeme     text     COLLATE "C" NOT NULL,
    postings   integer[] NOT NULL,
    PRIMARY KEY (segment_id, lexeme, block)
);
-- Chunk numbers in the order of their impact do not compress.
ALTER TABLE segment_terms ALTER COLUMN postings SET STORAGE EXTERNAL;

-- How a list of postings is cut into blocks: 256, 1,024, 4,096, then 16,384 each.
CREATE FUNCTION lexical_blocks(length integer) RETURNS TABLE (block smallint, first integer, last integer)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT 0::smallint, 1, 256
        UNION ALL SELECT 1::smallint, 257, 1280 WHERE length > 256
        UNION ALL SELECT 2::smallint, 1281, 5376 WHERE length > 1280
        UNION ALL SELECT (3 + i)::smallint, 5377 + i * 16384, 5376 + (i + 1) * 16384
                  FROM generate_series(0, (length - 5377) / 16384) AS i WHERE length > 5376;
    END;

-- Words of chunks that no segment has yet.
CREATE TABLE fresh_terms (
    chunk_id      bigint   PRIMARY KEY REFERENCES chunks ON DELETE CASCADE,
    collection_id integer  NOT NULL,
    length        integer  NOT NULL,
    words         tsvector NOT NULL
);
CREATE INDEX fresh_terms_by_collection ON fresh_terms (collection_id);

-- Forward lists of chunks that have gone and that a segment still has.
CREATE TABLE removed_terms (
    chunk_id      bigint    PRIMARY KEY,
    collection_id integer   NOT NULL REFERENCES collections ON DELETE CASCADE,
    length        integer   NOT NULL,
    terms         sparsevec NOT NULL
);
CREATE INDEX removed_terms_by_collection ON removed_terms (collection_id);

-- Chunks that there are already: title, headings and text as they were embedded, a heading that repeats the one before left out.
WITH contexts AS (
    SELECT c.id, c.document_id, c.collection_id, n.language,
           coalesce((SELECT string_agg(k.part, E'\n' ORDER BY k.place)
                     FROM (SELECT h.part, h.place, lag(h.part) OVER (ORDER BY h.place) AS before
                           FROM unnest(array_prepend(r.title, c.headings)) WITH ORDINALITY AS h(part, place)
                           WHERE h.part <> '') AS k
                     WHERE k.part IS DISTINCT FROM k.before) || E'\n', '') || c.text AS body
    FROM chunks AS c
    JOIN collections AS n ON n.id = c.collection_id
    JOIN documents AS d ON d.id = c.document_id
    JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision
), counted AS MATERIALIZED (
    SELECT id, document_id, collection_id, lexical_vector(language, body) AS words FROM contexts
), kept AS (
    INSERT INTO chunk_terms (chunk_id, document_id, collection_id, length, word_count, checksum, terms)
    SELECT id, document_id, collection_id, lexical_length(words), length(words), lexical_checksum(words), lexical_terms(words)
    FROM counted
)
INSERT INTO fresh_terms (chunk_id, collection_id, length, words)
SELECT id, collection_id, lexical_length(words), words FROM counted;

DROP TABLE postings;
ALTER TABLE chunks DROP COLUMN lexemes, DROP COLUMN lexical_length;
CREATE INDEX chunks_by_collection ON chunks (collection_id);
