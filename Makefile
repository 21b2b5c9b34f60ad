# Everything happens in .venv; PYTHON picks the interpreter (3.11 or later), PIP_ARGS goes to every pip install.
PYTHON ?= python3
PIP_ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS)
# One thread per test process: on two cores, two processes with two threads each are slower.
# The tests of devices run on this one.
DLCLI_TEST_DEVICE ?= cpu
PYTEST := OMP_NUM_THREADS=1 DLCLI_TEST_DEVICE=$(DLCLI_TEST_DEVICE) $(BIN)/python -m pytest -n 2 --dist worksteal
QUICK := tests/support tests/specs tests/cli/test_flags.py tests/test_words.py tests/test_house.py

.PHONY: help demo check test lint bench completions docs site clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: .venv/.installed ## install, then attack an ensemble and find duplicate questions
	$(BIN)/dlcli attack --method fgsm --ensemble max
	$(BIN)/dlcli dedupe questions

test: .venv/.installed-dev ## install with dev, then run all tests
	$(PYTEST)

check: lint ## lint, and the quick tests: under two CPU minutes
	$(PYTEST) -m "not slow" $(QUICK)

lint: .venv/.installed-dev ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.installed-dev ## run the benchmarks one by one; nothing else should run on the machine
	set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done

completions: .venv/.installed-dev ## regenerate completions/
	$(BIN)/python completions/generate.py

docs: .venv/.installed-dev ## regenerate docs/cli.md, the manual pages and the transcripts of the README
	$(BIN)/python docs/generate.py

site: .venv/.installed-dev ## build the documentation site into the folder site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean: ## remove the virtual environment and all caches
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "no virtual environment could be made; on Debian: apt install python3-venv" >&2; exit 2; }

.venv/.installed: pyproject.toml | .venv/bin/python
	$(PIP) -e .
	@touch $@

.venv/.installed-dev: pyproject.toml | .venv/bin/python
	$(PIP) -e '.[dev]'
	@touch $@ .venv/.installed
