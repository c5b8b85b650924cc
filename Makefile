# `make demo` and `make test` work in a fresh clone with Python 3.11+, pip and make; nothing else is needed.
PYTHON ?= python3
WORKERS ?= 2
PIP_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
ISOGLOT := $(BIN)/isoglot
# A test file stays whole on one worker, since its tests share fixtures; tests/conftest.py puts the slowest files first.
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help venv demo lint format test test-fast coverage build smoke docs lock bench clean

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' $(MAKEFILE_LIST) | while read -r target text; do printf '%-10s %s\n' "$$target" "$$text"; done

venv: $(VENV)/installed ## Make .venv and install isoglot into it, editable

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[report,serve]'
	touch $@

$(VENV)/installed-dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_FLAGS) --editable '.[dev]'
	touch $(VENV)/installed $@

# Audit the model, index the documents, calibrate the model on them, audit that, with scaling too, and compare. A second run reuses vectors.
demo: venv ## Audit, calibrate, scale and compare on the bundled model and texts
	$(ISOGLOT) audit e5-small-q4 --data mini@demo -o demo/base --quiet
	$(ISOGLOT) index mini@demo -m e5-small-q4 --calibrate -o demo/index
	$(ISOGLOT) audit e5-small-q4 --data mini@demo --balance scaled -o demo/scaled --quiet
	$(ISOGLOT) audit demo/index/models/e5-small-q4+calibrated --data mini@demo -o demo/calibrated --quiet
	$(ISOGLOT) audit demo/index/models/e5-small-q4+calibrated --data mini@demo --balance scaled -o demo/both --quiet
	$(ISOGLOT) compare e5-small-q4=demo/base scaled=demo/scaled calibrated=demo/calibrated both=demo/both -o demo
	@echo
	@echo "Ask it yourself, both models side by side:  $(ISOGLOT) serve demo/index --audit demo/base --audit demo/calibrated"

lint: $(VENV)/installed-dev ## Check style, types, which room imports which, and the Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint deploy/Dockerfile

format: $(VENV)/installed-dev ## Put imports in order, mend what ruff can, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint ## Run every check and every test
	$(PYTEST)

test-fast: $(VENV)/installed-dev ## Run the tests that are quick and start neither Chromium nor other processes
	$(PYTEST) -m 'not slow and not browser and not process'

coverage: $(VENV)/installed-dev ## Run every test and list the lines that none of them reached
	$(PYTEST) --cov --cov-report=term-missing

build: $(VENV)/installed-dev ## Build wheel and sdist into dist/, and check both
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/python deploy/check_dist.py

smoke: build ## Install the wheel alone into a new environment and use it
	$(BIN)/python deploy/smoke.py dist/*.whl

# Offline. The variable silences a notice about MkDocs 2, which the pins keep out.
docs: $(VENV)/installed-dev ## Build the documentation's site into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock: $(VENV)/installed-dev ## Write the versions in .venv to requirements-dev.lock; after `make clean`, the newest ones
	{ sed -n '/^#/p' requirements-dev.lock; $(BIN)/python -m pip freeze --exclude-editable | sed '/ @ /d; s/+.*//'; } > $(VENV)/lock
	mv $(VENV)/lock requirements-dev.lock

# Every benchmark beside its peers; the records in benchmarks/results are what docs/results/performance.md is made from.
bench: $(VENV)/installed-dev ## Run every benchmark beside its peers
	$(BIN)/python -m benchmarks

clean: ## Remove .venv and what the demo made
	rm -rf $(VENV) demo dist site
