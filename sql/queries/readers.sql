-- name: hold
-- Who may read a document, which is held until the end of the transaction.
SELECT readers FROM documents WHERE id = %(document_id)s FOR UPDATE

-- name: set
-- Say who may read a document.
UPDATE documents SET readers = %(readers)s WHERE id = %(document_id)s
