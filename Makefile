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
PIP_INSTALL := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt \
    $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
# On all cores, where pip would use one. Packages carry a file or two for other versions of Python: those do not compile.
COMPILE := $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib shared services futago >/dev/null || true
SOURCES := shared services futago tests benchmarks examples deploy
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
	@$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(ARGS)

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
contract: $(VENV)/.dev ## Write the OpenAPI documents of the services and the page of metrics to docs/reference
	@$(BIN)/python -m tests.contract.write_openapi
	@$(BIN)/python -m tests.contract.write_metrics

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
security: $(VENV)/.dev ## The long searches for weaknesses (about an hour): sessions, the whole API as each role, raw requests
	@FUTAGO_MODEL_STEPS=10000 $(BIN)/python -m pytest -q tests/unit/gateway/test_session_model.py
	@$(BIN)/python -m tests.security.schemathesis_suite --max-examples 20
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

.PHONY: chart
chart: $(VENV)/.dev ## Check the Helm chart (needs helm 4; CHECKOV= leaves checkov out)
	@KUBERNETES_VALIDATE=$(BIN)/kubernetes-validate deploy/helm/check.sh

.PHONY: dashboards
dashboards: $(VENV)/.dev ## Write the Grafana dashboards from their code
	@$(BIN)/python -m deploy.monitoring.boards

.PHONY: monitoring
monitoring: $(VENV)/.dev ## Dashboards and rules beside a live Prometheus that scrapes a running suite (apt-get install prometheus)
	@$(BIN)/python -m tests.live.monitoring

# image : extra : module : port
IMAGES := gateway:gateway:services.gateway.app:8080 twin:twin:services.twin.app:8101 anomaly:anomaly:services.anomaly.app:8102 \
    anomaly-worker:training:services.anomaly.worker:8112 planner:planner:services.planner.app:8103 \
    planner-worker:planner:services.planner.worker:8113
# docker, or anything that takes its arguments, such as podman.
DOCKER ?= docker
# Pin it by digest for a build that can be repeated: python:3.11-slim@sha256:…
BASE ?= python:3.11-slim
TAG ?= latest
BUILD := $(DOCKER) build --quiet --file deploy/Dockerfile --build-arg BASE=$(BASE) --build-arg TORCH_INDEX=$(TORCH_INDEX) \
    --build-arg REVISION=$(shell git rev-parse --short HEAD 2>/dev/null)

.PHONY: images
images: ## Build one container image a process (DOCKER=podman works too; BASE=…@sha256:… pins the base)
	@for image in $(IMAGES); do \
	  IFS=: read -r name extra module port <<<"$$image"; \
	  echo "building futago-$$name:$(TAG)"; \
	  $(BUILD) --build-arg EXTRA=$$extra --build-arg SERVICE=$$module --build-arg PORT=$$port --tag futago-$$name:$(TAG) .; \
	done

# Folders below bundles/: the only one besides the code that a build can see.
BUNDLE ?=
TRUST ?=
IMAGE ?= futago-twin-alone
.PHONY: twin-image
twin-image: ## Build a twin on its own (BUNDLE=bundles/power TRUST=bundles/trust bake a model in)
	@$(BUILD) --build-arg EXTRA=twin --build-arg SERVICE=services.twin.standalone --build-arg PORT=8000 \
	  $(if $(BUNDLE),--build-arg BUNDLE=$(BUNDLE)) $(if $(TRUST),--build-arg TRUST=$(TRUST)) --tag $(IMAGE):$(TAG) .

SECRETS ?= $(CURDIR)/deploy/secrets
NAME ?= localhost
.PHONY: secrets
secrets: ## Keys, passwords and certificate of deploy/compose.yaml; never replaces one (NAME=host WEBHOOK=url)
	@mkdir -p -m 0700 $(SECRETS)
	@$(DOCKER) run --rm --network none --user 0:0 --volume $(SECRETS):$(SECRETS) futago-gateway:$(TAG) futago secrets $(SECRETS) \
	  --owner 10001 --name $(NAME) $(if $(WEBHOOK),--alert-webhook $(WEBHOOK)) $(ARGS)

FILE ?= futago.tar
.PHONY: wheelhouse
wheelhouse: ## The code and every package of an extra in one archive, for a machine without a network (EXTRA=twin FILE=…)
	@PYTHON=$(PYTHON) deploy/scripts/wheelhouse.sh $(EXTRA) $(FILE) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: image-bundle
image-bundle: ## Every image of deploy/compose.yaml in one archive (FILE=images.tar.gz)
	@DOCKER=$(DOCKER) deploy/scripts/image-bundle.sh save $(FILE)

.PHONY: lab
lab: $(VENV)/.dev ## The deployment with a real Docker Engine and Compose, out of images that are there (about 10 minutes)
	@FUTAGO_CONTAINERS=1 $(BIN)/python -m pytest tests/containers $(ARGS)

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
# An older one does as well, and takes longer to find what fits together.
	@$(BIN)/python -m pip install --quiet 'pip>=25' || true

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing the suite into $(VENV) (a minute or two the first time)"
	@$(PIP_INSTALL) --editable '.[embedded]'
	@$(COMPILE)
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing the suite and its development tools into $(VENV) (a minute or two the first time)"
	@$(PIP_INSTALL) --editable '.[dev]'
	@$(COMPILE)
	@touch $@ $(VENV)/.run
