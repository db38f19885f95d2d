# Two commands: `make run` does the main job, `make test` runs all checks. Both create the environment they need in .venv.
# On Linux without a GPU: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make run
# Longer checks: `make fuzz` (CASES damaged inputs from number FIRST on), `make kills` (KILLS killed processes of each task),
# `make replays` (50 runs replayed with other numbers of threads), `make slips` (small faults that tests must catch),
# `make lowest` (the tests with the lowest versions that pyproject.toml allows, in .venv-lowest; several GB).

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
CASES ?= 100000
FIRST ?= 20000
KILLS ?= 100
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test lint types unit slips fuzz kills replays lowest clean

run: $(VENV)/.installed
	$(BIN)/candlecast run

test: lint types unit

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check src tests bench examples
	$(BIN)/ruff check src tests bench examples

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
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $< --editable '.[test]'
	$(LOWEST)/bin/python -m pytest --numprocesses auto

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[exchanges,yahoo]'
	touch $@

$(VENV)/.installed-test: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[test]'
	touch $@ $(VENV)/.installed

# Small faults in copies of the source, each with the tests that must fail; takes about an hour, and is no part of `test`.
slips: $(VENV)/.installed-test
	$(BIN)/python -m tests.slips --jobs 2

clean:
	rm -rf $(VENV) $(LOWEST)
