"""Folders in, published revisions out: discover, parse, chunk, embed, write."""
