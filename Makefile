# The house's chores. A fresh machine needs Python 3.11 (to 3.13) with venv, and make.
#
#   make run       install, then start the demonstration city
#   make test      all tests, on SQLite and again on PostgreSQL
#   make check     style, types, import contracts, migrations, translations, documentation
#   make bench     the benchmarks; SCALE=0.01 for a hundredth of the size, CHECK=--check for correctness alone
#   make lock      resolve the dependencies anew into the lock files
#   make messages  gather the words to translate into the .po files
#   make docs      write the reference pages and build the documentation into docs/_build
#   make clean     delete what was made, the environment included; data folders stay

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := run

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
JOBS ?= 2
SCALE ?= 1
CHECK ?=
TESTS ?=
RUN_OPTIONS ?=

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --quiet --disable-pip-version-check
# Django's checks want a data folder; they write nothing that lasts.
SCRATCH := $(VENV)/scratch
WITH_SCRATCH := mkdir -p $(SCRATCH); export QALA_DATA_DIR=$(SCRATCH) DJANGO_SETTINGS_MODULE=qala.site.settings;

.PHONY: run install test check lint types contracts migrations translations bench lock messages docs clean

run: install
	$(BIN)/qala up --demo $(RUN_OPTIONS)

install: $(VENV)/.packages $(VENV)/.qala

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed and was not found; name one with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), f"Python 3.11 to 3.13 is needed, not {sys.version}"'
	$(PYTHON) -m venv $(VENV)
	touch $@

# uv, checked by its hash, installs the rest in seconds; where it can't reach a registry that pip can, pip does
$(VENV)/.packages: requirements.lock requirements-uv.lock | $(VENV)/.created
	$(PIP) install --require-hashes -r requirements-uv.lock
	$(BIN)/uv pip sync --quiet --require-hashes --python $(PY) requirements.lock \
	  || $(PIP) install --require-hashes -r requirements.lock
	touch $@

$(VENV)/.qala: pyproject.toml $(VENV)/.packages
	$(PIP) install --no-deps --no-index --no-build-isolation --editable .
	touch $@

test: install
	$(PY) -m pytest -n $(JOBS) $(TESTS)
	QALA_TEST_DATABASE=postgresql $(PY) -m pytest -n $(JOBS) $(TESTS)

check: lint types contracts migrations translations
	$(WITH_SCRATCH) $(PY) tools/docs_reference.py --check
	$(WITH_SCRATCH) $(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(WITH_SCRATCH) $(BIN)/mypy

contracts: install
	$(BIN)/lint-imports

migrations: install
	$(WITH_SCRATCH) $(PY) -W ignore::RuntimeWarning -m django makemigrations --check --dry-run

translations: install
	$(PY) tools/messages.py check

bench: install
	$(PY) benchmarks/report.py --scale $(SCALE) $(CHECK)

lock: install
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra docs --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements.lock
	echo uv | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements-uv.lock

messages: install
	$(PY) tools/messages.py extract

docs: install
	$(WITH_SCRATCH) $(PY) tools/docs_reference.py
	$(WITH_SCRATCH) $(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html

clean:
	rm -rf $(VENV) docs/_build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find qala tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	find qala -name '*.mo' -delete
