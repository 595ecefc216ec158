# Everything from a fresh clone: each target first makes .venv when it is missing or older than the lock.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The machine's own certificates first: hospitals put an authority of theirs between their machines and the network.
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python

.PHONY: demo test check bench screenshots lock clean
demo: $(STAMP)
	VIRAGE_SANDBOX=1 PORT=$(PORT) exec $(BIN)/virage demo

test: $(STAMP)
	$(BIN)/pytest -n $${VIRAGE_TEST_WORKERS:-auto} --dist loadgroup

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy src
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m bench

screenshots: $(STAMP)
	$(BIN)/python scripts/screenshots.py

lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-header -o requirements.lock
	! grep -n '://' requirements.lock

clean:
	rm -rf $(VENV) .virage

# uv installs in seconds what pip takes a minute for; the house itself is installed in place, without looking for anything.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 ou plus récent est nécessaire : make PYTHON=/chemin/vers/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements.lock > $(VENV)/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	$(UV) --system-certs --require-hashes -r requirements.lock || $(UV) --require-hashes -r requirements.lock
	$(UV) --no-deps --no-build-isolation -e .
	touch $(STAMP)
