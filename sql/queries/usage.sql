-- name: add
-- What an answer cost, added to the day's sum of its caller and model.
INSERT INTO usage AS u (day, caller_id, model, requests, prompt_tokens, completion_tokens, money)
VALUES ((now() AT TIME ZONE 'UTC')::date, %(caller_id)s, %(model)s, 1, %(prompt_tokens)s, %(completion_tokens)s, %(money)s)
ON CONFLICT (day, caller_id, model) DO UPDATE
SET requests = u.requests + 1, prompt_tokens = u.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = u.completion_tokens + excluded.completion_tokens, money = u.money + excluded.money

-- name: note_answer
-- An answer that was given, for feedback to be about, and how it went.
INSERT INTO given_answers (id, caller_id, model, status, collection, milliseconds, sentences, unsupported)
VALUES (%(answer_id)s, %(caller_id)s, %(model)s, %(status)s, %(collection)s, %(milliseconds)s, %(sentences)s, %(unsupported)s)
ON CONFLICT DO NOTHING

-- name: forget_answers
-- Answers of more than 30 days ago; a few at a time.
DELETE FROM given_answers WHERE id IN (SELECT id FROM given_answers WHERE given_at < now() - interval '30 days' ORDER BY given_at LIMIT 100)

-- name: list
-- What answers cost, newest day first.
SELECT u.day, u.caller_id, k.name AS caller, u.model, u.requests, u.prompt_tokens, u.completion_tokens, u.money
FROM usage AS u LEFT JOIN api_keys AS k ON k.id = u.caller_id
WHERE (%(caller_id)s::uuid IS NULL OR u.caller_id = %(caller_id)s)
  AND (%(model)s::text IS NULL OR u.model = %(model)s)
  AND (%(first)s::date IS NULL OR u.day >= %(first)s)
  AND (%(last)s::date IS NULL OR u.day <= %(last)s)
  AND (%(before_day)s::date IS NULL OR u.day < %(before_day)s
       OR u.day = %(before_day)s AND (u.caller_id, u.model) > (%(after_caller)s::uuid, %(after_model)s::text))
ORDER BY u.day DESC, u.caller_id, u.model
LIMIT %(limit)s

-- name: give_feedback
-- What a caller thinks of an answer that they got; said again, it replaces what was said before.
INSERT INTO feedback AS f (answer_id, caller_id, model, status, rating, comment)
SELECT a.id, a.caller_id, a.model, a.status, %(rating)s, %(comment)s
FROM given_answers AS a WHERE a.id = %(answer_id)s AND a.caller_id = %(caller_id)s
ON CONFLICT (answer_id) DO UPDATE SET rating = excluded.rating, comment = excluded.comment, created_at = now()
RETURNING answer_id, rating, comment, created_at
