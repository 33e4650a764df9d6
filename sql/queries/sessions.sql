-- name: begin
-- A browser has signed in; those whose time is over go.
WITH ended AS (DELETE FROM sessions WHERE expires_at <= now())
INSERT INTO sessions (token_hash, key_id, expires_at)
VALUES (%(token_hash)s, %(key_id)s, now() + make_interval(secs => %(seconds)s))
RETURNING id, expires_at

-- name: find
-- A session in force and the key that it was begun with, which has to be in force, too.
SELECT s.id AS session_id, s.key_id, least(s.expires_at, k.expires_at) AS session_expires_at,
       k.id, k.name, k.prefix, k.principals, k.role, k.collections, k.expires_at, k.created_at, k.last_used, k.revoked_at
FROM sessions AS s
LEFT JOIN api_keys AS k ON k.id = s.key_id
WHERE s.token_hash = %(token_hash)s AND s.expires_at > now()
  AND (s.key_id IS NULL OR k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()))

-- name: end
-- A browser has signed out.
DELETE FROM sessions WHERE id = %(session_id)s
