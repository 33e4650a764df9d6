# vLLM's image with Footnote beside it, in an environment of its own: `footnote llm serve` runs vLLM's Python.
FROM vllm/vllm-openai:v0.32.0

WORKDIR /opt/footnote
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY ingest ingest
COPY retrieval retrieval
COPY generation generation
COPY evaluation evaluation
COPY service service
COPY sql sql
RUN python3 -m venv /opt/footnote/.venv \
    && /opt/footnote/.venv/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt .

ENV PATH=/opt/footnote/.venv/bin:$PATH
# vLLM's Python is the image's own. The first process gets the signals of the container and hands them on.
ENTRYPOINT ["footnote", "llm", "serve", "--python", "/usr/bin/python3", "--host", "0.0.0.0"]
