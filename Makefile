# What one does with a checkout. `make` says what there is.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8000
ARGS   ?=
# Tests run in this many processes; each has a Redis of its own. They wait more than they work, so more than there are cores.
JOBS   ?= 4

.DEFAULT_GOAL := help
.PHONY: help install run check fix test test-redis test-sentinel test-cluster test-containers chaos soak slow bench clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-15s %s\n", $$1, $$2 }'
	@echo
	@echo "  PORT=8000 for run; ARGS=... is handed on to run, test, chaos, slow and bench"

install: $(VENV)/.dev ## Make .venv with all that developing needs

run: $(VENV)/.runtime ## Start the service on PORT, with a Redis of its own
	$(BIN)/agentsvc serve --port $(PORT) $(ARGS)

check: $(VENV)/.dev ## Format, lint, types and floors
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

fix: $(VENV)/.dev ## Format, and repair what lint can repair
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

test: $(VENV)/.dev ## Run the tests
	$(BIN)/pytest -m "not chaos and not slow" -n $(JOBS) --dist loadscope $(ARGS)

# What a kind of Redis could break, on one after the other.
test-redis: KIND := redis
test-redis: $(VENV)/.dev ## Run the tests that need Redis on redis-server, the oldest one that is supported
	$(ON_KIND)

test-sentinel: KIND := sentinel
test-sentinel: $(VENV)/.dev ## Run them on a master that Sentinel watches, which is killed
	$(ON_KIND)

test-cluster: KIND := cluster
test-cluster: $(VENV)/.dev ## Run them on a cluster of six, of which masters are killed
	$(ON_KIND)

test-containers: $(VENV)/.dev ## Run their stories on Redis and on Valkey in containers, where an engine runs those
	@$(BIN)/python -m tests.redis_kinds.containers || exit 0; \
	for kind in redis-container valkey-container; do \
		AGENTSVC_TEST_REDIS=$$kind $(BIN)/pytest -m "redis and not slow" -n $(JOBS) --dist loadscope tests/flows $(ARGS) || exit 1; \
	done

define ON_KIND
	AGENTSVC_TEST_REDIS=$(KIND) $(BIN)/pytest -m "redis and not slow" -n $(JOBS) --dist loadscope --durations 5 tests/bus tests/storage tests/flows $(ARGS)
	AGENTSVC_TEST_REDIS=$(KIND) $(BIN)/pytest -m redis --durations 5 tests/chaos $(ARGS)
endef

# One at a time: these measure how long a recovery takes.
chaos: $(VENV)/.dev ## Kill, pause and cut off parts of a running service
	$(BIN)/pytest -m chaos --durations 10 $(ARGS)

soak: $(VENV)/.dev ## Do so for ten minutes, with everything at once; CHAOS_SEED=... does the same again
	CHAOS_SECONDS=$${CHAOS_SECONDS:-600} $(BIN)/pytest -s tests/chaos/soak $(ARGS)

slow: $(VENV)/.dev ## Run the tests that take long
	$(BIN)/pytest -m "slow and not chaos" $(ARGS)

bench: $(VENV)/.dev ## Measure against the budgets
	$(BIN)/python -m tests.bench $(ARGS)

clean: ## Remove .venv, caches and builds
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find agentsvc tests -name __pycache__ -prune -exec rm -rf {} +

# Stamps: nothing is installed again until what is asked for has changed.
$(VENV)/.runtime: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "agentsvc needs Python 3.11 or newer: make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@
