# Everything a contributor or an operator types. `make` alone explains the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Extra arguments of the test runner, such as ARGS='-k late_acceptance'.
ARGS ?=
# torch's own index of CPU builds, for machines whose default index serves the CUDA build (several GB):
#   make run TORCH_INDEX=<index URL of the CPU builds>
TORCH_INDEX ?=
PIP_INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
SOURCES := shared services futago tests benchmarks examples
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## Explain the targets
	@awk 'BEGIN {FS = ":.*## "; print "Usage: make TARGET\n"} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "FUTAGO_HOME (default var/) and FUTAGO_PORT (default 8080) move what 'make run' starts."

.PHONY: run
run: $(VENV)/.run ## Install what is needed and start the whole suite (TLS=1 for HTTPS); Ctrl-C stops it
	@exec $(BIN)/futago up $(if $(filter 1 yes true,$(TLS)),--tls)

.PHONY: demo
demo: $(VENV)/.run ## Do the main job through a running suite (ARGS='--data DIR' for real data)
	@exec $(BIN)/futago demo $(ARGS)

.PHONY: setup
setup: $(VENV)/.dev ## Install everything a contributor needs into .venv

.PHONY: test
test: check ## Format, lint, types, import rules and every test suite
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

.PHONY: check
check: $(VENV)/.dev ## Format, lint, strict types, import rules, security lint: everything that runs no test
	@$(BIN)/ruff format --quiet --check $(wildcard $(SOURCES))
	@$(BIN)/ruff check --quiet $(wildcard $(SOURCES))
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive services shared futago

.PHONY: format
format: $(VENV)/.dev ## Format the code and mend what the linter can mend
	@$(BIN)/ruff format $(wildcard $(SOURCES))
	@$(BIN)/ruff check --fix $(wildcard $(SOURCES))

.PHONY: unit
unit: $(VENV)/.dev ## Only the unit and contract tests: no network, no processes
	@$(BIN)/python -m pytest tests/unit tests/contract $(ARGS)

.PHONY: contract
contract: $(VENV)/.dev ## Write the OpenAPI documents of the services to docs/reference/openapi
	@$(BIN)/python -m tests.contract.write_openapi

.PHONY: bench
bench: $(VENV)/.dev ## Benchmarks, each beside a floor or a peer measured in the same run
	@$(BIN)/python -m benchmarks

# Each in an environment of its own: their pins clash with ours and with one another.
PEERS := $(VENV)-peers
.PHONY: bench-peers
bench-peers: $(VENV)/.dev ## Twin and planner beside MLServer, BentoML, Timefold and OptaPlanner (installs them, about 1 GB)
	@for peer in mlserver bentoml; do \
	  test -d $(PEERS)/$$peer || $(PYTHON) -m venv $(PEERS)/$$peer; \
	  $(PEERS)/$$peer/bin/python -m pip install --quiet --requirement benchmarks/peers/$$peer.txt; \
	done
	@for peer in timefold==1.24.0b0 optapy==9.37.0b0; do \
	  test -d $(PEERS)/$${peer%%=*} || \
	  $(BIN)/python -m pip install --quiet --no-deps --target $(PEERS)/$${peer%%=*} $$peer; \
	done
	@FUTAGO_PEERS=$(PEERS) $(BIN)/python -m benchmarks twin_peers planner_peers

.PHONY: security
security: $(VENV)/.dev ## The long searches for weaknesses (about half an hour): sessions, the whole API as each role, raw requests
	@FUTAGO_MODEL_STEPS=10000 $(BIN)/python -m pytest -q tests/unit/gateway/test_session_model.py
	@$(BIN)/python -m tests.security.schemathesis_suite --max-examples 50
	@$(BIN)/python -m tests.security.raw_fuzzer --count 100000 --seed 1

# The advisories that are accepted, each with its reason in docs/security/dependency-audit.md.
ACCEPTED_ADVISORIES := GHSA-wj6h-64fc-37mp

.PHONY: audit
audit: $(VENV)/.dev ## Ask the advisory database about every pinned version; needs https://pypi.org
	@$(BIN)/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
	  --requirement constraints.txt $(ACCEPTED_ADVISORIES:%=--ignore-vuln %) || { \
	  echo "The audit is not clean: a weakness is named above, or something could not be asked about."; \
	  echo "It needs a connection to https://pypi.org; what it could not ask about counts as unsafe."; exit 1; }

# A runtime extra, such as gateway; embedded is all of them.
EXTRA ?= embedded
SBOM := dist/sbom-$(EXTRA).cdx.json
.PHONY: sbom
sbom: $(VENV)/.dev ## Bill of materials (CycloneDX) of a runtime extra (EXTRA=gateway), in an environment of its own
	@rm -rf $(VENV)-sbom && $(PYTHON) -m venv --without-pip $(VENV)-sbom && mkdir -p dist
	@$(BIN)/python -m pip --python $(VENV)-sbom/bin/python install --quiet --constraint constraints.txt \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) '.[$(EXTRA)]'
	@$(BIN)/cyclonedx-py environment $(VENV)-sbom --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --output-format JSON --output-file $(SBOM)
	@rm -rf $(VENV)-sbom build
	@echo "$(SBOM)"

# image name : extra : module
IMAGES := gateway:gateway:services.gateway.app twin:twin:services.twin.app anomaly:anomaly:services.anomaly.app \
    anomaly-worker:training:services.anomaly.worker planner:planner:services.planner.app \
    planner-worker:planner:services.planner.worker
# docker, or anything that takes its arguments, such as podman.
DOCKER ?= docker

.PHONY: images
images: ## Build one container image a process (DOCKER=podman works too)
	@for image in $(IMAGES); do \
	  IFS=: read -r name extra module <<<"$$image"; \
	  echo "building futago-$$name"; \
	  $(DOCKER) build --quiet --file deploy/Dockerfile --build-arg EXTRA=$$extra --build-arg SERVICE=$$module --tag futago-$$name .; \
	done

.PHONY: constraints
constraints: ## Pin the newest versions of every dependency anew (then run the tests)
	@rm -rf $(VENV)-pins && $(PYTHON) -m venv $(VENV)-pins
	@$(VENV)-pins/bin/python -m pip install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --editable '.[dev]' torch==2.13.0
	@{ echo "# Every version the suite is tested with; 'make constraints' writes this file."; \
	   $(VENV)-pins/bin/python -m pip freeze --exclude futago | sed -E 's/\+cpu$$//'; } > constraints.txt
	@rm -rf $(VENV)-pins

.PHONY: clean
clean: ## Remove the environment and every cache; leaves FUTAGO_HOME alone
	@rm -rf $(VENV) $(VENV)-sbom dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Futago needs Python 3.11 or newer; say which with PYTHON=...")'
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing the suite into $(VENV) (about two minutes the first time)"
	@$(PIP_INSTALL) --editable '.[embedded]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing the suite and its development tools into $(VENV) (about two minutes the first time)"
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.run
