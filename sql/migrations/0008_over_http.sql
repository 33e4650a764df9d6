-- What the HTTP API adds: uploads, documents with readers of their own, requests that are not to happen twice, what was
-- asked and what callers thought of it.

-- What was said of one document alone goes before what is said of its source, also in later refreshes; null says nothing.
ALTER TABLE documents ADD COLUMN own_readers text[];
ALTER TABLE documents ADD COLUMN own_metadata jsonb;

-- Which folder of its collection's uploads a source is, from 0; null for sources of other kinds. A second one is there
-- for paths that are taken in the first by what an uploader may not see.
ALTER TABLE sources ADD COLUMN upload_layer integer;
CREATE UNIQUE INDEX sources_upload_layers ON sources (collection_id, upload_layer) WHERE upload_layer IS NOT NULL;

-- The file of a document that was uploaded last, as it lies in the folder. A document of another size or time has not
-- been made from it yet.
CREATE TABLE uploads (
    document_id uuid        PRIMARY KEY REFERENCES documents ON DELETE CASCADE,
    size_bytes  bigint      NOT NULL,
    mtime_ns    bigint      NOT NULL,
    -- The key that brought it.
    uploaded_by uuid        NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now()
);

-- Requests that carried an Idempotency-Key, with the response that they had; kept for a day. No status: it is at work.
CREATE TABLE idempotent_requests (
    caller_id    uuid        NOT NULL,
    name         text        NOT NULL,
    request_hash bytea       NOT NULL,
    status       integer,
    headers      jsonb       NOT NULL DEFAULT '{}',
    body         bytea       NOT NULL DEFAULT ''::bytea,
    begun_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller_id, name)
);
CREATE INDEX idempotent_requests_by_age ON idempotent_requests (begun_at);

-- What answers cost: a row a day (UTC), caller and model.
CREATE TABLE usage (
    day               date    NOT NULL,
    caller_id         uuid    NOT NULL,
    model             text    NOT NULL,
    requests          bigint  NOT NULL DEFAULT 0,
    prompt_tokens     bigint  NOT NULL DEFAULT 0,
    completion_tokens bigint  NOT NULL DEFAULT 0,
    money             numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (day, caller_id, model)
);
CREATE INDEX usage_by_caller ON usage (caller_id, day);

-- Answers that were given, for feedback to be about one of them; neither question nor text. Kept for 30 days.
CREATE TABLE given_answers (
    id        uuid        PRIMARY KEY,
    caller_id uuid        NOT NULL,
    model     text        NOT NULL,
    status    text        NOT NULL,
    given_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX given_answers_by_age ON given_answers (given_at);

CREATE TABLE feedback (
    answer_id  uuid        PRIMARY KEY,
    caller_id  uuid        NOT NULL,
    model      text        NOT NULL,
    status     text        NOT NULL,
    rating     text        NOT NULL CHECK (rating IN ('up', 'down')),
    comment    text        NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
