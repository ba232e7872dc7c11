# Two commands: make demo, make test. Both create .venv and install what they use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA ?= $(or $(MATSEEK_DATA),../shared/data)

.PHONY: install demo test attack mutants lint format notebooks benchmark-tables docs links claims clean

install: $(STAMP)

# torch first and alone: a bare dependency on it would pull the newest build with gigabytes of CUDA libraries.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "matseek needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[postgres,parquet,dask,mace,chgnet,soap,desk,explore]" --group test --group lint --group benchmark --group notebooks --group docs
	touch $@

demo: install
	$(BIN)/matseek demo

test: install
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

# Long attacks, which a release runs: hours on two cores. Each writes benchmarks/results/*.json.
attack: install
	$(BIN)/python -W ignore -m benchmarks.kernels
	$(BIN)/python -W ignore -m benchmarks.killing
	$(BIN)/python -W ignore -m benchmarks.killing --server
	$(BIN)/python -W ignore -m benchmarks.killing_desk
	MATSEEK_ROUND_TRIPS=3000 $(BIN)/python -m pytest tests/results/test_round_trip.py
	$(BIN)/python -W ignore -m benchmarks.gp_scaling
	$(BIN)/python -m benchmarks.fuzz
	$(BIN)/python -W ignore -m benchmarks.attack_executors
	$(BIN)/python -m benchmarks.resume

# Changes forty lines of a copy of the package, one at a time, and runs the tests that should notice.
mutants: install
	$(BIN)/python -m benchmarks.mutants

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Executes every notebook anew, in its full setting, and keeps the outputs: about an hour on two cores.
notebooks: install
	$(BIN)/python -m scripts.notebooks notebooks/*.ipynb

# Writes the tables of docs/ from benchmarks/results/*.json.
benchmark-tables: install
	$(BIN)/python -m benchmarks.tables

# The site, in docs/_build/html. A warning is an error, and so is a link within it that leads nowhere.
docs: install
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --jobs auto docs docs/_build/html
	$(BIN)/python -m scripts.links docs/_build/html

# Asks every address outside the site whether it is still there; needs the internet.
links: install
	$(BIN)/python -m sphinx --builder linkcheck --jobs auto docs docs/_build/links

# Measures ten figures of the documentation again, drawn at random, and tells which are not as they are written.
claims: install
	$(BIN)/python -W ignore -m benchmarks.claims

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build docs/_build
