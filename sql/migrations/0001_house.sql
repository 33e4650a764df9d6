-- The house: collections, sources, documents and their revisions, chunks with their lexical postings, indexes, keys.
-- Offsets (char_start, char_end, page_starts) are Unicode code points into revisions.text.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE collections (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text        NOT NULL UNIQUE,
    language      regconfig   NOT NULL DEFAULT 'english',
    -- Whether passages may be sent to a language model that is declared 'outside'.
    allow_outside boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sources (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    collection_id integer     NOT NULL REFERENCES collections ON DELETE CASCADE,
    kind          text        NOT NULL CHECK (kind IN ('folder')),
    -- A folder's absolute path, undecodable bytes percent-encoded.
    location      text        NOT NULL,
    include       text[]      NOT NULL DEFAULT '{}',
    exclude       text[]      NOT NULL DEFAULT '{}',
    readers       text[]      NOT NULL,
    schedule      text,
    next_due      timestamptz,
    lease_owner   text,
    lease_until   timestamptz,
    last_started  timestamptz,
    last_finished timestamptz,
    last_report   jsonb,
    last_error    text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (collection_id, kind, location)
);
CREATE INDEX sources_due ON sources (next_due) WHERE schedule IS NOT NULL;

CREATE TABLE documents (
    id               uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    collection_id    integer     NOT NULL REFERENCES collections ON DELETE CASCADE,
    source_id        uuid        NOT NULL REFERENCES sources ON DELETE CASCADE,
    path             text        NOT NULL,
    media_type       text        NOT NULL,
    readers          text[]      NOT NULL,
    -- The revision that answers are made from; null once the file has gone.
    current_revision integer,
    content_hash     bytea       NOT NULL,
    size_bytes       bigint      NOT NULL,
    mtime_ns         bigint      NOT NULL,
    -- The embedder-independent identity of how the text was made: parser and chunk policy.
    recipe           text        NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    removed_at       timestamptz,
    UNIQUE (source_id, path)
);
CREATE INDEX documents_by_collection ON documents (collection_id, path);

CREATE TABLE revisions (
    document_id   uuid        NOT NULL REFERENCES documents ON DELETE CASCADE,
    revision      integer     NOT NULL,
    title         text        NOT NULL,
    text          text        NOT NULL,
    page_starts   integer[]   NOT NULL,
    content_hash  bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    superseded_at timestamptz,
    PRIMARY KEY (document_id, revision)
);
CREATE INDEX revisions_superseded ON revisions (superseded_at) WHERE superseded_at IS NOT NULL;

-- Words of a text as lexical search counts them. Characters that Postgres' parser would take for a path, a sign,
-- a host name or a compound become spaces, so that 'CD4/CD8', 'covid-19' and 'end.Next' are words like any other.
CREATE FUNCTION lexical_vector(language regconfig, body text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_tsvector(language, regexp_replace(translate(body, '/\_-+@:=&', '         '), '(?<![0-9])\.|\.(?![0-9])', ' ', 'g'));

CREATE TABLE chunks (
    id             bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id  integer  NOT NULL REFERENCES collections ON DELETE CASCADE,
    document_id    uuid     NOT NULL REFERENCES documents ON DELETE CASCADE,
    -- sha256 of title, headings and text: what is embedded and indexed. Equal hash, same row, same vector.
    text_hash      bytea    NOT NULL,
    headings       text[]   NOT NULL,
    text           text     NOT NULL,
    token_count    integer  NOT NULL,
    lexemes        tsvector NOT NULL,
    lexical_length integer  NOT NULL,
    UNIQUE (document_id, text_hash)
);
CREATE INDEX chunks_by_collection ON chunks (collection_id) INCLUDE (lexical_length);

-- Where the chunks of the current revision stand. The same text twice in a document is one chunk at two places.
CREATE TABLE chunk_places (
    document_id uuid    NOT NULL REFERENCES documents ON DELETE CASCADE,
    ordinal     integer NOT NULL,
    chunk_id    bigint  NOT NULL REFERENCES chunks ON DELETE CASCADE,
    char_start  integer NOT NULL,
    char_end    integer NOT NULL,
    PRIMARY KEY (document_id, ordinal)
);
CREATE INDEX chunk_places_by_chunk ON chunk_places (chunk_id);

-- One row per (word, chunk). No foreign key: written and deleted with its chunk, in the same transaction.
CREATE TABLE postings (
    collection_id  integer  NOT NULL,
    chunk_id       bigint   NOT NULL,
    term_frequency smallint NOT NULL,
    lexical_length integer  NOT NULL,
    lexeme         text     COLLATE "C" NOT NULL,
    PRIMARY KEY (collection_id, lexeme, chunk_id) INCLUDE (term_frequency, lexical_length)
);

-- An index belongs to one embedder identity; each has its own table of vectors, or its own Qdrant collection.
CREATE TABLE indexes (
    id            integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id integer     NOT NULL REFERENCES collections ON DELETE CASCADE,
    store         text        NOT NULL,
    embedder      jsonb       NOT NULL,
    embedder_hash text        NOT NULL,
    dimension     integer     NOT NULL,
    state         text        NOT NULL CHECK (state IN ('building', 'active', 'retired')),
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX indexes_active ON indexes (collection_id) WHERE state = 'active';

CREATE TABLE ingest_failures (
    source_id  uuid        NOT NULL REFERENCES sources ON DELETE CASCADE,
    path       text        NOT NULL,
    error      text        NOT NULL,
    retryable  boolean     NOT NULL,
    size_bytes bigint      NOT NULL,
    mtime_ns   bigint      NOT NULL,
    failed_at  timestamptz NOT NULL DEFAULT now(),
    attempts   integer     NOT NULL DEFAULT 1,
    PRIMARY KEY (source_id, path)
);

CREATE TABLE api_keys (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    name        text        NOT NULL,
    -- The first characters, for people to tell keys apart; the secret itself is kept only as its sha256.
    prefix      text        NOT NULL,
    secret_hash bytea       NOT NULL UNIQUE,
    principals  text[]      NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    last_used   timestamptz,
    revoked_at  timestamptz
);
