# Two commands do everything on a fresh machine with Python 3.11+ and make: `make demo`, `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help install console console-types demo screenshots test test-all lint fmt compile bench wheel lock clean
.DEFAULT_GOAL := help

help:            ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Commenda needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q src
	@touch $@

install: compile console ## create .venv with the locked dependencies, build the console, compile what backtests run

# Builds nothing where nothing changed. With arguments it runs them where the console's sources are.
WEB := $(BIN)/python web/build.py

console: $(VENV)/.ready  ## build the web console into the package
	@$(WEB)

console-types: $(VENV)/.ready  ## write the console's types of the API anew
	$(BIN)/commenda openapi | $(WEB) node scripts/types.mjs

# What follows does not wait for the compiler: `up` has it work behind the operation.

demo: console      ## start a living operation on a simulated market, in the browser
	$(BIN)/commenda up --demo $(if $(PORT),--port $(PORT))

INTO ?= pictures

screenshots: console  ## take pictures of every page of a running demo (PORT=8080 INTO=pictures)
	$(BIN)/python tests/console/pictures.py --at http://localhost:$(or $(PORT),8080) --into $(INTO)

WORKERS ?= 2
PYTEST  := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

# Hundreds of processes import the same modules and run the same loops: both are compiled once.
test test-all: export PYTHONDONTWRITEBYTECODE :=
test test-all: export COMMENDA_CACHE_DIR ?= $(CURDIR)/.cache

test: console compile      ## run the tests; of what is long, a sample
	$(PYTEST)

test-all: console compile  ## run every kill point and every long trial, too
	COMMENDA_TEST_ALL=1 $(PYTEST)

lint: console     ## ruff, mypy --strict, import-linter; tsc, eslint, prettier, vitest
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/commenda openapi | $(WEB) node scripts/types.mjs --check
	$(WEB) npm run --silent types
	$(WEB) npm run --silent lint
	$(WEB) npm test --silent -- --passWithNoTests

fmt: $(VENV)/.ready       ## format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(WEB) npm run --silent format

compile: $(VENV)/.ready   ## compile what backtests run, so that the first of them need not wait
	$(BIN)/commenda strategy compile

bench: $(VENV)/.ready     ## print figures and ratios; never part of the tests
	$(BIN)/python -m bench

UV := .cache/uv/bin/uv

lock: $(UV)      ## pin the dependencies again
	$(UV) pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
		--no-header --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.lock

wheel: console   ## build a wheel and an archive of the sources into dist/, with the console in both
	$(BIN)/python -m hatchling build

$(UV):
	$(PYTHON) -m venv .cache/uv
	.cache/uv/bin/python -m pip install --quiet uv

clean:           ## remove the environment, what was built and every cache
	rm -rf $(VENV) .commenda .cache .*_cache .hypothesis dist src/commenda/console web/dist web/node_modules
