"""XML: articles, prose and data."""
