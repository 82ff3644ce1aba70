# `make course` runs the notebooks, `make test` runs the tests, `make lint` checks the style. All set up what they need.
SHELL := /bin/sh
PYTHON ?= python3
# Another environment: make VENV=.venv-3.12 PYTHON=python3.12 test
VENV ?= .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help course test lint lab site checkpoints data test-fuzz test-browser test-gpu test-encoders test-hosted \
  test-notebooks notebooks test-all outputs lock clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 16

course: data  ## Set up, then run every notebook headless into runs/course, with a table at the end
	@"$(BIN)/mars" course

# Two processes of one thread each: no more, so that the tests pass on a small machine.
WORKERS ?= $(shell [ "$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)" -lt 2 ] && echo 0 || echo 2)

test: $(VENV)/ready  ## Set up, then run all tests, notebooks included
	"$(BIN)/python" -m pytest -n $(WORKERS) --dist loadfile

lint: $(VENV)/ready  ## Check style, formatting, types and spelling: ruff, mypy and codespell
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"
	"$(BIN)/codespell"

lab: $(VENV)/ready  ## Set up, then open JupyterLab on the first notebook
	"$(BIN)/jupyter" lab notebooks/00_hear_a_separation.ipynb

site: $(VENV)/ready  ## Write the executed notebooks and all texts as HTML pages that need no network, into runs/site
	@"$(BIN)/mars" site

checkpoints: $(VENV)/ready  ## Make every pretrained checkpoint again from nothing (most of a day on two cores)
	"$(BIN)/mars" checkpoints

data: $(VENV)/ready  ## Check the soundfonts and say what each split holds
	@"$(BIN)/mars" data prepare

test-fuzz: $(VENV)/ready  ## Give every reader of files thousands of damaged ones (minutes)
	"$(BIN)/python" -m pytest tests/test_fuzz.py -m fuzz

test-browser: $(VENV)/ready  ## Try the widgets in JupyterLab in a headless Chromium (MARS_CHROMIUM or on PATH)
	"$(BIN)/python" -m pytest tests/browser --override-ini="addopts=-q --import-mode=importlib" --override-ini="norecursedirs="

test-gpu: $(VENV)/ready  ## Test training, evaluation, notebooks and benchmark on the cards here (CUDA or MPS), then time them
	"$(BIN)/python" -m pytest tests/gpu -n logical --maxprocesses 4 --override-ini="addopts=-q -rs --import-mode=importlib" --override-ini="norecursedirs="
	@! "$(BIN)/python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || "$(BIN)/python" benchmarks/card.py

test-encoders: $(VENV)/encoders  ## Test PE-AV, CLAP and ImageBind's input with their packages, run notebooks with ImageBind (network, 100 MB)
	"$(BIN)/python" -m pytest -m "not slow and not fuzz" tests/encoders tests/evaluation/test_clap.py tests/notebooks/test_reward_encoder.py

test-hosted: $(VENV)/ready  ## Try the set-up cell among a hosted notebook's own versions (network, Python 3.13, 5 GB)
	MARS_HOSTED_PYTHON="$${MARS_HOSTED_PYTHON:-$(or $(call python-of,3.13),python3.13)}" "$(BIN)/python" -m pytest tests/hosted --override-ini="addopts=-q -rs --import-mode=importlib" --override-ini="norecursedirs="

# A Python of a version: on PATH, or of pyenv. A command of pyenv's on PATH may lead nowhere, so each is tried.
python-of = $(shell for each in python$(1) "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$(1).*/bin/python; do "$$each" -c "" 2>/dev/null && { echo "$$each"; break; }; done)
PYTHONS ?= 3.11 3.12 3.13

test-notebooks: $(PYTHONS:%=test-notebooks-%)  ## Run the notebooks by papermill and by nbclient on every Python that is here (5 GB each)

test-notebooks-%:
	@python="$(call python-of,$*)"; if [ -z "$$python" ]; then echo "Python $* is not here: no notebook is run on it"; \
	  else $(MAKE) --no-print-directory VENV=.venv-$* PYTHON="$$python" notebooks; fi

notebooks: $(VENV)/ready
	"$(BIN)/python" --version
	"$(BIN)/python" -m pytest tests/notebooks -n $(WORKERS) --dist loadfile -m "not encoders"

test-all: lint test test-encoders test-browser test-fuzz test-hosted test-notebooks  ## All of these but test-gpu, one after the other (hours, 20 GB, network)

outputs: $(VENV)/ready  ## Execute the notebooks and keep their outputs in the repository
	"$(BIN)/python" -m mars_lib.course.outputs

# A complete, hashed lock is installed without its dependencies' own wishes; uv is quicker, pip does as well.
INSTALL = $(if $(shell command -v uv 2>/dev/null),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check) --no-deps

$(VENV)/ready: requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); sys.exit(0 if ok else "Python 3.11 to 3.13 is needed, this is %d.%d: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@echo "setting up $(VENV): about 5 GB, a minute with uv, several with pip"
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python "$$("$(PYTHON)" -c 'import sys; print(sys.executable)')" "$(VENV)"; \
	else \
	  "$(PYTHON)" -m venv "$(VENV)" || { echo "the venv module is missing: install python3-venv" >&2; exit 1; }; \
	fi
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-build-isolation -e .
	@touch $@

$(VENV)/encoders: $(VENV)/ready encoders.lock
	@$(INSTALL) --require-hashes -r encoders.lock
	@touch $@

COMPILE = uv pip compile --universal --generate-hashes --no-header --no-annotate -q

lock:  ## Make requirements.lock and encoders.lock again from pyproject.toml and *.in (needs uv); UPGRADE=--upgrade moves pins
	@cp requirements.lock .lock-packages && cp requirements.lock .lock-bare
	@$(COMPILE) $(UPGRADE) pyproject.toml --extra dev --extra browser --python-version 3.11 -o .lock-packages
	@$(COMPILE) $(UPGRADE) soundfonts.in imagebind.in trunks.in --no-deps -o .lock-bare
	@cat .lock-packages .lock-bare > requirements.lock && rm .lock-packages .lock-bare
	@$(COMPILE) $(UPGRADE) encoders.in --no-deps -c requirements.lock --python-version 3.11 -o encoders.lock

clean:  ## Remove the environments and all runs
	rm -rf .venv .venv-* runs
