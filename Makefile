# Two commands do everything on a fresh machine with Python 3.11+ and make: `make demo`, `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: install demo test lint fmt bench clean
.DEFAULT_GOAL := help

help:            ## list the targets
	@grep -hE '^[a-z]+: .*##|^[a-z]+: +##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Commenda needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/.ready  ## create .venv with the locked dependencies

demo: install    ## replay a whole business on simulated data and show its report
	$(BIN)/commenda simulate scenarios/demo.toml

test: install    ## run every test
	$(BIN)/python -m pytest

lint: install    ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: install     ## format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: install   ## print figures and ratios; never part of the tests
	$(BIN)/python -m bench

lock:            ## pin the dependencies again (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
		--no-header --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.lock

clean:           ## remove the environment and every cache
	rm -rf $(VENV) .commenda .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
