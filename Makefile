# The project's verbs. `make run` and `make test` set everything up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help run test setup check lint types imports unit integration web browser fuzz soak bench-faults bench-tools bench-network bench-calls bench-flood audit docs constraints format clean

help:  ## Say what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/gateway: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/gateway
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(VENV)/.dev  ## Install everything for development into .venv

run: $(BIN)/gateway  ## Start the gateway; without a key it talks to the built-in simulator
	$(BIN)/gateway serve

test: check unit integration web browser  ## Everything: style, types, rules, integration, pages, real browser

check: lint types imports  ## What needs no running code

lint: $(VENV)/.dev  ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Types, strictly
	$(BIN)/mypy

imports: $(VENV)/.dev  ## The import rule of docs/design.md and the generated tables
	$(BIN)/pytest tests/unit/test_imports.py tests/unit/test_docs.py

unit: $(VENV)/.dev  ## The pure rules, and a short run of the fuzz targets
	$(BIN)/pytest tests/unit tests/measure tests/fuzz

integration: $(VENV)/.dev  ## Several parts together, on loopback
	$(BIN)/pytest tests/integration

web: $(VENV)/.dev  ## The pages' own modules, in Node where there is one
	$(BIN)/pytest tests/web

browser: $(VENV)/.dev  ## The main job in a real Chromium
	$(BIN)/pytest tests/browser

$(VENV)/.fuzz: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,fuzz]'
	@touch $@

fuzz: $(VENV)/.fuzz  ## A million inputs for whatever reads the bytes of others; ten minutes
	$(BIN)/python -m tests.fuzz --report docs/fuzz.md

soak: $(VENV)/.dev  ## Half an hour of virtual calls with random faults
	$(BIN)/python -m bench.soak --report docs/soak.md

bench-faults: $(VENV)/.dev  ## What each fault of the Gemini leg costs
	$(BIN)/python -m bench.faults

bench-tools: $(VENV)/.dev  ## What a function call costs
	$(BIN)/python -m bench.tools

bench-network: $(VENV)/.dev  ## Speech through bad networks, with a real Chromium; half an hour
	$(BIN)/python -m bench.network --report docs/network.md

bench-calls: $(VENV)/.dev  ## What hundreds of calls leave behind, and what their end costs the others
	$(BIN)/python -m bench.calls --report docs/calls.md

bench-flood: $(VENV)/.dev  ## Ten times the callers that there are places for
	$(BIN)/python -m bench.flood --report docs/flood.md

audit: $(VENV)/.dev  ## What the project is built of: agreed, unchanged, not known to be vulnerable
	$(BIN)/python .ci/audit.py

docs: $(VENV)/.dev  ## Make the generated parts of README and docs again
	$(BIN)/python -m gateway.settings_table README.md

format: $(VENV)/.dev  ## Let ruff arrange the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints:  ## Resolve the exact versions again, from an empty environment
	rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install --quiet --disable-pip-version-check '.[dev,fuzz,vertex]'
	build/constraints/bin/python -m pip freeze --exclude gemini-live-gateway > constraints.txt

clean:  ## Remove what was made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
