# Everything a person or CI does here is one target. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# setuptools warns at length about every editable install; -W does not reach its process.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip --quiet --disable-pip-version-check
# Every version and hash that an install may use stands in a lock file; `make lock` writes them.
INSTALL := $(PIP) install --require-hashes --requirement
SOURCES := setup.py pyproject.toml talos/_core.pyx $(wildcard talos/native/*)
LOCKS := requirements
# Tests wait for servers more than they compute. A file's tests stay together, and share its servers.
PARALLEL := --numprocesses auto --dist loadfile

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp is newer than every source that the build reads, so a second run does nothing.
$(VENV)/.installed: $(SOURCES) $(LOCKS)/build.txt $(LOCKS)/runtime.txt
	@echo "installing into $(VENV) ..."; test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) $(LOCKS)/build.txt
	@$(INSTALL) $(LOCKS)/runtime.txt
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.installed-test $(VENV)/.installed-lint: $(VENV)/.installed-%: $(VENV)/.installed $(LOCKS)/%.txt
	@$(INSTALL) $(LOCKS)/$*.txt
	@touch $@

$(VENV)/.installed-fuzz $(VENV)/.installed-bench: $(VENV)/.installed-%: $(VENV)/.installed-test $(LOCKS)/%.txt
	@$(INSTALL) $(LOCKS)/$*.txt
	@touch $@

.PHONY: lock
lock: ## Write the lock files again; UPGRADE=1 takes the newest versions
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install 'uv>=0.9'
	@$(BIN)/python -m requirements $(if $(UPGRADE),--upgrade)

.PHONY: install
install: $(VENV)/.installed ## Make .venv with talos and its compiled core; nothing is started

.PHONY: serve
serve: $(VENV)/.installed ## Serve on 127.0.0.1:4420, initialising ./data on the first run
	@$(BIN)/python -m talos.cli.first_run

.PHONY: test
test: $(VENV)/.installed-test ## Run every test, with throwaway database servers
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

.PHONY: coverage
coverage: $(VENV)/.installed-test ## Run every test and print the branch coverage of each package
	@$(MAKE) --no-print-directory test ARGS="--cov --cov-report= $(ARGS)"
	@$(BIN)/python -m tests.coverage

.PHONY: services
services: $(VENV)/.installed-test ## Start the tests' throwaway servers and print their DSNs
	@$(BIN)/python -m tests.support.servers

.PHONY: lint
lint: $(VENV)/.installed-lint ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: check
check: lint ## What CI runs: lint, then every test with no service missing
	@TALOS_REQUIRE_SERVICES=1 $(MAKE) --no-print-directory test

.PHONY: bench
bench: $(VENV)/.installed-bench ## Measure beside nginx and what else there is; PEER=URL adds a server
	@$(BIN)/python -m bench $(ARGS)

.PHONY: bench-quick
bench-quick: $(VENV)/.installed-bench ## The same in three minutes
	@$(BIN)/python -m bench --effort quick $(ARGS)

.PHONY: properties
properties: $(VENV)/.installed-test ## Try the property tests with other examples in each of ROUNDS=5
	@for round in $$(seq $(or $(ROUNDS),5)); do \
	  TALOS_RANDOM_EXAMPLES=1 $(BIN)/python -m pytest $(PARALLEL) -m hypothesis $(ARGS) || exit 1; done

.PHONY: fuzz
fuzz: $(VENV)/.installed-fuzz ## Fuzz the core against its oracle (SECONDS=600)
	@$(BIN)/python tests/fuzz/fuzz_core.py -max_total_time=$(or $(SECONDS),600) -dict=tests/fuzz/core.dict

.PHONY: fuzz-recogniser
fuzz-recogniser: $(VENV)/.installed-fuzz ## Fuzz the recogniser of requests against the parsers (SECONDS=600)
	@$(BIN)/python tests/fuzz/fuzz_recogniser.py -max_total_time=$(or $(SECONDS),600)

.PHONY: fuzz-requests
fuzz-requests: $(VENV)/.installed-fuzz ## Fuzz the reading of requests against gunicorn's (SECONDS=600)
	@$(BIN)/python tests/fuzz/fuzz_requests.py -max_total_time=$(or $(SECONDS),600)

.PHONY: sanitize
sanitize: $(VENV)/.installed-test ## Run the core's tests under AddressSanitizer and UBSan
	@tests/core/sanitize.sh

.PHONY: torture
torture: $(VENV)/.installed-test ## Kill processes at work on the shared cache (SECONDS=60)
	@$(BIN)/python -m tests.core.torture --seconds $(or $(SECONDS),60)

.PHONY: tsan
tsan: $(VENV)/.installed-test ## Run threads over the shared cache under ThreadSanitizer
	@tests/core/thread_sanitize.sh

.PHONY: durability
durability: $(VENV)/.installed-test ## Kill every process hundreds of times and compare what is left
	@TALOS_DURABILITY=long $(BIN)/python -m pytest tests/e2e/test_durability.py

.PHONY: timing
timing: $(VENV)/.installed ## Look for timing differences in the comparisons of secrets
	@$(BIN)/python bench/timing_compare.py

.PHONY: generated
generated: $(VENV)/.installed ## Write again what is generated from code: settings, CLI, OpenAPI
	$(BIN)/python -m talos.config.render_docs
	$(BIN)/python -m talos.cli.render_docs
	$(BIN)/python -m talos.http.openapi > talos/http/openapi.json.new
	mv talos/http/openapi.json.new talos/http/openapi.json

.PHONY: clean
clean: ## Remove what the build made; ./data and its keys stay
	rm -rf build dist *.egg-info $(VENV) talos/_core.c talos/_core.*.so
