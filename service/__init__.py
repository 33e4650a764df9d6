"""The command line, the HTTP service, the worker: the only reader of settings and the only builder of things."""
