# make demo    try it: a page, and a sandbox that draws with this machine's CPU
# make setup   install everything for working on it, into .venv
# make test    run the tests
# make check   style, types, borders between the parts, then the tests
# make bench   measure it; bench-discord and bench-slack: how soon commands are acknowledged;
#              bench-engine: very many jobs in flight; bench-pacing: when to look next, simulated;
#              bench-policy: what each server's rules add to a submission
# make prove   break everything, at length; make prove-short: a little of it
# make test-long  the tests that take long
# make format  bring the code into its style

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install
PYTHONS := python3.13 python3.12 python3.11 python3
CODE := bot adapters tests benchmarks

# Tests wait more than they compute: twice as many as there are processors.
AT_ONCE := --numprocesses $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 2) --dist loadfile

.PHONY: demo setup test test-long check bench bench-discord bench-slack bench-engine bench-pacing bench-policy prove prove-short format

demo: $(VENV)/.runtime
	@$(BIN)/threadreel demo

setup: $(VENV)/.dev

test: $(VENV)/.dev
	$(BIN)/pytest $(AT_ONCE)

check: $(VENV)/.dev
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(AT_ONCE)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.run

bench-slack: $(VENV)/.dev
	$(BIN)/python -m benchmarks.slack

bench-discord: $(VENV)/.dev
	$(BIN)/python -m benchmarks.discord

bench-pacing: $(VENV)/.dev
	$(BIN)/python -m benchmarks.pacing

bench-policy: $(VENV)/.dev
	$(BIN)/python -m benchmarks.policy

bench-engine: $(VENV)/.dev
	$(BIN)/python -m benchmarks.engine

test-long: $(VENV)/.dev
	$(BIN)/pytest $(AT_ONCE) -m long

KILLS := 2000
JOBS := 10000
SECONDS := 1800

prove: $(VENV)/.dev
	$(BIN)/python -m tests.prove crash --kills $(KILLS) --jobs $(JOBS)
	$(BIN)/python -m tests.prove soak --seconds $(SECONDS)

prove-short: $(VENV)/.dev
	$(BIN)/pytest tests/prove/test_crash.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

# Only what running needs, so that the demo starts soon.
$(VENV)/.runtime: requirements.txt requirements-build.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Threadreel needs into $(VENV) ..."
	@$(PIP) --require-hashes -r requirements.txt -r requirements-build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing what working on it needs into $(VENV) ..."
	@$(PIP) --require-hashes -r requirements-dev.txt
	@touch $@

# A candidate must really run: shims of version managers stand for Pythons that aren't there.
$(BIN)/python:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    exec $$python -m venv --clear $(VENV); \
	  fi; \
	done; \
	echo "Threadreel needs Python 3.11 or newer with its venv module (Debian: apt install python3-venv)." >&2; \
	exit 1
