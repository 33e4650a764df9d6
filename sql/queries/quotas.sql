-- name: count_request
-- Count a request, unless it is one too many. Always a row: the limits, and what they left, which is null where nothing
-- was counted: for want of a limit, or because one is reached.
WITH allowed AS (
    SELECT coalesce(k.requests_per_minute, %(requests_per_minute)s::integer) AS per_minute,
           coalesce(k.requests_per_day, %(requests_per_day)s::bigint) AS per_day,
           now() AS at, (now() AT TIME ZONE 'UTC')::date AS today
    FROM (VALUES (1)) AS one LEFT JOIN key_limits AS k ON k.key_id = %(caller_id)s
), counted AS (
    INSERT INTO quotas AS q (caller_id, minute_began, minute_requests, day, day_requests, month)
    SELECT %(caller_id)s, at, 1, today, 1, date_trunc('month', today)::date
    FROM allowed WHERE per_minute > 0 OR per_day > 0
    ON CONFLICT (caller_id) DO UPDATE
    SET minute_began = CASE WHEN q.minute_began > excluded.minute_began - interval '1 minute' THEN q.minute_began ELSE excluded.minute_began END,
        minute_requests = CASE WHEN q.minute_began > excluded.minute_began - interval '1 minute' THEN q.minute_requests ELSE 0 END + 1,
        day = greatest(q.day, excluded.day),
        day_requests = CASE WHEN q.day < excluded.day THEN 0 ELSE q.day_requests END + 1,
        day_tokens = CASE WHEN q.day < excluded.day THEN 0 ELSE q.day_tokens END,
        month = greatest(q.month, excluded.month),
        month_money = CASE WHEN q.month < excluded.month THEN 0 ELSE q.month_money END
    WHERE ((SELECT per_minute FROM allowed) = 0
           OR q.minute_began <= excluded.minute_began - interval '1 minute'
           OR q.minute_requests < (SELECT per_minute FROM allowed))
      AND ((SELECT per_day FROM allowed) = 0
           OR q.day < excluded.day
           OR q.day_requests < (SELECT per_day FROM allowed))
    RETURNING minute_began, minute_requests, day, day_requests
)
SELECT a.per_minute, a.per_day, c.minute_requests, c.day_requests,
       extract(epoch FROM c.minute_began + interval '1 minute' - a.at)::float8 AS minute_ends_s,
       extract(epoch FROM (c.day + 1)::timestamp AT TIME ZONE 'UTC' - a.at)::float8 AS day_ends_s
FROM allowed AS a LEFT JOIN counted AS c ON true

-- name: reserve
-- Reserve what an answer may cost, and a place among those that are made at once, unless a limit is passed. Always a
-- row; `reserved` is false where nothing was: for want of anything to reserve, or because a limit is reached.
WITH allowed AS (
    SELECT coalesce(k.tokens_per_day, %(tokens_per_day)s::bigint) AS tokens_per_day,
           coalesce(k.money_per_month, %(money_per_month)s::numeric) AS money_per_month,
           coalesce(k.answers_at_once, %(answers_at_once)s::integer) AS answers_at_once,
           now() AS at, (now() AT TIME ZONE 'UTC')::date AS today
    FROM (VALUES (1)) AS one LEFT JOIN key_limits AS k ON k.key_id = %(caller_id)s
), reserved AS (
    INSERT INTO quotas AS q (caller_id, minute_began, day, day_tokens, month, month_money, answering)
    SELECT %(caller_id)s, '-infinity', today, %(tokens)s, date_trunc('month', today)::date, %(money)s,
           jsonb_build_object(%(answer)s::text, extract(epoch FROM at) + %(longest_s)s)
    FROM allowed
    WHERE (%(tokens)s > 0 OR %(money)s > 0 OR answers_at_once > 0)
      AND (tokens_per_day = 0 OR %(tokens)s <= tokens_per_day)
      AND (money_per_month = 0 OR %(money)s <= money_per_month)
    ON CONFLICT (caller_id) DO UPDATE
    SET day = greatest(q.day, excluded.day),
        day_requests = CASE WHEN q.day < excluded.day THEN 0 ELSE q.day_requests END,
        day_tokens = CASE WHEN q.day < excluded.day THEN 0 ELSE q.day_tokens END + excluded.day_tokens,
        month = greatest(q.month, excluded.month),
        month_money = CASE WHEN q.month < excluded.month THEN 0 ELSE q.month_money END + excluded.month_money,
        answering = excluded.answering || coalesce(
            (SELECT jsonb_object_agg(id, ends) FROM jsonb_each(q.answering) AS held (id, ends)
             WHERE ends::float8 > extract(epoch FROM now())), '{}')
    WHERE ((SELECT tokens_per_day FROM allowed) = 0
           OR excluded.day_tokens = 0
           OR q.day < excluded.day
           OR q.day_tokens + excluded.day_tokens <= (SELECT tokens_per_day FROM allowed))
      AND ((SELECT money_per_month FROM allowed) = 0
           OR excluded.month_money = 0
           OR q.month < excluded.month
           OR q.month_money + excluded.month_money <= (SELECT money_per_month FROM allowed))
      AND ((SELECT answers_at_once FROM allowed) = 0
           OR (SELECT count(*) FROM jsonb_each(q.answering) AS held (id, ends)
               WHERE ends::float8 > extract(epoch FROM now())) < (SELECT answers_at_once FROM allowed))
    RETURNING day, month
)
SELECT a.tokens_per_day, a.money_per_month, a.answers_at_once, r.day IS NOT NULL AS reserved, r.day, r.month
FROM allowed AS a LEFT JOIN reserved AS r ON true

-- name: settle
-- Put what an answer did cost in the place of what was reserved for it, and give its place back. What was reserved on a
-- day or in a month that is over is over with it.
UPDATE quotas AS q
SET day_tokens = CASE WHEN q.day = %(day)s THEN greatest(0, q.day_tokens + %(tokens)s) ELSE q.day_tokens END,
    month_money = CASE WHEN q.month = %(month)s THEN greatest(0, q.month_money + %(money)s) ELSE q.month_money END,
    answering = q.answering - %(answer)s::text
WHERE q.caller_id = %(caller_id)s

-- name: standing
-- What a caller has taken in the minute, the day and the month that are now, and how long these last.
WITH clock AS (
    SELECT now() AS at, (now() AT TIME ZONE 'UTC')::date AS today, date_trunc('month', now() AT TIME ZONE 'UTC')::date AS this_month
)
SELECT CASE WHEN q.minute_began > at - interval '1 minute' THEN q.minute_requests ELSE 0 END AS minute_requests,
       CASE WHEN q.day >= today THEN q.day_requests ELSE 0 END AS day_requests,
       CASE WHEN q.day >= today THEN q.day_tokens ELSE 0 END AS day_tokens,
       CASE WHEN q.month >= this_month THEN q.month_money ELSE 0 END AS month_money,
       held.answers, held.next_ends_s,
       greatest(0, extract(epoch FROM greatest(q.minute_began, at - interval '1 minute') + interval '1 minute' - at))::float8 AS minute_ends_s,
       extract(epoch FROM (today + 1)::timestamp AT TIME ZONE 'UTC' - at)::float8 AS day_ends_s,
       extract(epoch FROM (this_month + interval '1 month')::timestamp AT TIME ZONE 'UTC' - at)::float8 AS month_ends_s
FROM clock
LEFT JOIN quotas AS q ON q.caller_id = %(caller_id)s
CROSS JOIN LATERAL (
    SELECT count(*) AS answers, min(ends::float8 - extract(epoch FROM at))::float8 AS next_ends_s
    FROM jsonb_each(q.answering) AS each (id, ends) WHERE ends::float8 > extract(epoch FROM at)
) AS held

-- name: set_limits
-- What a key may take; null leaves it to the settings.
INSERT INTO key_limits (key_id, requests_per_minute, requests_per_day, tokens_per_day, money_per_month, answers_at_once)
VALUES (%(key_id)s, %(requests_per_minute)s, %(requests_per_day)s, %(tokens_per_day)s, %(money_per_month)s, %(answers_at_once)s)
ON CONFLICT (key_id) DO UPDATE
SET requests_per_minute = excluded.requests_per_minute, requests_per_day = excluded.requests_per_day,
    tokens_per_day = excluded.tokens_per_day, money_per_month = excluded.money_per_month,
    answers_at_once = excluded.answers_at_once

-- name: list_limits
-- The keys that may take something else than the settings say.
SELECT key_id, requests_per_minute, requests_per_day, tokens_per_day, money_per_month, answers_at_once FROM key_limits
