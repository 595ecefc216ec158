# Everything from a fresh clone: each target first makes .venv when it is missing or older than the lock.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CLIENTS := $(VENV)/clients/.done
# The machine's own certificates first: hospitals put an authority of theirs between their machines and the network.
# Compiled once for all: where Python is told not to write bytecode (containers often do), each process would compile for two seconds.
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python

.PHONY: demo test check bench screenshots lock clean
demo: $(STAMP)
	VIRAGE_SANDBOX=1 PORT=$(PORT) exec $(BIN)/virage demo

test: $(STAMP) $(CLIENTS)
	$(BIN)/pytest -n $${VIRAGE_TEST_WORKERS:-auto} --maxprocesses=8

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
	$(BIN)/uv pip compile --group pyproject.toml:clients --universal --generate-hashes --no-emit-index-url --no-header -o tests/clients/requirements.lock
	cd tests/clients && npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund
	! grep -n '://' requirements.lock tests/clients/requirements.lock
	! grep -n '"resolved"' tests/clients/package-lock.json

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
	$(BIN)/python -m compileall -q -j 0 src
	touch $(STAMP)

# Clients of others that tests/clients runs as programs of their own. What cannot be had (no npm, no network) is said; its tests are skipped.
$(CLIENTS): tests/clients/requirements.lock tests/clients/package-lock.json | $(STAMP)
	rm -rf $(@D) && mkdir -p $(@D)
	cp tests/clients/package.json tests/clients/package-lock.json $(@D)
	$(BIN)/python -m venv --without-pip $(@D)/python
	CLIENTS_UV="$(BIN)/uv pip install --quiet --python $(@D)/python/bin/python --require-hashes -r tests/clients/requirements.lock"; \
	  $$CLIENTS_UV --system-certs || $$CLIENTS_UV || echo "tests/clients : le client Python n'a pas pu être installé, ses tests seront passés" >&2
	if command -v npm >/dev/null; then \
	  npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel error || echo "tests/clients : npm n'a pas pu installer, ses tests seront passés" >&2; \
	else echo "tests/clients : npm est absent, ses tests seront passés" >&2; fi
	touch $@
