-- Questions to be answered later, what is told to the outside by webhooks, and sources that back off. These tables are
-- the truth; the tables of the queue (service/queue_schema.py) only say who is at work on what.

CREATE TABLE jobs (
    id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    -- The order of the queue.
    number          bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    owner_id        uuid        NOT NULL,
    -- What has to be kept of the owner (service/owners.py).
    owner           jsonb       NOT NULL,
    -- The request as JSON in ASCII; null once it is erased. Not jsonb, which takes no NUL in a text.
    request         text,
    request_hash    bytea       NOT NULL,
    idempotency_key text,
    callback_url    text,
    state           text        NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    -- How often it was begun. Whoever began it last, and no other, may write its result.
    attempts        integer     NOT NULL DEFAULT 0,
    -- Not to be tried again before.
    not_before      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    finished_at     timestamptz,
    answer          text,
    problem         text,
    -- Of which documents the answer tells.
    documents       uuid[]      NOT NULL DEFAULT '{}',
    erased_at       timestamptz,
    erased_because  text        CHECK (erased_because IN ('expired', 'forgotten', 'document')),
    UNIQUE (owner_id, idempotency_key)
);
CREATE INDEX jobs_of_owner ON jobs (owner_id, number DESC);
CREATE INDEX jobs_open ON jobs (number) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_document ON jobs USING gin (documents) WHERE erased_at IS NULL;

-- What quotes a document goes with it, in the same transaction, whoever deletes it.
CREATE FUNCTION erase_answers_of_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE jobs SET request = NULL, answer = NULL, problem = NULL, documents = '{}', erased_at = now(), erased_because = 'document'
    WHERE documents @> ARRAY[OLD.id] AND erased_at IS NULL;
    RETURN NULL;
END;
$$;
CREATE TRIGGER documents_erase_answers AFTER DELETE ON documents FOR EACH ROW EXECUTE FUNCTION erase_answers_of_document();

-- Where the result of every run of a source is told, and how many runs in a row have failed.
ALTER TABLE sources ADD COLUMN notify_url text;
ALTER TABLE sources ADD COLUMN failures integer NOT NULL DEFAULT 0;
CREATE INDEX sources_to_refresh ON sources (next_due) WHERE next_due IS NOT NULL;

-- What is to be told to the outside, until it is told or given up.
CREATE TABLE deliveries (
    id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    job_id          uuid        UNIQUE REFERENCES jobs ON DELETE CASCADE,
    source_id       uuid        REFERENCES sources ON DELETE CASCADE,
    event           text        NOT NULL,
    url             text        NOT NULL,
    -- What is told of a refresh; what is told of a job is made when it is sent.
    content         jsonb,
    state           text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts        integer     NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    delivered_at    timestamptz,
    last_status     integer,
    last_error      text,
    CHECK ((job_id IS NULL) <> (source_id IS NULL))
);
CREATE INDEX deliveries_waiting ON deliveries (next_attempt_at) WHERE state = 'waiting';
CREATE INDEX deliveries_of_source ON deliveries (source_id, created_at);

-- What webhooks are signed with where the settings name no secret: 244 random bits, made once for this installation.
CREATE TABLE webhook_secret (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    secret   text    NOT NULL DEFAULT gen_random_uuid()::text || gen_random_uuid()::text
);
INSERT INTO webhook_secret DEFAULT VALUES;
