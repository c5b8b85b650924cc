# `make demo` and `make test` work in a fresh clone with Python 3.11+, pip and make; nothing else is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ISOGLOT := $(BIN)/isoglot

.PHONY: venv demo test bench clean

venv: $(VENV)/installed

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[serve]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]'
	touch $@

# Audit the model as it is, align it, audit the result and the alignment that comes along, compare, index. A second run reuses vectors.
demo: venv
	$(ISOGLOT) audit e5-small-q4 --data mini@test -o demo/base --quiet
	$(ISOGLOT) align e5-small-q4 --method center --data mini@train -o demo/models/center
	$(ISOGLOT) audit demo/models/center --data mini@test -o demo/center --quiet
	$(ISOGLOT) audit e5-small-q4+aligned --data mini@test -o demo/aligned --quiet
	$(ISOGLOT) compare e5-small-q4=demo/base center=demo/center aligned=demo/aligned -o demo
	$(ISOGLOT) index mini@test -m e5-small-q4 -m e5-small-q4+aligned -o demo/index
	@echo
	@echo "Ask it yourself, both models side by side:  $(ISOGLOT) serve demo/index --audit demo/base --audit demo/aligned"

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

# Every benchmark beside its peers; the records in benchmarks/results are what docs/performance.md is made from.
bench: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) demo
