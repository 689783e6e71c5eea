# The two commands of a newcomer: `make demo` and `make test`. Both need a python3 (3.10-3.13) on
# the PATH and nothing else; what they install goes into .venv, what they write into .run.

PYTHON ?= python3
CREATORS ?= 2000
PROJECTS ?= 3000
RUN_DIR ?= .run/demo

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := $(BIN)/python -m sandbox.demo --creators $(CREATORS) --projects $(PROJECTS) --run-dir $(RUN_DIR)

.PHONY: demo up cluster test unit lint audit matrix bench mutants lock clean

demo: $(READY)  ## a real run on generated data, shown as it goes; stops everything
	@$(DEMO)

up: $(READY)  ## the same, and leaves the Airflow UI running until Ctrl-C
	@$(DEMO) --stay

cluster: $(READY)  ## the demo on two Celery workers; KILL=1 kills one of them midway
	@$(BIN)/python -m sandbox.cluster_demo --creators $(CREATORS) --projects $(PROJECTS) $(if $(KILL),--kill)

test: $(READY)  ## all tests; no service has to be started by hand
	@$(BIN)/python -m pytest

unit: $(READY)  ## the tests that need no Airflow and no server: seconds
	@$(BIN)/python -m pytest tests/unit

lint: $(READY)  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy plugins sandbox bench

audit: $(READY)  ## known vulnerabilities in what is pinned
	@$(BIN)/python -m sandbox.audit

matrix:  ## tests on the lowest supported Airflow and Python, and on the newest; TESTS= to choose
	@PYTHON="$(PYTHON)" sh sandbox/matrix.sh $(TESTS)

bench: $(READY)  ## the figures of docs/performance.md, and what follows from them in docs/scaling.md
	@$(BIN)/python -m bench; status=$$?; $(BIN)/python -m bench.scaling_table && exit $$status

mutants: $(READY)  ## make ledger and chunking wrong, place by place: do the tests notice?
	@$(BIN)/python -m bench.mutants

lock:  ## renew constraints.txt and constraints-lowest.txt
	@PYTHON="$(PYTHON)" sh sandbox/lock.sh

clean:  ## remove the environment and everything that ran
	rm -rf $(VENV) .run

$(READY): requirements.txt requirements-dev.txt constraints.txt sandbox/environment.sh
	@PYTHON="$(PYTHON)" sh sandbox/environment.sh $(VENV)
	@touch $@
