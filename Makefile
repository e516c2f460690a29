# `make quickstart` and `make test` need only git, make and Python >= 3.11 (PYTHON=…).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: quickstart sweep test check install clean

quickstart: $(VENV)/.runtime
	$(BIN)/python scripts/quickstart.py

sweep: $(VENV)/.sweeps
	$(BIN)/python scripts/sweep.py --sweep=configs/sweeps/lenet_digits.py --workers=2

test: $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

install: $(VENV)/.runtime

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python >= 3.11 is needed; name it: make PYTHON=python3.12 …"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --editable . --constraint constraints.txt
	@touch $@

$(VENV)/.sweeps: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[sweeps]' --constraint constraints.txt
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[test]' --constraint constraints.txt
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
