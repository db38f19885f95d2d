# Two commands: `make run` does the main job, `make test` runs all checks. Both create the environment they need in .venv.
# On Linux without a GPU: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make run
# `make docs` builds the site in build/site, `make dist` the wheel and the source archive.
# Longer checks: `make fuzz` (CASES damaged inputs from number FIRST on), `make kills` (KILLS killed processes of each task),
# `make replays` (50 runs replayed with other numbers of threads), `make slips` (small faults that tests must catch),
# `make lowest` (the tests with the lowest versions that pyproject.toml allows, in .venv-lowest; several GB).

# The newest Python from 3.11 to 3.14 that runs and can make environments; PYTHON=... names another.
SUPPORTED := 3.14 3.13 3.12 3.11
IS_USABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for name in $(addprefix python,$(SUPPORTED)) python3 python; do \
	if $$name -c '$(IS_USABLE)' >/dev/null 2>&1; then echo $$name; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
CASES ?= 100000
FIRST ?= 4000
KILLS ?= 100
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Tests start hundreds of processes, each of which would otherwise compile the modules that it imports.
unexport PYTHONDONTWRITEBYTECODE

define require-python
	@if [ -z "$(PYTHON)" ]; then \
	  echo "There is no Python from 3.11 to 3.14 with venv and ensurepip here. Install one:"; \
	  echo "  Debian, Ubuntu   sudo apt install python3 python3-venv"; \
	  echo "  Fedora           sudo dnf install python3"; \
	  echo "  macOS            brew install python@3.13"; \
	  echo "  Windows          winget install Python.Python.3.13"; \
	  echo "  anywhere         uv python install 3.13, then make PYTHON=\"\$$(uv python find 3.13)\" run"; \
	  exit 1; \
	fi
endef

.PHONY: run test lint types unit slips fuzz kills replays lowest docs dist python clean

run: $(VENV)/.installed
	$(BIN)/candlecast run

# Types are checked while the tests run: pyright uses one core.
test: lint
	$(MAKE) --no-print-directory --jobs 2 types unit

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check src tests bench examples tools
	$(BIN)/ruff check src tests bench examples tools

types: $(VENV)/.installed-test
	$(BIN)/pyright

unit: $(VENV)/.installed-test
	$(BIN)/pytest --numprocesses auto

fuzz: $(VENV)/.installed-test
	CANDLECAST_FUZZ=$(CASES) CANDLECAST_FUZZ_FIRST=$(FIRST) $(BIN)/pytest --numprocesses auto -o timeout=0 tests/fuzz

kills: $(VENV)/.installed-test
	CANDLECAST_KILLS=$(KILLS) $(BIN)/pytest --numprocesses auto -o timeout=0 tests/kills

replays: $(VENV)/.installed-test
	$(BIN)/python bench/replays.py

lowest: constraints-lowest.txt pyproject.toml
	$(require-python)
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $< --editable '.[test]'
	$(LOWEST)/bin/python -m pytest --numprocesses auto

$(BIN)/python:
	$(require-python)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[exchanges,yahoo]'
	touch $@

# pip compiles on one core; here all cores do, before tests make errors of warnings, and without the tests of libraries.
$(VENV)/.installed-test: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --no-compile --editable '.[test]'
	$(BIN)/python -m compileall -qq -j 0 -x '/tests/' $(VENV)/lib || true  # some modules are for a later Python
	touch $@ $(VENV)/.installed

docs: $(VENV)/.installed-test
	PYTHONPATH=tools $(BIN)/zensical build --clean --strict

# The wheel and the source archive, in dist, without a network.
dist: $(VENV)/.installed-test
	rm -rf dist
	$(BIN)/python -m build --no-isolation

# Which Python the environment is made with.
python:
	$(require-python)
	@echo $(PYTHON)

# Small faults in copies of the source, each with the tests that must fail; takes about an hour, and is no part of `test`.
slips: $(VENV)/.installed-test
	$(BIN)/python -m tests.slips --jobs 2

clean:
	rm -rf $(VENV) $(LOWEST)
