# make demo    try it: a page, and a sandbox that draws with this machine's CPU
# make setup   install everything for working on it, into .venv
# make test    run the tests
# make check   style, types, borders between the parts, then the tests
# make bench   measure it
# make bench-discord  how soon commands on Discord are acknowledged, and what memory stays
# make format  bring the code into its style

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install
PYTHONS := python3.13 python3.12 python3.11 python3
CODE := bot adapters tests benchmarks

.PHONY: demo setup test check bench bench-discord format

demo: $(VENV)/.runtime
	@$(BIN)/threadreel demo

setup: $(VENV)/.dev

test: $(VENV)/.dev
	$(BIN)/pytest --numprocesses auto --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --numprocesses auto --dist loadfile

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.run

bench-discord: $(VENV)/.dev
	$(BIN)/python -m benchmarks.discord

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
