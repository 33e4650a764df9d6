"""Models behind a server: what the remote embedder and the remote reranker share.

spec.py       where the server is, and within which bounds it is asked
client.py     one request: its time limit, its retries, the bounds of its answer
refusals.py   what a status of the server's means, in words that repeat none of its own
batches.py    how much is asked at once, learnt from what the server takes
vectors.py    answers of `/embeddings`, checked; rankings.py: those of `/rerank`, in their several forms
fingerprints.py   what a server tells of the model that it runs
"""
