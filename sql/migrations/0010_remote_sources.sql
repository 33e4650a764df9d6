-- Sources that are no folders: buckets, and lists of files on the web. The previous release finds nothing at such a
-- place, and leaves what is indexed from it as it is.
ALTER TABLE sources DROP CONSTRAINT sources_kind_check;
ALTER TABLE sources ADD CONSTRAINT sources_kind_check CHECK (kind IN ('folder', 's3', 'web'));
