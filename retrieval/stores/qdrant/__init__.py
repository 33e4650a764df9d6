"""Vectors in Qdrant, a server or a local folder, one collection per index; a copy by which searches are narrowed down.

Points go in before the transaction that publishes their chunks is committed. Where that is rolled back they stay behind
until `footnote doctor --repair`, and no search sees them: what is found is confirmed by Postgres before it counts.
"""
