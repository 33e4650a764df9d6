-- name: hold
-- Who may read a document, which is held until the end of the transaction.
SELECT readers, own_readers FROM documents WHERE id = %(document_id)s FOR UPDATE

-- name: set
-- Say who may read a document.
UPDATE documents SET readers = %(readers)s WHERE id = %(document_id)s

-- name: set_own
-- Say who may read a document, whatever its source says.
UPDATE documents SET own_readers = %(own)s::text[], readers = %(readers)s WHERE id = %(document_id)s
