"""Models in processes of their own, one a device: messages, the process itself, and several of them behind one call.

What a model is, this package does not know: a process is told which function loads it (`worker.py`). The adapters
`retrieval/embedders/processes.py` and `retrieval/rerankers/processes.py` are embedder and reranker on top.
"""
