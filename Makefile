# `make run` and `make test` are all that is needed; both install what they use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help run test lint format openapi lock audit bench chaos soak clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Stamps: installed once, and again only when the lock file changes.
$(VENV)/.run-installed: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# The kernels are compiled where no user waits, and again when they change.
$(VENV)/.warm: $(VENV)/.run-installed $(wildcard gmm_engine/kernels/*.py)
	$(BIN)/gmm warm-up
	@touch $@

$(VENV)/.dev-installed: requirements-dev.lock $(VENV)/.warm
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

run: $(VENV)/.warm  ## start store, API and worker on http://127.0.0.1:8000
	@exec $(BIN)/gmm serve

test: $(VENV)/.dev-installed  ## run all tests
	$(BIN)/python -m pytest

lint: $(VENV)/.dev-installed  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev-installed  ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: $(VENV)/.dev-installed  ## write openapi.yaml from the code
	$(BIN)/python -m service.api.export > openapi.yaml.new && mv openapi.yaml.new openapi.yaml

lock: $(BIN)/python  ## resolve the lock files anew
	$(PIP) install 'uv>=0.9,<1'
	$(BIN)/uv pip compile pyproject.toml --extra build --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra build --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -c requirements.lock -o requirements-dev.lock

# A tool in an environment of its own: it must not change what is tested.
audit: | $(BIN)/python  ## look the locked versions up in the advisories
	@test -x $(VENV)/audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)/audit \
		&& $(VENV)/audit/bin/python -m pip --quiet install 'pip-audit>=2.9,<3'; } || true
	@PIP_AUDIT=$(VENV)/audit/bin/pip-audit .ci/audit

bench: $(VENV)/.dev-installed  ## tables beside scikit-learn (an hour on two quiet cores)
	for table in kernel end_to_end queries memory scaling optima acceleration recovery http; do \
		$(BIN)/python -m benchmarks.$$table || exit 1; done

chaos: $(VENV)/.dev-installed  ## three minutes of killing everything at random
	$(BIN)/python -m tests.chaos --minutes 3

soak: $(VENV)/.dev-installed  ## show that nothing in the store grows without bound
	$(BIN)/python -m tests.soak --minutes 10

clean:  ## remove what was installed and built (not the stored data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
