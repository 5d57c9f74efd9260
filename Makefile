# Weighbridge. Two commands do everything on a fresh machine:
#
#   make submission   sets up what it needs, then runs the embedded demo end to end
#   make test         sets up what it needs, then runs all tests
#
# make help lists the others.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The newest Python of those that the locks were made for; PYTHON=/path/to/python overrides.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
    $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2> /dev/null \
    && { echo $$name; break; }; done)
# The official endpoints client needs 3.12 or newer, which may be another Python; ENDPOINTS_PYTHON=/path/to/python overrides.
ENDPOINTS_PYTHON ?= $(shell for name in $(PYTHON) python3.13 python3.12 $$HOME/.pyenv/versions/3.1[23].*/bin/python3 \
    $$HOME/.local/share/uv/python/cpython-3.1[23].*/bin/python3; do \
    $$name -c 'import sys; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' 2> /dev/null \
    && { echo $$name; break; }; done)
VENV := .venv
SERVER_VENV := .venv-server
# Load clients of rounds that have another LoadGen than the workflow's environment.
OTHER_CLIENTS := v5.1 v6.1
# Environments of the official endpoints client, one for each commit.
OFFICIAL_CLIENTS := endpoints-ea332753
# lm-evaluation-harness and what it needs; nothing else wants 0.8 GB of it.
QUALITY_VENV := .venv-quality
UV := $(VENV)/bin/uv
# What takes a while says how far it is.
PROGRESS = $(PYTHON) requirements/progress.py
INSTALL := $(UV) pip install --require-hashes --no-deps --compile-bytecode
COMPILE_ANY := $(UV) pip compile --quiet --universal --generate-hashes --no-annotate --no-header
COMPILE := $(COMPILE_ANY) --python-version 3.11
# vLLM 0.12 was released on 2025-12-03; packages much newer than it were never tried with it.
SERVER_ERA := 2026-01-15

# Rules call `weighbridge`, and the demo's tests call `snakemake`: both live in the environment.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Bytecode is compiled at installation; a second copy of this setting would only slow the jobs down.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the commands.
	@grep -hE '^[a-z0-9.-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9.-]+):.*## /\1\t/' | expand -t 26

.PHONY: submission
submission: setup ## Run the main job on the embedded demo: a checked submission tree, and its table.
	@weighbridge submit --profile profiles/demo

.PHONY: rehearsal
rehearsal: $(VENV)/.workflow ## Rehearse the whole benchmark at full scale, without a GPU or a model (13 minutes).
	@weighbridge submit --profile profiles/rehearsal
	@weighbridge compare runs/rehearsal

.PHONY: llama-rehearsal
llama-rehearsal: $(VENV)/.workflow ## Rehearse llama3.1-8b likewise, datacenter and edge (half an hour).
	@weighbridge submit --profile profiles/llama-rehearsal
	@weighbridge submit --profile profiles/llama-rehearsal --set category=edge --directory runs/llama-rehearsal-edge
	@weighbridge compare runs/llama-rehearsal
	@weighbridge compare runs/llama-rehearsal-edge

LLAMA_DEMO := src/weighbridge/benchmarks/llama3_1_8b/demo

.PHONY: llama-demo
llama-demo: setup ## Run the demo of llama3.1-8b, datacenter and edge: two checked trees, and their tables (8 minutes).
	@weighbridge submit --profile profiles/llama-demo
	@weighbridge submit --profile profiles/llama-demo-edge

# A checkout of mlcommons/endpoints at the round's commit, for machines without internet.
WITH_CLIENT = $(if $(CLIENT),--set artifacts.client.path=$(abspath $(CLIENT)))

.PHONY: interactive-demo
interactive-demo: setup-endpoints-ea332753 setup ## Run the demo of v6.1 with the official endpoints client: Interactive and Offline, a checked tree (6 minutes).
	@weighbridge submit --profile profiles/interactive-demo $(WITH_CLIENT)

.PHONY: endpoints-rehearsal
endpoints-rehearsal: setup-endpoints-ea332753 $(VENV)/.workflow ## Rehearse v6.1 with that client at full scale, without a GPU or a model (half an hour).
	@weighbridge submit --profile profiles/endpoints-rehearsal $(WITH_CLIENT)

.PHONY: mmlu-demo
mmlu-demo: setup setup-quality ## Ask the llama demo's model made-up questions as MMLU asks: the score is chance (2 minutes).
	@weighbridge submit --profile profiles/llama-demo quality
	@echo "The questions are made up, and the model guesses: chance, 25 %, is expected."
	@echo "All of it is in runs/llama-demo/results/quality/mmlu, the plots in its plots."

.PHONY: sweep-demo
sweep-demo: setup ## Compare prefix caching off with on: the demo's model on vLLM for CPUs (5 minutes).
	@weighbridge submit --profile profiles/sweep-demo sweep_prefix_caching_demo

.PHONY: sweep-proofs
sweep-proofs: setup ## Show on vLLM for CPUs what comparisons find: no difference, caching, sequences at once (20 minutes).
	@weighbridge submit --profile profiles/sweep-demo sweep_same_demo sweep_prefix_caching_demo sweep_sequences_demo

.PHONY: test
test: setup setup-quality $(VENV)/.dev ## Run all tests, or those that PYTEST_ARGS names.
	tests/all $(PYTEST_ARGS)

.PHONY: bench
bench: $(VENV)/.workflow $(VENV)/.dev ## Measure the load client beside others (7 GB of disk, an hour; BENCH_ARGS=--quick: minutes).
	python bench/client.py $(if $(REFERENCE),--reference "$(REFERENCE)") $(if $(ENDPOINTS),--endpoints "$(ENDPOINTS)") $(BENCH_ARGS)
	python bench/tables.py
	python bench/store.py
	python bench/telemetry.py
	python bench/verify.py

.PHONY: bench-gpu-time
bench-gpu-time: $(VENV)/.workflow ## Measure what kept servers save, on a simulated server with a start of 120 s (48 minutes).
	python bench/gpu_time.py

# What vLLM's own client and the reference harness import, and their own locks have not.
.PHONY: bench-peers
bench-peers: $(SERVER_VENV)/.server ## Make the environments of the clients that the load client is measured beside.
	$(UV) venv --quiet --clear --python $(VENV)/bin/python bench/build/vllm
	$(UV) pip install --quiet --python bench/build/vllm pandas==2.3.3 numpy==2.2.6 matplotlib==3.11.2 seaborn==0.13.2
	cd $(SERVER_VENV)/lib/python3.*/site-packages && pwd > $(CURDIR)/bench/build/vllm/server.pth
	mv bench/build/vllm/server.pth bench/build/vllm/lib/python3.*/site-packages/
	$(UV) venv --quiet --clear --python $(VENV)/bin/python bench/build/reference
	$(UV) pip install --quiet --python bench/build/reference -r bench/reference.txt

.PHONY: published
published: $(VENV)/.workflow ## Judge and check the published results in REPOSITORY=DIR; REFERENCE=DIR adds the official checkers.
	@[ -n "$(REPOSITORY)" ] || { echo "make: give REPOSITORY=DIR, a checkout of mlcommons/inference_results_v6.0" >&2; exit 3; }
	python bench/published.py "$(REPOSITORY)" $(if $(REFERENCE),--reference "$(REFERENCE)")

# Where the mutation table is written.
MUTATIONS ?= runs/mutations.md

.PHONY: mutations
mutations: $(VENV)/.workflow $(VENV)/.dev ## Damage a tree in 3,000 ways, and compare our check with the official checkers in REFERENCE=DIR.
	@[ -d "$(REFERENCE)/tools/submission" ] || { echo "make: give REFERENCE=DIR, a checkout of mlcommons/inference" >&2; exit 3; }
	PYTHONPATH=tests/unit python -m mutations "$(REFERENCE)" "$(MUTATIONS)"

.PHONY: endpoints-check
endpoints-check: $(VENV)/.workflow $(VENV)/.dev $(OFFICIAL_CLIENTS:%=.venv-%/.client) ## Test against the real official endpoints client in CLIENT=DIR, a checkout of mlcommons/endpoints.
	@[ -e "$(CLIENT)/.git" ] || { echo "make: give CLIENT=DIR, a git checkout of mlcommons/endpoints" >&2; exit 3; }
	WEIGHBRIDGE_OFFICIAL_CLIENT="$(CLIENT)" pytest tests/official $(PYTEST_ARGS)

# Where the table of the official client's results is written.
CLIENT_MUTATIONS ?= runs/endpoints-mutations.md

.PHONY: endpoints-mutations
endpoints-mutations: $(VENV)/.workflow $(VENV)/.dev ## Damage a tree of the official endpoints client in 90 ways, and compare likewise.
	@[ -d "$(REFERENCE)/tools/submission" ] || { echo "make: give REFERENCE=DIR, a checkout of mlcommons/inference" >&2; exit 3; }
	PYTHONPATH=tests/unit python -m mutations.client_table "$(REFERENCE)" "$(CLIENT_MUTATIONS)"

# Where the matrix of faults is written; how many seeds of the faulty server's schedules; SHARE=10 tries every tenth failed call.
FAULTS ?= runs/faults.md
SEEDS ?= 100
SHARE ?= 1

.PHONY: faults
faults: $(VENV)/.workflow $(VENV)/.dev ## Try 2,500 faults on real runs, one at a time, and write the matrix of what was seen (an hour).
	PYTHONPATH=tests/faults python -m injection "$(FAULTS)" "$(SEEDS)" "$(SHARE)"

.PHONY: lint
lint: $(VENV)/.workflow $(VENV)/.dev ## Check format, style, types, the workflow and the site's links.
	ruff format --check .
	ruff check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint --profile profiles/demo
	$(MKDOCS)

# Material announces other products while it builds. With --quiet, --strict would not see the warnings.
MKDOCS := NO_MKDOCS_2_WARNING=1 mkdocs build --strict

.PHONY: docs
docs: $(VENV)/.workflow $(VENV)/.dev ## Build the documentation as a site that opens without a network, in runs/site.
	$(MKDOCS)
	@echo "Open runs/site/index.html"

.PHONY: setup
setup: $(VENV)/.workflow $(SERVER_VENV)/.server system ## Make both environments.

.PHONY: setup-v5.1
setup-v5.1: .venv-v5.1/.client ## Make the client's environment of round v5.1, which has another LoadGen.

.PHONY: setup-v6.1
setup-v6.1: .venv-v6.1/.client ## Make the client's environment of round v6.1, which has another LoadGen.

.PHONY: setup-endpoints-ea332753
setup-endpoints-ea332753: .venv-endpoints-ea332753/.client ## Make the environment of the official endpoints client of round v6.1-endpoints.

.PHONY: setup-quality
setup-quality: $(QUALITY_VENV)/.quality ## Make the environment of MMLU, with lm-evaluation-harness.

.PHONY: system
system: ## Install the system library that vLLM for CPUs needs.
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2> /dev/null || .ci/apt-install libnuma1

.PHONY: demo-artifacts
demo-artifacts: setup ## Remake the demo's catalogue and train its checkpoint again (about 20 minutes).
	demo/remake

.PHONY: llama-demo-artifacts
llama-demo-artifacts: setup ## Train the checkpoint of llama3.1-8b's demo again, and remake its dataset (about 15 minutes).
	$(LLAMA_DEMO)/remake

.PHONY: llama-demo-faults
llama-demo-faults: setup ## Run llama3.1-8b's demo with one mistake at a time, each of which must fail its gates (minutes).
	python tests/end_to_end/llama_demo_faults.py

.PHONY: kept-results
kept-results: $(VENV)/.workflow $(VENV)/.dev ## Make the tests' kept example of finished results again, after a version was raised.
	tests/workflow/fixtures/remake

.PHONY: lock
lock: $(VENV)/.uv ## Resolve requirements/*.in anew into exact versions and hashes.
	cd requirements && \
	    ../$(COMPILE) bootstrap.in -o bootstrap.lock && \
	    ../$(COMPILE) workflow.in -o workflow.lock && \
	    ../$(COMPILE) dev.in -o dev.lock && \
	    grep '==' workflow.lock | grep -v '^mlcommons-loadgen' | tr -d '\\' > /tmp/weighbridge-pins.$$$$ && \
	    for round in $(OTHER_CLIENTS); do \
	        ../$(COMPILE) -c /tmp/weighbridge-pins.$$$$ client-$$round.in -o client-$$round.lock; \
	    done && \
	    for client in $(OFFICIAL_CLIENTS); do \
	        ../$(COMPILE_ANY) --python-version 3.12 client-$$client.in -o client-$$client.lock; \
	    done && \
	    ../$(COMPILE) -c /tmp/weighbridge-pins.$$$$ quality.in -o quality.lock && \
	    rm /tmp/weighbridge-pins.$$$$ && \
	    ../$(COMPILE) --exclude-newer $(SERVER_ERA) --override server-overrides.in server.in -o server.lock && \
	    ../$(COMPILE) --exclude-newer $(SERVER_ERA) server-cuda.in -o server-cuda.lock
	python envs/pins.py

.PHONY: schema
schema: $(VENV)/.workflow ## Write the JSON Schemas of configuration, its overlays, summaries, comparisons, workloads and sweeps.
	python -m weighbridge.config.settings > src/weighbridge/schemas/config.schema.json
	python -m weighbridge.report.summary > src/weighbridge/schemas/summary.schema.json
	python -m weighbridge.report.comparison_schema > src/weighbridge/schemas/comparison.schema.json
	python -m weighbridge.config.file_schemas src/weighbridge/schemas

.PHONY: rounds
rounds: $(VENV)/.workflow ## Pin the real rounds of the release by their hashes.
	python -m weighbridge.benchmarks.rounds > src/weighbridge/benchmarks/released_rounds.json.new
	mv src/weighbridge/benchmarks/released_rounds.json.new src/weighbridge/benchmarks/released_rounds.json

.PHONY: diagram
diagram: $(VENV)/.workflow ## Draw the package's rooms and their imports into docs/architecture.md.
	python docs/rooms.py

.PHONY: clean
clean: ## Remove the environments; results and downloads stay.
	rm -rf $(VENV) $(SERVER_VENV) $(QUALITY_VENV) $(OTHER_CLIENTS:%=.venv-%) $(OFFICIAL_CLIENTS:%=.venv-%)

$(VENV)/.uv: requirements/bootstrap.lock
	@[ -n "$(PYTHON)" ] || { echo "make: no Python 3.11, 3.12 or 3.13 here; install one, or give PYTHON=/path/to/python" >&2; exit 3; }
	@$(PROGRESS) "making $(VENV)" $(PYTHON) -m venv $(VENV) || { echo "make: $(PYTHON) cannot make virtual environments; install its venv package (Debian: apt-get install python3-venv)" >&2; exit 3; }
	@$(PROGRESS) "installing uv into $(VENV)" $(VENV)/bin/python -m pip install --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.workflow: $(VENV)/.uv requirements/workflow.lock pyproject.toml
	@$(PROGRESS) "installing workflow, client and analysis into $(VENV) (0.7 GB)" $(INSTALL) --python $(VENV) -r requirements/workflow.lock
	@$(UV) pip install --quiet --python $(VENV) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.workflow requirements/dev.lock
	@$(PROGRESS) "installing what tests and lint need into $(VENV)" $(INSTALL) --python $(VENV) -r requirements/dev.lock
	@touch $@

$(SERVER_VENV)/.server: $(VENV)/.uv requirements/server.lock
	@$(UV) venv --quiet --clear --python $(VENV)/bin/python $(SERVER_VENV)
	@$(PROGRESS) "installing vLLM for CPUs into $(SERVER_VENV) (8 GB)" $(INSTALL) --python $(SERVER_VENV) -r requirements/server.lock
	@touch $@

$(OTHER_CLIENTS:%=.venv-%/.client): .venv-%/.client: $(VENV)/.uv requirements/client-%.lock pyproject.toml
	@$(UV) venv --quiet --clear --python $(VENV)/bin/python $(@D)
	@$(PROGRESS) "installing the load client of round $* into $(@D) (0.4 GB)" $(INSTALL) --python $(@D) -r requirements/client-$*.lock
	@$(UV) pip install --quiet --python $(@D) --no-deps --no-build-isolation --editable .
	@touch $@

$(OFFICIAL_CLIENTS:%=.venv-%/.client): .venv-%/.client: $(VENV)/.uv requirements/client-%.lock pyproject.toml
	@[ -n "$(ENDPOINTS_PYTHON)" ] || { echo "make: the official endpoints client needs Python 3.12 or 3.13, and there is none here; install one, or give ENDPOINTS_PYTHON=/path/to/python" >&2; exit 3; }
	@$(UV) venv --quiet --clear --python $(ENDPOINTS_PYTHON) $(@D)
	@$(PROGRESS) "installing the packages of the official endpoints client into $(@D) (0.7 GB)" $(INSTALL) --python $(@D) -r requirements/client-$*.lock
	@$(UV) pip install --quiet --python $(@D) --no-deps --no-build-isolation --editable .
	@touch $@

$(QUALITY_VENV)/.quality: $(VENV)/.uv requirements/quality.lock pyproject.toml
	@$(UV) venv --quiet --clear --python $(VENV)/bin/python $(QUALITY_VENV)
	@$(PROGRESS) "installing lm-evaluation-harness into $(QUALITY_VENV) (0.8 GB)" $(INSTALL) --python $(QUALITY_VENV) -r requirements/quality.lock
	@$(UV) pip install --quiet --python $(QUALITY_VENV) --no-deps --no-build-isolation --editable .
	@touch $@
