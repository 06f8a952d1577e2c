# `make` lists the targets. Everything installs into .venv, with nothing but Python 3.11+, gcc and pip on the machine.
# Where the default package index gives torch with CUDA, an index of CPU builds saves gigabytes: PIP_EXTRA_INDEX_URL=URL make setup

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
IMAGE ?= dltools
TORCH_INDEX ?=

# One thread a process: the workers of a test run share the cores, and sums come out the same everywhere.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint style types floors format bench wheel image clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv and install dltools with its development tools (once; again when a dependency changes)

demo: setup ## Set up if need be, then train the demo: a few minutes on a CPU
	$(BIN)/python -m dltools.train experiment=demo

test: setup ## Set up if need be, then run the fast tests
	$(PYTEST) -n 2 -m "not slow" $(PYTEST_ARGS)

test-slow: setup ## Run the slow tests: real trainings, sweeps, the installed wheel
	$(PYTEST) -n 2 -m slow --timeout 900 $(PYTEST_ARGS)

lint: style types floors ## Check style, types and the floors of the house

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

floors: setup
	$(BIN)/lint-imports --no-logo

format: setup ## Repair style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-bench ## Measure dltools beside its peers
	$(BIN)/python -m benchmarks

wheel: setup ## Build the source archive and the wheel into dist/
	$(BIN)/python -m build --no-isolation --outdir dist .

image: ## Build the container image; TORCH_INDEX=URL takes torch from an index of its CPU or CUDA builds
	docker build --build-arg TORCH_INDEX=$(TORCH_INDEX) --tag $(IMAGE) .

clean: ## Remove what was built and cached; runs and .venv stay
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "The pinned versions need Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@echo "Installing dltools and its dependencies into $(VENV): a few minutes the first time"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/.installed-bench: $(STAMP)
	@echo "Installing the peers to measure beside"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	@touch $@
