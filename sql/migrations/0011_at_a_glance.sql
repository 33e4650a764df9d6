-- What an operator wants to see at a glance: how answers went, and how far a refresh is.

-- Of an answer that was given: from which collection, how long it took, how many sentences it has, and how many were
-- left out because no source supports them. Null for answers of the previous release.
ALTER TABLE given_answers ADD COLUMN collection text;
ALTER TABLE given_answers ADD COLUMN milliseconds integer;
ALTER TABLE given_answers ADD COLUMN sentences integer;
ALTER TABLE given_answers ADD COLUMN unsupported integer;
CREATE INDEX given_answers_figures ON given_answers (given_at) INCLUDE (collection, status, milliseconds, sentences, unsupported);
DROP INDEX given_answers_by_age;
CREATE INDEX feedback_by_age ON feedback (created_at) INCLUDE (rating);

-- How far the run over a source is: files to look at, and what became of those that are done. Null while none runs.
ALTER TABLE sources ADD COLUMN progress jsonb;
