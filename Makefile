# Two commands: `make run` does the main job, `make test` runs all checks. Both create the environment they need in .venv.
# On Linux without a GPU: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make run

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test lint types unit clean

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

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[exchanges,yahoo]'
	touch $@

$(VENV)/.installed-test: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[test]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV)
