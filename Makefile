# make fuzz    the main job: programs against every world that runs here, for about 45 seconds
# make test    everything that a change must pass (.ci/run runs the same)
# make hunt    a long fuzz: make hunt SECONDS_HUNT=3600
# make bench   each figure beside its peer
# make coverage  branch coverage of model/ by the property tests alone
# make mutation  mutation score of model/ on a sample: make mutation SAMPLE=300 SEED=1
# make demo    a planted bug found, shrunk, explained, and a page of it to look at
# make libevent-coverage SECONDS_COVERAGE=3600  branches of libevent that duopoll reaches
# make libevent-mended  libevent with a mend for each finding, to tell a failure's cause
# make lint    format, lint, types, import contracts
# make clean   removes what the above made here
#
# PYTHON chooses the interpreter (3.11 or later): make test PYTHON=python3.13

PYTHON ?= python3
SECONDS_FUZZ ?= 45
SECONDS_HUNT ?= 1800
SECONDS_COVERAGE ?= 600
JOBS ?= 2
SAMPLE ?= 300
SEED ?= 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo fuzz test hunt coverage mutation libevent-coverage libevent-mended bench bench-json lint format
.PHONY: pins readme picture clean system wine

ifneq ($(filter-out help clean,$(or $(MAKECMDGOALS),help)),)
MINOR := $(shell $(PYTHON) -c 'import sys; v = sys.version_info; print(f"{v[0]}.{v[1]}" if v >= (3, 11) else "")' 2>/dev/null)
ifeq ($(MINOR),)
$(error PYTHON=$(PYTHON) is not a Python 3.11 or later: choose another with make PYTHON=/path/to/python3.11)
endif
endif

VENV := .venv-$(MINOR)
BIN := $(VENV)/bin
CORE := $(VENV)/.core
DEV := $(VENV)/.dev
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -n 13

# Two stamps: a first `make fuzz` need not fetch the tools of the tests.
$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) has no working venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }

$(CORE): pyproject.toml | $(BIN)/python
	@echo "installing the project into $(VENV)"
	@$(PIP) install --editable .
	@touch $@

$(DEV): pyproject.toml | $(BIN)/python
	@echo "installing the project and its tools into $(VENV)"
	@$(PIP) install --editable '.[dev]'
	@touch $(CORE) $@

fuzz: $(CORE)
	@$(BIN)/duopoll worlds
	@$(BIN)/duopoll fuzz --seconds $(SECONDS_FUZZ)

demo: $(CORE)
	@$(BIN)/duopoll demo

hunt: $(CORE)
	@$(BIN)/duopoll worlds
	@$(BIN)/duopoll fuzz --seconds $(SECONDS_HUNT)
	@$(BIN)/duopoll conform --runs 2000

system:
	@scripts/system-packages.sh

# Makes the Windows interpreter once, in a cache folder; without Wine the iocp world is missing.
wine: $(CORE) | system
	@$(BIN)/duopoll setup-wine || [ "$$CI" != true ]

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict --platform linux
	$(BIN)/mypy --strict --platform win32
	PYTHONPATH=. $(BIN)/lint-imports --no-cache

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# pytest comes last: its summary ends the output.
test: $(DEV) wine lint
	$(BIN)/python -m pytest -q -n $(JOBS) --hypothesis-profile=ci

coverage: $(DEV) wine
	$(BIN)/python -m pytest -q -n $(JOBS) -m hypothesis --hypothesis-profile=ci --cov \
	  --cov-report=term-missing:skip-covered --cov-report=json:.cache/coverage.json tests
	@$(BIN)/python scripts/branch_coverage.py .cache/coverage.json

$(VENV)/.mutation: pyproject.toml | $(BIN)/python
	@$(PIP) install --editable '.[mutation]'
	@touch $(CORE) $(DEV) $@

mutation: $(VENV)/.mutation
	@$(BIN)/python scripts/mutation_score.py --sample $(SAMPLE) --seed $(SEED) --jobs $(JOBS)

# Builds it with a mend for each finding; MENDED=--regress runs libevent's own tests on it.
libevent-mended: $(CORE)
	@scripts/system-packages.sh dpkg-dev gcc libc6-dev libssl-dev make zlib1g-dev
	@$(BIN)/python scripts/libevent_mended.py --jobs $(JOBS) $(MENDED)

# Builds the distribution's libevent with counters, outside of the checkout's tracked files.
libevent-coverage: $(CORE)
	@scripts/system-packages.sh dpkg-dev gcc libc6-dev libssl-dev make zlib1g-dev
	@$(BIN)/python scripts/libevent_coverage.py --seconds $(SECONDS_COVERAGE) --jobs $(JOBS)

bench: $(DEV) wine
	@$(BIN)/python -m bench

bench-json: $(DEV) wine
	@$(BIN)/python -m bench --json

# Writes down what the pinned runs come to now (tests/pins.py): a change that is meant.
pins: $(DEV)
	@PYTHONPATH=. $(BIN)/python scripts/pin_runs.py

# Renews the failing run on the first screen of the README.
readme: $(CORE)
	@$(BIN)/python scripts/readme_run.py

# Renews the picture of a failure's page.
picture: $(CORE) | system
	@$(BIN)/python scripts/failure_picture.py

clean:
	rm -rf .venv-* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache .cache/bench demo
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
