# `make demo` and `make test` need Python 3.11-3.13 and make; everything else they install into .venv/ from the locks.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Ray starts many processes: without compiled bytecode each one would compile its imports again.
unexport PYTHONDONTWRITEBYTECODE

# The first interpreter that runs and is new enough; `make PYTHON=/path/to/python demo` picks another.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.13 python; do \
  "$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
# The machine's own certificates, as pip takes them: a company's authority is known there, and not to uv.
UV := $(BIN)/uv --no-config --system-certs
UV_INSTALL := $(UV) pip install --quiet --python $(BIN)/python
SEEDS ?= 20000

.PHONY: help demo demo-year test check bench simulate lock clean
help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## the whole thing on real flights, on this machine: no server, no cloud
	$(BIN)/ray-pipeline demo

demo-year: $(VENV)/.runtime ## a year of flights in some minutes: drift, retraining, and why each model was replaced
	$(BIN)/ray-pipeline demo --year

test: $(VENV)/.dev ## every test that this machine can run, and one line on what it could not
	$(BIN)/python -m tests.prepare
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.dev ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## speed, as ratios against a baseline of the same run, and what drift detection promises
	$(BIN)/python -m tests.bench.stream
	$(BIN)/python -m tests.bench.gate
	$(BIN)/python -m tests.bench.features
	$(BIN)/python -m tests.bench.serve
	$(BIN)/python -m tests.bench.drift

simulate: $(VENV)/.dev ## the commit protocol under SEEDS=n random crashes, lost replies and stale reads
	RAY_PIPELINE_SEEDS=$(SEEDS) $(BIN)/python -m pytest tests/property/test_protocol_simulation.py -q

lock: $(VENV)/.build ## resolve the locks again: hashes, no addresses
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command 'make lock' locks/build.in -o locks/build.txt
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --custom-compile-command 'make lock' pyproject.toml --extra demo -o locks/runtime.txt
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --custom-compile-command 'make lock' pyproject.toml --extra demo --group dev -c locks/runtime.txt -o locks/dev.txt

clean: ## remove the environment and what the demo left
	rm -rf $(VENV) .demo .demo-year .cache

$(VENV)/.build: locks/build.txt
	@test -n '$(PYTHON)' || { echo 'ray_pipeline needs Python 3.11, 3.12 or 3.13: install one, or say make PYTHON=/path/to/python'; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r locks/build.txt
	@touch $@

$(VENV)/.runtime: $(VENV)/.build locks/runtime.txt pyproject.toml
	@echo 'installing the locked runtime into $(VENV)/'
	@$(UV_INSTALL) --require-hashes --no-build-isolation --compile-bytecode -r locks/runtime.txt
	@$(UV_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime locks/dev.txt
	@echo 'installing what the tests and checks need into $(VENV)/'
	@$(UV_INSTALL) --require-hashes --no-build-isolation --compile-bytecode -r locks/dev.txt
	@touch $@
