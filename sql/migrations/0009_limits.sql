-- Limits: what a key may take otherwise than the settings say, and what every caller has taken in the time that counts.

-- Null: as the settings say; 0: no limit.
CREATE TABLE key_limits (
    key_id              uuid    PRIMARY KEY REFERENCES api_keys ON DELETE CASCADE,
    requests_per_minute integer CHECK (requests_per_minute >= 0),
    requests_per_day    bigint  CHECK (requests_per_day >= 0),
    tokens_per_day      bigint  CHECK (tokens_per_day >= 0),
    money_per_month     numeric CHECK (money_per_month >= 0),
    answers_at_once     integer CHECK (answers_at_once >= 0)
);

-- A row a caller, so that one statement on it decides, whichever process sends it. The minute begins with the first
-- request after the one before has ended; days and months are UTC's. Tokens and money hold what was reserved for
-- answers that are still being made. `answering`: those answers, each with the time (Unix) after which it no longer
-- counts, for a process that dies cannot say so.
CREATE TABLE quotas (
    caller_id       uuid        PRIMARY KEY,
    minute_began    timestamptz NOT NULL,
    minute_requests integer     NOT NULL DEFAULT 0,
    day             date        NOT NULL,
    day_requests    bigint      NOT NULL DEFAULT 0,
    day_tokens      bigint      NOT NULL DEFAULT 0,
    month           date        NOT NULL,
    month_money     numeric     NOT NULL DEFAULT 0,
    answering       jsonb       NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);
