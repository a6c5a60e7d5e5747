# The project's verbs. `make run` and `make test` set everything up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help setup run test check lint types types-js imports test-qa screenshots-qa qa unit integration web browser pages screenshots interop fuzz soak bench-faults bench-tools bench-start bench-network bench-qa bench-stream bench-calls bench-capacity bench-chaos bench-flood audit secrets turn-audit test-deploy docs format constraints clean

help:  ## Say what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/gateway: pyproject.toml constraints.txt gateway/media/_native.c
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

# Two at a time, the longest early: most of it waits for sound to pass.
test: check  ## Everything: style, types, rules, integration, pages, browser, clients of others
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target unit browser integration interop web

check: lint types imports  ## What needs no running code

lint: $(VENV)/.dev  ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Types, strictly
	$(BIN)/mypy

types-js: $(VENV)/.dev  ## The types of the pages' modules, by TypeScript; also a part of `make web`
	$(BIN)/pytest tests/web/test_types.py

imports: $(VENV)/.dev  ## The import rule of docs/design.md and the generated tables
	$(BIN)/pytest tests/unit/test_imports.py tests/unit/test_docs.py

test-qa: $(VENV)/.dev  ## Every check of the loopback page, with something real broken; ten minutes
	$(BIN)/pytest tests/qa

screenshots-qa: $(VENV)/.dev  ## Pictures of every state of the loopback page, for the eye
	$(BIN)/python -m tests.qa.screenshots

qa: $(BIN)/gateway  ## The loopback page by itself, with a Chromium of this machine
	$(BIN)/gateway qa

unit: $(VENV)/.dev  ## The pure rules, and a short run of the fuzz targets
	$(BIN)/pytest tests/unit tests/measure tests/fuzz

integration: $(VENV)/.dev  ## Several parts together, on loopback
	$(BIN)/pytest tests/integration tests/turn tests/deploy

web: $(VENV)/.dev  ## The pages' own modules, in Node where there is one
	$(BIN)/pytest tests/web

browser: $(VENV)/.dev  ## The main job and the call page in a real Chromium
	$(BIN)/pytest tests/browser -m "not pages"

pages: $(VENV)/.dev  ## The rest of what the call page is tested for, also in Firefox; three minutes
	$(BIN)/pytest tests/browser -m pages

screenshots: $(VENV)/.dev  ## A picture of every state of the call page, into build/screenshots
	$(BIN)/python -m tests.browser.screenshots

interop: $(VENV)/.dev  ## Clients of others: FFmpeg, web clients and Pipecat's in Chromium, libwebrtc in Node
	$(BIN)/pytest tests/interop

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

bench-start: $(VENV)/.dev  ## How long a call takes from the tap to connected, in a real Chromium
	$(BIN)/python -m bench.start

bench-network: $(VENV)/.dev  ## Speech through bad networks, with a real Chromium; half an hour
	-test -e build/libwebrtc/.done || { $(PYTHON) -m venv build/libwebrtc && build/libwebrtc/bin/python -m pip install \
	  --quiet --disable-pip-version-check --requirement bench/libwebrtc.txt && touch build/libwebrtc/.done; }
	$(BIN)/python -m bench.network --report docs/network.json --libwebrtc build/libwebrtc/bin/python

bench-qa: $(VENV)/.dev  ## The loopback page by itself, with a real coturn, so that every check can be made; five minutes
	$(BIN)/python -m bench.qa --report docs/loopback.json

bench-stream: $(VENV)/.dev  ## A call over one WebSocket on narrow and lost ways, in a real Chromium; four minutes
	$(BIN)/python -m bench.stream --report docs/stream.json

bench-calls: $(VENV)/.dev  ## What hundreds of calls leave behind, and what their end costs the others
	$(BIN)/python -m bench.calls --report docs/calls.md

bench-capacity: $(VENV)/.dev  ## How many calls a machine holds and what one costs, beside others; an hour
	-for peer in pipecat fastrtc; do test -e build/peers/$$peer/.done || { $(PYTHON) -m venv build/peers/$$peer && \
	  build/peers/$$peer/bin/python -m pip install --quiet --disable-pip-version-check --requirement \
	  bench/peers/$$peer.txt && touch build/peers/$$peer/.done; }; done
	$(BIN)/python -m bench.capacity --report docs/capacity.json

bench-chaos: $(VENV)/.dev  ## Nodes that die, sleep, drain or lose their store, with calls in them
	$(BIN)/python -m bench.chaos --report docs/chaos.md

bench-flood: $(VENV)/.dev  ## Ten times the callers that there are places for
	$(BIN)/python -m bench.flood --report docs/flood.md

audit: $(VENV)/.dev  ## What the project is built of: agreed, unchanged, not known to be vulnerable
	$(BIN)/python .ci/audit.py

secrets:  ## Make .env for docker compose, with random secrets; never changes one that is there
	$(PYTHON) deploy/make_env.py

turn-audit: $(BIN)/gateway  ## Check that the TURN servers of the settings lead to the gateway and nowhere else
	$(BIN)/gateway doctor --turn

test-deploy: $(VENV)/.dev  ## Build the images, run them, make a call through the relay; needs podman, minutes
	$(BIN)/python -m tests.deploy.containers --report docs/deploy-test.md

docs: $(VENV)/.dev  ## Make the generated parts of README and docs again
	$(BIN)/python -m gateway.settings_table README.md
	$(BIN)/python -m gateway.settings_env .env.example
	$(BIN)/python -m bench.network_table docs README.md
	$(BIN)/python -m bench.qa --render docs/loopback.json
	$(BIN)/python -m bench.stream --render docs/stream.json
	$(BIN)/python -m bench.capacity.table docs README.md

format: $(VENV)/.dev  ## Let ruff arrange the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints:  ## Resolve the exact versions again, from an empty environment
	rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install --quiet --disable-pip-version-check '.[dev,vertex,redis]'
	build/constraints/bin/python -m pip install --quiet --disable-pip-version-check '.[dev,fuzz,vertex]'
	build/constraints/bin/python -m pip freeze --exclude gemini-live-gateway > constraints.txt

clean:  ## Remove what was made
	rm -rf $(VENV) build dist *.egg-info gateway/media/_native.*.so .mypy_cache .ruff_cache .hypothesis
