# What can be made; each sets up .venv by itself, with Python 3.11, 3.12 or 3.13 and nothing else.
#
#   make book      the page, in _build/html; once .venv is there, without any network
#   make pdf       its chapters as one PDF, _build/book.pdf, by Chromium
#   make setup     .venv alone
#   make test      style, types and tests
#   make figures   only the notebooks that something changed for; FORCE=1: all of them
#   make bench     speed, beside others; QUICK=1: in 3 minutes, and rougher
#   make lock      requirements.lock from pyproject.toml
#   make clean     removes what was built, not .venv

PYTHON ?= python3
PROFILES ?= phantom imagenet imagenet_sample photos photos_taught paper
FORCE ?=
QUICK ?=

VENV := .venv/bin
INSTALLED := .venv/.installed

export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.DEFAULT_GOAL := book
.PHONY: book pdf setup test figures bench lock clean

book: figures
	$(VENV)/itn explorer
	$(VENV)/jupyter-book build book -W -n --keep-going
	@echo "The page is at $(CURDIR)/_build/html/index.html"

pdf: figures
	$(VENV)/itn explorer
	$(VENV)/itn pdf

figures: $(INSTALLED)
	$(VENV)/itn figures $(addprefix --profile ,$(PROFILES)) $(if $(FORCE),--force)

setup: $(INSTALLED)

test: $(INSTALLED)
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy
	$(VENV)/pytest --numprocesses auto --dist loadfile

bench: $(INSTALLED)
	$(VENV)/python benchmarks/speed.py $(if $(QUICK),--quick)
	$(if $(QUICK),,$(VENV)/python benchmarks/transformers.py)

# Pins that still fit stay as they are; remove the file first to get the newest of everything.
lock: $(INSTALLED)
	$(VENV)/python -m pip install --quiet uv
	$(VENV)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	    --extra tensorflow --extra jax --extra openvino --extra cluster --extra efficientnet \
	    --extra book --extra test \
	    --output-file requirements.lock pyproject.toml

clean:
	rm -rf _build book/results results/.cache

# Debian's Python comes without what `venv` needs to install pip; its own pip can do it then.
$(INSTALLED): requirements.lock pyproject.toml $(wildcard book/explorer/package-lock.json)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	    echo "Python 3.11, 3.12 or 3.13 is needed, but $(PYTHON) is" \
	        "$$($(PYTHON) --version 2>&1 || true). Name another: make PYTHON=python3.12" >&2; \
	    exit 1; }
	test -x $(VENV)/pip || $(PYTHON) -m venv .venv \
	    || { $(PYTHON) -m venv --clear --without-pip .venv \
	    && $(PYTHON) -m pip --python $(VENV)/python install pip; }
	$(VENV)/python -m pip install --quiet --requirement requirements.lock
	$(VENV)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(VENV)/itn explorer --packages
	@touch $@
