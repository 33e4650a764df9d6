-- name: create
-- A new key; of its secret only the hash is kept.
INSERT INTO api_keys (name, prefix, secret_hash, principals, role, collections, expires_at)
VALUES (%(name)s, %(prefix)s, %(secret_hash)s, %(principals)s, %(role)s, %(collections)s, %(expires_at)s)
RETURNING id, name, prefix, principals, role, collections, expires_at, created_at, last_used, revoked_at

-- name: list
-- All keys, revoked ones included, oldest first.
SELECT id, name, prefix, principals, role, collections, expires_at, created_at, last_used, revoked_at
FROM api_keys ORDER BY created_at, id

-- name: candidates
-- Keys in force with this beginning and whether they are due to be marked as used; the caller compares the hashes.
SELECT id, name, prefix, secret_hash, principals, role, collections, expires_at, created_at, last_used, revoked_at,
       (last_used IS NULL OR last_used < now() - interval '1 minute') AS mark_used
FROM api_keys WHERE prefix = %(prefix)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())

-- name: find
-- The key of that id, if it is in force.
SELECT id, name, prefix, principals, role, collections, expires_at, created_at, last_used, revoked_at
FROM api_keys WHERE id = %(key_id)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())

-- name: mark_used
-- Note that a key was used; at most once a minute, however many requests come with it.
UPDATE api_keys SET last_used = now()
WHERE id = %(key_id)s AND (last_used IS NULL OR last_used < now() - interval '1 minute')

-- name: revoke
-- Put a key out of force; a key that already is keeps its time.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = %(key_id)s
RETURNING id, name, prefix, principals, role, collections, expires_at, created_at, last_used, revoked_at

-- name: exists
-- Whether there is such a key, revoked or not.
SELECT id FROM api_keys WHERE id = %(key_id)s
