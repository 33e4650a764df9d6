-- Who may do what: what a key may be used for and how long, sessions of the web page, and who asked what.

-- What a key's holder may do, which collections exist for them (null: all), and when the key ends (null: never). The
-- previous release knows of neither collections nor an end; it does not recognise keys that have one, since their
-- secret is hashed in another way (service/keys.py).
ALTER TABLE api_keys ADD COLUMN role text NOT NULL DEFAULT 'reader' CHECK (role IN ('reader', 'editor', 'admin'));
ALTER TABLE api_keys ADD COLUMN collections text[];
ALTER TABLE api_keys ADD COLUMN expires_at timestamptz;

-- In which collection an erased document was: it is told as gone to those alone for whom that collection exists. Null
-- for documents that were erased before; they never were for keys with collections of their own.
ALTER TABLE erased_documents ADD COLUMN collection text;

-- Browsers that have signed in, by the cookie's sha256. Without a key: through the one-time link of a loopback serve.
CREATE TABLE sessions (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    token_hash bytea       NOT NULL UNIQUE,
    key_id     uuid        REFERENCES api_keys (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_key_id ON sessions (key_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- Who asked what of which documents. `question` and `question_hash` are null where settings say so; `documents` are
-- those that were returned or cited. A row outlives the key that it names.
CREATE TABLE audit (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL DEFAULT now(),
    request_id    text,
    caller_id     uuid        NOT NULL,
    caller_kind   text        NOT NULL,
    caller        text        NOT NULL,
    kind          text        NOT NULL,
    collection    text,
    question      text,
    question_hash bytea,
    documents     uuid[]      NOT NULL DEFAULT '{}',
    status        text        NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_caller ON audit (caller_id, id);
