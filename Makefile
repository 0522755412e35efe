# Everything happens in a virtual environment of its own; the system's Python is only asked to make it.
PYTHON ?= python3
VENV ?= .venv
# More arguments for pip, e.g. --extra-index-url https://download.pytorch.org/whl/cpu for the small CPU build.
PIP_ARGS ?=
PYTEST_ARGS ?=
# Test files run side by side; the frameworks use more than one core themselves, so no more than this.
WORKERS ?= 2

BIN = $(VENV)/bin
# Frameworks for the smoke training; on a GPU machine e.g. FRAMEWORKS=torch
FRAMEWORKS ?= torch,tf
RECOMMEND = $(if $(filter torch,$(FRAMEWORKS)),torch,$(if $(filter tf,$(FRAMEWORKS)),tf,all))

GPU_RUNNER ?= $(BIN)/python
GPU_PYTHON ?= $(GPU_RUNNER)
GPU_NEEDS = $(if $(filter $(BIN)/python,$(GPU_RUNNER)),$(VENV)/.installed-gpu)

.PHONY: smoke test test-all test-gpu lint schemas man pages docs refresh clean

smoke: $(VENV)/.installed-smoke
	@echo; echo "== gpucheck doctor"
	@status=0; $(BIN)/gpucheck doctor || status=$$?; \
	echo; echo "== gpucheck smoke"; $(BIN)/gpucheck smoke || status=$$?; exit $$status

test: $(VENV)/.installed-test lint
	$(BIN)/python -m pytest -m "not slow and not gpu" -n $(WORKERS) --dist loadfile --cov --cov-report=term $(PYTEST_ARGS)

test-all: $(VENV)/.installed-test $(VENV)/.installed-docs lint
	$(BIN)/python -m pytest -m "not gpu" $(PYTEST_ARGS)

# On a machine with a GPU: make test-gpu GPU_PYTHON=/path/of/the/python/that/has/the/frameworks
# Without network: also GPU_RUNNER=/path/of/a/python/that/has/pytest/and/our/dependencies
test-gpu: $(GPU_NEEDS)
	PYTHONPATH=. GPU_PYTHON="$(GPU_PYTHON)" $(GPU_RUNNER) -m pytest -m gpu tests/gpu -rA $(PYTEST_ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/schemas.py --check
	$(BIN)/python tools/pages.py --check
	$(BIN)/python tools/manpage.py --check

schemas: $(VENV)/.installed-test
	$(BIN)/python tools/schemas.py

# docs/gpucheck.1 from the commands' own help; read it with: man -l docs/gpucheck.1
man: $(VENV)/.installed-test
	$(BIN)/python tools/manpage.py

# The pages in docs/matrix/ from the rows.
pages: $(VENV)/.installed-test
	$(BIN)/python tools/pages.py

# The documentation site, into site/; look at it with: .venv/bin/python -m http.server -d site
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Read the package index and its wheels again; needs the network.
refresh: $(VENV)/.installed-test
	$(BIN)/gpucheck matrix refresh --all --write matrix
	$(BIN)/python tools/pages.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# What `gpucheck recommend` says for this machine; where that index cannot be reached, or where arguments for pip
# are given, the versions of constraints.txt.
$(VENV)/.installed-smoke: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@echo; echo "== gpucheck recommend"; $(BIN)/gpucheck recommend --framework $(RECOMMEND) || true
	@echo; { test -z "$(PIP_ARGS)" && $(BIN)/python tools/install_recommended.py $(RECOMMEND); } || { \
		echo "installing the versions of constraints.txt"; \
		$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(FRAMEWORKS)]' $(PIP_ARGS); }
	@touch $@

$(VENV)/.installed-test: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[torch,tf,test]' $(PIP_ARGS)
	@touch $@

$(VENV)/.installed-docs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]' $(PIP_ARGS)
	@touch $@

$(VENV)/.installed-gpu: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]' $(PIP_ARGS)
	@touch $@

clean:
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
