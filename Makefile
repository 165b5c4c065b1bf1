# Everything a newcomer runs. Needs Python 3.11 or newer and make; nothing else.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
WORKERS ?= 2

.PHONY: help setup demo test lint types layers unit bench lock clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(STAMP)  ## make .venv with .venv/bin/graft

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python must be 3.11 or newer. Got %d.%d. Run: make PYTHON=python3.12 setup" % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $(STAMP)

demo: setup  ## the main job on real data that comes with scikit-learn
	$(BIN)/graft demo

test: setup lint types layers unit  ## all that must be green

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports --no-logo

# Tests start Python hundreds of times: what it compiles is kept, even where the environment says otherwise.
unit: setup
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS)

bench: setup  ## print the tables of speed, memory and accuracy (long)
	$(BIN)/python -m benchmarks

lock: $(BIN)/uv  ## pin what is known to work, for every platform, without index addresses
	$(BIN)/uv pip compile pyproject.toml --group dev --extra onnx --extra audio --extra video --extra serve --extra compress \
	  --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-annotate --no-header --upgrade --output-file requirements.lock

clean:  ## remove what was installed
	rm -rf .venv
