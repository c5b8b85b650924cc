# `make demo` and `make test` work in a fresh clone with Python 3.11+, pip and make; nothing else is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ISOGLOT := $(BIN)/isoglot

.PHONY: venv demo test clean

venv: $(VENV)/installed

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]'
	touch $@

# Audit, align twice, audit again, compare. A second run reuses models and vectors.
demo: venv
	$(ISOGLOT) audit e5-small-q4 --data mini@test -o demo/base --quiet
	$(ISOGLOT) align e5-small-q4 --method center --data mini@train -o demo/models/center
	$(ISOGLOT) align e5-small-q4 --method jsd-nce --data mini@train -o demo/models/jsd-nce
	$(ISOGLOT) audit demo/models/center --data mini@test -o demo/center --quiet
	$(ISOGLOT) audit demo/models/jsd-nce --data mini@test -o demo/jsd-nce --quiet
	$(ISOGLOT) compare demo/base demo/center demo/jsd-nce -o demo

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

clean:
	rm -rf $(VENV) demo
